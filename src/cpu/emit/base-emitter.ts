/** The part of an emitter that follows from a few primitives and is the same in every interpretation. */

import { Exit } from '../exit.ts';
import { FS, GS, SS, STATE } from '../state.ts';
import type { ConditionCode, Emitter, Flags, Operand, Size, Variable, WasmType } from './emitter.ts';
import { flagCondition, lazyFlags } from './flags.ts';
import type { LaneMethods, NumericMethods } from './numeric.ts';
import { defineI32Methods, numericMethods } from './numeric.ts';
import type { F32Ops, F64Ops, I32Ops, I64Ops, NumericOp, V128Ops } from './ops.ts';
import type { Routine } from './routine.ts';
import { describeSelector } from './segments.ts';

export type MemoryType = WasmType | 'u8' | 'u16';
const INTEGER_TYPE: Record<Size, MemoryType> = { 1: 'u8', 2: 'u16', 4: 'i32', 8: 'i64', 10: 'v128', 16: 'v128' };
export const MEMORY_BYTES: Record<MemoryType, Size> = { u8: 1, u16: 2, i32: 4, f32: 4, i64: 8, f64: 8, v128: 16 };

// The numeric methods of I32Ops are made from their table below.
export interface BaseEmitter<V> extends I32Ops<V> {}

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see above
export abstract class BaseEmitter<V> implements Emitter<V> {
  readonly applyNumeric: (op: NumericOp, args: V[]) => V;
  readonly i64: I64Ops<V>;
  readonly v128: V128Ops<V>;
  readonly flags: Flags<V>;
  readonly #methods: NumericMethods<V>;
  #f32: F32Ops<V> | undefined;
  #f64: F64Ops<V> | undefined;

  constructor(apply: (op: NumericOp, args: V[]) => V, lanes: LaneMethods<V>) {
    this.#methods = numericMethods(apply, lanes);
    this.applyNumeric = apply;
    this.i64 = this.#methods.i64;
    this.v128 = this.#methods.v128;
    this.flags = lazyFlags(this);
  }

  get f32(): F32Ops<V> {
    this.#f32 ??= this.#methods.f32;
    return this.#f32;
  }
  get f64(): F64Ops<V> {
    this.#f64 ??= this.#methods.f64;
    return this.#f64;
  }

  abstract get operandSize(): 2 | 4;
  abstract get addressSize(): 2 | 4;
  abstract get repeat(): 0 | 0xf2 | 0xf3;
  abstract const(value: number): V;
  abstract const64(value: bigint): V;
  abstract constF64(value: number): V;
  abstract constV128(bytes: readonly number[]): V;
  abstract state(offset: number, type?: MemoryType, index?: V): V;
  abstract setState(offset: number, value: V, type?: MemoryType, index?: V): void;
  abstract effectiveAddress(operand: Operand): V;
  abstract linearAddress(operand: Operand): V;
  abstract probeWrite(address: V, bytes: number): void;
  abstract select(condition: V, a: V, b: V): V;
  abstract variable(type: WasmType, initial: V): Variable<V>;
  abstract if(condition: V, then: () => void, otherwise?: () => void): void;
  abstract while(condition: () => V, body: () => void): void;
  abstract call(routine: Routine, ...args: V[]): V[];
  abstract nextEip(): V;
  abstract currentEip(): V;
  abstract jump(target: Operand): void;
  abstract jumpIf(condition: V, target: Operand): void;
  abstract jumpIndirect(target: V): void;
  abstract restart(): void;
  abstract fault(vector: number, detail?: V): void;
  abstract trap(reason: number, detail?: V): void;
  abstract farSelector(operand: Operand): V;

  /** Guest memory, any type; isModified: a write to the same place follows. */
  protected abstract guestLoad(address: V, type: MemoryType, isModified?: boolean): V;
  /** The operand that the instruction both reads and writes: a fault at its read is one of a write, as on processors. */
  modified: Operand | undefined;
  protected abstract guestStore(address: V, value: V, type: MemoryType): void;
  /** A register operand's place in the register file, `delta` bytes further. */
  protected abstract fileLoad(operand: Operand, type: MemoryType, delta?: number): V;
  protected abstract fileStore(operand: Operand, value: V, type: MemoryType, delta?: number): void;
  /** The number of an immediate, relative, far or x87 operand. */
  protected abstract immediate(operand: Operand): V;
  /** Base of the data segment: ds or the override. */
  protected abstract dataSegmentBase(): V;
  /** True where the operand is the segment register `number`. */
  protected abstract isSegment(operand: Operand, number: number): V;

  bool(condition: V): V {
    return this.ne(condition, this.const(0));
  }

  isMemory(operand: Operand): boolean {
    return operand.kind === 'memory';
  }

  load(operand: Operand): V {
    return this.#loadType(operand, INTEGER_TYPE[operand.size]);
  }

  loadLow(operand: Operand, size: 1 | 2 | 4 | 8): V {
    return this.#loadType(operand, INTEGER_TYPE[size]);
  }

  #loadType(operand: Operand, type: MemoryType): V {
    switch (operand.kind) {
      case 'memory':
        return this.guestLoad(this.linearAddress(operand), type, operand === this.modified);
      case 'segment':
        return this.fileLoad(operand, 'i32');
      case 'register':
      case 'mmx':
      case 'xmm':
        return this.fileLoad(operand, type);
      default:
        return this.immediate(operand);
    }
  }

  store(operand: Operand, value: V): void {
    if (operand.kind === 'segment') this.#storeSegment(operand, value);
    else this.#storeType(operand, value, INTEGER_TYPE[operand.size]);
  }

  storeLow(operand: Operand, value: V, size: 1 | 2 | 4 | 8): void {
    this.#storeType(operand, value, INTEGER_TYPE[size]);
  }

  #storeType(operand: Operand, value: V, type: MemoryType): void {
    if (operand.kind === 'memory') this.guestStore(this.linearAddress(operand), value, type);
    else this.fileStore(operand, value, type);
    // A write to an MMX register sets sign and exponent of its x87 register (SDM Vol. 1, 9.2).
    if (operand.kind === 'mmx') this.fileStore(operand, this.const(0xffff), 'i32', 8);
  }

  loadFloat(operand: Operand, size: 4 | 8): V {
    return this.#loadType(operand, size === 4 ? 'f32' : 'f64');
  }
  storeFloat(operand: Operand, value: V, size: 4 | 8): void {
    this.#storeType(operand, value, size === 4 ? 'f32' : 'f64');
  }

  /**
   * Loads a segment register (SDM Vol. 3A, 5.4, with the GDT of segments.ts): user segments, the task's TLS entries, null
   * except in ss, which must be writable and of privilege 3. es, ss and ds stay flat: a TLS segment in them must have base 0.
   */
  #storeSegment(operand: Operand, value: V): void {
    const selector = this.and(value, this.const(0xffff));
    const { isUser, isData, isTls, base } = describeSelector(this, selector);
    const hasBase = this.or(this.isSegment(operand, FS), this.isSegment(operand, GS));
    const isFlat = this.or(isData, this.and(isTls, this.eqz(base)));
    const isOrdinary = this.or(
      this.or(isUser, this.ltU(selector, this.const(4))),
      this.and(isTls, this.or(hasBase, isFlat)),
    );
    const isStack = this.and(isFlat, this.eq(this.and(selector, this.const(3)), this.const(3)));
    const isAllowed = this.select(this.isSegment(operand, SS), isStack, isOrdinary);
    this.if(this.eqz(isAllowed), () => this.fault(Exit.generalProtection, this.and(selector, this.const(0xfffc))));
    this.fileStore(operand, selector, 'i32');
    this.fileStore(operand, base, 'i32', STATE.segmentBase - STATE.selector);
  }

  loadSigned(operand: Operand): V {
    return this.sext(this.load(operand), operand.size);
  }

  partAddress(operand: Operand, offset: number): V {
    const sum = this.add(this.linearAddress(operand), this.const(offset));
    if (this.addressSize === 4) return sum;
    const origin = this.dataSegmentBase();
    return this.add(this.and(this.sub(sum, origin), this.const(0xffff)), origin);
  }

  requireAligned(operand: Operand, alignment: 8 | 16): void {
    if (operand.kind !== 'memory') return;
    const low = this.and(this.linearAddress(operand), this.const(alignment - 1));
    this.if(low, () => this.fault(Exit.generalProtection, this.const(0)));
  }

  read(address: V, size: 1 | 2 | 4, isModified = false): V {
    return this.guestLoad(address, INTEGER_TYPE[size], isModified);
  }
  read64(address: V): V {
    return this.guestLoad(address, 'i64');
  }
  read128(address: V): V {
    return this.guestLoad(address, 'v128');
  }
  write(address: V, value: V, size: 1 | 2 | 4): void {
    this.guestStore(address, value, INTEGER_TYPE[size]);
  }
  write64(address: V, value: V): void {
    this.guestStore(address, value, 'i64');
  }
  write128(address: V, value: V): void {
    this.guestStore(address, value, 'v128');
  }

  register(number: number, size: 1 | 2 | 4): V {
    return this.state(registerOffset(number, size), INTEGER_TYPE[size]);
  }
  setRegister(number: number, value: V, size: 1 | 2 | 4): void {
    this.setState(registerOffset(number, size), value, INTEGER_TYPE[size]);
  }

  segmentBase(segment: number | 'data'): V {
    if (segment === 'data') return this.dataSegmentBase();
    return segment < 4 ? this.const(0) : this.state(STATE.segmentBase + segment * 4);
  }

  sext(value: V, size: Size): V {
    if (size === 1) return this.extend8S(value);
    return size === 2 ? this.extend16S(value) : value;
  }
  zext(value: V, size: Size): V {
    if (size === 1) return this.and(value, this.const(0xff));
    return size === 2 ? this.and(value, this.const(0xffff)) : value;
  }

  condition(code: ConditionCode): V {
    return flagCondition(this, code);
  }
}

defineI32Methods(BaseEmitter.prototype);

/** Byte offset of a general register: the byte registers are al cl dl bl ah ch dh bh. */
export function registerOffset(number: number, size: number): number {
  return size === 1 ? STATE.gpr + (number & 3) * 4 + (number >> 2) : STATE.gpr + number * 4;
}
