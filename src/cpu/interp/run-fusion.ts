/** Finds the pairs in a run of records that have fused handlers (fusions.ts). */
import { pairKey } from './fusions.ts';
import { RECORD, RECORD_SIZE } from './record.ts';

const PAGE_SHIFT = 12;

/** An instruction of the run at hand: its record and handler, and the pages that it lies on. */
interface RunEntry {
  at: number;
  handler: number;
  first: number;
  last: number;
}

export class RunFusion {
  readonly #vm: DataView;
  readonly #fused: ReadonlyMap<number, number>;
  /** The run at hand; entries are used again. */
  readonly #run: RunEntry[] = [];
  #length = 0;

  constructor(vm: DataView, fused: ReadonlyMap<number, number>) {
    this.#vm = vm;
    this.#fused = fused;
  }

  begin(): void {
    this.#length = 0;
  }

  /** The next instruction of the run. */
  note(at: number, handler: number, eip: number, length: number): void {
    if (this.#length === this.#run.length) this.#run.push({ at: 0, handler: 0, first: 0, last: 0 });
    const entry = this.#run[this.#length++];
    entry.at = at;
    entry.handler = handler;
    entry.first = eip >>> PAGE_SHIFT;
    entry.last = (eip + length - 1) >>> PAGE_SHIFT;
  }

  /** Gives pairs of records in the run their fused handlers, so that as few handlers as possible run from any point on. */
  fuse(): void {
    // How many handlers run from the next record to the end, and from the one after it.
    let costOfNext = 0;
    let costOfSecond = 0;
    for (let i = this.#length - 1; i >= 0; i--) {
      const one = this.#run[i];
      const fused = i + 1 < this.#length ? this.#fusedHandler(one, this.#run[i + 1]) : undefined;
      const isBetter = fused !== undefined && costOfSecond <= costOfNext;
      if (isBetter) this.#vm.setUint16(one.at + RECORD.handler, fused, true);
      const cost = 1 + (isBetter ? costOfSecond : costOfNext);
      costOfSecond = costOfNext;
      costOfNext = cost;
    }
  }

  /** Neighbours whose pages are forgotten together may be fused. */
  #fusedHandler(one: RunEntry, two: RunEntry): number | undefined {
    if (two.at !== one.at + RECORD_SIZE || two.first < one.first || two.last > one.last) return undefined;
    return this.#fused.get(pairKey(one.handler, two.handler));
  }
}
