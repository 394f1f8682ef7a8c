/**
 * Compiles hot code. Where a slice ends is a sample of where the guest spends its time: what turns up again is compiled, and
 * whatever goes to one of its entries finds it from then on.
 */
import type { Decoded } from '../decode/decoded.ts';
import { ENTRY_BITS } from '../interp/compiled.ts';
import type { RecordCache } from '../interp/record-cache.ts';
import type { CpuMemory } from '../memory.ts';
import { CodeTable } from './code-table.ts';
import type { CodeSource, Region } from './region.ts';
import { findRegion, relativeTarget } from './region.ts';
import type { RegionCode } from './region-module.ts';
import { compileRegion } from './region-module.ts';

interface Installed {
  /** -1: it has been replaced. */
  start: number;
  readonly slot: number;
  /** EIPs of its instructions that may end a block. */
  readonly branches: ReadonlySet<number>;
  readonly pages: ReadonlySet<number>;
  /** How deep its direct calls go; who calls it so. */
  readonly height: number;
  readonly callers: Set<Installed>;
  /** EIPs of its entries, with their records, and whether those lead here. */
  readonly entries: { eip: number; record: number; isLed: boolean }[];
}

/** What `--stats` shows. */
export interface JitStats {
  functions: number;
  instructions: number;
  bytes: number;
  milliseconds: number;
  invalidated: number;
}
export const jitStats: JitStats = { functions: 0, instructions: 0, bytes: 0, milliseconds: 0, invalidated: 0 };

/** Samples of a place after which it may be compiled. */
const HOT = 8;
/**
 * Compiling may take about a tenth of the time that passes, by estimate (microseconds): so a short program compiles its
 * innermost loops only, and a long one everything that is warm. The compiler itself is slow until V8 has optimised it.
 */
const SAMPLE_CREDIT = 1.5;
const COMPILED_CREDIT = 30;
const COST = 12;
const COLD_COST = 40;
const COLD_INSNS = 4000;
/** V8 has limits on modules (DESIGN section 3): for one processor, by when everything hot is compiled, and for all. */
const MAX_REGIONS = 2000;
const MAX_MODULES = 20_000;
let modules = 0;
let credit = 0;
/** Direct calls within each other: the depth of the host's stack is counted only where calls are looked for. */
const MAX_HEIGHT = 5;
/** Instructions of a function that is compiled for the sake of a caller. */
const SMALL = 100;
const PAGE_SHIFT = 12;
/** Jumps not farther than this stay in a region. */
const NEAR = 0x1_0000;
/** After so many jumps out of it, and their square, a region is compiled again to take them in. */
const GROW = 16;

const sizeOf = ({ blocks }: Region): number => blocks.reduce((sum, { insns }) => sum + insns.length, 0);

export interface JitOptions {
  /** Compile all code when it is first reached: for tests. */
  readonly isEager: boolean;
  /** Flags and instruction counts are right at each access, and slices end at the very instruction. */
  readonly isExact: boolean;
}

export class Jit {
  readonly #memory: CpuMemory;
  readonly #cache: RecordCache;
  /** The interpreter's routines, by name. */
  readonly #routine: (name: string) => unknown;
  readonly #table: WebAssembly.Table;
  readonly #code: CodeTable;
  readonly #options: JitOptions;
  readonly #samples = new Map<number, number>();
  readonly #jumps = new Map<number, Set<number>>();
  /** How often a region was found to lack something, by its start. */
  readonly #growths = new Map<number, number>();
  /** Where compilation was tried, so that eager compilation tries once. */
  readonly #tried = new Set<number>();
  readonly #installed = new Set<Installed>();
  /** By the EIPs of their entries. */
  readonly #entries = new Map<number, Installed>();
  #free: number[] = [];
  #slots = 0;
  #made = 0;
  #isPrecise = false;
  /** Some code has been compiled that is not precise. */
  #hasCareless = false;
  /** Of callers that wait for their callees to be compiled. */
  #depth = 0;

  constructor(
    memory: CpuMemory,
    cache: RecordCache,
    routine: (name: string) => unknown,
    table: WebAssembly.Table,
    options: JitOptions,
  ) {
    this.#memory = memory;
    this.#cache = cache;
    this.#routine = routine;
    this.#table = table;
    this.#code = new CodeTable(memory);
    this.#options = options;
    this.#isPrecise = options.isExact;
  }

  /** Compiled code has all registers in the register file at each access to memory: what has not, is dropped. */
  set isPrecise(isPrecise: boolean) {
    if (this.#isPrecise === isPrecise || this.#options.isExact) return;
    this.#isPrecise = isPrecise;
    if (!isPrecise || !this.#hasCareless) return;
    this.#hasCareless = false;
    for (const one of [...this.#installed]) this.#remove(one);
    this.#forget();
  }
  get isPrecise(): boolean {
    return this.#isPrecise;
  }

  get isEager(): boolean {
    return this.#options.isEager;
  }

  /** The guest was seen at `eip`, the target of a branch. */
  sample(eip: number): void {
    const count = (this.#samples.get(eip) ?? 0) + 1;
    this.#samples.set(eip, count);
    credit += SAMPLE_CREDIT;
    if (count >= HOT && !this.#tried.has(eip)) this.#afford(eip);
  }

  /** Compiles, if there has been time for it. */
  #afford(eip: number, followsJumps = true): void {
    if (credit < 0) return;
    this.#tried.add(eip);
    const before = jitStats.instructions;
    this.compile(eip, followsJumps);
    const made = jitStats.instructions - before;
    credit -= made * (jitStats.instructions < COLD_INSNS ? COLD_COST : COST);
  }

  /**
   * Compiled code often goes on in the interpreter at `eip`, from a jump at `from` if it was one. That becomes a region of its
   * own, and if it is near, part of the other one when that is compiled again.
   */
  left(from: number, eip: number): void {
    const isNew = !this.#tried.has(eip);
    const region = this.#find(({ branches }) => branches.has(from));
    if (region && Math.abs(eip - from) < NEAR) {
      this.noteJump(from, eip);
      const times = (this.#growths.get(region.start) ?? 0) + 1;
      this.#growths.set(region.start, times);
      // Ever more rarely, as it is dear.
      if (times === GROW || times === GROW * GROW) return this.#afford(region.start);
      if (isNew) this.#afford(eip, false);
    } else if (isNew) this.#afford(eip);
  }
  /** A slice has passed in compiled code. */
  passed(): void {
    credit += COMPILED_CREDIT;
  }

  /** Execution reaches `eip`: compiled now, if everything is. */
  reach(eip: number): void {
    if (!this.#options.isEager || this.#tried.has(eip)) return;
    this.#tried.add(eip);
    this.compile(eip);
  }

  /** An indirect jump was seen to lead somewhere. */
  noteJump(from: number, to: number): void {
    const targets = this.#jumps.get(from);
    if (targets) targets.add(to);
    else this.#jumps.set(from, new Set([to]));
  }

  #source(followsJumps: boolean, callees: Set<Installed>): CodeSource {
    const decoded = new Map<number, Decoded | undefined>();
    return {
      compilable: (eip) => {
        let found = decoded.get(eip);
        if (found || decoded.has(eip)) return found;
        // What has never been met is left to the interpreter.
        if (this.#options.isEager || this.#cache.isKnown(eip)) found = this.#cache.compilable(eip);
        decoded.set(eip, found);
        return found;
      },
      isTaken: (eip) => this.#jumps.has(eip) || this.#cache.isTaken(eip),
      // A conditional jump that is noted here was taken by compiled code.
      jumpTargets: (eip) => (followsJumps ? [...(this.#jumps.get(eip) ?? [])] : []),
      callee: (eip) => {
        const one = this.#entries.get(eip);
        if (!one || one.height >= MAX_HEIGHT) return undefined;
        callees.add(one);
        const number = one.entries.findIndex((entry) => entry.eip === eip);
        return { slot: one.slot, word: (one.slot << ENTRY_BITS) | number };
      },
    };
  }

  /** Compiles what runs at `eip`, hot or not. */
  compile(eip: number, followsJumps = true): void {
    if (!this.#cache.hasRoom || this.#made >= MAX_REGIONS || modules >= MAX_MODULES) return;
    const begin = performance.now();
    this.#cache.beginCompiling();
    const callees = new Set<Installed>();
    const source = this.#source(followsJumps, callees);
    const region = findRegion(source, eip, this.#options.isEager);
    if (region) {
      if (this.#depth < MAX_HEIGHT) this.#compileCallees(region);
      this.#made++;
      modules++;
      this.#hasCareless ||= !this.#isPrecise;
      const code = compileRegion(source, region, this.#memory, {
        isExact: this.#options.isExact,
        isPrecise: this.#isPrecise,
      });
      const imported = (name: string): unknown =>
        /^\d/.test(name) ? this.#table.get(Number(name)) : this.#routine(name);
      const interp = Object.fromEntries(code.imports.map((name) => [name, imported(name)]));
      const instance = new WebAssembly.Instance(new WebAssembly.Module(code.bytes), {
        env: { memory: this.#memory.memory },
        interp,
      });
      this.#install(region, code, instance.exports.region, callees);
      jitStats.functions++;
      jitStats.instructions += sizeOf(region);
      jitStats.bytes += code.bytes.length;
    }
    jitStats.milliseconds += performance.now() - begin;
  }

  /** Small functions that a region calls come before it, to be called directly. */
  #compileCallees({ blocks }: Region): void {
    this.#depth++;
    for (const { insns, isCall } of blocks) {
      const target = isCall ? relativeTarget(insns[insns.length - 1].decoded) : undefined;
      if (target === undefined || this.#entries.has(target) || this.#tried.has(target)) continue;
      if (!this.#cache.isKnown(target)) continue;
      const region = findRegion(this.#source(false, new Set()), target);
      if (!region || sizeOf(region) > SMALL) continue;
      this.#tried.add(target);
      this.compile(target);
    }
    this.#depth--;
  }

  #install(region: Region, code: RegionCode, compiled: unknown, callees: ReadonlySet<Installed>): void {
    const before = this.#find((one) => one.start === region.entries[0].eip);
    if (before) this.#replace(before);
    const slot = this.#free.pop() ?? this.#slots++;
    if (slot >= this.#table.length) this.#table.grow(256);
    this.#table.set(slot, compiled);
    const entries = code.entries.map(({ eip }, number) => {
      const word = (slot << ENTRY_BITS) | number;
      this.#code.set(eip, word);
      const record = this.#cache.find(eip);
      return { eip, record, isLed: this.#cache.enterCompiled(record, word) };
    });
    const insns = region.blocks.flatMap((block) => block.insns);
    const pages = insns.flatMap(({ decoded: { eip, length } }) => [
      eip >>> PAGE_SHIFT,
      (eip + length - 1) >>> PAGE_SHIFT,
    ]);
    const branches = new Set(region.blocks.map((block) => block.insns[block.insns.length - 1].decoded.eip));
    const height = Math.max(0, ...[...callees].map((one) => one.height + 1));
    const callers = new Set<Installed>();
    const start = region.entries[0].eip;
    const made = { start, slot, branches, pages: new Set(pages), entries, height, callers };
    this.#installed.add(made);
    for (const { eip } of entries) this.#entries.set(eip, made);
    for (const callee of callees) callee.callers.add(made);
  }

  #find(isIt: (one: Installed) => boolean): Installed | undefined {
    for (const one of this.#installed) if (isIt(one)) return one;
    return undefined;
  }

  /** Nobody finds it any more. */
  #hide(one: Installed): void {
    for (const { eip, record, isLed } of one.entries) {
      this.#code.remove(eip, one.slot);
      if (isLed) this.#cache.leaveCompiled(record);
      if (this.#entries.get(eip) === one) this.#entries.delete(eip);
    }
    one.entries.length = 0;
    one.start = -1;
  }
  /** There is better code for the same. Its direct callers go on with what they have, under the same number. */
  #replace(one: Installed): void {
    if (one.callers.size === 0) this.#remove(one);
    else this.#hide(one);
  }
  #remove(one: Installed): void {
    if (!this.#installed.delete(one)) return;
    this.#hide(one);
    this.#table.set(one.slot, null);
    this.#free.push(one.slot);
    for (const caller of one.callers) this.#remove(caller);
  }

  /** Code in this range changes: what was compiled of it is not entered any more. To be called before the records go. */
  invalidate(start: number, end: number): void {
    if (this.#installed.size === 0) return;
    const first = start >>> PAGE_SHIFT;
    const last = Math.ceil(end / (1 << PAGE_SHIFT));
    const isHit = ({ pages }: Installed): boolean => [...pages].some((page) => page >= first && page < last);
    const hit = [...this.#installed].filter(isHit);
    if (hit.length === 0) return;
    jitStats.invalidated += hit.length;
    for (const one of hit) this.#remove(one);
    this.#forget();
  }

  /** All records are gone. */
  reset(): void {
    this.#code.clear();
    this.#installed.clear();
    this.#entries.clear();
    this.#free = [];
    this.#slots = 0;
    this.#forget();
  }

  /** What was seen, and tried. */
  #forget(): void {
    this.#samples.clear();
    this.#tried.clear();
    this.#jumps.clear();
    this.#growths.clear();
  }
}
