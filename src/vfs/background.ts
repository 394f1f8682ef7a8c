/** Operations that belong to no task: the write-back of mapped pages. Whoever cannot sleep hands them over. */
import { BLOCKED, WaitQueue } from '../wait/wait.ts';
import { Attendant } from './attendant.ts';

/** Runs operations one after the other, each to its end, however often it sleeps. */
export class Background extends Attendant {
  /** Operations begun. */
  serial = 0;
  /** Woken when the last operation is done. */
  readonly idle = new WaitQueue();
  readonly #operations: (() => number)[] = [];
  #running = false;
  #failure = 0;

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
    if (this.#operations.length === 1) this.resume();
  }

  protected override resume(): void {
    if (this.#running) return;
    this.#running = true;
    while (this.busy) {
      const answer = this.attempt(this.#operations[0]);
      if (answer === BLOCKED) {
        this.#running = false;
        return;
      }
      if (answer < 0 && this.#failure === 0) this.#failure = answer;
      this.#operations.shift();
      this.steps.pending.length = 0;
      this.progress = 0;
      this.serial++;
    }
    this.#running = false;
    this.idle.wake();
  }
}
