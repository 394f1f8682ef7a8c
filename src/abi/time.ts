/** Clocks, and the two generations of time structs: 32-bit seconds, and the *_time64 calls' 64-bit ones. */
import { i32, n64, pad, struct, u32 } from './struct.ts';

export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_PROCESS_CPUTIME_ID = 2;
export const CLOCK_THREAD_CPUTIME_ID = 3;
export const CLOCK_MONOTONIC_RAW = 4;
export const CLOCK_REALTIME_COARSE = 5;
export const CLOCK_MONOTONIC_COARSE = 6;
export const CLOCK_BOOTTIME = 7;
export const CLOCK_REALTIME_ALARM = 8;
export const CLOCK_BOOTTIME_ALARM = 9;
export const CLOCK_TAI = 11;

export const CLOCKS = {
  CLOCK_REALTIME,
  CLOCK_MONOTONIC,
  CLOCK_PROCESS_CPUTIME_ID,
  CLOCK_THREAD_CPUTIME_ID,
  CLOCK_MONOTONIC_RAW,
  CLOCK_REALTIME_COARSE,
  CLOCK_MONOTONIC_COARSE,
  CLOCK_BOOTTIME,
  CLOCK_REALTIME_ALARM,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_TAI,
} as const;

export const TIMER_ABSTIME = 1;

export interface Timespec {
  sec: number;
  nsec: number;
}

export const timespec32Layout = struct({ sec: i32, nsec: i32 });
/** struct __kernel_timespec: the kernel ignores the upper half of tv_nsec that 32-bit programs leave undefined. */
export const timespec64Layout = struct({ sec: n64, nsec: i32, high: pad(4) });
export const timevalLayout = struct({ sec: i32, usec: i32 });
export const timezoneLayout = struct({ minuteswest: i32, dsttime: i32 });
export const itimervalLayout = struct({ interval: timevalLayout, value: timevalLayout });
export const itimerspec32Layout = struct({ interval: timespec32Layout, value: timespec32Layout });
export const itimerspec64Layout = struct({ interval: timespec64Layout, value: timespec64Layout });
export const tmsLayout = struct({ utime: i32, stime: i32, cutime: i32, cstime: i32 });

export const timexLayout = struct({
  modes: u32,
  offset: i32,
  freq: i32,
  maxerror: i32,
  esterror: i32,
  status: i32,
  constant: i32,
  precision: i32,
  tolerance: i32,
  time: timevalLayout,
  tick: i32,
  rest: pad(80),
});

const BILLION = 1_000_000_000;

/** Nanoseconds; NaN where the fields are not a valid time (-EINVAL). */
export function toNanoseconds({ sec, nsec }: Timespec): number {
  return sec < 0 || nsec < 0 || nsec >= BILLION ? Number.NaN : sec * BILLION + nsec;
}

export function toTimespec(nanoseconds: number | bigint): Timespec {
  if (typeof nanoseconds === 'bigint') {
    const sec = nanoseconds / 1_000_000_000n;
    return { sec: Number(sec), nsec: Number(nanoseconds - sec * 1_000_000_000n) };
  }
  const sec = Math.floor(nanoseconds / BILLION);
  return { sec, nsec: nanoseconds - sec * BILLION };
}

export function toTimeval(nanoseconds: number | bigint): { sec: number; usec: number } {
  const { sec, nsec } = toTimespec(nanoseconds);
  return { sec, usec: Math.floor(nsec / 1000) };
}
