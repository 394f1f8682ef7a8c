/** What goes on elsewhere while a sleeper waits for it: begun once, asked for again each time the sleeper's operation runs. */
import { type Sleeper, WaitQueue } from './wait.ts';

interface Run<T> {
  readonly queue: WaitQueue;
  answer: T | null;
}

export class Awaited<T> {
  readonly #runs = new WeakMap<Sleeper, Run<T>>();

  /** Something was begun for this sleeper, and its answer not taken. */
  has(s: Sleeper): boolean {
    return this.#runs.has(s);
  }

  /** Begins it, or answers what has become of it; a number below 0: the sleeper sleeps (wait.ts: failed()). */
  take(s: Sleeper, begin: (done: (answer: T) => void) => void): T | number {
    let run = this.#runs.get(s);
    if (run === undefined) {
      const begun: Run<T> = { queue: new WaitQueue(), answer: null };
      run = begun;
      this.#runs.set(s, run);
      begin((answer) => {
        begun.answer = answer;
        begun.queue.wake();
      });
    }
    if (run.answer === null) return s.block(run.queue);
    this.#runs.delete(s);
    return run.answer;
  }
}
