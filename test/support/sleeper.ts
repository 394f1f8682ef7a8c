/** A task as files see it, for tests: runs one call at a time, notes what it sleeps on, runs it again when told. */
import type { Caller, Credentials } from '../../src/fs/caller.ts';
import { BLOCKED, ERESTARTSYS, type Plain, type Waiter, type WaitQueue } from '../../src/wait/wait.ts';

/** A clock that stands still until a test moves it; shared by the callers that should see the same time. */
export class FakeClock {
  monotonic = 1_000_000_000;
  epoch = 1_700_000_000_000_000_000n;
}

export class FakeCaller implements Caller, Waiter {
  readonly clock: FakeClock;
  readonly tid: number;
  readonly tgid: number;
  credentials: Credentials = { uid: 0, gid: 0, euid: 0, egid: 0, groups: [], privileged: true };
  /** Signals that operations raised on this caller. */
  readonly raised: number[] = [];
  /** True: a signal is pending, sleeping is refused. */
  interrupted = false;
  /** What the call sleeps on; empty while it does not. */
  queues: WaitQueue[] = [];
  deadline: number | undefined;
  progress = 0;
  #handler: () => unknown = () => 0;
  #remembered: Plain[] = [];
  #step = 0;

  constructor(tid = 1, clock = new FakeClock()) {
    this.tid = tid;
    this.tgid = tid;
    this.clock = clock;
  }

  /** Begins a call. */
  start<T>(handler: () => T): T {
    this.#handler = handler;
    this.#remembered = [];
    this.progress = 0;
    return this.resume();
  }

  /** Runs the call again, as after a wake-up. */
  resume<T>(): T {
    this.wake();
    this.#step = 0;
    return this.#handler() as T;
  }

  get asleep(): boolean {
    return this.queues.length > 0;
  }

  wake(): void {
    for (const queue of this.queues) queue.waiters.delete(this);
    this.queues = [];
  }

  block(queues: WaitQueue | readonly WaitQueue[], deadline?: number): number {
    if (this.interrupted) return -ERESTARTSYS;
    if (deadline !== undefined && deadline <= this.now()) return 0;
    this.queues = Array.isArray(queues) ? [...queues] : [queues as WaitQueue];
    this.deadline = deadline;
    for (const queue of this.queues) queue.waiters.add(this);
    return BLOCKED;
  }

  once<T extends Plain>(step: () => T): T {
    const index = this.#step++;
    if (index < this.#remembered.length) return this.#remembered[index] as T;
    const answer = step();
    if ((answer as unknown) !== BLOCKED) this.#remembered.push(answer);
    return answer;
  }

  now(): number {
    return this.clock.monotonic;
  }

  realtime(): bigint {
    return this.clock.epoch;
  }

  raise(signal: number): void {
    this.raised.push(signal);
  }
}
