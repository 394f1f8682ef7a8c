/** A task as files see it, for tests: runs one call at a time, notes what it sleeps on, runs it again when told. */
import type { Alarms, Caller, Expiring, Session } from '../../src/fs/caller.ts';
import { makeCredentials } from '../../src/vfs/credentials.ts';
import { runOnce, type StepRecord } from '../../src/wait/once.ts';
import { BLOCKED, ERESTARTSYS, type Plain, type Waiter, type WaitQueue } from '../../src/wait/wait.ts';

/** A clock that stands still until a test moves it; shared by the callers that should see the same time. */
export class FakeClock implements Alarms {
  monotonic = 1_000_000_000;
  epoch = 1_700_000_000_000_000_000n;
  readonly #waiting = new Map<Expiring, number>();
  readonly clock = { now: () => this.monotonic, realtime: () => this.epoch };
  readonly timers = {
    add: (deadline: number, target: Expiring) => {
      this.#waiting.set(target, deadline);
    },
    remove: (target: Expiring) => {
      this.#waiting.delete(target);
    },
  };

  /** Lets time pass, and alarms go off in their order. */
  advance(nanoseconds: number): void {
    const until = this.monotonic + nanoseconds;
    for (;;) {
      const due = [...this.#waiting].filter(([, at]) => at <= until).sort((a, b) => a[1] - b[1])[0];
      if (due === undefined) break;
      this.#moveTo(Math.max(this.monotonic, due[1]));
      this.#waiting.delete(due[0]);
      due[0].expire(this.monotonic);
    }
    this.#moveTo(until);
  }

  #moveTo(time: number): void {
    this.epoch += BigInt(Math.round(time - this.monotonic));
    this.monotonic = time;
  }
}

export function fakeProcess(id: number, processGroup = id, session: Session = { id, terminal: null }) {
  return { id, processGroup, session, actions: Array.from({ length: 65 }, () => ({ handler: 0 })) };
}

export class FakeCaller implements Caller, Waiter {
  readonly clock: FakeClock;
  readonly tid: number;
  group: ReturnType<typeof fakeProcess>;
  credentials = makeCredentials(0, 0);
  blocked = 0n;
  /** Signals that operations raised on this caller. */
  readonly raised: number[] = [];
  /** True: a signal is pending, sleeping is refused. */
  interrupted = false;
  /** What the call sleeps on; empty while it does not. */
  queues: WaitQueue[] = [];
  deadline: number | undefined;
  progress = 0;
  #handler: () => unknown = () => 0;
  readonly #steps: StepRecord = { pending: [], step: 0, depth: 0 };

  constructor(tid = 1, clock = new FakeClock()) {
    this.tid = tid;
    this.group = fakeProcess(tid);
    this.clock = clock;
  }

  /** Calls begun so far. */
  serial = 0;

  /** Begins a call. */
  start<T>(handler: () => T): T {
    this.serial++;
    this.#handler = handler;
    this.#steps.pending.length = 0;
    this.progress = 0;
    return this.resume();
  }

  /** Runs the call again, as after a wake-up. */
  resume<T>(): T {
    this.wake();
    this.#steps.step = 0;
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
    return runOnce(this.#steps, step);
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
