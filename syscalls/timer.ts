/** Interval timers, alarm, and POSIX timers. */
import { EAGAIN, EFAULT, EINVAL, EOPNOTSUPP } from '../src/abi/errno.ts';
import { SIGALRM, sigeventLayout } from '../src/abi/signal.ts';
import { i32, type Layout } from '../src/abi/struct.ts';
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  CLOCK_TAI,
  itimerspec32Layout,
  itimerspec64Layout,
  itimervalLayout,
  TIMER_ABSTIME,
  type Timespec,
  toNanoseconds,
  toTimespec,
  toTimeval,
} from '../src/abi/time.ts';
import type { Task } from '../src/kernel/task.ts';
import {
  ITIMER_PROF,
  ITIMER_REAL,
  PosixTimer,
  readTimer,
  SIGEV_NONE,
  SIGEV_SIGNAL,
  SIGEV_THREAD,
  SIGEV_THREAD_ID,
  setTimer,
} from '../src/kernel/timers.ts';
import {
  choice,
  inStruct,
  int,
  type Out,
  optionalIn,
  optionalOut,
  outStruct,
  syscall,
  uint,
} from '../src/syscall/index.ts';
import { clockId, monotonicTime, readClock, sleepFlags } from './time.ts';

const family = { class: 'time' } as const;
const BILLION = 1_000_000_000;

const toMicro = ({ sec, usec }: { sec: number; usec: number }) =>
  sec < 0 || usec < 0 || usec >= 1e6 ? Number.NaN : sec * BILLION + usec * 1000;

function timerValue(task: Task, which: number) {
  const { value, interval } = readTimer(task.group, which);
  return { interval: toTimeval(interval), value: toTimeval(value) };
}

const itimers = choice('which', { ITIMER_REAL, ITIMER_VIRTUAL: 1, ITIMER_PROF });
export const getitimer = syscall(
  105,
  'getitimer',
  [itimers, outStruct('curr_value', 'struct itimerval', itimervalLayout)],
  (task, which, out) => (which >>> 0 > ITIMER_PROF ? -EINVAL : out.write(timerValue(task, which))),
  family,
);
export const setitimer = syscall(
  104,
  'setitimer',
  [
    itimers,
    optionalIn('new_value', 'struct itimerval', itimervalLayout),
    optionalOut('old_value', 'struct itimerval', itimervalLayout),
  ],
  (task, which, setting, old) => {
    if (which >>> 0 > ITIMER_PROF) return -EINVAL;
    const value = setting === null ? 0 : toMicro(setting.value);
    const interval = setting === null ? 0 : toMicro(setting.interval);
    if (Number.isNaN(value) || Number.isNaN(interval)) return -EINVAL;
    const before = timerValue(task, which);
    setTimer(task.group, which, value, interval);
    return old.write(before);
  },
  family,
);
/** Answers the seconds that were left, never 0 for an alarm that was set. */
export const alarm = syscall(
  27,
  'alarm',
  [uint('seconds')],
  (task, seconds) => {
    const { value } = readTimer(task.group, ITIMER_REAL);
    setTimer(task.group, ITIMER_REAL, seconds * BILLION, 0);
    return value === 0 ? 0 : Math.max(1, Math.round(value / BILLION));
  },
  family,
);

const TIMER_CLOCKS = [
  CLOCK_REALTIME,
  CLOCK_MONOTONIC,
  CLOCK_BOOTTIME,
  CLOCK_REALTIME_ALARM,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_TAI,
];

export const timer_create = syscall(
  259,
  'timer_create',
  [clockId, optionalIn('sevp', 'struct sigevent', sigeventLayout), outStruct('timerid', 'timer_t', i32)],
  (task, clock, event, out) => {
    const { posixTimers } = task.group;
    if (!TIMER_CLOCKS.includes(clock)) return readClock(task, clock) === undefined ? -EINVAL : -EOPNOTSUPP;
    let id = 0;
    while (posixTimers.has(id)) id++;
    const wanted = event ?? { notify: SIGEV_SIGNAL, signo: SIGALRM, value: id, tid: 0 };
    const threadOnly = (wanted.notify & SIGEV_THREAD_ID) !== 0;
    if (![SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD, SIGEV_SIGNAL | SIGEV_THREAD_ID].includes(wanted.notify))
      return -EINVAL;
    if (wanted.notify !== SIGEV_NONE && (wanted.signo < 1 || wanted.signo > 64)) return -EINVAL;
    if (threadOnly && task.kernel.tasks.get(wanted.tid)?.group !== task.group) return -EINVAL;
    if (posixTimers.size >= 65536) return -EAGAIN;
    const timer = new PosixTimer(task.group, id, clock, { ...wanted, tid: threadOnly ? wanted.tid : 0 });
    if (out.write(id) < 0) return -EFAULT;
    posixTimers.set(id, timer);
    return 0;
  },
  { ...family, level: 'partial', note: 'timers on CPU-time clocks are EOPNOTSUPP' },
);

function timerSetting(task: Task, timer: PosixTimer) {
  const left = timer.next === 0 ? 0 : Math.max(1, timer.next - task.now());
  return { interval: toTimespec(timer.interval), value: toTimespec(left) };
}

type Setting = { interval: Timespec; value: Timespec };

function setPosixTimer(task: Task, id: number, bits: number, setting: Setting, old: Out<Setting>): number {
  const timer = task.group.posixTimers.get(id);
  if (timer === undefined) return -EINVAL;
  const value = toNanoseconds(setting.value);
  const interval = toNanoseconds(setting.interval);
  if (Number.isNaN(value) || Number.isNaN(interval)) return -EINVAL;
  const before = timerSetting(task, timer);
  const absolute = (bits & TIMER_ABSTIME) !== 0;
  const next = absolute ? Math.max(1, monotonicTime(task, timer.clock, value)) : task.now() + value;
  timer.arm(value === 0 ? 0 : next, interval);
  return old.write(before);
}

function getPosixTimer(task: Task, id: number, out: Out<Setting>): number {
  const timer = task.group.posixTimers.get(id);
  return timer === undefined ? -EINVAL : out.write(timerSetting(task, timer));
}

const timerId = int('timerid');
const settings = (kind: string, layout: Layout<Setting>) =>
  [timerId, sleepFlags, inStruct('new_value', kind, layout), optionalOut('old_value', kind, layout)] as const;

export const timer_settime = syscall(
  260,
  'timer_settime',
  settings('struct itimerspec', itimerspec32Layout),
  setPosixTimer,
  family,
);
export const timer_settime64 = syscall(
  409,
  'timer_settime64',
  settings('struct itimerspec64', itimerspec64Layout),
  setPosixTimer,
  family,
);
export const timer_gettime = syscall(
  261,
  'timer_gettime',
  [timerId, outStruct('curr_value', 'struct itimerspec', itimerspec32Layout)],
  getPosixTimer,
  family,
);
export const timer_gettime64 = syscall(
  408,
  'timer_gettime64',
  [timerId, outStruct('curr_value', 'struct itimerspec64', itimerspec64Layout)],
  getPosixTimer,
  family,
);
export const timer_getoverrun = syscall(
  262,
  'timer_getoverrun',
  [timerId],
  (task, id) => task.group.posixTimers.get(id)?.overrun ?? -EINVAL,
  family,
);
export const timer_delete = syscall(
  263,
  'timer_delete',
  [timerId],
  (task, id) => {
    const timer = task.group.posixTimers.get(id);
    if (timer === undefined) return -EINVAL;
    timer.arm(0, 0);
    task.group.posixTimers.delete(id);
    return 0;
  },
  family,
);
