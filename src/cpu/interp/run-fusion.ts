/** Finds the pairs in a run of records that have fused handlers (fusions.ts). */
import { RECORD, RECORD_SIZE } from './record.ts';

const PAGE_SHIFT = 12;

/**
 * From two handlers to their fused one, as numbers: how many handlers there are; for each, its number as the first of a pair;
 * for each, its number as the second; then a row for each first. 0: none.
 */
export type FusionTable = Uint16Array;

export function buildFusionTable(handlers: number, pairs: Iterable<readonly [number, number, number]>): FusionTable {
  const all = [...pairs];
  const number = (of: readonly number[]) => new Map([...new Set(of)].map((handler, i) => [handler, i + 1]));
  const firsts = number(all.map(([first]) => first));
  const seconds = number(all.map(([, second]) => second));
  const table = new Uint16Array(1 + handlers * 2 + firsts.size * seconds.size);
  table[0] = handlers;
  for (const [handler, i] of firsts) table[1 + handler] = 1 + handlers * 2 + (i - 1) * seconds.size - 1;
  for (const [handler, i] of seconds) table[1 + handlers + handler] = i;
  for (const [first, second, fused] of all) table[table[1 + first] + seconds.get(second)!] = fused;
  return table;
}

/** Of each fused handler, that of its first instruction alone. */
export function firstHandlers(table: FusionTable): Map<number, number> {
  const handlers = table[0];
  const seconds = Math.max(...table.subarray(1 + handlers, 1 + handlers * 2));
  const found = new Map<number, number>();
  for (let handler = 0; handler < handlers; handler++) {
    const row = table[1 + handler];
    if (row === 0) continue;
    for (let second = 1; second <= seconds; second++) {
      const fused = table[row + second];
      if (fused !== 0) found.set(fused, handler);
    }
  }
  return found;
}

export class RunFusion {
  /** The VM's area. */
  readonly #words: Int32Array;
  readonly #table: FusionTable;

  constructor(words: Int32Array, table: FusionTable) {
    this.#words = words;
    this.#table = table;
  }

  /** Gives pairs of records in the run their fused handlers, so that as few handlers as possible run from any point on. */
  fuse(from: number, end: number): void {
    const words = this.#words;
    const table = this.#table;
    const handlers = table[0];
    // How many handlers run from the next record to the end, and from the one after it.
    let costOfNext = 0;
    let costOfSecond = 0;
    // Of the next record: its number as the second of a pair, and its last page.
    let second = 0;
    let secondPage = 0;
    for (let at = (end - RECORD_SIZE) >> 2; at >= from >> 2; at -= RECORD_SIZE / 4) {
      const head = words[at];
      const handler = head & 0xffff;
      const page = (words[at + RECORD.eip / 4] + ((head >> 16) & 0xff) - 1) >>> PAGE_SHIFT;
      let cost = 1 + costOfNext;
      if (second !== 0 && page === secondPage && costOfSecond <= costOfNext) {
        const row = table[1 + handler];
        const fused = row === 0 ? 0 : table[row + second];
        // Neighbours whose pages are forgotten together may be fused.
        if (fused !== 0) {
          words[at] = (head & ~0xffff) | fused;
          cost = 1 + costOfSecond;
        }
      }
      costOfSecond = costOfNext;
      costOfNext = cost;
      second = table[1 + handlers + handler];
      secondPage = page;
    }
  }
}
