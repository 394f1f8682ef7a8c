/** A bad network in one process: connections between a client and a server that are slow and break at random. */
import type { Transport, TransportListener } from '../../src/remote/transport.ts';

export interface Weather {
  /** A random number below 1. */
  random: () => number;
  /** Of each piece of bytes, that the connection breaks in place of carrying it. */
  breaks: number;
  /** Milliseconds that a piece takes at most. */
  delay: number;
}

class End implements Transport {
  readonly backlog = 0;
  other!: End;
  readonly #weather: Weather;
  #listener: TransportListener | null = null;
  #early: Uint8Array[] = [];
  #open = true;
  /** Nothing arrives after what was cut off. */
  #broken = false;
  /** Pieces arrive in order. */
  #last: Promise<void> = Promise.resolve();

  constructor(weather: Weather) {
    this.#weather = weather;
  }

  receive(listener: TransportListener): void {
    this.#listener = listener;
    for (const bytes of this.#early.splice(0)) listener.data(bytes);
  }

  send(bytes: Uint8Array): void {
    if (!this.#open) return;
    const { random, breaks, delay } = this.#weather;
    const whole = bytes.slice();
    // What breaks may have carried a part.
    const broken = random() < breaks;
    const carried = broken ? whole.subarray(0, Math.floor(random() * whole.length)) : whole;
    const pause = random() * delay;
    this.#last = this.#last.then(async () => {
      if (delay > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      if (this.#broken) return;
      this.other.#take(carried);
      this.#broken = broken;
      if (broken) this.close();
    });
  }

  #take(bytes: Uint8Array): void {
    if (!this.#open || bytes.length === 0) return;
    if (this.#listener === null) this.#early.push(bytes);
    else this.#listener.data(bytes);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    void this.#last.then(() => this.other.close());
    setImmediate(() => this.#listener?.closed('the connection broke'));
  }
}

/** Two ends of a new connection. */
export function badConnection(weather: Weather): [End, End] {
  const here = new End(weather);
  const there = new End(weather);
  here.other = there;
  there.other = here;
  return [here, there];
}
