/** System calls that are made at home for one client's programs: requests that wait, as those for locks do. */
import { Awaited } from '../../wait/awaited.ts';
import type { Sleeper } from '../../wait/wait.ts';
import type { Called, ForwardedValue } from '../forward.ts';

/** What makes them (src/host/home-calls.ts): one for each client. */
export interface CallsAtHome {
  /** A result may be a negative errno. Never rejects. */
  perform(name: string, values: readonly ForwardedValue[]): Promise<Called | number>;
  /** The client has gone. */
  close(): void;
}

export class ForwardedCalls {
  readonly #calls: CallsAtHome;
  readonly #awaited = new Awaited<Called | number>();

  constructor(calls: CallsAtHome) {
    this.#calls = calls;
  }

  perform(s: Sleeper, name: string, values: readonly ForwardedValue[]): Called | number {
    return this.#awaited.take(s, (done) => void this.#calls.perform(name, values).then(done));
  }

  close(): void {
    this.#calls.close();
  }
}
