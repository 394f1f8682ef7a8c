/** A run of the tester: systematic cases, then random ones until time or cases are up; what differs, shrunk and grouped. */
import type { Row } from '../../../src/cpu/decode/rows.ts';
import type { Mismatch } from './differ.ts';
import { Differ } from './differ.ts';
import { explain, OWN_MEMORY } from './exceptions.ts';
import { randomProgram, systematic } from './plan.ts';
import type { Program } from './program.ts';
import { Random } from './random.ts';
import { show, signature } from './report.ts';
import { allRows, rowName, whyNotCompared } from './rows.ts';
import { isConfirmed, isolate, simplify } from './shrink.ts';

export interface SessionOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Ends when that many cases have run. */
  readonly cases: number;
  readonly row: RegExp;
  /** Whether flags that the manual leaves undefined count. */
  readonly undefinedCount: boolean;
  /** Cases per program. */
  readonly states: number;
  /** Skips the systematic part. */
  readonly randomOnly: boolean;
}

export interface Failure {
  readonly signature: string;
  count: number;
  readonly text: string;
}

export interface Summary {
  readonly cases: number;
  readonly evaluated: number;
  readonly compiled: number;
  readonly protected: number;
  /** Cases that neither the processor nor Tallship ended. */
  readonly endless: number;
  readonly lost: number;
  readonly failures: Failure[];
  /** Named exceptions, and how often. */
  readonly exceptions: Record<string, number>;
  readonly rows: number;
  readonly missing: string[];
}

const MOST_FAILURES = 100;

class Session {
  readonly #options: SessionOptions;
  readonly #differ = new Differ();
  readonly #ownMemory: [number, number][];
  readonly #failures = new Map<string, Failure>();
  readonly #exceptions: Record<string, number> = {};
  readonly #rows: Row[];
  #keepsPointers = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#ownMemory = [];
    this.#rows = allRows.filter((row) => options.row.test(rowName(row)) && !whyNotCompared(row));
  }

  async run(): Promise<Summary> {
    const { seed, seconds, cases, randomOnly } = this.#options;
    const end = performance.now() + seconds * 1000;
    this.#keepsPointers = await this.#differ.oracle.keepsPointers();
    const random = new Random(seed);
    let plan: Iterator<Program> | undefined = randomOnly ? undefined : systematic(this.#rows, random);
    const next = (): Program => {
      const program = plan?.next();
      if (program && !program.done) return program.value;
      plan = undefined;
      return randomProgram(this.#rows, random);
    };
    while (performance.now() < end && this.#differ.statistics.cases < cases) {
      for (const one of await this.#differ.batch(next, this.#options.states, random)) await this.#examine(one);
      if (this.#failures.size >= MOST_FAILURES) break;
    }
    this.#differ.close();
    return this.#summary();
  }

  async #examine(mismatch: Mismatch): Promise<void> {
    if (this.#ownMemory.length === 0) this.#ownMemory.push(...this.#differ.oracle.ownMemory());
    const context = {
      ownMemory: this.#ownMemory,
      keepsPointers: this.#keepsPointers,
      undefinedCount: this.#options.undefinedCount,
    };
    const single = await isolate(this.#differ, mismatch);
    const exception = explain(single, context) ?? ((await isConfirmed(this.#differ, single)) ? undefined : OWN_MEMORY);
    if (exception !== undefined) {
      this.#exceptions[exception] = (this.#exceptions[exception] ?? 0) + 1;
      // It may have been written to.
      if (exception === OWN_MEMORY) this.#differ.oracle.restart();
      return;
    }
    const key = signature(single);
    const known = this.#failures.get(key);
    if (known) {
      known.count++;
      return;
    }
    const isSame = (m: Mismatch): boolean => signature(m) === key && explain(m, context) === undefined;
    const text = show(await simplify(this.#differ, single, isSame));
    this.#failures.set(key, { signature: key, count: 1, text });
  }

  #summary(): Summary {
    const { statistics, coverage } = this.#differ;
    const missing = this.#rows.filter((row) => !coverage.has(row)).map(rowName);
    return {
      ...statistics,
      failures: [...this.#failures.values()].sort((a, b) => b.count - a.count),
      exceptions: this.#exceptions,
      rows: this.#rows.length,
      missing,
    };
  }
}

export function runSession(options: SessionOptions): Promise<Summary> {
  return new Session(options).run();
}
