/** The IA-32 processor of one address space: runs the loaded task until something happens that it cannot do itself. */

import { VM_PERMISSIONS } from '../memory/vm-layout.ts';
import { readEflags, writeEflags } from './eflags.ts';
import { ACCESS_WRITE } from './emit/wasm-tables.ts';
import type { ExitReason } from './exit.ts';
import { Exit } from './exit.ts';
import { Inner } from './inner.ts';
import { ExactStop } from './interp/exact-stop.ts';
import { IsaTables } from './interp/isa-tables.ts';
import { loadInterpreter } from './interp/load-module.ts';
import { RECORD_SIZE } from './interp/record.ts';
import { RecordCache, RUN_LENGTH } from './interp/record-cache.ts';
import type { CpuModelName } from './isa/cpuid.ts';
import { CPU_MODELS, DEFAULT_MODEL, processorWord } from './isa/cpuid.ts';
import type { Feature } from './isa/insn.ts';
import { Jit } from './jit/jit.ts';
import { VM_STATE } from './layout.ts';
import type { CpuMemory } from './memory.ts';
import { SegmentWatch } from './segment/watch.ts';
import { STATE, STATE_SIZE } from './state.ts';
import { Stepper } from './stepper.ts';
import { notePointers } from './x87-pointers.ts';

export interface CpuOptions {
  /** Which processor CPUID shows; what it can do, unless `features` says otherwise. */
  model?: CpuModelName;
  features?: readonly Feature[];
  /**
   * Count exactly: run() executes `budget` instructions and not one more, and compiled code is as exact as the interpreter in
   * all that a fault's handler can see.
   */
  exact?: boolean;
  /** Compile hot code (unless false), or all code as soon as it is reached. */
  jit?: boolean | 'always';
}

/** Instructions per entry into the interpreter: V8 changes to optimised code only at entries. Each ends with a sample. */
const SLICE = 5_000;
/** The same while compiled code runs. */
const COMPILED_SLICE = 200_000;
/** Instructions between two places where the interpreter, or compiled code, looks at its budget, at most. */
const ROW = RUN_LENGTH;
/** What the evaluator does takes the time of so many instructions more, of which a budget that need not be exact is made. */
const STEP_COST = 20;
const PAGE = 4096;
/** EFLAGS.TF and AC: each instruction by itself. */
const STEPPED = 0x4_0100;
const RESUME_FLAG = 0x1_0000;
/** Never accessible. */
const NOWHERE = 0xffff_ffff;

export class Cpu {
  readonly regs: Int32Array;
  /** Live view of the loaded register file. */
  readonly state: Uint8Array;
  readonly #memory: CpuMemory;
  readonly #processor: number;
  readonly #words: Int32Array;
  readonly #run: (record: number) => void;
  readonly #cache: RecordCache;
  readonly #jit: Jit | undefined;
  readonly #stepper: Stepper;
  readonly #watch: SegmentWatch;
  /** Present when instructions are counted exactly. */
  readonly #stop: ExactStop | undefined;
  /** Instructions that the last run() has executed. A repeated string instruction is one. */
  used = 0;
  /** The fault that a filled page was last meant to cure. */
  #retried = { eip: -1, address: -1, retired: -1n };

  constructor(memory: CpuMemory, options: CpuOptions = {}) {
    const model = options.model ?? DEFAULT_MODEL;
    const features = options.features ?? CPU_MODELS[model].features;
    this.#processor = processorWord(model, features);
    this.#memory = memory;
    const { vm } = memory;
    this.state = vm.subarray(VM_STATE, VM_STATE + STATE_SIZE);
    this.#words = new Int32Array(vm.buffer, vm.byteOffset + VM_STATE, STATE_SIZE / 4);
    this.regs = this.#words.subarray(STATE.gpr / 4, STATE.gpr / 4 + 8);
    const interp = loadInterpreter(memory);
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 1 });
    const instance = new WebAssembly.Instance(interp.module, { env: { memory: memory.memory, table } });
    this.#run = instance.exports.run as (record: number) => void;
    const isa = new IsaTables(features, interp);
    this.#cache = new RecordCache(memory, isa);
    this.#stepper = new Stepper(memory, this.state, () => isa.table);
    this.#watch = new SegmentWatch(this.#words, this.#stepper.segments);
    const { jit: mode = true, exact = false } = options;
    if (exact) {
      const view = new DataView(vm.buffer, vm.byteOffset, vm.byteLength);
      this.#stop = new ExactStop(view, memory.vmIndex, interp.fusion, (at) => this.#cache.handlerUnderneath(at));
    }
    if (mode) {
      const listed = instance.exports.listed as WebAssembly.Table;
      const routine = (name: string): unknown => listed.get(interp.routines().indexOf(name));
      const jit = new Jit(memory, this.#cache, routine, table, {
        isEager: mode === 'always',
        isExact: exact,
      });
      this.#jit = jit;
      this.#cache.onFlush = () => jit.reset();
    }
  }

  /** Task switch in and out. */
  load(state: Uint8Array): void {
    this.state.set(state);
    this.#watch.reset();
  }
  save(state: Uint8Array): void {
    state.set(this.state);
  }

  eflags(): number {
    return readEflags(this.state);
  }
  setEflags(image: number): void {
    writeEflags(this.state, image);
  }

  invalidate(start: number, end: number): void {
    this.#jit?.invalidate(start, end);
    this.#cache.invalidate(start, end);
  }

  get eip(): number {
    return this.#words[STATE.eip / 4] >>> 0;
  }
  set eip(value: number) {
    this.#words[STATE.eip / 4] = value;
  }

  /** What selectors lead to has changed: TLS entries, the LDT. */
  reloadSegments(): void {
    this.#watch.reset();
  }

  /** Instructions are for the evaluator, until something changes. */
  get #isStepping(): boolean {
    return !this.#watch.isFlat || (this.#words[STATE.flagSystem / 4] & STEPPED) !== 0;
  }
  #checkSegments(): void {
    if (this.#watch.update()) this.#cache.setSegments(this.#watch.open);
  }

  /**
   * Runs about `budget` instructions, to the next taken branch after them, or exactly so many where the processor counts
   * exactly; or until a reason other than budget. `isWatched`: a guest access that faults is told precisely. If not, compiled
   * code's answer to one is a #PF at an address that is nobody's: good to die of.
   */
  run(budget: number, isWatched = true): ExitReason {
    if (this.#jit) this.#jit.isPrecise = isWatched;
    const words = this.#words;
    this.#left = budget;
    this.used = 0;
    words[STATE.processor / 4] = this.#processor;
    this.#checkSegments();
    for (;;) {
      const reason = this.#isStepping ? this.#step() : this.#runRecords();
      if (reason === undefined) continue;
      words[STATE.budget / 4] = this.#left;
      words[STATE.exitReason / 4] = reason;
      return reason as ExitReason;
    }
  }

  /** Undefined: instructions have become a matter for the evaluator. */
  #runRecords(): number | undefined {
    const words = this.#words;
    // It has held off debug exceptions at the instruction to come, of which there are none.
    words[STATE.flagSystem / 4] &= ~RESUME_FLAG;
    let record = this.#reach(this.eip);
    for (;;) {
      const reason = this.#stop ? this.#enterExactly(this.#stop, record, this.#left) : this.#enter(record, this.#left);
      switch (reason) {
        case Inner.link:
          this.#jit?.reach(this.#cache.targetOf(words[STATE.record / 4] >>> 0));
          record = this.#cache.link(words[STATE.record / 4] >>> 0);
          break;
        case Inner.lookup:
          this.#noteJump();
          this.#jit?.reach(this.eip);
          record = this.#cache.findCached(this.eip);
          break;
        case Inner.stale:
          this.#cache.invalidate(this.eip, this.eip + 1);
          record = this.#cache.find(this.eip);
          break;
        case Inner.evaluate: {
          const found = this.#stepOnce();
          if (found !== undefined) return found;
          words[STATE.flagSystem / 4] &= ~RESUME_FLAG;
          record = this.#reach(this.eip);
          break;
        }
        case Inner.exception:
          this.#notePointers();
          record = this.#cache.find(this.eip);
          break;
        case Exit.pageFault:
          if (this.#isFetch() || !this.#isCured()) return reason;
          record = this.#cache.find(this.eip);
          break;
        case Inner.left:
          this.#jit?.left(words[STATE.address / 4] >>> 0, this.eip);
          record = this.#cache.find(this.eip);
          break;
        case Inner.compiledBudget:
          this.#most = COMPILED_SLICE;
          this.#jit?.passed();
          record = this.#cache.find(this.eip);
          break;
        case Exit.budget:
          this.#most = SLICE;
          this.#jit?.sample(this.eip);
          record = this.#cache.find(this.eip);
          break;
        default:
          return reason;
      }
      if (this.#left <= 0) return Exit.budget;
      if (this.#isStepping) return undefined;
    }
  }

  /** Compiles eagerly, if asked to. */
  #reach(eip: number): number {
    this.#jit?.reach(eip);
    return this.#cache.find(eip);
  }

  /** An indirect jump whose target was not known: the compiler may take it into the same region. */
  #noteJump(): void {
    const record = this.#words[STATE.record / 4] >>> 0;
    if (record !== 0) this.#jit?.noteJump(this.#cache.eipOf(record), this.eip);
  }

  /** Instruction by instruction, until that is not necessary any more. */
  #step(): number | undefined {
    while (this.#left > 0) {
      const reason = this.#stepOnce();
      if (reason !== undefined) return reason;
      if (!this.#stop) this.#left -= STEP_COST;
      if (!this.#isStepping) return undefined;
    }
    return Exit.budget;
  }

  /** The instruction at EIP through the evaluator. */
  #stepOnce(): number | undefined {
    this.#stepper.isFlat = this.#watch.isFlat;
    const reason = this.#stepper.step();
    if (this.#stepper.isRetired) this.#retire(1);
    this.#checkSegments();
    return reason;
  }

  #notePointers(): void {
    const decoded = this.#cache.decodedAt(this.#words[STATE.fpuIp / 4] >>> 0);
    if (decoded) notePointers(this.#words, decoded);
  }

  /** Instructions until the next sample. */
  #most = SLICE;
  /** Instructions of this run that are left. */
  #left = 0;

  /** Leaves after `left` instructions, or earlier. */
  #enterExactly(stop: ExactStop, record: number, left: number): number {
    if (left > ROW) return this.#enter(record, left - ROW);
    stop.place(record, left);
    const reason = this.#enter(record, 0);
    stop.lift();
    return reason;
  }

  /** Runs records until the interpreter leaves: about `left` instructions, or less. */
  #enter(record: number, left: number): number {
    const words = this.#words;
    const slice = Math.min(left, this.#most);
    words[STATE.budget / 4] = slice * RECORD_SIZE + record;
    words[STATE.restarts / 4] = 0;
    const reason = this.#execute(record);
    this.#retire(slice - (words[STATE.budget / 4] >> 5) - words[STATE.restarts / 4]);
    return reason;
  }

  /** In hardware mode a guest's bad access is a trap of the wasm engine. */
  #execute(record: number): number {
    const words = this.#words;
    try {
      this.#run(record);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError) || !/out of bounds/.test(error.message)) throw error;
      const at = (words[STATE.record / 4] & -RECORD_SIZE) >>> 0;
      // Compiled code has noted EIP, if it is precise.
      if (at === 0 && this.#jit!.isPrecise) return Inner.evaluate;
      if (at === 0) {
        words[STATE.lastAccess / 4] = NOWHERE;
        words[STATE.exitDetail / 4] = 0;
        return Exit.pageFault;
      }
      words[STATE.budget / 4] -= at;
      words[STATE.eip / 4] = this.#cache.eipOf(at);
      words[STATE.exitDetail / 4] = 0;
      return Exit.pageFault;
    }
    return words[STATE.exitReason / 4];
  }

  /** Decoding a fetch's fault has already said what it is. */
  #isFetch(): boolean {
    return (this.#words[STATE.exitDetail / 4] & 0x10) !== 0;
  }

  #retire(count: number): void {
    this.#left -= count;
    this.used += count;
    // A u64 in two words: BigInt arithmetic would cost more than a short system call.
    const words = this.#words;
    const low = (words[STATE.retired / 4] >>> 0) + count;
    words[STATE.retired / 4] = low;
    if (low >= 2 ** 32) words[STATE.retired / 4 + 1]++;
  }

  /**
   * A guest access faulted: was it to a page that is filled lazily? If not, leaves the address of the first byte that
   * is not accessible in lastAccess, and the error code of #PF (SDM Vol. 3A, 4.7) in exitDetail.
   */
  #isCured(): boolean {
    const words = this.#words;
    const kind = words[STATE.record / 4] & (RECORD_SIZE - 1);
    const isWrite = (kind & ACCESS_WRITE) !== 0;
    const length = 1 << (kind & 7);
    const start = words[STATE.lastAccess / 4] >>> 0;
    const next = Math.floor(start / PAGE) * PAGE + PAGE;
    const parts =
      start + length > next
        ? [
            [start, next - start],
            [next, start + length - next],
          ]
        : [[start, length]];
    const bad = parts.find(
      ([address, bytes]) => address >= 2 ** 32 || !this.#memory.accessible(address, bytes, isWrite),
    );
    if (!bad && this.#isFirstRetry(start)) return true;
    const address = bad ? bad[0] % 2 ** 32 : start;
    words[STATE.lastAccess / 4] = address;
    const isPresent = this.#memory.vm[VM_PERMISSIONS + (address >>> 12)] !== 0;
    words[STATE.exitDetail / 4] = 4 | (isWrite ? 2 : 0) | (isPresent ? 1 : 0);
    return false;
  }

  /** The same access faults again without progress: nothing can cure it. */
  #isFirstRetry(address: number): boolean {
    const retired = new DataView(this.state.buffer, this.state.byteOffset).getBigUint64(STATE.retired, true);
    const { eip } = this;
    const isFirst = this.#retried.eip !== eip || this.#retried.address !== address || this.#retried.retired !== retired;
    this.#retried = { eip, address, retired };
    return isFirst;
  }
}
