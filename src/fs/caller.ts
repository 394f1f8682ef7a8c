/** What files whose answer depends on who asks may know of the calling task. The kernel's Task satisfies it. */
import type { Sleeper } from '../wait/wait.ts';

export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  readonly euid: number;
  readonly egid: number;
  readonly groups: readonly number[];
  /** Holds the capability that an operation asks for (effective root). */
  readonly privileged: boolean;
}

export interface Caller extends Sleeper {
  readonly tid: number;
  /** Process id. */
  readonly tgid: number;
  readonly credentials: Credentials;
  /** Sends a signal to the calling thread, as the kernel does for SIGPIPE. */
  raise(signal: number): void;
}

/** The same task, seen as a caller: every Sleeper that reaches a file operation is one. */
export function callerOf(s: Sleeper): Caller {
  return s as Caller;
}
