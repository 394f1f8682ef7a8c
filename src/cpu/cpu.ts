/** The IA-32 processor of one address space: runs the loaded task until something happens that it cannot do itself. */

import { VM_PERMISSIONS } from '../memory/vm-layout.ts';
import { readEflags, writeEflags } from './eflags.ts';
import { isForbidden } from './emit/segment-check.ts';
import { ACCESS_WRITE } from './emit/wasm-tables.ts';
import type { ExitReason } from './exit.ts';
import { Exit } from './exit.ts';
import { ExactStop } from './interp/exact-stop.ts';
import { IsaTables } from './interp/isa-tables.ts';
import { loadInterpreter } from './interp/load-module.ts';
import { RECORD_SIZE } from './interp/record.ts';
import { RecordCache, RUN_LENGTH } from './interp/record-cache.ts';
import { Inner } from './interp/specials.ts';
import type { CpuModelName } from './isa/cpuid.ts';
import { CPU_MODELS, DEFAULT_MODEL, processorWord } from './isa/cpuid.ts';
import type { Feature } from './isa/insn.ts';
import { Jit } from './jit/jit.ts';
import { VM_STATE } from './layout.ts';
import type { CpuMemory } from './memory.ts';
import { delaysTrap, holdRepeat, resumeRepeat } from './single-step.ts';
import { FS, GS, STATE, STATE_SIZE } from './state.ts';

export interface CpuOptions {
  /** Which processor CPUID shows; what it can do, unless `features` says otherwise. */
  model?: CpuModelName;
  features?: readonly Feature[];
  /**
   * Count exactly: run() executes `budget` instructions and not one more. Code that is compiled for this has to leave for
   * the interpreter when fewer than ROW instructions are left, wherever it jumps; until it can, nothing is compiled.
   */
  exact?: boolean;
  /** Compile hot code: yes, unless the environment says TALLSHIP_JIT=0. */
  jit?: boolean;
}

/** Instructions per entry into the interpreter: V8 changes to optimised code only at entries. */
const SLICE = 20_000;
/** Instructions between two places where the interpreter looks at its budget, at most. */
const ROW = RUN_LENGTH;
const PAGE = 4096;
/** EFLAGS.TF. */
const TRAP_FLAG = 0x100;
const RESUME_FLAG = 0x1_0000;
/** DR6.BS: single step. */
const DR6_BS = 0x4000;

const isJitWanted = (): boolean => globalThis.process?.env?.TALLSHIP_JIT !== '0';

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
    this.#cache = new RecordCache(memory, new IsaTables(features, interp));
    if (options.exact) {
      const view = new DataView(vm.buffer, vm.byteOffset, vm.byteLength);
      this.#stop = new ExactStop(view, memory.vmIndex, interp.fusion);
    } else if (options.jit ?? isJitWanted()) {
      const jit = new Jit(memory, this.#cache, instance.exports, table);
      this.#jit = jit;
      this.#cache.onFlush = () => jit.reset();
    }
  }

  /** Task switch in and out. */
  load(state: Uint8Array): void {
    this.state.set(state);
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

  /** Compiles the code at EIP now, hot or not. */
  compile(): void {
    this.#jit?.compile(this.eip);
  }

  get #isStepping(): boolean {
    return (this.#words[STATE.flagSystem / 4] & TRAP_FLAG) !== 0;
  }

  /**
   * Runs about `budget` instructions, to the next taken branch after them, or exactly so many where the processor counts
   * exactly; or until a reason other than budget.
   */
  run(budget: number): ExitReason {
    const words = this.#words;
    let left = budget;
    this.used = 0;
    words[STATE.processor / 4] = this.#processor;
    // It has held off debug exceptions at the instruction to come, of which there are none.
    words[STATE.flagSystem / 4] &= ~RESUME_FLAG;
    this.#checkSegments();
    if (this.#isStepping) return this.#step(left);
    let record = this.#cache.find(this.eip);
    for (;;) {
      const reason = this.#stop ? this.#enterExactly(this.#stop, record, left) : this.#enter(record, left);
      left -= this.#retired;
      switch (reason) {
        case Inner.link:
          record = this.#cache.link(words[STATE.record / 4] >>> 0);
          break;
        case Inner.lookup:
          record = this.#cache.findCached(this.eip);
          break;
        case Inner.stale:
          this.#cache.invalidate(this.eip, this.eip + 1);
          record = this.#cache.find(this.eip);
          break;
        case Exit.pageFault:
          if (this.#isFetch() || !this.#isCured()) return this.#end(left, this.#faultOrViolation());
          record = this.#cache.find(this.eip);
          break;
        case Exit.budget:
          this.#jit?.sample(this.eip);
          this.#checkSegments();
          record = this.#cache.find(this.eip);
          break;
        default:
          return this.#end(left, reason as ExitReason);
      }
      if (left <= 0) return this.#end(left, Exit.budget);
      if (this.#isStepping) return this.#step(left);
    }
  }

  /** With TF set: one instruction, then #DB (SDM Vol. 3B, 17.3.1.4). */
  #step(left: number): ExitReason {
    for (;;) {
      const record = this.#cache.single(this.eip);
      const { stepped } = this.#cache;
      const held = holdRepeat(this.#words, stepped);
      const reason = this.#enter(record, 1);
      const used = this.#retired;
      const isDone = reason === Exit.budget || reason === Inner.link || reason === Inner.lookup;
      if (held) resumeRepeat(this.#words, stepped!, held, isDone);
      if (reason === Exit.pageFault && !this.#isFetch() && this.#isCured()) continue;
      if (reason === Exit.pageFault) return this.#end(left - used, this.#faultOrViolation());
      if (!isDone) return this.#end(left - used, reason as ExitReason);
      if (stepped && delaysTrap(stepped)) continue;
      this.#words[STATE.exitDetail / 4] = DR6_BS;
      return this.#end(left - used, Exit.debug);
    }
  }

  /** A page fault, or what stands for a segment's refusal: see emit/segment-check.ts. */
  #faultOrViolation(): ExitReason {
    const words = this.#words;
    const isViolation = isForbidden(words[STATE.lastAccess / 4] >>> 0) && !this.#isFetch();
    if (!isViolation || !this.#cache.isForbidden(this.eip)) return Exit.pageFault;
    words[STATE.exitDetail / 4] = 0;
    return Exit.generalProtection;
  }

  #checkSegments(): void {
    const selectors = STATE.selector / 4;
    this.#cache.setSegments(this.#words[selectors + FS], this.#words[selectors + GS]);
  }

  #end(left: number, reason: ExitReason): ExitReason {
    this.#words[STATE.budget / 4] = left;
    this.#words[STATE.exitReason / 4] = reason;
    return reason;
  }

  /** What the last entry has executed. */
  #retired = 0;

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
    const slice = Math.min(left, SLICE);
    words[STATE.budget / 4] = slice * RECORD_SIZE + record;
    words[STATE.restarts / 4] = 0;
    const reason = this.#execute(record);
    this.#retired = slice - (words[STATE.budget / 4] >> 5) - words[STATE.restarts / 4];
    this.used += this.#retired;
    this.#retire(this.#retired);
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
