/**
 * How a system call sleeps (DESIGN section 4).
 *
 * Handlers are plain synchronous code. One that cannot finish asks its Sleeper to block, gets BLOCKED back and returns it;
 * when the task wakes, the handler runs again from its start. Nothing sleeps inside a handler, so a sleeping task is data.
 *
 *   const n = pipe.take(buf);
 *   return n > 0 ? n : sleeper.block(pipe.readers);     // BLOCKED, -EINTR-like when a signal is pending, -EAGAIN-like on timeout
 */

/** The answer of an operation that has put its task to sleep. Outside Linux's errno range (1..4095). */
export const BLOCKED = -4096;

/** Linux's in-kernel "interrupted" codes: the signal code turns them into EINTR or a restarted call. */
export const ERESTARTSYS = 512;
export const ERESTARTNOINTR = 513;
export const ERESTARTNOHAND = 514;
export const ERESTART_RESTARTBLOCK = 516;

/** True for a negative errno or BLOCKED: what every caller passes on. */
export function failed(answer: unknown): answer is number {
  return typeof answer === 'number' && answer < 0;
}

/** Someone who can be woken: a task, or an epoll item that listens all the time. */
export interface Waiter {
  /** @param events POLL* bits of what has happened; absent: anything may have. */
  wake(events?: number): void;
}

/** Where waiters sleep until something happens. */
export class WaitQueue {
  readonly waiters = new Set<Waiter>();

  /** Wakes everyone; they look again at what they wait for. */
  wake(events?: number): void {
    if (this.waiters.size === 0) return;
    for (const waiter of [...this.waiters]) waiter.wake(events);
  }
}

/** What can stand in `pending`: plain data, so that a checkpoint can keep it. */
export type Plain = null | boolean | number | bigint | string | Uint8Array | Plain[] | { [key: string]: Plain };

/** The task, as operations that may sleep see it. */
export interface Sleeper {
  /**
   * Sleeps on the queues until one is woken, the deadline passes or a signal arrives; answers BLOCKED. When a signal is
   * already pending it answers -ERESTARTSYS at once; when the deadline has passed, 0.
   * @param deadline monotonic nanoseconds; absent: none.
   * @param firmly only what ends the task ends the sleep early (TASK_KILLABLE): for work that is under way elsewhere.
   */
  block(queues: WaitQueue | readonly WaitQueue[], deadline?: number, firmly?: boolean): number;
  /**
   * Runs a step with side effects, or a look at the clock, once per system call: when the handler is run again, the
   * remembered answer is given. BLOCKED answers are not remembered. Steps are told apart by their order.
   */
  once<T extends Plain>(step: () => T): T;
  /** What a partly done transfer has already moved: survives re-runs, 0 at the call's start. */
  progress: number;
  /** Counts the calls of this sleeper: tells one from the next. */
  readonly serial: number;
  /** Monotonic clock of the machine, nanoseconds. */
  now(): number;
  /** Wall clock, nanoseconds since 1970: for file times. */
  realtime(): bigint;
}
