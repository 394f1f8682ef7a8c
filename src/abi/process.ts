/** Layouts of process calls: rusage, rlimit, siginfo of waitid, clone3, user_desc, prctl numbers. */
import { i32, n64, pad, struct, u32 } from './struct.ts';
import { timevalLayout } from './time.ts';

export const rusageLayout = struct({
  utime: timevalLayout,
  stime: timevalLayout,
  maxrss: i32,
  ixrss: i32,
  idrss: i32,
  isrss: i32,
  minflt: i32,
  majflt: i32,
  nswap: i32,
  inblock: i32,
  oublock: i32,
  msgsnd: i32,
  msgrcv: i32,
  nsignals: i32,
  nvcsw: i32,
  nivcsw: i32,
});

export const rlimitLayout = struct({ soft: u32, hard: u32 });
/** struct rlimit64 of prlimit64: RLIM64_INFINITY is all ones, which n64 reads as -1. */
export const rlimit64Layout = struct({ soft: n64, hard: n64 });

/** struct user_desc (asm/ldt.h): TLS segments. */
export const userDescLayout = struct({ entry: u32, base: u32, limit: u32, flags: u32 });

export const cloneArgsLayout = struct({
  flags: n64,
  pidfd: n64,
  childTid: n64,
  parentTid: n64,
  exitSignal: n64,
  stack: n64,
  stackSize: n64,
  tls: n64,
});

export const capHeaderLayout = struct({ version: u32, pid: i32 });
export const capDataLayout = struct({ effective: u32, permitted: u32, inheritable: u32 });

/** siginfo_t as waitid fills it. */
export const waitInfoLayout = struct({
  signo: i32,
  errno: i32,
  code: i32,
  pid: i32,
  uid: u32,
  status: i32,
  utime: pad(8),
});

export const PR = {
  TASK_PERF_EVENTS_DISABLE: 31,
  TASK_PERF_EVENTS_ENABLE: 32,
  SET_PDEATHSIG: 1,
  GET_PDEATHSIG: 2,
  GET_DUMPABLE: 3,
  SET_DUMPABLE: 4,
  GET_KEEPCAPS: 7,
  SET_KEEPCAPS: 8,
  GET_TIMING: 13,
  SET_TIMING: 14,
  SET_NAME: 15,
  GET_NAME: 16,
  GET_SECCOMP: 21,
  SET_SECCOMP: 22,
  CAPBSET_READ: 23,
  CAPBSET_DROP: 24,
  GET_TSC: 25,
  SET_TSC: 26,
  GET_SECUREBITS: 27,
  SET_SECUREBITS: 28,
  SET_TIMERSLACK: 29,
  GET_TIMERSLACK: 30,
  SET_CHILD_SUBREAPER: 36,
  GET_CHILD_SUBREAPER: 37,
  SET_NO_NEW_PRIVS: 38,
  GET_NO_NEW_PRIVS: 39,
  GET_TID_ADDRESS: 40,
  SET_THP_DISABLE: 41,
  GET_THP_DISABLE: 42,
  CAP_AMBIENT: 47,
  SET_VMA: 0x53564d41,
} as const;

/** Resources of getrlimit and setrlimit (asm-generic/resource.h). */
export const RLIMIT = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
} as const;
