import type { SignalInfo } from './signal-queue.ts';
import type { Task } from './task.ts';

/** Told what happens to tasks beside their calls: the layers. */
export interface TaskWatcher {
  /** Someone wants to see signals as they are, with the addresses of faults. */
  readonly hearsSignals: boolean;
  born(child: Task, parent: Task): void;
  /** Before the signal is handled, or does what it does by default. */
  signal(task: Task, info: SignalInfo): void;
  /** A signal comes that does nothing by default: a debugger would see it. */
  ignored(task: Task, info: SignalInfo): void;
  /** The process has stopped. */
  stopped(task: Task, signal: number): void;
  /** A thread ends, with a wait status; what it has is still there. */
  ended(task: Task, status: number): void;
}
