/** Signals: dispositions, masks, sending, waiting, alternate stacks. */
import { EAGAIN, EINTR, EINVAL, ENOMEM, EPERM, ESRCH } from '../src/abi/errno.ts';
import {
  bit,
  defaultAction,
  MINSIGSTKSZ,
  oldSigactionLayout,
  SA_NODEFER,
  SA_RESETHAND,
  SI_KERNEL,
  SI_TKILL,
  SIG_BLOCK,
  SIG_DFL,
  SIG_IGN,
  SIG_SETMASK,
  SIG_UNBLOCK,
  SIGINFO_SIZE,
  SIGKILL,
  SIGSEGV,
  SIGSTOP,
  SS_AUTODISARM,
  SS_DISABLE,
  SS_ONSTACK,
  sigactionLayout,
  stackLayout,
  UNBLOCKABLE,
} from '../src/abi/signal.ts';
import { bytes, u32, u64 } from '../src/abi/struct.ts';
import { type Timespec, timespec32Layout, timespec64Layout, toNanoseconds } from '../src/abi/time.ts';
import { altStackState } from '../src/kernel/alt-stack.ts';
import { popFrame, popRtFrame } from '../src/kernel/sigframe.ts';
import { readSiginfo, writeSiginfo } from '../src/kernel/siginfo.ts';
import { setMask, setTemporaryMask, takeSignal } from '../src/kernel/signals.ts';
import type { Task } from '../src/kernel/task.ts';
import type { SigAction } from '../src/kernel/thread-group.ts';
import {
  choice,
  inStruct,
  int,
  type Out,
  optionalIn,
  optionalOut,
  outStruct,
  pointer,
  signalNumber,
  size,
  syscall,
  uint,
} from '../src/syscall/index.ts';
import { BLOCKED, ERESTARTNOHAND } from '../src/wait/wait.ts';

const family = { class: 'signal' } as const;
const SIGSET_SIZE = 8;
const HOW = { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK };
const valid = (signal: number) => signal >= 1 && signal <= 64;

/** Takes a new disposition; pending signals that are ignored from now on are dropped (do_sigaction). */
function setAction(task: Task, signal: number, action: SigAction): void {
  const { group } = task;
  group.actions[signal] = { ...action, mask: action.mask & ~UNBLOCKABLE };
  const byDefault = defaultAction(signal);
  const ignored =
    action.handler === SIG_IGN || (action.handler === SIG_DFL && (byDefault === 'ignore' || byDefault === 'continue'));
  if (!ignored) return;
  group.pending.flush(bit(signal));
  for (const thread of group.tasks) thread.pending.flush(bit(signal));
}

function changeAction(
  task: Task,
  signal: number,
  action: SigAction | null,
  old: (action: SigAction) => number,
): number {
  if (!valid(signal) || (action !== null && (signal === SIGKILL || signal === SIGSTOP))) return -EINVAL;
  const before = task.group.actions[signal];
  if (action !== null) setAction(task, signal, action);
  return old(before);
}

export const rt_sigaction = syscall(
  174,
  'rt_sigaction',
  [
    signalNumber('signum'),
    optionalIn('act', 'struct sigaction', sigactionLayout),
    optionalOut('oldact', 'struct sigaction', sigactionLayout),
    size('sigsetsize'),
  ],
  (task, signal, action, old, length) =>
    length === SIGSET_SIZE ? changeAction(task, signal, action, (before) => old.write(before)) : -EINVAL,
  family,
);

export const sigaction = syscall(
  67,
  'sigaction',
  [
    signalNumber('signum'),
    optionalIn('act', 'struct old_sigaction', oldSigactionLayout),
    optionalOut('oldact', 'struct old_sigaction', oldSigactionLayout),
  ],
  (task, signal, action, old) =>
    changeAction(task, signal, action && { ...action, mask: BigInt(action.mask) }, (before) =>
      old.write({ ...before, mask: Number(before.mask & 0xffffffffn) }),
    ),
  family,
);

/** System V's signal(2): one shot, not masked. */
export const signal = syscall(
  48,
  'signal',
  [signalNumber('signum'), pointer('handler')],
  (task, number, handler) => {
    let answer = 0;
    const action = { handler, flags: SA_RESETHAND | SA_NODEFER, restorer: 0, mask: 0n };
    const failed = changeAction(task, number, action, (before) => {
      answer = before.handler | 0;
      return 0;
    });
    return failed || answer;
  },
  family,
);

function changeMask(task: Task, how: number, set: bigint | null): number {
  if (set === null) return 0;
  if (how === SIG_BLOCK) setMask(task, task.blocked | set);
  else if (how === SIG_UNBLOCK) setMask(task, task.blocked & ~set);
  else if (how === SIG_SETMASK) setMask(task, set);
  else return -EINVAL;
  return 0;
}

export const rt_sigprocmask = syscall(
  175,
  'rt_sigprocmask',
  [choice('how', HOW), optionalIn('set', 'sigset_t', u64), optionalOut('oldset', 'sigset_t', u64), size('sigsetsize')],
  (task, how, set, old, length) => {
    if (length !== SIGSET_SIZE) return -EINVAL;
    const before = task.blocked;
    return changeMask(task, how, set) || old.write(before);
  },
  family,
);

export const sigprocmask = syscall(
  126,
  'sigprocmask',
  [choice('how', HOW), optionalIn('set', 'old_sigset_t', u32), optionalOut('oldset', 'old_sigset_t', u32)],
  (task, how, set, old) => {
    const before = task.blocked;
    const low = set === null ? null : BigInt(set) | (how === SIG_SETMASK ? before & ~0xffffffffn : 0n);
    return changeMask(task, how, low) || old.write(Number(before & 0xffffffffn));
  },
  family,
);
export const sgetmask = syscall(68, 'sgetmask', [], (task) => Number(task.blocked & 0xffffffffn) | 0, family);
export const ssetmask = syscall(
  69,
  'ssetmask',
  [uint('newmask')],
  (task, mask) => {
    const before = Number(task.blocked & 0xffffffffn) | 0;
    setMask(task, BigInt(mask));
    return before;
  },
  family,
);

const pendingSet = (task: Task) => (task.pending.set | task.group.pending.set) & task.blocked;

export const rt_sigpending = syscall(
  176,
  'rt_sigpending',
  [pointer('set'), size('sigsetsize')],
  (task, address, length) => {
    if (length > SIGSET_SIZE) return -EINVAL;
    const all = new Uint8Array(8);
    new DataView(all.buffer).setBigUint64(0, pendingSet(task), true);
    return task.mm.copyOut(address, all.subarray(0, length));
  },
  family,
);
export const sigpending = syscall(
  73,
  'sigpending',
  [outStruct('set', 'old_sigset_t', u32)],
  (task, out) => out.write(Number(pendingSet(task) & 0xffffffffn)),
  family,
);

/** Sleeps until a handler has run; the mask holds for the wait only. */
function suspend(task: Task, mask: bigint): number {
  setTemporaryMask(task, mask);
  return task.block([]) === BLOCKED ? BLOCKED : -ERESTARTNOHAND;
}

export const rt_sigsuspend = syscall(
  179,
  'rt_sigsuspend',
  [inStruct('mask', 'sigset_t', u64), size('sigsetsize')],
  (task, mask, length) => (length === SIGSET_SIZE ? suspend(task, mask) : -EINVAL),
  family,
);
/** Two words of history precede the mask. */
export const sigsuspend = syscall(
  72,
  'sigsuspend',
  [int('history0'), int('history1'), uint('mask')],
  (task, _history0, _history1, mask) => suspend(task, BigInt(mask)),
  family,
);
export const pause = syscall(
  29,
  'pause',
  [],
  (task) => (task.block([]) === BLOCKED ? BLOCKED : -ERESTARTNOHAND),
  family,
);

/** rt_sigtimedwait: takes a pending signal of the set, or waits for one. */
function timedWait(task: Task, set: bigint, info: number, timeout: Timespec | null, length: number): number {
  if (length !== SIGSET_SIZE) return -EINVAL;
  const nanoseconds = timeout === null ? undefined : toNanoseconds(timeout);
  if (nanoseconds !== undefined && Number.isNaN(nanoseconds)) return -EINVAL;
  const wanted = set & ~UNBLOCKABLE;
  task.waitingFor = 0n;
  const taken = takeSignal(task, wanted);
  if (taken !== undefined) {
    if (info === 0) return taken.signo;
    const view = task.mm.view(info, SIGINFO_SIZE, true);
    if (typeof view === 'number') return view;
    writeSiginfo(taken, new DataView(view.buffer, view.byteOffset, view.byteLength), 0);
    return taken.signo;
  }
  const deadline = nanoseconds === undefined ? undefined : task.once(() => task.now() + nanoseconds);
  const slept = task.block([], deadline);
  if (slept === 0) return -EAGAIN;
  if (slept !== BLOCKED) return -EINTR;
  task.waitingFor = wanted;
  return BLOCKED;
}

const waitArgs = [inStruct('set', 'sigset_t', u64), pointer('info')] as const;
export const rt_sigtimedwait = syscall(
  177,
  'rt_sigtimedwait',
  [...waitArgs, optionalIn('timeout', 'struct timespec', timespec32Layout), size('sigsetsize')],
  timedWait,
  family,
);
export const rt_sigtimedwait_time64 = syscall(
  421,
  'rt_sigtimedwait_time64',
  [...waitArgs, optionalIn('timeout', 'struct timespec64', timespec64Layout), size('sigsetsize')],
  timedWait,
  family,
);

export const kill = syscall(
  37,
  'kill',
  [int('pid'), signalNumber()],
  (task, pid, number) => (number === 0 || valid(number) ? task.kernel.signals.kill(task, pid, number) : -EINVAL),
  family,
);
export const tkill = syscall(
  238,
  'tkill',
  [int('tid'), signalNumber()],
  (task, tid, number) =>
    tid > 0 && (number === 0 || valid(number)) ? task.kernel.signals.killThread(task, 0, tid, number) : -EINVAL,
  family,
);
export const tgkill = syscall(
  270,
  'tgkill',
  [int('tgid'), int('tid'), signalNumber()],
  (task, tgid, tid, number) =>
    tgid > 0 && tid > 0 && (number === 0 || valid(number))
      ? task.kernel.signals.killThread(task, tgid, tid, number)
      : -EINVAL,
  family,
);

/** Nobody but the process itself may claim that the kernel or kill sent a signal. */
function mayClaim(task: Task, pid: number, code: number): boolean {
  return pid === task.tgid || (code < 0 && code !== SI_TKILL);
}

const infoLayout = bytes(SIGINFO_SIZE);
const viewOf = (raw: Uint8Array) => new DataView(raw.buffer, raw.byteOffset, raw.byteLength);

export const rt_sigqueueinfo = syscall(
  178,
  'rt_sigqueueinfo',
  [int('tgid'), signalNumber(), inStruct('info', 'siginfo_t', infoLayout)],
  (task, pid, number, raw) => {
    const { kernel } = task;
    if (number !== 0 && !valid(number)) return -EINVAL;
    const info = readSiginfo(number, viewOf(raw));
    if (!mayClaim(task, pid, info.code)) return -EPERM;
    const target = kernel.tasks.get(pid);
    if (target === undefined) return -ESRCH;
    const denied = kernel.signals.mayKill(task, target, number);
    if (denied < 0 || number === 0) return denied;
    kernel.signals.sendToGroup(target.group, info);
    return 0;
  },
  family,
);
export const rt_tgsigqueueinfo = syscall(
  335,
  'rt_tgsigqueueinfo',
  [int('tgid'), int('tid'), signalNumber(), inStruct('info', 'siginfo_t', infoLayout)],
  (task, tgid, tid, number, raw) => {
    if (tgid <= 0 || tid <= 0 || (number !== 0 && !valid(number))) return -EINVAL;
    const info = readSiginfo(number, viewOf(raw));
    if (tid !== task.tid && !mayClaim(task, -1, info.code)) return -EPERM;
    return task.kernel.signals.killThread(task, tgid, tid, number, info);
  },
  family,
);

export const sigaltstack = syscall(
  186,
  'sigaltstack',
  [optionalIn('ss', 'stack_t', stackLayout), optionalOut('old_ss', 'stack_t', stackLayout)],
  (task, stack, old: Out<{ sp: number; flags: number; size: number }>) => {
    const before = task.altStack;
    const state = altStackState(before, task.esp);
    const shown = { sp: before.sp, size: before.size, flags: (before.flags & SS_AUTODISARM) | state };
    const failed = stack === null ? 0 : setAltStack(task, stack, state);
    return failed || old.write({ ...shown, flags: shown.flags >>> 0 });
  },
  family,
);

function setAltStack(task: Task, stack: { sp: number; flags: number; size: number }, state: number): number {
  if (state === SS_ONSTACK) return -EPERM;
  const now = task.altStack;
  const mode = stack.flags & ~SS_AUTODISARM;
  if (mode !== SS_DISABLE && mode !== SS_ONSTACK && mode !== 0) return -EINVAL;
  if (stack.sp === now.sp && stack.flags === now.flags && stack.size === now.size) return 0;
  if (mode === SS_DISABLE) {
    task.altStack = { sp: 0, size: 0, flags: stack.flags };
    return 0;
  }
  if (stack.size < MINSIGSTKSZ) return -ENOMEM;
  task.altStack = { sp: stack.sp, size: stack.size, flags: stack.flags };
  return 0;
}

/** The registers come from the frame: there is no answer to store. A bad frame is SIGSEGV. */
function returnFrom(task: Task, pop: (task: Task) => boolean): number {
  task.call.nr = -1;
  if (!pop(task)) task.kernel.signals.force(task, { signo: SIGSEGV, code: SI_KERNEL });
  return 0;
}
export const sigreturn = syscall(119, 'sigreturn', [], (task) => returnFrom(task, popFrame), family);
export const rt_sigreturn = syscall(173, 'rt_sigreturn', [], (task) => returnFrom(task, popRtFrame), family);
/** Interrupted calls go on by themselves here: nothing ever has to be restarted by this number. */
export const restart_syscall = syscall(0, 'restart_syscall', [], () => -EINTR, family);
