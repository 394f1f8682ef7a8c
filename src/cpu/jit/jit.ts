/**
 * Compiles hot code. Where a slice ends is a sample of where the guest spends its time: what turns up again is compiled, and
 * the records at which control enters it lead there from then on.
 */
import { ENTRY_BITS } from '../interp/module.ts';
import type { RecordCache } from '../interp/record-cache.ts';
import type { CpuMemory } from '../memory.ts';
import type { Region } from './region.ts';
import { findRegion } from './region.ts';
import { compileRegion } from './region-module.ts';

interface Installed {
  readonly slot: number;
  readonly pages: ReadonlySet<number>;
  /** Records that lead into the region, and the handlers that they had. */
  readonly patched: readonly { record: number; handler: number }[];
}

/** Samples after which code is hot: one is taken every 20,000 instructions, and compiling costs as much as a million. */
const HOT = 16;
/** V8 has limits on modules (DESIGN section 3): for one processor, by when everything hot is compiled, and for all. */
const MAX_REGIONS = 1000;
const MAX_MODULES = 20_000;
let modules = 0;
const PAGE_SHIFT = 12;

export class Jit {
  readonly #memory: CpuMemory;
  readonly #cache: RecordCache;
  readonly #interp: Record<string, unknown>;
  readonly #table: WebAssembly.Table;
  readonly #samples = new Map<number, number>();
  #installed: Installed[] = [];
  #free: number[] = [];
  #slots = 0;
  #made = 0;

  constructor(memory: CpuMemory, cache: RecordCache, interp: Record<string, unknown>, table: WebAssembly.Table) {
    this.#memory = memory;
    this.#cache = cache;
    this.#interp = interp;
    this.#table = table;
  }

  /** The guest was seen at `eip`, the target of a branch. */
  sample(eip: number): void {
    const count = (this.#samples.get(eip) ?? 0) + 1;
    this.#samples.set(eip, count);
    if (count === HOT && this.#made < MAX_REGIONS && modules < MAX_MODULES) this.compile(eip);
  }

  /** Compiles what runs at `eip`, hot or not. */
  compile(eip: number): void {
    if (!this.#cache.hasRoom) return;
    const region = findRegion(this.#cache, eip);
    if (!region) return;
    this.#made++;
    modules++;
    const { bytes, routines } = compileRegion(region, this.#memory);
    const interp = Object.fromEntries(routines.map(({ name }) => [name, this.#interp[name]]));

    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory: this.#memory.memory },
      interp,
    });
    this.#install(region, instance.exports.region);
  }

  #install(region: Region, code: unknown): void {
    const slot = this.#free.pop() ?? this.#slots++;
    if (slot >= this.#table.length) this.#table.grow(256);
    this.#table.set(slot, code);
    const patched = region.entries.flatMap(({ index, insns }) => {
      const { record } = insns[0];
      const handler = this.#cache.enterCompiled(record, (slot << ENTRY_BITS) | index);
      return handler === undefined ? [] : [{ record, handler }];
    });
    const insns = region.blocks.flatMap((block) => block.insns);
    const pages = insns.flatMap(({ decoded: { eip, length } }) => [
      eip >>> PAGE_SHIFT,
      (eip + length - 1) >>> PAGE_SHIFT,
    ]);
    this.#installed.push({ slot, pages: new Set(pages), patched });
  }

  /** Code in this range changes: what was compiled of it is not entered any more. To be called before the records go. */
  invalidate(start: number, end: number): void {
    if (this.#installed.length === 0) return;
    const first = start >>> PAGE_SHIFT;
    const last = Math.ceil(end / (1 << PAGE_SHIFT));
    const isHit = ({ pages }: Installed): boolean => [...pages].some((page) => page >= first && page < last);
    const hit = this.#installed.filter(isHit);
    if (hit.length === 0) return;
    for (const { slot, patched } of hit) {
      for (const { record, handler } of patched) this.#cache.leaveCompiled(record, handler);
      this.#free.push(slot);
    }
    this.#installed = this.#installed.filter((one) => !hit.includes(one));
    this.#samples.clear();
  }

  /** All records are gone. */
  reset(): void {
    this.#installed = [];
    this.#free = [];
    this.#slots = 0;
    this.#samples.clear();
  }
}
