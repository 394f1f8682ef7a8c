/** Operations that belong to no task: the write-back of mapped pages. Whoever cannot sleep hands them over. */
import { runOnce, type StepRecord } from '../wait/once.ts';
import { BLOCKED, type Plain, type Sleeper, type Waiter, WaitQueue } from '../wait/wait.ts';

/** What the clock of a machine tells. */
export type Clock = Pick<Sleeper, 'now' | 'realtime'>;

/** Runs operations one after the other, each to its end, however often it sleeps. */
export class Background implements Sleeper, Waiter {
  progress = 0;
  /** Operations begun. */
  serial = 0;
  /** Woken when the last operation is done. */
  readonly idle = new WaitQueue();
  readonly #clock: Clock;
  readonly #operations: (() => number)[] = [];
  readonly #steps: StepRecord = { pending: [], step: 0, depth: 0 };
  #queues: readonly WaitQueue[] = [];
  #running = false;
  #woken = false;
  #failure = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get busy(): boolean {
    return this.#operations.length > 0;
  }

  /** The first error since the last time it was asked for. */
  takeFailure(): number {
    const failure = this.#failure;
    this.#failure = 0;
    return failure;
  }

  add(operation: () => number): void {
    this.#operations.push(operation);
    if (this.#operations.length === 1) this.#run();
  }

  #run(): void {
    if (this.#running) return;
    this.#running = true;
    while (this.busy) {
      this.#woken = false;
      this.#steps.step = 0;
      this.#steps.depth = 0;
      const answer = this.#operations[0]();
      if (answer === BLOCKED) {
        if (this.#woken) continue;
        this.#running = false;
        return;
      }
      this.#leave();
      if (answer < 0 && this.#failure === 0) this.#failure = answer;
      this.#operations.shift();
      this.#steps.pending.length = 0;
      this.progress = 0;
      this.serial++;
    }
    this.#running = false;
    this.idle.wake();
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
    this.#run();
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
