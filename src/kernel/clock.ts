import type { MachineHost } from './host.ts';

/**
 * The machine's only source of time. Monotonic time starts when the machine does (its boot); a restored machine goes on
 * from where its image stopped.
 */
export class Clock {
  readonly #host: MachineHost;
  #hostStart: number;
  #start: number;
  /** What settimeofday has moved the wall clock by. */
  offset = 0n;

  constructor(host: MachineHost, start = 1e9) {
    this.#host = host;
    this.#hostStart = host.now();
    this.#start = start;
  }

  /** A restored machine: monotonic time goes on from there. */
  resume(monotonic: number, offset: bigint): void {
    this.#hostStart = this.#host.now();
    this.#start = monotonic;
    this.offset = offset;
  }

  /** Nanoseconds since boot, CLOCK_MONOTONIC. */
  now(): number {
    return this.#start + Math.round(this.#host.now() - this.#hostStart);
  }
  /** Nanoseconds since 1970, CLOCK_REALTIME. */
  realtime(): bigint {
    return this.#host.realtime() + this.offset;
  }
}
