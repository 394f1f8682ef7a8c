/** Sending signals (kernel/signal.c, signal(7)). Delivery to the guest's code is in deliver.ts. */
import { EPERM, ESRCH } from '../abi/errno.ts';
import {
  bit,
  CLD_CONTINUED,
  defaultAction,
  SI_TKILL,
  SI_USER,
  SIG_DFL,
  SIG_IGN,
  SIGCONT,
  SIGKILL,
  SIGSTOP,
  STOPS,
  SYNCHRONOUS,
  UNBLOCKABLE,
} from '../abi/signal.ts';
import type { SignalSource } from '../fs/signalfd.ts';
import { CAP_KILL, capable } from '../vfs/credentials.ts';
import type { Kernel } from './kernel.ts';
import { notifyParent } from './notify.ts';
import { lowest, type SignalInfo, type SignalQueue } from './signal-queue.ts';
import type { Task } from './task.ts';
import { DEFAULT_ACTION, type ThreadGroup } from './thread-group.ts';

export class Signals {
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** To one thread: tgkill, faults, SIGPIPE. */
  sendToTask(task: Task, info: SignalInfo): void {
    if (task.runState === 'dead') return;
    this.#send(task.group, task, task.pending, info);
  }

  /** To a process: kill, SIGCHLD, timers; any thread that does not block it takes it. */
  sendToGroup(group: ThreadGroup, info: SignalInfo): void {
    if (group.zombie) return;
    this.#send(group, group.leader, group.pending, info);
  }

  /** To all members of a process group: terminals' SIGINT, SIGTSTP, SIGWINCH. True when there was one. */
  sendToProcessGroup(id: number, info: SignalInfo): boolean {
    const members = this.#kernel.processGroup(id);
    for (const group of members) this.sendToGroup(group, { ...info });
    return members.length > 0;
  }

  /** A fault of the task's own instruction: cannot be blocked or ignored, then it is fatal (force_sig_info). */
  force(task: Task, info: SignalInfo): void {
    const action = task.group.actions[info.signo];
    const mask = bit(info.signo);
    if ((task.blocked & mask) !== 0n || action.handler === SIG_IGN) {
      task.group.actions[info.signo] = { ...DEFAULT_ACTION };
      task.blocked &= ~mask;
    }
    task.pending.add({ ...info, forced: true });
    task.attention = true;
  }

  /** What a sender with these credentials may not signal: -EPERM (kill(2)). */
  mayKill(sender: Task, target: Task, signal: number): number {
    const from = sender.credentials;
    const to = target.credentials;
    if (sender.group === target.group || capable(from, CAP_KILL)) return 0;
    if ([from.euid, from.uid].some((id) => id === to.suid || id === to.uid)) return 0;
    return signal === SIGCONT && sender.group.session === target.group.session ? 0 : -EPERM;
  }

  /** kill(2): positive pid, 0 own group, -1 everyone, negative group. */
  kill(sender: Task, pid: number, signal: number): number {
    const targets = this.#targets(sender, pid);
    if (targets.length === 0) return -ESRCH;
    let answer = -EPERM;
    for (const group of targets) {
      if (this.mayKill(sender, group.leader, signal) < 0) continue;
      answer = 0;
      if (signal !== 0) this.sendToGroup(group, this.userInfo(sender, signal, SI_USER));
    }
    return answer;
  }

  #targets(sender: Task, pid: number): ThreadGroup[] {
    if (pid > 0) {
      const task = this.#kernel.tasks.get(pid);
      return task === undefined ? [] : [task.group];
    }
    if (pid === -1) return [...this.#kernel.groups.values()].filter((group) => group !== sender.group);
    return this.#kernel.processGroup(pid === 0 ? sender.group.processGroup : -pid);
  }

  /** tkill, tgkill (tgid 0: any). */
  killThread(sender: Task, tgid: number, tid: number, signal: number, info?: SignalInfo): number {
    const task = this.#kernel.tasks.get(tid);
    if (task === undefined || task.runState === 'dead' || (tgid !== 0 && task.group.id !== tgid)) return -ESRCH;
    const denied = this.mayKill(sender, task, signal);
    if (denied < 0 || signal === 0) return denied;
    this.sendToTask(task, info ?? this.userInfo(sender, signal, SI_TKILL));
    return 0;
  }

  userInfo(sender: Task, signal: number, code: number): SignalInfo {
    return { signo: signal, code, pid: sender.tgid, uid: sender.credentials.uid };
  }

  #send(group: ThreadGroup, task: Task, queue: SignalQueue, info: SignalInfo): void {
    const { signo } = info;
    if (signo === SIGCONT) this.#resume(group);
    else if ((bit(signo) & STOPS) !== 0n) flushEverywhere(group, bit(SIGCONT));
    if (signo === SIGKILL) this.#unstop(group);
    if (this.#ignored(group, task, signo)) {
      if (group.actions[signo].handler === SIG_DFL) this.#kernel.watcher?.ignored(task, info);
      return;
    }
    if (!queue.add(info)) return;
    this.#kernel.signalArrived.wake();
    this.#alert(group, queue === group.pending ? null : task, bit(signo));
  }

  /** Makes whoever can take the signal look: one thread of a process is enough. */
  #alert(group: ThreadGroup, only: Task | null, mask: bigint): void {
    let woken = false;
    for (const task of only === null ? [group.leader, ...group.tasks] : [only]) {
      const wanted = (task.waitingFor & mask) !== 0n;
      if (!wanted && (task.blocked & mask) !== 0n && (mask & UNBLOCKABLE) === 0n) continue;
      task.attention = true;
      if (woken || task.runState === 'dead') continue;
      woken = true;
      task.wake();
    }
  }

  #ignored(group: ThreadGroup, task: Task, signal: number): boolean {
    if (((task.blocked | task.waitingFor) & bit(signal)) !== 0n) return false;
    const { handler } = group.actions[signal];
    if (handler === SIG_IGN) return true;
    const action = defaultAction(signal);
    return handler === SIG_DFL && (action === 'ignore' || action === 'continue');
  }

  /** SIGCONT continues a stopped process even where it is blocked or ignored. */
  #resume(group: ThreadGroup): void {
    flushEverywhere(group, STOPS);
    if (group.stopSignal === 0) return;
    this.#unstop(group);
    group.stopUnreported = false;
    group.continueUnreported = true;
    notifyParent(this.#kernel, group, CLD_CONTINUED, SIGCONT);
  }

  #unstop(group: ThreadGroup): void {
    group.stopSignal = 0;
    for (const task of group.tasks) {
      if (task.runState !== 'stopped') continue;
      task.runState = 'runnable';
      this.#kernel.scheduler.enqueue(task);
    }
  }
}

function flushEverywhere(group: ThreadGroup, set: bigint): void {
  group.pending.flush(set);
  for (const task of group.tasks) task.pending.flush(set);
}

/** Changes a task's mask; KILL and STOP cannot be in it. */
export function setMask(task: Task, mask: bigint): void {
  task.blocked = mask & ~UNBLOCKABLE;
  if (((task.pending.set | task.group.pending.set) & ~task.blocked) !== 0n) task.attention = true;
}

/** Until the call's end, with the old mask coming back then or by the handler's sigreturn (sigsuspend, ppoll, pselect). */
export function setTemporaryMask(task: Task, mask: bigint): void {
  task.savedMask ??= task.blocked;
  setMask(task, mask);
}

/** The next signal of a set, in Linux's order: faults first, then the thread's own, then the process's. */
export function takeSignal(task: Task, set: bigint): SignalInfo | undefined {
  const own = task.pending.set & set;
  const urgent = own & SYNCHRONOUS;
  if (urgent !== 0n) {
    const forced = task.pending.entries.find((info) => info.forced === true && (bit(info.signo) & urgent) !== 0n);
    return task.pending.take(forced?.signo ?? lowest(urgent));
  }
  if (own !== 0n) return task.pending.take(lowest(own));
  const shared = task.group.pending.set & set;
  return shared === 0n ? undefined : task.group.pending.take(lowest(shared));
}

export function isStopSignal(signal: number): boolean {
  return signal === SIGSTOP || (bit(signal) & STOPS) !== 0n;
}

/** Pending signals, as signalfd(2) reads them. */
export function signalSourceOf(kernel: Kernel): SignalSource {
  const pending = (task: Task) => task.pending.set | task.group.pending.set;
  return {
    arrivals: kernel.signalArrived,
    take(set) {
      const task = kernel.scheduler.current;
      return task === null ? undefined : takeSignal(task, set);
    },
    pending(set) {
      const task = kernel.scheduler.current;
      return task !== null && (pending(task) & set) !== 0n;
    },
  };
}
