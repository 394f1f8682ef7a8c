/** What files whose answers depend on who asks may know of the calling task. The kernel's Task satisfies Caller. */
import { bit, SIG_IGN } from '../abi/signal.ts';
import type { Credentials } from '../vfs/credentials.ts';
import type { Sleeper } from '../wait/wait.ts';

export interface Caller extends Sleeper {
  readonly tid: number;
  credentials: Credentials;
  /** The calling process. */
  readonly group: Process;
  /** Signal mask of the thread. */
  readonly blocked: bigint;
  /** Sends a signal to the calling thread, as the kernel does for SIGPIPE. */
  raise(signal: number): void;
}

/** A process as terminals see it: setpgid(2), setsid(2). */
export interface Process {
  /** tgid. */
  readonly id: number;
  readonly processGroup: number;
  readonly session: Session;
  /** Dispositions by signal number. */
  readonly actions: readonly { readonly handler: number }[];
}

export interface Session {
  readonly id: number;
  /** The controlling terminal: the terminal code sets it, and clears it. */
  terminal: ControllingTerminal | null;
}

/** What the kernel may do to a terminal. */
export interface ControllingTerminal {
  /** st_rdev, for /proc/PID/stat. */
  readonly device: number;
  /** The foreground process group; 0: none. */
  readonly foreground: number;
  /** The session leader has ended: SIGHUP and SIGCONT to the foreground, and nobody's terminal any more. */
  leaderExited(): void;
}

/** What terminals may do to processes. The kernel implements it, one per machine. */
export interface Jobs {
  /** Sends a signal to all members of a process group, as from the kernel. */
  signalGroup(pgid: number, signal: number): void;
  signalProcess(pid: number, signal: number): void;
  /** The session of a process group; undefined when there is no such group. */
  sessionOf(pgid: number): Session | undefined;
  /** No member has a parent in another group of the same session: stops would leave it stuck. */
  isOrphaned(pgid: number): boolean;
}

/** Time: what timerfd, sockets and terminals with timeouts need. The Kernel satisfies it. */
export interface Alarms {
  readonly clock: {
    /** Monotonic nanoseconds, as Sleeper.now(). */
    now(): number;
    realtime(): bigint;
  };
  readonly timers: {
    /** Calls target.expire() once, at or after the time; a target that already waits is moved. */
    add(deadline: number, target: Expiring): void;
    remove(target: Expiring): void;
  };
}

export interface Expiring {
  expire(now: number): void;
}

/** Random bytes of the machine (DESIGN section 4). `into` may lie in shared memory. */
export interface RandomSource {
  fill(into: Uint8Array): unknown;
}

/** The thread would not be stopped by the signal: terminals let such background processes write. */
export function blocksOrIgnores(caller: Caller, signal: number): boolean {
  return (caller.blocked & bit(signal)) !== 0n || caller.group.actions[signal].handler === SIG_IGN;
}

/** The same task, seen as a caller: every Sleeper that reaches a file operation is one. */
export function callerOf(s: Sleeper): Caller {
  return s as Caller;
}
