/** Turns the tables of ops.ts into methods: each interpretation says only how one numeric instruction is applied. */
import type { F32Ops, F64Ops, I32Ops, I64Ops, LaneShape, NumericOp, V128Ops } from './ops.ts';
import { F32, F64, I32, I64, V128 } from './ops.ts';

export interface NumericMethods<V> {
  i32: I32Ops<V>;
  i64: I64Ops<V>;
  f32: F32Ops<V>;
  f64: F64Ops<V>;
  v128: V128Ops<V>;
}

export interface LaneMethods<V> {
  shuffle(a: V, b: V, indices: readonly number[]): V;
  extractLane(shape: LaneShape, a: V, lane: number): V;
  replaceLane(shape: LaneShape, a: V, lane: number, value: V): V;
}

type Apply<V> = (op: NumericOp, args: V[]) => V;

function methods<V>(table: Record<string, NumericOp>, apply: Apply<V>): object {
  return Object.fromEntries(Object.entries(table).map(([name, op]) => [name, (...args: V[]) => apply(op, args)]));
}

export function numericMethods<V>(apply: Apply<V>, lanes: LaneMethods<V>): NumericMethods<V> {
  return {
    i32: methods(I32, apply),
    i64: methods(I64, apply),
    f32: methods(F32, apply),
    f64: methods(F64, apply),
    v128: { ...methods(V128, apply), ...lanes },
  } as NumericMethods<V>;
}
