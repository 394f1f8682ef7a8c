/** Time, chance and the event loop of Node.js: what a machine runs on (src/kernel/host.ts names the interface). */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

/** setTimeout counts milliseconds: what is shorter is waited for turn by turn. */
const SHORTEST_TIMER = 2_000_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * A line for whoever runs Tallship, on stderr. process.stderr is left alone: it would open a terminal anew, and take its
 * time to load.
 */
export function say(line: string): void {
  try {
    writeSync(2, `tallship: ${line}\n`);
  } catch {} // nobody listens
}

/** The kernel's generator without node:crypto, which takes 4 ms to load; false where there is none. */
function fillFromKernel(bytes: Uint8Array): boolean {
  try {
    const fd = openSync('/dev/urandom', 'r');
    const count = readSync(fd, bytes);
    closeSync(fd);
    return count === bytes.length;
  } catch {
    return false;
  }
}

export class NodeHost {
  readonly #startWall = BigInt(Date.now()) * 1_000_000n;
  readonly #start = process.hrtime.bigint();
  #log: (line: string) => void;
  #ending: (() => void) | undefined;
  #woken = false;

  constructor(log: (line: string) => void = (line) => say(line)) {
    this.#log = log;
  }

  now(): number {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1e9 + nanoseconds;
  }

  /** The host's clock, to the nanosecond between its milliseconds; a clock that is set meanwhile is followed. */
  realtime(): bigint {
    const fine = this.#startWall + (process.hrtime.bigint() - this.#start);
    const coarse = BigInt(Date.now()) * 1_000_000n;
    const drift = fine - coarse;
    return drift > 10_000_000n || drift < -10_000_000n ? coarse : fine;
  }

  randomBytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    return fillFromKernel(bytes) ? bytes : process.getBuiltinModule('node:crypto').randomFillSync(bytes);
  }

  yield(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  async idle(nanoseconds: number | undefined): Promise<void> {
    if (this.#woken) {
      this.#woken = false;
      return this.yield();
    }
    if (nanoseconds !== undefined && nanoseconds < SHORTEST_TIMER) {
      const end = this.now() + nanoseconds;
      while (this.now() < end && !this.#woken) await this.yield();
      this.#woken = false;
      return;
    }
    // A timer in any case: a pending Promise alone does not keep Node alive.
    const milliseconds = nanoseconds === undefined ? LONGEST_TIMER_MS : Math.floor(nanoseconds / 1e6 - 1);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.min(milliseconds, LONGEST_TIMER_MS));
      this.#ending = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#ending = undefined;
    this.#woken = false;
  }

  wake(): void {
    this.#woken = true;
    this.#ending?.();
  }

  log(line: string): void {
    this.#log(line);
  }
}
