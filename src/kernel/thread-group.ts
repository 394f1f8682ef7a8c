import { SIG_DFL, SIG_IGN } from '../abi/signal.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import { WaitQueue } from '../wait/wait.ts';
import type { Session } from './job-control.ts';
import { defaultLimits, type Limit } from './limits.ts';
import { SignalQueue } from './signal-queue.ts';
import type { Task } from './task.ts';
import { type PosixTimer, RealTimer } from './timers.ts';
import { emptyUsage, type Usage } from './usage.ts';

/** One signal's disposition, as rt_sigaction takes and gives it. Plain data. */
export interface SigAction {
  handler: number;
  flags: number;
  restorer: number;
  mask: bigint;
}

export const DEFAULT_ACTION: Readonly<SigAction> = { handler: SIG_DFL, flags: 0, restorer: 0, mask: 0n };

/** The dispositions of signals 1..64 (index 0 unused): shared by CLONE_SIGHAND. */
export type SigActions = SigAction[];

export function defaultActions(): SigActions {
  return Array.from({ length: 65 }, () => ({ ...DEFAULT_ACTION }));
}

/** setitimer's three clocks: nanoseconds. `next` is a time of its clock, 0 where disarmed. */
export interface IntervalTimer {
  next: number;
  interval: number;
}

/** A process: what its threads share (Linux's signal_struct and the leader's pid links). */
export class ThreadGroup {
  /** The process id. */
  readonly id: number;
  leader: Task;
  readonly tasks = new Set<Task>();
  parent: ThreadGroup | null;
  readonly children = new Set<ThreadGroup>();
  /** Process group and session ids. */
  processGroup: number;
  session: Session;
  /** Its parent is a shell outside of the machine, which continues what it stopped. */
  outside = false;

  actions: SigActions = defaultActions();
  /** Is there a handler for the signal? */
  handles(signal: number): boolean {
    const { handler } = this.actions[signal];
    return handler !== SIG_DFL && handler !== SIG_IGN;
  }
  /** Signals sent to the process as a whole. */
  readonly pending = new SignalQueue();
  /** What the parent gets when this process ends; SIGCHLD after fork. */
  exitSignal = 17;

  limits: Limit[] = defaultLimits();
  /** ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF. */
  readonly timers: IntervalTimer[] = Array.from({ length: 3 }, () => ({ next: 0, interval: 0 }));

  readonly realTimer = new RealTimer(this);
  /** timer_create's, by id. */
  readonly posixTimers = new Map<number, PosixTimer>();

  /** Set as soon as the process is to end: wait status of exit_group or of the fatal signal. */
  exitStatus: number | null = null;
  /** All threads have ended; waits to be reaped. */
  zombie = false;
  /** Stopped by the signal of this number; 0: not stopped. */
  stopSignal = 0;
  /** What wait has not reported yet. */
  stopUnreported = false;
  continueUnreported = false;
  /** The process has called execve since it was forked (setpgid: -EACCES for the parent). */
  executed = false;
  /** PR_SET_CHILD_SUBREAPER. */
  subreaper = false;
  /** The file that it runs: /proc/PID/exe. */
  program: OpenFile | null = null;
  dumpable = 1;
  /** /proc/PID/oom_score_adj: remembered, nobody is ever killed for memory. */
  oomScoreAdj = 0;

  /** The parent waits here for children's changes. */
  readonly childChange = new WaitQueue();
  /** Its pidfds wait here for its end. */
  readonly ended = new WaitQueue();
  /** execve and exit of other threads wait here. */
  readonly threadsGone = new WaitQueue();

  /** Of threads that have ended, and of children that were waited for. */
  readonly usage: Usage = emptyUsage();
  readonly childrenUsage: Usage = emptyUsage();
  readonly startTime: number;

  constructor(id: number, leader: Task, parent: ThreadGroup | null, session: Session, startTime: number) {
    this.id = id;
    this.leader = leader;
    this.parent = parent;
    this.session = session;
    this.processGroup = parent?.processGroup ?? id;
    this.startTime = startTime;
    this.oomScoreAdj = parent?.oomScoreAdj ?? 0;
  }

  get exiting(): boolean {
    return this.exitStatus !== null;
  }
}
