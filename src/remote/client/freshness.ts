/**
 * How old an answer may be. What was asked for since a call began is good for that call, however long it sleeps: it was true
 * at a time when the call was under way. Everything else is good for a while, where caching is allowed at all.
 */
import type { Sleeper } from '../../wait/wait.ts';

/** When something was asked for: by count, and by the clock (milliseconds). */
export interface Stamp {
  readonly tick: number;
  readonly time: number;
}

export class Freshness {
  /** Milliseconds; 0: nothing is good for the next call. */
  readonly lifetime: number;
  #tick = 0;
  /** What was asked for before is too old for everybody. */
  #oldest = 0;
  readonly #calls = new WeakMap<Sleeper, { serial: number; start: number }>();

  constructor(lifetime: number) {
    this.lifetime = lifetime;
  }

  /** For what is asked now. */
  stamp(): Stamp {
    return { tick: ++this.#tick, time: performance.now() };
  }

  /** When the call began, as far as we have seen. */
  start(s: Sleeper): number {
    const known = this.#calls.get(s);
    if (known?.serial === s.serial) return known.start;
    const start = ++this.#tick;
    this.#calls.set(s, { serial: s.serial, start });
    return start;
  }

  /** Everything is asked for again. */
  expire(): void {
    this.#oldest = ++this.#tick;
  }

  isFresh(s: Sleeper, stamp: Stamp, lifetime = this.lifetime): boolean {
    if (stamp.tick >= this.start(s)) return true;
    if (lifetime === 0 || stamp.tick < this.#oldest) return false;
    const age = performance.now() - stamp.time;
    return age >= 0 && age < lifetime;
  }
}
