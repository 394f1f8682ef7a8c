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
import { FS, GS, STATE } from '../state.ts';
import type { MemoryType } from './base-emitter.ts';
import { BaseEmitter, MEMORY_BYTES } from './base-emitter.ts';
import type { Operand, Variable, WasmType } from './emitter.ts';
import type { EvalValue } from './evaluate-ops.ts';
import { applyOp, evaluateLanes, fromBytes, toBytes } from './evaluate-ops.ts';
import type { Routine } from './routine.ts';
import { FORBIDDEN, isDeferred, isForbidden, segmentModes, violatesSegment } from './segment-check.ts';
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

/** Ends the body: the instruction faulted, trapped or jumped. */
class Ended extends Error {}

class Evaluator extends BaseEmitter<EvalValue> {
  readonly #decoded: Decoded;
  readonly #state: Uint8Array;
  readonly #memory: EvalMemory;
  #isForbidden = false;
  readonly operandSize: 2 | 4;
  readonly addressSize: 2 | 4;
  readonly repeat: 0 | 0xf2 | 0xf3;
  /** Where execution goes on. */
  eip: number;
  exit: number | undefined;
  detail = 0;

  constructor(decoded: Decoded, state: Uint8Array, memory: EvalMemory) {
    super(applyOp, evaluateLanes);
    this.#decoded = decoded;
    this.#state = state;
    this.#memory = memory;
    this.operandSize = decoded.operandSize;
    this.addressSize = decoded.addressSize;
    this.repeat = decoded.repeat;
    this.eip = decoded.eip + decoded.length;
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
  protected isSegment(operand: Operand, number: number): EvalValue {
    return Number((operand as DecodedOperand).offset === STATE.selector + number * 4);
  }
  protected dataSegmentBase(): EvalValue {
    return this.state(this.#decoded.dataSegment);
  }

  /** The memory operand lies where it cannot be accessed, or there is no need to go as far. */
  forbidSegment(): void {
    if (isDeferred(this.#decoded)) this.#isForbidden = true;
    else this.fault(Exit.generalProtection);
  }

  effectiveAddress(operand: Operand): EvalValue {
    const { base, index, shift, displacement, narrow } = (operand as DecodedOperand).address!;
    const sum = Number(this.state(base)) + (Number(this.state(index)) << shift) + displacement;
    return narrow ? sum & 0xffff : sum | 0;
  }
  linearAddress(operand: Operand): EvalValue {
    if (this.#isForbidden) return FORBIDDEN | 0;
    const { segment } = (operand as DecodedOperand).address!;
    return (Number(this.effectiveAddress(operand)) + Number(this.state(segment))) | 0;
  }

  #pageFault(address: number, isWrite: boolean): never {
    if (this.#isForbidden && isForbidden(address)) return this.#end(Exit.generalProtection, 0, this.#decoded.eip);
    // The first byte that is not accessible: on the second page where the first one is in order.
    const isFirstFine = isWrite ? this.#memory.mayWrite(address, 1) : this.#memory.read(address, 1) !== undefined;
    this.setState(STATE.lastAccess, isFirstFine ? (address | 0xfff) + 1 : address);
    return this.#end(Exit.pageFault, isWrite ? 6 : 4, this.#decoded.eip);
  }
  protected guestLoad(address: EvalValue, type: MemoryType, isModified = false): EvalValue {
    const at = Number(address) >>> 0;
    if (isModified && !this.#memory.mayWrite(at, MEMORY_BYTES[type])) this.#pageFault(at, true);
    const bytes = this.#memory.read(at, MEMORY_BYTES[type]) ?? this.#pageFault(at, false);
    return fromBytes(bytes, VALUE_TYPE[type]);
  }
  protected guestStore(address: EvalValue, value: EvalValue, type: MemoryType): void {
    const at = Number(address) >>> 0;
    if (!this.#memory.write(at, toBytes(value, MEMORY_BYTES[type]))) this.#pageFault(at, true);
  }
  probeWrite(address: EvalValue, bytes: number): void {
    const at = Number(address) >>> 0;
    if (!this.#memory.mayWrite(at, bytes)) this.#pageFault(at, true);
  }

  select(condition: EvalValue, a: EvalValue, b: EvalValue): EvalValue {
    return condition ? a : b;
  }
  variable(_type: WasmType, initial: EvalValue): Variable<EvalValue> {
    let current = initial;
    return { get: () => current, set: (value) => (current = value) };
  }
  if(condition: EvalValue, then: () => void, otherwise?: () => void): void {
    if (condition) then();
    else otherwise?.();
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
    this.eip = Number(target) >>> 0;
    throw new Ended();
  }
  restart(): void {
    this.jumpIndirect(this.#decoded.eip);
  }

  #end(reason: number, detail: number, eip: number): never {
    this.exit = reason;
    this.detail = detail;
    this.eip = eip;
    throw new Ended();
  }
  fault(vector: number, detail: EvalValue = 0): void {
    this.#end(vector, Number(detail), this.#decoded.eip);
  }
  trap(reason: number, detail: EvalValue = 0): void {
    this.#end(reason, Number(detail), this.#decoded.eip + this.#decoded.length);
  }
}

/** Executes one decoded instruction: its exit reason, or undefined when the next one follows. */
export function evaluateDecoded(decoded: Decoded, state: Uint8Array, memory: EvalMemory): number | undefined {
  const evaluator = new Evaluator(decoded, state, memory);
  const selectors = [FS, GS].map((n) => Number(evaluator.state(STATE.selector + n * 4)));
  try {
    if (violatesSegment(decoded, segmentModes(selectors[0], selectors[1]))) evaluator.forbidSegment();
    emitInsn(evaluator, decoded.insn, decoded.operands);
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
  }
  evaluator.setState(STATE.eip, evaluator.eip);
  if (evaluator.exit === undefined) return undefined;
  evaluator.setState(STATE.exitReason, evaluator.exit);
  evaluator.setState(STATE.exitDetail, evaluator.detail);
  return evaluator.exit;
}

/** An instruction's whole meaning: the check for pending x87 exceptions where it has one, then its body. */
export function emitInsn<V>(e: BaseEmitter<V>, insn: Insn, operands: readonly Operand[]): void {
  // ES, bit 7 of the status word: an unmasked exception is pending (SDM Vol. 1, 8.1.3.3).
  if (insn.options.waits) e.if(e.and(e.state(STATE.fpuStatus), e.const(0x80)), () => e.fault(Exit.x87));
  if (insn.options.lock || insn.options.modifies) e.modified = operands[0];
  insn.body(e, ...operands);
  if (insn.options.loadsSegment) e.trap(Exit.budget);
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
  return evaluateDecoded({ ...decoded, eip, operands }, state, memory);
}
