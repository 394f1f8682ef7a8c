/** The part of an emitter that follows from a few primitives and is the same in every interpretation. */

import { Exit } from '../exit.ts';
import { STATE } from '../state.ts';
import type { Arm, ConditionCode, Emitter, Flags, FloatWay, Operand, Size, Variable, WasmType } from './emitter.ts';
import { flagCondition, lazyFlags } from './flags.ts';
import type { Fpu } from './fpu.ts';
import { MemoryFpu } from './fpu.ts';
import type { LaneMethods, NumericMethods } from './numeric.ts';
import { defineI32Methods, numericMethods } from './numeric.ts';
import type { F32Ops, F64Ops, I32Ops, I64Ops, NumericOp, V128Ops } from './ops.ts';
import type { Routine } from './routine.ts';

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
  readonly fpu: Fpu<V>;
  readonly #methods: NumericMethods<V>;
  #f32: F32Ops<V> | undefined;
  #f64: F64Ops<V> | undefined;

  constructor(apply: (op: NumericOp, args: V[]) => V, lanes: LaneMethods<V>) {
    this.#methods = numericMethods(apply, lanes);
    this.applyNumeric = apply;
    this.i64 = this.#methods.i64;
    this.v128 = this.#methods.v128;
    this.flags = lazyFlags(this);
    this.fpu = new MemoryFpu(this);
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
  abstract operandAddress(operand: Operand): V;
  abstract probeWrite(address: V, bytes: number, segment?: number): void;
  abstract select(condition: V, a: V, b: V): V;
  abstract variable(type: WasmType, initial: V): Variable<V>;
  abstract if(condition: V, then: Arm<V>, otherwise?: () => void): void;
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
  abstract get stackSize(): 2 | 4;
  abstract get isStepped(): boolean;
  abstract noteException(): void;
  abstract descriptor(selector: V): readonly [high: V, limit: V];
  abstract requireCode(selector: V, isReturn: boolean): void;
  abstract localTable(): V;
  abstract jumpFar(selector: V, offset: V): void;
  protected abstract loadSegment(operand: Operand, selector: V): void;

  /** Guest memory, any type; isModified: a write to the same place follows. */
  protected abstract guestLoad(address: V, type: MemoryType, isModified?: boolean, segment?: number): V;
  /** The operand that the instruction both reads and writes: a fault at its read is one of a write, as on processors. */
  modified: Operand | undefined;
  protected abstract guestStore(address: V, value: V, type: MemoryType, segment?: number): void;
  /** A register operand's place in the register file, `delta` bytes further. */
  protected abstract fileLoad(operand: Operand, type: MemoryType, delta?: number): V;
  protected abstract fileStore(operand: Operand, value: V, type: MemoryType, delta?: number): void;
  /** The number of an immediate, relative, far or x87 operand. */
  protected abstract immediate(operand: Operand): V;

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
        return this.guestLoad(this.operandAddress(operand), type, operand === this.modified);
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
    if (operand.kind === 'segment') this.loadSegment(operand, this.and(value, this.const(0xffff)));
    else this.#storeType(operand, value, INTEGER_TYPE[operand.size]);
  }

  storeLow(operand: Operand, value: V, size: 1 | 2 | 4 | 8): void {
    this.#storeType(operand, value, INTEGER_TYPE[size]);
  }

  #storeType(operand: Operand, value: V, type: MemoryType): void {
    if (operand.kind === 'memory') this.guestStore(this.operandAddress(operand), value, type);
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

  loadExtended(operand: Operand, size: 4 | 8): V {
    const low = this.loadLow(operand, size);
    const zeros = this.constV128(new Array<number>(16).fill(0));
    return this.v128.replaceLane('i64x2', zeros, 0, size === 4 ? this.i64.extendU(low) : low);
  }
  deferFloat(_name: string, _size: 4 | 8, _isPacked: boolean, _dst: Operand, _src: Operand): FloatWay {
    return 'checked';
  }

  loadSigned(operand: Operand): V {
    return this.sext(this.load(operand), operand.size);
  }

  partAddress(operand: Operand, offset: number): V {
    const sum = this.add(this.operandAddress(operand), this.const(offset));
    return this.addressSize === 4 ? sum : this.and(sum, this.const(0xffff));
  }

  requireAligned(operand: Operand, alignment: 8 | 16, _isImage = false): void {
    if (operand.kind !== 'memory') return;
    const low = this.and(this.operandAddress(operand), this.const(alignment - 1));
    this.if(low, () => this.fault(Exit.generalProtection, this.const(0)));
  }

  read(address: V, size: 1 | 2 | 4, segment?: number): V {
    return this.guestLoad(address, INTEGER_TYPE[size], false, segment);
  }
  readModified(address: V, size: 1 | 2 | 4): V {
    return this.guestLoad(address, INTEGER_TYPE[size], true);
  }
  read64(address: V): V {
    return this.guestLoad(address, 'i64');
  }
  read128(address: V): V {
    return this.guestLoad(address, 'v128');
  }
  write(address: V, value: V, size: 1 | 2 | 4, segment?: number): void {
    this.guestStore(address, value, INTEGER_TYPE[size], segment);
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
