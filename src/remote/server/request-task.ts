/** A request while it is done: what the inode operations know as their sleeper. Done again from its start after each sleep. */
import { EINTR } from '../../abi/errno.ts';
import type { Clock } from '../../vfs/background.ts';
import { runOnce, type StepRecord } from '../../wait/once.ts';
import { BLOCKED, type Plain, type Sleeper, type Waiter, type WaitQueue } from '../../wait/wait.ts';

export class RequestTask implements Sleeper, Waiter {
  readonly serial = 1;
  progress = 0;
  readonly #clock: Clock;
  readonly #operation: () => unknown;
  readonly #done: (answer: unknown) => void;
  readonly #steps: StepRecord = { pending: [], step: 0, depth: 0 };
  #queues: readonly WaitQueue[] = [];
  #running = false;
  #woken = false;
  #cancelled = false;

  constructor(clock: Clock, operation: (s: RequestTask) => unknown, done: (answer: unknown) => void) {
    this.#clock = clock;
    this.#operation = () => operation(this);
    this.#done = done;
  }

  run(): void {
    if (this.#running) {
      this.#woken = true;
      return;
    }
    this.#running = true;
    let answer: unknown;
    do {
      this.#woken = false;
      this.#steps.step = 0;
      this.#steps.depth = 0;
      answer = this.#operation();
    } while (answer === BLOCKED && this.#woken);
    this.#running = false;
    if (answer === BLOCKED) return;
    this.#leave();
    this.#done(answer);
  }

  /** Whoever asked does not want to wait any longer. */
  cancel(): void {
    this.#cancelled = true;
    this.wake();
  }

  block(queues: WaitQueue | readonly WaitQueue[]): number {
    if (this.#cancelled) return -EINTR;
    this.#leave();
    this.#queues = 'wake' in queues ? [queues] : queues;
    for (const queue of this.#queues) queue.waiters.add(this);
    return BLOCKED;
  }

  wake(): void {
    this.#leave();
    this.run();
  }

  #leave(): void {
    for (const queue of this.#queues) queue.waiters.delete(this);
    this.#queues = [];
  }

  once<T extends Plain>(step: () => T): T {
    return runOnce(this.#steps, step);
  }
  now(): number {
    return this.#clock.now();
  }
  realtime(): bigint {
    return this.#clock.realtime();
  }
}
