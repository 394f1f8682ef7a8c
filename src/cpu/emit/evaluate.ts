/**
 * The evaluator: runs one instruction at once on a plain register file and a plain memory. It is the oracle that the
 * interpreter is compared with, and the quickest way to try an instruction's body.
 */
import type { Decoded, DecodedOperand } from '../decode/decoded.ts';
import { decode, isFault } from '../decode/decoder.ts';
import type { RowTable } from '../decode/rows.ts';
import { rowTable } from '../decode/rows.ts';
import { Exit } from '../exit.ts';
import type { Insn } from '../isa/insn.ts';
import { limitOf } from '../segment/descriptor.ts';
import type { SegmentFault } from '../segment/segments.ts';
import { Segments } from '../segment/segments.ts';
import { CS, DS, EBP, ESP, SS, STATE } from '../state.ts';
import { notePointers } from '../x87-pointers.ts';
import type { MemoryType } from './base-emitter.ts';
import { BaseEmitter, MEMORY_BYTES } from './base-emitter.ts';
import type { Arm, Operand, Variable, WasmType } from './emitter.ts';
import type { EvalValue } from './evaluate-ops.ts';
import { applyOp, evaluateLanes, fromBytes, toBytes } from './evaluate-ops.ts';
import type { Routine } from './routine.ts';
import { VALUE_TYPE } from './wasm-tables.ts';

/** Guest memory of the evaluator. Answers undefined or false where a #PF is due. */
export interface EvalMemory {
  read(address: number, length: number): Uint8Array | undefined;
  write(address: number, bytes: Uint8Array): boolean;
  mayWrite(address: number, length: number): boolean;
}

/** Memory that is one array of bytes from `start`. */
export function flatMemory(bytes: Uint8Array, start = 0): EvalMemory {
  const inside = (address: number, length: number): boolean =>
    address >= start && address + length <= start + bytes.length;
  return {
    read: (address, length) =>
      inside(address, length) ? bytes.slice(address - start, address - start + length) : undefined,
    write(address, data) {
      if (!inside(address, data.length)) return false;
      bytes.set(data, address - start);
      return true;
    },
    mayWrite: inside,
  };
}

/** Ends the body: the instruction faulted, trapped or jumped. No Error, whose stack nobody reads. */
const ENDED = Symbol('ended');

const ALIGNMENT_CHECK = 0x4_0000;
/** Of a code selector: that of the task. */
const PRIVILEGE = 3;
/** Sixteen bytes are #GP where they must be aligned, and never #AC. */
const MOST_ALIGNMENT = 8;
/** FXSAVE's, as far as alignment checks go. */
const IMAGE_ALIGNMENT = 4;
/** General registers and flags. */
const FRONT_WORDS = STATE.selector / 4;
const isStackRegister = (offset: number): boolean => offset === STATE.gpr + 4 * ESP || offset === STATE.gpr + 4 * EBP;

/** The segment that an instruction's memory operand, or its implicit one, is in (SDM Vol. 1, table 3-5). */
function segmentOf({ segment, operands }: Decoded): number {
  if (segment >= 0) return segment;
  const memory = operands.find(({ kind }) => kind === 'memory');
  return memory && isStackRegister(memory.address!.base) ? SS : DS;
}

/** Runs instructions, one at a time, on a register file. Addresses are offsets in segments until memory is accessed. */
export class Evaluator extends BaseEmitter<EvalValue> {
  readonly #state: Uint8Array;
  readonly #words: Int32Array;
  readonly #memory: EvalMemory;
  readonly segments: Segments;
  /** With the trap flag set, and where a segment may end anywhere. */
  isStepped = false;
  #decoded!: Decoded;
  #segment = DS;
  #checksAlignment = false;
  stackSize: 2 | 4 = 4;
  operandSize: 2 | 4 = 4;
  addressSize: 2 | 4 = 4;
  repeat: 0 | 0xf2 | 0xf3 = 0;
  /** Registers and flags as they were: a jump that is refused has changed none. */
  readonly #before = new Int32Array(FRONT_WORDS);
  #eip = 0;
  #exit: number | undefined;
  #detail = 0;

  /** `state`: STATE_SIZE bytes, aligned to words. */
  constructor(state: Uint8Array, memory: EvalMemory, ldt: () => Uint8Array | null = () => null) {
    super(applyOp, evaluateLanes);
    this.#state = state;
    this.#words = new Int32Array(state.buffer, state.byteOffset, state.byteLength >> 2);
    this.#memory = memory;
    this.segments = new Segments(this.#words, ldt);
  }

  /** Executes one decoded instruction: its exit reason, or undefined when the next one follows. */
  execute(decoded: Decoded): number | undefined {
    this.#decoded = decoded;
    this.#before.set(this.#words.subarray(0, FRONT_WORDS));
    this.#segment = segmentOf(decoded);
    this.#checksAlignment = (this.#words[STATE.flagSystem / 4] & ALIGNMENT_CHECK) !== 0;
    this.stackSize = this.segments.stackSize;
    this.operandSize = decoded.operandSize;
    this.addressSize = decoded.addressSize;
    this.repeat = decoded.repeat;
    this.#eip = decoded.eip + decoded.length;
    this.#exit = undefined;
    this.#detail = 0;
    this.modified = undefined;
    try {
      emitInsn(this, decoded.insn, decoded.operands);
    } catch (error) {
      if (error !== ENDED) throw error;
    }
    this.#words[STATE.eip / 4] = this.#eip;
    if (this.#exit === undefined) return undefined;
    this.#words[STATE.exitReason / 4] = this.#exit;
    this.#words[STATE.exitDetail / 4] = this.#detail;
    return this.#exit;
  }

  const(value: number): EvalValue {
    return value | 0;
  }
  const64(value: bigint): EvalValue {
    return BigInt.asUintN(64, value);
  }
  constF64(value: number): EvalValue {
    return new Uint8Array(new Float64Array([value]).buffer);
  }
  constV128(bytes: readonly number[]): EvalValue {
    return Uint8Array.from(bytes);
  }

  state(offset: number, type: MemoryType = 'i32', index: EvalValue = 0): EvalValue {
    const at = offset + Number(index);
    return fromBytes(this.#state.subarray(at, at + MEMORY_BYTES[type]), VALUE_TYPE[type]);
  }
  setState(offset: number, value: EvalValue, type: MemoryType = 'i32', index: EvalValue = 0): void {
    this.#state.set(toBytes(value, MEMORY_BYTES[type]), offset + Number(index));
  }

  protected fileLoad(operand: Operand, type: MemoryType, delta = 0): EvalValue {
    return this.state((operand as DecodedOperand).offset + delta, type);
  }
  protected fileStore(operand: Operand, value: EvalValue, type: MemoryType, delta = 0): void {
    this.setState((operand as DecodedOperand).offset + delta, value, type);
  }
  protected immediate(operand: Operand): EvalValue {
    return (operand as DecodedOperand).value | 0;
  }
  farSelector(operand: Operand): EvalValue {
    return (operand as DecodedOperand).selector;
  }

  effectiveAddress(operand: Operand): EvalValue {
    const { base, index, shift, displacement, narrow } = (operand as DecodedOperand).address!;
    const sum = Number(this.state(base)) + (Number(this.state(index)) << shift) + displacement;
    return narrow ? sum & 0xffff : sum | 0;
  }
  operandAddress(operand: Operand): EvalValue {
    return this.effectiveAddress(operand);
  }
  override requireAligned(operand: Operand, alignment: 8 | 16, isImage = false): void {
    if (operand.kind !== 'memory') return;
    const offset = Number(this.effectiveAddress(operand));
    // An image must begin within its segment, and is #AC where it is not even aligned to words.
    if (isImage) this.#linear(this.#segment, offset, 1, false, IMAGE_ALIGNMENT);
    if ((this.segments.base(this.#segment) + offset) & (alignment - 1)) this.fault(Exit.generalProtection);
  }

  #refuse({ vector, code }: SegmentFault): never {
    return this.#end(vector, code, this.#decoded.eip);
  }
  /** With `wanted`, what an alignment check asks of the access. */
  #linear(segment: number, offset: EvalValue, bytes: number, isWrite: boolean, wanted = this.#aligned(bytes)): number {
    const found = this.segments.access(segment, Number(offset), bytes, isWrite);
    if (typeof found !== 'number') return this.#refuse(found);
    // Before the pages are looked at.
    if (this.#checksAlignment && found & (wanted - 1)) this.fault(Exit.alignment);
    return found;
  }
  #aligned(bytes: number): number {
    const { insn, operandSize } = this.#decoded;
    const isChecked = insn.options.wordImage ? bytes === operandSize : bytes <= MOST_ALIGNMENT;
    return isChecked ? bytes : 1;
  }
  #pageFault(address: number, isWrite: boolean): never {
    // The first byte that is not accessible: on the second page where the first one is in order.
    const isFirstFine = isWrite ? this.#memory.mayWrite(address, 1) : this.#memory.read(address, 1) !== undefined;
    this.#words[STATE.lastAccess / 4] = isFirstFine ? (address | 0xfff) + 1 : address;
    return this.#end(Exit.pageFault, isWrite ? 6 : 4, this.#decoded.eip);
  }
  protected guestLoad(address: EvalValue, type: MemoryType, isModified = false, segment = this.#segment): EvalValue {
    const size = MEMORY_BYTES[type];
    const at = this.#linear(segment, address, size, isModified);
    if (isModified && !this.#memory.mayWrite(at, size)) this.#pageFault(at, true);
    const bytes = this.#memory.read(at, size) ?? this.#pageFault(at, false);
    return fromBytes(bytes, VALUE_TYPE[type]);
  }
  protected guestStore(address: EvalValue, value: EvalValue, type: MemoryType, segment = this.#segment): void {
    const size = MEMORY_BYTES[type];
    const at = this.#linear(segment, address, size, true);
    if (!this.#memory.mayWrite(at, size)) this.#pageFault(at, true);
    this.#memory.write(at, toBytes(value, size));
  }
  probeWrite(address: EvalValue, bytes: number, segment = this.#segment): void {
    const at = this.#linear(segment, address, bytes, true);
    if (!this.#memory.mayWrite(at, bytes)) this.#pageFault(at, true);
  }

  noteException(): void {
    notePointers(this.#words, this.#decoded);
  }
  descriptor(selector: EvalValue): [EvalValue, EvalValue] {
    const found = this.segments.lookup(Number(selector) & 0xffff);
    return found ? [found.high, limitOf(found) | 0] : [0, 0];
  }
  protected loadSegment(operand: Operand, selector: EvalValue): void {
    const { offset } = operand as DecodedOperand;
    const refused = this.segments.loadFault((offset - STATE.selector) / 4, Number(selector));
    if (refused) this.#refuse(refused);
    this.#words[offset / 4] = Number(selector);
  }
  requireCode(selector: EvalValue, isReturn: boolean): void {
    const refused = this.segments.codeFault(Number(selector) & 0xffff, isReturn);
    if (refused) this.#refuse(refused);
  }
  jumpFar(selector: EvalValue, offset: EvalValue): void {
    const wanted = (Number(selector) & 0xffff) | PRIVILEGE;
    this.#requireOffset(wanted, offset);
    this.#words[STATE.selector / 4 + CS] = wanted;
    this.#eip = Number(offset) >>> 0;
    throw ENDED;
  }
  localTable(): EvalValue {
    return this.segments.localTable;
  }
  /** Beyond the code segment: what has been pushed is in memory, but the registers are as they were. */
  #requireOffset(selector: number, offset: EvalValue): void {
    if (this.segments.holdsCode(selector, Number(offset))) return;
    this.#words.set(this.#before);
    this.fault(Exit.generalProtection);
  }

  select(condition: EvalValue, a: EvalValue, b: EvalValue): EvalValue {
    return condition ? a : b;
  }
  variable(_type: WasmType, initial: EvalValue): Variable<EvalValue> {
    let current = initial;
    return { get: () => current, set: (value) => (current = value) };
  }
  if(condition: EvalValue, then: Arm<EvalValue>, otherwise?: () => void): void {
    if (!condition) return otherwise?.();
    const givenUp = Symbol('given up');
    try {
      then((isDue) => {
        if (isDue) throw givenUp;
      });
    } catch (error) {
      if (error !== givenUp) throw error;
      otherwise?.();
    }
  }
  while(condition: () => EvalValue, body: () => void): void {
    while (condition()) body();
  }
  call(routine: Routine, ...args: EvalValue[]): EvalValue[] {
    return routine.body(this, ...args);
  }

  nextEip(): EvalValue {
    return (this.#decoded.eip + this.#decoded.length) | 0;
  }
  currentEip(): EvalValue {
    return this.#decoded.eip | 0;
  }
  jump(target: Operand): void {
    this.jumpIndirect((target as DecodedOperand).value);
  }
  jumpIf(condition: EvalValue, target: Operand): void {
    if (condition) this.jump(target);
  }
  jumpIndirect(target: EvalValue): void {
    this.#requireOffset(this.segments.selector(CS), target);
    this.#eip = Number(target) >>> 0;
    throw ENDED;
  }
  restart(): void {
    this.jumpIndirect(this.#decoded.eip);
  }

  #end(reason: number, detail: number, eip: number): never {
    this.#exit = reason;
    this.#detail = detail;
    this.#eip = eip;
    throw ENDED;
  }
  fault(vector: number, detail: EvalValue = 0): void {
    this.#end(vector, Number(detail), this.#decoded.eip);
  }
  trap(reason: number, detail: EvalValue = 0): void {
    this.#end(reason, Number(detail), this.#decoded.eip + this.#decoded.length);
  }
}

/** An instruction's whole meaning: the check for pending x87 exceptions where it has one, then its body. */
export function emitInsn<V>(e: BaseEmitter<V>, insn: Insn, operands: readonly Operand[]): void {
  if (insn.options.waits) {
    // SDM Vol. 1, 8.1.3.3.
    e.if(e.fpu.isPending(), () => e.fault(Exit.x87));
    e.fpu.settle();
  }
  if (insn.options.lock || insn.options.modifies) e.modified = operands[0];
  insn.body(e, ...operands);
}

const tables = new WeakMap<readonly Insn[], RowTable>();

/** Decodes the bytes as if they stood at STATE.eip and executes the one instruction; every feature is on. */
export function evaluateInsn(
  insns: readonly Insn[],
  bytes: Uint8Array,
  state: Uint8Array,
  memory: EvalMemory,
): number | undefined {
  let table = tables.get(insns);
  if (!table) {
    table = rowTable(insns, new Set(insns.map((one) => one.options.feature ?? 'base')));
    tables.set(insns, table);
  }
  const eip = new DataView(state.buffer, state.byteOffset).getUint32(STATE.eip, true);
  const decoded = decode(table, { bytes, limit: bytes.length }, 0);
  if (isFault(decoded)) return decoded.vector;
  const target = (value: number): number => (decoded.operandSize === 2 ? (value + eip) & 0xffff : (value + eip) >>> 0);
  const operands = decoded.operands.map((o) => (o.kind === 'relative' ? { ...o, value: target(o.value) } : o));
  return new Evaluator(state, memory).execute({ ...decoded, eip, operands });
}
