/** Clocks, sleeping, interval timers and POSIX timers. */
import { EFAULT, EINVAL, EOPNOTSUPP, EPERM } from '../src/abi/errno.ts';
import { i32 } from '../src/abi/struct.ts';
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
  choice,
  flags,
  inOutStruct,
  inStruct,
  type Out,
  optionalIn,
  optionalOut,
  outStruct,
  syscall,
} from '../src/syscall/index.ts';
import { CAP_SYS_TIME, capable } from '../src/vfs/credentials.ts';
import { BLOCKED, ERESTART_RESTARTBLOCK, ERESTARTNOHAND } from '../src/wait/wait.ts';

const family = { class: 'time' } as const;
/** Nanoseconds of a clock tick, as coarse clocks and their resolution show. */
const TICK = 4_000_000;

type Time = number | bigint;

function cpuTime(times: { utime: number; stime: number }): number {
  return Math.round(times.utime + times.stime);
}

/** A clock's time in nanoseconds; undefined for clocks that do not exist. */
export function readClock(task: Task, clock: number): Time | undefined {
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
  if (clock !== CLOCK_REALTIME) return -EINVAL;
  if (Number.isNaN(toNanoseconds(time))) return -EINVAL;
  return setRealtime(task, BigInt(time.sec) * 1_000_000_000n + BigInt(time.nsec));
}

export const clockId = choice('clockid', CLOCKS);
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
    if (time === null) return capable(task.credentials, CAP_SYS_TIME) ? 0 : -EPERM;
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
export function monotonicTime(task: Task, clock: number, nanoseconds: number): number {
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
  // No clock of the machine could wake it.
  CLOCK_REALTIME_ALARM,
  CLOCK_BOOTTIME_ALARM,
];

export const sleepFlags = flags('flags', { TIMER_ABSTIME });
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
