/** System calls that are made at home for one client's programs: requests that wait, as those for locks do. */
import { type Sleeper, WaitQueue } from '../../wait/wait.ts';
import type { Called, ForwardedValue } from '../forward.ts';

/** What makes them (src/host/home-calls.ts): one for each client. */
export interface CallsAtHome {
  /** A result may be a negative errno. Never rejects. */
  perform(name: string, values: readonly ForwardedValue[]): Promise<Called | number>;
  /** The client has gone. */
  close(): void;
}

interface Run {
  readonly queue: WaitQueue;
  answer: Called | number | null;
}

export class ForwardedCalls {
  readonly #calls: CallsAtHome;
  readonly #runs = new WeakMap<Sleeper, Run>();

  constructor(calls: CallsAtHome) {
    this.#calls = calls;
  }

  perform(s: Sleeper, name: string, values: readonly ForwardedValue[]): Called | number {
    let run = this.#runs.get(s);
    if (run === undefined) {
      const started: Run = { queue: new WaitQueue(), answer: null };
      run = started;
      this.#runs.set(s, run);
      void this.#calls.perform(name, values).then((answer) => {
        started.answer = answer;
        started.queue.wake();
      });
    }
    return run.answer ?? s.block(run.queue);
  }

  close(): void {
    this.#calls.close();
  }
}
