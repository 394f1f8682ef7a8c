/**
 * The language that instruction bodies are written in.
 *
 * A body is polymorphic in V, the type of a value: the evaluator (V = number, bigint or bytes) computes at once, the
 * wasm emitter (V = a wasm local or constant) writes code. A value is one of wasm's types: i32, i64, f64, f32, v128. The
 * numeric operations are wasm's own and derive from one table (ops.ts); everything about the guest (operands, flags,
 * memory, control flow) is here.
 *
 * Rules for bodies: (1) do every guest memory access before the first write to a register or flag, so that a #PF leaves
 * nothing half done; (2) a value is immutable: use variable() for what changes inside a loop; (3) conditions are i32, 0 or
 * not 0; (4) narrow integers are zero-extended in an i32 unless the name says signed.
 */
import type { Fpu } from './fpu.ts';
import type { F32Ops, F64Ops, I32Ops, I64Ops, V128Ops } from './ops.ts';
import type { Routine } from './routine.ts';

/** 1, 2, 4, 8, 10 or 16: bytes. */
export type Size = 1 | 2 | 4 | 8 | 10 | 16;
export type WasmType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';
/** Condition codes in encoding order (SDM Vol. 1, appendix B): tttn 0..15. */
export const CONDITIONS = [
  'o',
  'no',
  'b',
  'nb',
  'z',
  'nz',
  'be',
  'nbe',
  's',
  'ns',
  'p',
  'np',
  'l',
  'nl',
  'le',
  'nle',
] as const;
/** 0..15; bit 0 negates. */
export type ConditionCode = number;

/** An operand of the instruction at hand, opaque to bodies. */
export interface Operand {
  readonly kind: 'register' | 'memory' | 'immediate' | 'segment' | 'relative' | 'x87' | 'mmx' | 'xmm' | 'far';
  /** Bytes that load() yields and store() takes. */
  readonly size: Size;
}

export interface Variable<V> {
  get(): V;
  set(value: V): void;
}

/** Goes to the other arm where a condition holds. Nothing but values may have been computed before. */
export type GiveUp<V> = (condition: V) => void;
export type Arm<V> = (giveUp: GiveUp<V>) => void;

/** EFLAGS arithmetic bits as a body states them; each is a condition (i32, 0 or not). */
export interface FlagValues<V> {
  cf?: V;
  pf?: V;
  af?: V;
  zf?: V;
  sf?: V;
  of?: V;
}

export interface Flags<V> {
  /** All six after sum := a + b (+ carry in). Size in bytes of the operation. */
  add(a: V, b: V, sum: V, size: Size): void;
  /** All six after difference := a - b (- borrow in). */
  sub(a: V, b: V, difference: V, size: Size): void;
  /** SF ZF PF per result, CF OF AF clear. */
  logic(result: V, size: Size): void;
  /** As add/sub of 1, CF kept. */
  inc(a: V, sum: V, size: Size): void;
  dec(a: V, difference: V, size: Size): void;
  /** SF ZF PF per result, the others as given (absent = clear). */
  result(result: V, size: Size, rest: { cf?: V; of?: V; af?: V }): void;
  /** Replaces the named flags only; the others keep their value. */
  set(values: FlagValues<V>): void;
  /** All six from an EFLAGS image (SAHF, POPF, IRET). */
  restore(image: V): void;
  /** One flag, 0 or 1. */
  get(flag: 'cf' | 'pf' | 'af' | 'zf' | 'sf' | 'of'): V;
  /** The six arithmetic flags as an EFLAGS image with bit 1 set. */
  image(): V;
}

/** Done; with wasm's arithmetic where that suffices; with the routines that do all cases. */
export type FloatWay = 'done' | 'checked' | 'exact';

export interface Emitter<V> extends I32Ops<V> {
  readonly i64: I64Ops<V>;
  readonly f32: F32Ops<V>;
  readonly f64: F64Ops<V>;
  readonly v128: V128Ops<V>;
  readonly flags: Flags<V>;
  readonly fpu: Fpu<V>;

  /** Effective operand size of the instruction in bytes (2 or 4) for v and z operands; address size for string instructions and loops. */
  readonly operandSize: 2 | 4;
  readonly addressSize: 2 | 4;
  /** 0 none, 0xF2 or 0xF3. */
  readonly repeat: 0 | 0xf2 | 0xf3;

  /** An i32 constant. */
  const(value: number): V;
  const64(value: bigint): V;
  constF64(value: number): V;
  /** A v128 constant from 16 bytes. */
  constV128(bytes: readonly number[]): V;

  /** The value of an operand: sizes 1, 2, 4 as zero-extended i32, 8 as i64 (mmx, m64), 16 as v128 (xmm or m128). */
  load(operand: Operand): V;
  store(operand: Operand, value: V): void;
  /** Sign-extended immediate or loaded operand of size 1, 2 as i32. */
  loadSigned(operand: Operand): V;
  /** Loads from a memory or xmm operand fewer bytes than its size (movss m32, cvtdq2pd m64 ...): i32 for 4, i64 for 8. */
  loadLow(operand: Operand, size: 1 | 2 | 4 | 8): V;
  storeLow(operand: Operand, value: V, size: 1 | 2 | 4 | 8): void;
  /** Selector of a far pointer operand; load() yields its offset. load() of an x87 operand yields i of ST(i). */
  farSelector(operand: Operand): V;
  /** The lowest float of an xmm or memory operand as f32 or f64, and back. */
  loadFloat(operand: Operand, size: 4 | 8): V;
  storeFloat(operand: Operand, value: V, size: 4 | 8): void;
  /** The low bytes of an xmm or memory operand in a vector, zeros above them. */
  loadExtended(operand: Operand, size: 4 | 8): V;
  /** SSE arithmetic that the emitter does by itself, exceptions included; else the way in which the body is to do it. */
  deferFloat(name: string, size: 4 | 8, isPacked: boolean, dst: Operand, src: Operand): FloatWay;
  /** True when the operand is in memory: fixed when the code is emitted. */
  isMemory(operand: Operand): boolean;
  /** Offset part of a memory operand (LEA), zero-extended. */
  effectiveAddress(operand: Operand): V;
  /** Where a memory operand is: the way to reach those of several parts (m80, far pointers, FSAVE images). */
  operandAddress(operand: Operand): V;
  /** The address of a part of an operand that is accessed in parts: each wraps by itself with 16-bit addressing. */
  partAddress(operand: Operand, offset: number): V;
  /** #GP(0) unless the operand's linear address is a multiple of alignment; an image may be #AC instead. */
  requireAligned(operand: Operand, alignment: 8 | 16, isImage?: boolean): void;

  /**
   * Guest memory, sizes 1, 2, 4 as zero-extended i32. `segment` is the segment register (state.ts) where it is not that of
   * the memory operand, or ds or its override.
   */
  read(address: V, size: 1 | 2 | 4, segment?: number): V;
  /** Faults as the write that follows would. */
  readModified(address: V, size: 1 | 2 | 4): V;
  read64(address: V): V;
  read128(address: V): V;
  write(address: V, value: V, size: 1 | 2 | 4, segment?: number): void;
  write64(address: V, value: V): void;
  write128(address: V, value: V): void;
  /** Faults now, with nothing done, unless [address, address + bytes) may be written. */
  probeWrite(address: V, bytes: number, segment?: number): void;

  /** General registers by number known when the code is emitted: size 1 uses al cl dl bl ah ch dh bh. */
  register(number: number, size: 1 | 2 | 4): V;
  setRegister(number: number, value: V, size: 1 | 2 | 4): void;
  /** Any field of the register file (state.ts) at a fixed offset, or at offset + a computed byte index. */
  state(offset: number, type?: WasmType | 'u8' | 'u16', index?: V): V;
  setState(offset: number, value: V, type?: WasmType | 'u8' | 'u16', index?: V): void;
  /** Bytes of the stack pointer: 2 in a 16-bit stack segment. */
  readonly stackSize: 2 | 4;
  /** Repeated string instructions do one element at a time: something has to look in between. */
  readonly isStepped: boolean;

  /** Sign- or zero-extends the low `size` bytes of an i32. */
  sext(value: V, size: Size): V;
  zext(value: V, size: Size): V;
  /** c ? a : b without a branch, for any type. */
  select(condition: V, a: V, b: V): V;

  /** Structured control inside a body. */
  variable(type: WasmType, initial: V): Variable<V>;
  if(condition: V, then: Arm<V>, otherwise?: () => void): void;
  /** Repeats while condition() is not 0. */
  while(condition: () => V, body: () => void): void;
  /** Calls a routine: shared code that every interpretation knows (x87 arithmetic ...). Yields its results. */
  call(routine: Routine, ...args: V[]): V[];

  /** tttn as 0 or 1. */
  condition(code: ConditionCode): V;

  /** Address of the next instruction, and of this one. */
  nextEip(): V;
  currentEip(): V;
  /** Guest control flow; each ends the body's path. A relative operand's target is fixed at decode. */
  jump(target: Operand): void;
  jumpIf(condition: V, target: Operand): void;
  /** To a computed linear address (ret, jmp r/m). */
  jumpIndirect(target: V): void;
  /** Runs this instruction again later with its registers as they now are (REP strings, at a slice's end). */
  restart(): void;

  /** An unmasked x87 exception is pending since this instruction: its opcode and data pointer are to be kept. */
  noteException(): void;

  /** For instructions with the option `evaluated` only. The descriptor of a selector: upper half, 0 for none, and limit. */
  descriptor(selector: V): readonly [high: V, limit: V];
  /** Faults unless the selector is one of code that control may go to; goes there. */
  requireCode(selector: V, isReturn: boolean): void;
  jumpFar(selector: V, offset: V): void;
  /** The selector of the local descriptor table. */
  localTable(): V;

  /** Leaves the CPU with a reason (exit.ts). Faults leave EIP at this instruction, traps after it. */
  fault(vector: number, detail?: V): void;
  trap(reason: number, detail?: V): void;
}
