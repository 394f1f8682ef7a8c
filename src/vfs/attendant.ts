/** A sleeper that is no task: does an operation again from its start whenever what it waits for has happened. */
import { runOnce, type StepRecord } from '../wait/once.ts';
import { BLOCKED, type Plain, type Sleeper, type Waiter, type WaitQueue } from '../wait/wait.ts';

/** What the clock of a machine tells. */
export type Clock = Pick<Sleeper, 'now' | 'realtime'>;

export abstract class Attendant implements Sleeper, Waiter {
  progress = 0;
  abstract readonly serial: number;
  protected readonly steps: StepRecord = { pending: [], step: 0, depth: 0 };
  readonly #clock: Clock;
  #queues: readonly WaitQueue[] = [];
  #woken = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Goes on with the operation, or finds that it is going on just now. */
  protected abstract resume(): void;

  /** Answers what the operation does; BLOCKED: resume() will be called. */
  protected attempt<T>(operation: () => T): T {
    let answer: T;
    do {
      this.#woken = false;
      this.steps.step = 0;
      this.steps.depth = 0;
      answer = operation();
    } while (answer === BLOCKED && this.#woken);
    if (answer !== BLOCKED) this.#leave();
    return answer;
  }

  block(queues: WaitQueue | readonly WaitQueue[]): number {
    this.#leave();
    this.#queues = 'wake' in queues ? [queues] : queues;
    for (const queue of this.#queues) queue.waiters.add(this);
    return BLOCKED;
  }

  wake(): void {
    this.#leave();
    this.#woken = true;
    this.resume();
  }

  #leave(): void {
    for (const queue of this.#queues) queue.waiters.delete(this);
    this.#queues = [];
  }

  once<T extends Plain>(step: () => T): T {
    return runOnce(this.steps, step);
  }
  now(): number {
    return this.#clock.now();
  }
  realtime(): bigint {
    return this.#clock.realtime();
  }
}
