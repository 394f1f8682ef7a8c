/** Signals of Linux/i386: numbers, sigaction and sigprocmask constants, si_code values, layouts. */
import { array, bytes, i32, pad, struct, u16, u32, u64 } from './struct.ts';

export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGSEGV = 11;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGSTKFLT = 16;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGIO = 29;
export const SIGPWR = 30;
export const SIGSYS = 31;
/** First of the kernel's realtime signals; glibc keeps 32 and 33 for itself. */
export const SIGRTMIN = 32;
export const SIGRTMAX = 64;

const NAMES = (
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU ' +
  'XFSZ VTALRM PROF WINCH IO PWR SYS'
).split(' ');

/** 'SIGSEGV' for 11, 'SIGRT_2' for 34. */
export function signalName(signal: number): string {
  if (signal >= SIGRTMIN && signal <= SIGRTMAX) return `SIGRT_${signal - SIGRTMIN}`;
  const name = NAMES[signal - 1];
  return name === undefined ? String(signal) : `SIG${name}`;
}

/** The bit of a signal in a sigset. */
export function bit(signal: number): bigint {
  return 1n << BigInt(signal - 1);
}
export function setOf(...signals: number[]): bigint {
  return signals.reduce((set, signal) => set | bit(signal), 0n);
}

export const SIG_DFL = 0;
export const SIG_IGN = 1;

export const SA_NOCLDSTOP = 1;
export const SA_NOCLDWAIT = 2;
export const SA_SIGINFO = 4;
export const SA_RESTORER = 0x04000000;
export const SA_ONSTACK = 0x08000000;
export const SA_RESTART = 0x10000000;
export const SA_NODEFER = 0x40000000;
export const SA_RESETHAND = 0x80000000;

export const SIG_BLOCK = 0;
export const SIG_UNBLOCK = 1;
export const SIG_SETMASK = 2;

export const SS_ONSTACK = 1;
export const SS_DISABLE = 2;
export const SS_AUTODISARM = 0x80000000;
export const MINSIGSTKSZ = 2048;

export const SI_USER = 0;
export const SI_KERNEL = 0x80;
export const SI_QUEUE = -1;
export const SI_TIMER = -2;
export const SI_MESGQ = -3;
export const SI_ASYNCIO = -4;
export const SI_SIGIO = -5;
export const SI_TKILL = -6;
export const ILL_ILLOPN = 2;
export const FPE_INTDIV = 1;
export const FPE_INTOVF = 2;
export const FPE_FLTDIV = 3;
export const FPE_FLTOVF = 4;
export const FPE_FLTUND = 5;
export const FPE_FLTRES = 6;
export const FPE_FLTINV = 7;
export const SEGV_MAPERR = 1;
export const SEGV_ACCERR = 2;
export const BUS_ADRALN = 1;
export const BUS_ADRERR = 2;
export const TRAP_BRKPT = 1;
export const TRAP_TRACE = 2;
export const CLD_EXITED = 1;
export const CLD_KILLED = 2;
export const CLD_DUMPED = 3;
export const CLD_STOPPED = 5;
export const CLD_CONTINUED = 6;

/** What a signal does by default. */
export type DefaultAction = 'terminate' | 'core' | 'ignore' | 'stop' | 'continue';

const CORE = setOf(SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS);
const IGNORED = setOf(SIGCHLD, SIGURG, SIGWINCH);
export const STOPS = setOf(SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU);
/** Sent by faults of the instruction itself: delivered before others, and fatal when blocked. */
export const SYNCHRONOUS = setOf(SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS);
export const UNBLOCKABLE = setOf(SIGKILL, SIGSTOP);

export function defaultAction(signal: number): DefaultAction {
  const set = bit(signal);
  if (signal === SIGCONT) return 'continue';
  if ((set & STOPS) !== 0n) return 'stop';
  if ((set & IGNORED) !== 0n) return 'ignore';
  return (set & CORE) !== 0n ? 'core' : 'terminate';
}

/** struct sigaction as rt_sigaction takes it (include/uapi/asm/signal.h). */
export const sigactionLayout = struct({ handler: u32, flags: u32, restorer: u32, mask: u64 });
/** struct old_sigaction. */
export const oldSigactionLayout = struct({ handler: u32, mask: u32, flags: u32, restorer: u32 });
export const stackLayout = struct({ sp: u32, flags: u32, size: u32 });

/** siginfo_t, seen as what kill, sigqueue, SIGCHLD, faults, timers and SIGIO put into it. */
export const SIGINFO_SIZE = 128;
export const siginfoHeader = struct({ signo: i32, errno: i32, code: i32 });
export const siginfoKill = struct({ header: bytes(12), pid: i32, uid: u32, value: u32 });
export const siginfoChild = struct({ header: bytes(12), pid: i32, uid: u32, status: i32, utime: i32, stime: i32 });
export const siginfoFault = struct({ header: bytes(12), addr: u32 });
export const siginfoTimer = struct({ header: bytes(12), tid: i32, overrun: i32, value: u32 });
export const siginfoPoll = struct({ header: bytes(12), band: i32, fd: i32 });

/** struct sigcontext of i386 (asm/sigcontext.h). */
export const sigcontextLayout = struct({
  gs: u16,
  gsHigh: u16,
  fs: u16,
  fsHigh: u16,
  es: u16,
  esHigh: u16,
  ds: u16,
  dsHigh: u16,
  edi: u32,
  esi: u32,
  ebp: u32,
  esp: u32,
  ebx: u32,
  edx: u32,
  ecx: u32,
  eax: u32,
  trapno: u32,
  err: u32,
  eip: u32,
  cs: u16,
  csHigh: u16,
  eflags: u32,
  espAtSignal: u32,
  ss: u16,
  ssHigh: u16,
  fpstate: u32,
  oldmask: u32,
  cr2: u32,
});
export const ucontextLayout = struct({
  flags: u32,
  link: u32,
  stack: stackLayout,
  mcontext: sigcontextLayout,
  mask: u64,
});

/** struct sigevent: timer_create, mq_notify. */
export const sigeventLayout = struct({ value: u32, signo: i32, notify: i32, tid: i32, rest: pad(48) });
export const sigsetLayout = u64;
export const oldSigsetLayout = u32;
export const extraMaskLayout = array(u32, 1);
