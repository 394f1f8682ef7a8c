/** Clocks, sleeping, interval timers and POSIX timers. */
import { EAGAIN, EFAULT, EINVAL, EOPNOTSUPP, EPERM } from '../src/abi/errno.ts';
import { sigeventLayout } from '../src/abi/signal.ts';
import { i32, type Layout } from '../src/abi/struct.ts';
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_MONOTONIC_COARSE,
  CLOCK_MONOTONIC_RAW,
  CLOCK_PROCESS_CPUTIME_ID,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  CLOCK_REALTIME_COARSE,
  CLOCK_TAI,
  CLOCK_THREAD_CPUTIME_ID,
  CLOCKS,
  itimerspec32Layout,
  itimerspec64Layout,
  itimervalLayout,
  TIMER_ABSTIME,
  type Timespec,
  timespec32Layout,
  timespec64Layout,
  timevalLayout,
  timexLayout,
  timezoneLayout,
  tmsLayout,
  toNanoseconds,
  toTimespec,
  toTimeval,
} from '../src/abi/time.ts';
import { processTimes } from '../src/kernel/accounting.ts';
import { ticks } from '../src/kernel/notify.ts';
import type { Task } from '../src/kernel/task.ts';
import {
  ITIMER_PROF,
  ITIMER_REAL,
  PosixTimer,
  readTimer,
  SIGEV_NONE,
  SIGEV_SIGNAL,
  SIGEV_THREAD_ID,
  setTimer,
} from '../src/kernel/timers.ts';
import {
  choice,
  flags,
  inOutStruct,
  inStruct,
  int,
  type Out,
  optionalIn,
  optionalOut,
  outStruct,
  syscall,
  uint,
} from '../src/syscall/index.ts';
import { CAP_SYS_TIME, capable } from '../src/vfs/credentials.ts';
import { BLOCKED, ERESTART_RESTARTBLOCK, ERESTARTNOHAND } from '../src/wait/wait.ts';

const family = { class: 'time' } as const;
/** Nanoseconds of a clock tick, as coarse clocks and their resolution show. */
const TICK = 4_000_000;
const BILLION = 1_000_000_000;

type Time = number | bigint;

function cpuTime(times: { utime: number; stime: number }): number {
  return Math.round(times.utime + times.stime);
}

/** A clock's time in nanoseconds; undefined for clocks that do not exist. */
function readClock(task: Task, clock: number): Time | undefined {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_ALARM:
      return task.realtime();
    case CLOCK_TAI:
      return task.realtime() + 37_000_000_000n;
    case CLOCK_REALTIME_COARSE:
      return (task.realtime() / BigInt(TICK)) * BigInt(TICK);
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
      return task.now();
    case CLOCK_MONOTONIC_COARSE:
      return Math.floor(task.now() / TICK) * TICK;
    case CLOCK_PROCESS_CPUTIME_ID:
      return cpuTime(processTimes(task.group));
    case CLOCK_THREAD_CPUTIME_ID:
      return cpuTime(task.usage);
    default:
      return clock < 0 ? readCpuClock(task, clock) : undefined;
  }
}

/** CPU clocks of other processes and threads: ~pid << 3 | kind, bit 2 for a thread (clock_getcpuclockid). */
function readCpuClock(task: Task, clock: number): number | undefined {
  const id = ~(clock >> 3);
  const subject = id === 0 ? task : task.kernel.tasks.get(id);
  if (subject === undefined || (clock & 3) === 3) return undefined;
  return cpuTime((clock & 4) !== 0 ? subject.usage : processTimes(subject.group));
}

function getTime(task: Task, clock: number, out: Out<Timespec>): number {
  const time = readClock(task, clock);
  return time === undefined ? -EINVAL : out.write(toTimespec(time));
}

function getResolution(task: Task, clock: number, out: Out<Timespec>): number {
  if (readClock(task, clock) === undefined) return -EINVAL;
  const coarse = clock === CLOCK_REALTIME_COARSE || clock === CLOCK_MONOTONIC_COARSE;
  return out.write({ sec: 0, nsec: coarse ? TICK : 1 });
}

function setRealtime(task: Task, time: bigint): number {
  if (!capable(task.credentials, CAP_SYS_TIME)) return -EPERM;
  task.kernel.clock.offset += time - task.realtime();
  return 0;
}

function setTime(task: Task, clock: number, time: Timespec): number {
  if (clock !== CLOCK_REALTIME) return readClock(task, clock) === undefined ? -EINVAL : -EOPNOTSUPP;
  if (Number.isNaN(toNanoseconds(time))) return -EINVAL;
  return setRealtime(task, BigInt(time.sec) * 1_000_000_000n + BigInt(time.nsec));
}

const clockId = choice('clockid', CLOCKS);
const spec32 = outStruct('tp', 'struct timespec', timespec32Layout);
const spec64 = outStruct('tp', 'struct timespec64', timespec64Layout);
export const clock_gettime = syscall(265, 'clock_gettime', [clockId, spec32], getTime, family);
export const clock_gettime64 = syscall(403, 'clock_gettime64', [clockId, spec64], getTime, family);
export const clock_getres = syscall(
  266,
  'clock_getres',
  [clockId, optionalOut('res', 'struct timespec', timespec32Layout)],
  getResolution,
  family,
);
export const clock_getres_time64 = syscall(
  406,
  'clock_getres_time64',
  [clockId, optionalOut('res', 'struct timespec64', timespec64Layout)],
  getResolution,
  family,
);
export const clock_settime = syscall(
  264,
  'clock_settime',
  [clockId, inStruct('tp', 'struct timespec', timespec32Layout)],
  setTime,
  family,
);
export const clock_settime64 = syscall(
  404,
  'clock_settime64',
  [clockId, inStruct('tp', 'struct timespec64', timespec64Layout)],
  setTime,
  family,
);

export const gettimeofday = syscall(
  78,
  'gettimeofday',
  [optionalOut('tv', 'struct timeval', timevalLayout), optionalOut('tz', 'struct timezone', timezoneLayout)],
  (task, time, zone) => time.write(toTimeval(task.realtime())) || zone.write({ minuteswest: 0, dsttime: 0 }),
  family,
);
export const settimeofday = syscall(
  79,
  'settimeofday',
  [optionalIn('tv', 'struct timeval', timevalLayout), optionalIn('tz', 'struct timezone', timezoneLayout)],
  (task, time) => {
    if (time === null) return 0;
    if (time.sec < 0 || time.usec < 0 || time.usec >= 1e6) return -EINVAL;
    return setRealtime(task, BigInt(time.sec) * 1_000_000_000n + BigInt(time.usec) * 1000n);
  },
  { ...family, level: 'partial', note: 'the time zone is ignored' },
);
export const time = syscall(
  13,
  'time',
  [optionalOut('tloc', 'time_t', i32)],
  (task, out) => {
    const seconds = Number(task.realtime() / 1_000_000_000n);
    return out.write(seconds) || seconds;
  },
  family,
);
export const stime = syscall(
  25,
  'stime',
  [inStruct('t', 'time_t', i32)],
  (task, seconds) => setRealtime(task, BigInt(seconds) * 1_000_000_000n),
  family,
);
export const times = syscall(
  43,
  'times',
  [optionalOut('buf', 'struct tms', tmsLayout)],
  (task, out) => {
    const { utime, stime: system } = processTimes(task.group);
    const children = task.group.childrenUsage;
    const shown = { utime: ticks(utime), stime: ticks(system) };
    const failed = out.write({ ...shown, cutime: ticks(children.utime), cstime: ticks(children.stime) });
    return failed || ticks(task.now()) & 0x7fffffff;
  },
  family,
);

/** Sleeps until a monotonic deadline; `remaining` is written when a signal interrupts a relative sleep. */
function sleepUntil(task: Task, deadline: number, remaining: Out<Timespec> | null): number {
  const slept = task.block([], deadline);
  if (slept === 0 || slept === BLOCKED) return slept;
  if (remaining === null) return -ERESTARTNOHAND;
  const left = toTimespec(Math.max(0, deadline - task.now()));
  return remaining.write(left) < 0 ? -EFAULT : -ERESTART_RESTARTBLOCK;
}

/** To the monotonic clock, from an absolute time of any clock that can be slept on. */
function monotonicTime(task: Task, clock: number, nanoseconds: number): number {
  const realtime = clock === CLOCK_REALTIME || clock === CLOCK_REALTIME_ALARM || clock === CLOCK_TAI;
  if (!realtime) return nanoseconds;
  const ahead = BigInt(nanoseconds) - BigInt(readClock(task, clock)!);
  return task.now() + Number(ahead);
}

function clockSleep(task: Task, clock: number, bits: number, request: Timespec, remaining: Out<Timespec>): number {
  if (readClock(task, clock) === undefined) return -EINVAL;
  if (clock < 0 || NOT_SLEPT_ON.includes(clock)) return -EOPNOTSUPP;
  const nanoseconds = toNanoseconds(request);
  if (Number.isNaN(nanoseconds)) return -EINVAL;
  if ((bits & TIMER_ABSTIME) !== 0) return sleepUntil(task, monotonicTime(task, clock, nanoseconds), null);
  return sleepUntil(
    task,
    task.once(() => task.now() + nanoseconds),
    remaining,
  );
}

const NOT_SLEPT_ON = [
  CLOCK_PROCESS_CPUTIME_ID,
  CLOCK_THREAD_CPUTIME_ID,
  CLOCK_MONOTONIC_RAW,
  CLOCK_REALTIME_COARSE,
  CLOCK_MONOTONIC_COARSE,
];

const sleepFlags = flags('flags', { TIMER_ABSTIME });
const request32 = inStruct('request', 'struct timespec', timespec32Layout);
const remain32 = optionalOut('remain', 'struct timespec', timespec32Layout);
export const nanosleep = syscall(
  162,
  'nanosleep',
  [request32, remain32],
  (task, request, remaining) => clockSleep(task, CLOCK_MONOTONIC, 0, request, remaining),
  family,
);
export const clock_nanosleep = syscall(
  267,
  'clock_nanosleep',
  [clockId, sleepFlags, request32, remain32],
  clockSleep,
  family,
);
export const clock_nanosleep_time64 = syscall(
  407,
  'clock_nanosleep_time64',
  [
    clockId,
    sleepFlags,
    inStruct('request', 'struct timespec64', timespec64Layout),
    optionalOut('remain', 'struct timespec64', timespec64Layout),
  ],
  clockSleep,
  family,
);

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
    const wanted = event ?? { notify: SIGEV_SIGNAL, signo: 14, value: id, tid: 0 };
    const threadOnly = (wanted.notify & SIGEV_THREAD_ID) !== 0;
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

const TIME_OK = 0;
/** What a kernel says whose clock nobody steers; the units are those of adjtimex(2). */
function readTimex(task: Task, modes: number) {
  const steady = { offset: 0, freq: 0, maxerror: 16_000_000, esterror: 16_000_000, status: 0x40, constant: 2 };
  return { modes, ...steady, precision: 1, tolerance: 32_768_000, time: toTimeval(task.realtime()), tick: 10_000 };
}

export const adjtimex = syscall(
  124,
  'adjtimex',
  [inOutStruct('buf', 'struct timex', timexLayout)],
  (task, { value, out }) => (value.modes !== 0 ? -EPERM : out.write(readTimex(task, 0)) || TIME_OK),
  { ...family, level: 'partial', note: "the clock is the host's: it can be read, not steered" },
);
export const clock_adjtime = syscall(
  343,
  'clock_adjtime',
  [clockId, inOutStruct('utx', 'struct timex', timexLayout)],
  (task, clock, { value, out }) => {
    if (clock !== CLOCK_REALTIME) return readClock(task, clock) === undefined ? -EINVAL : -EOPNOTSUPP;
    return value.modes !== 0 ? -EPERM : out.write(readTimex(task, 0)) || TIME_OK;
  },
  { ...family, level: 'partial', note: "the clock is the host's: it can be read, not steered" },
);
