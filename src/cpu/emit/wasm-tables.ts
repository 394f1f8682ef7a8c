/** Encodings and small rules of the wasm emitter (WebAssembly core specification, section 5.4). */
import type { MemoryType } from './base-emitter.ts';
import type { WasmType } from './emitter.ts';
import type { LaneShape, NumericOp } from './ops.ts';
import { I32 } from './ops.ts';
import type { Node } from './wasm-ir.ts';
import { leb, signedLeb } from './wasm-writer.ts';

export const LOAD: Record<MemoryType, number[]> = {
  u8: [0x2d],
  u16: [0x2f],
  i32: [0x28],
  i64: [0x29],
  f32: [0x2a],
  f64: [0x2b],
  v128: [0xfd, 0],
};
export const STORE: Record<MemoryType, number[]> = {
  u8: [0x3a],
  u16: [0x3b],
  i32: [0x36],
  i64: [0x37],
  f32: [0x38],
  f64: [0x39],
  v128: [0xfd, 11],
};
export const VALUE_TYPE: Record<MemoryType, WasmType> = {
  u8: 'i32',
  u16: 'i32',
  i32: 'i32',
  i64: 'i64',
  f32: 'f32',
  f64: 'f64',
  v128: 'v128',
};
export const LANE_OPS: Record<LaneShape, { extract: number; replace: number; type: WasmType }> = {
  i8x16: { extract: 0x16, replace: 0x17, type: 'i32' },
  i16x8: { extract: 0x19, replace: 0x1a, type: 'i32' },
  i32x4: { extract: 0x1b, replace: 0x1c, type: 'i32' },
  i64x2: { extract: 0x1d, replace: 0x1e, type: 'i64' },
  f32x4: { extract: 0x1f, replace: 0x20, type: 'f32' },
  f64x2: { extract: 0x21, replace: 0x22, type: 'f64' },
};
/** Ops of the i32 table that leave x alone when their second operand is this. */
export const IDENTITY = new Map<NumericOp, number>([
  [I32.add, 0],
  [I32.sub, 0],
  [I32.or, 0],
  [I32.xor, 0],
  [I32.shl, 0],
  [I32.shrU, 0],
  [I32.shrS, 0],
  [I32.and, -1],
]);
const COMBINES_BOOLS = new Set<NumericOp>([I32.and, I32.or, I32.xor]);
/** In the low bits of STATE.record: log2 of the access's size, and whether it writes. */
export const ACCESS_WRITE = 8;
export const ACCESS_SIZE: Partial<Record<number, number>> = { 1: 0, 2: 1, 4: 2, 8: 3, 16: 4 };

export const memoryArgument = (offset: number): number[] => [0, ...leb(offset)];
export const constantBytes = (value: number): number[] => [0x41, ...signedLeb(value)];

/** A body's mistake is found where it is made, not when V8 compiles the module. */
export function checkTypes(values: readonly Node[], types: readonly WasmType[]): void {
  if (values.length !== types.length || values.some((value, i) => value.type !== types[i])) {
    throw new TypeError(`(${values.map((value) => value.type)}) where (${types}) is due`);
  }
}

export function isBoolOp(op: NumericOp, args: readonly Node[]): boolean {
  if (op.result !== 'i32') return false;
  if (op.code >= 0x45 && op.code <= 0x66) return true;
  if (op === I32.and && args.some((a) => a.constant === 1)) return true;
  return COMBINES_BOOLS.has(op) && args.every((a) => a.isBool);
}
