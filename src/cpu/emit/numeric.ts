/** Turns the tables of ops.ts into methods: each interpretation says only how one numeric instruction is applied. */
import type { F32Ops, F64Ops, I64Ops, LaneShape, NumericOp, V128Ops } from './ops.ts';
import { F32, F64, I32, I64, V128 } from './ops.ts';

export interface NumericMethods<V> {
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

/**
 * Defines a table's methods on a prototype as getters, which make a method when it is first asked for and keep it: an
 * emitter lives for one instruction and uses few of the 300.
 */
function defineLazily(prototype: object, table: Record<string, NumericOp>): void {
  for (const [name, op] of Object.entries(table)) {
    Object.defineProperty(prototype, name, {
      configurable: true,
      get(this: { applyNumeric: Apply<unknown> }) {
        const method = (...args: unknown[]): unknown => this.applyNumeric(op, args);
        Object.defineProperty(this, name, { value: method });
        return method;
      },
    });
  }
}

const prototypes = new Map<Record<string, NumericOp>, object>();

/** An object with a table's methods. The prototype that it shares with others is made for the first of them. */
function tableOf<V>(table: Record<string, NumericOp>, applyNumeric: Apply<V>): object {
  let prototype = prototypes.get(table);
  if (prototype === undefined) {
    prototype = {};
    defineLazily(prototype, table);
    prototypes.set(table, prototype);
  }
  return Object.assign(Object.create(prototype), { applyNumeric });
}

/** The small tables are made whole, when they are asked for: bodies spread them. */
function methods<V>(table: Record<string, NumericOp>, apply: Apply<V>): object {
  return Object.fromEntries(Object.entries(table).map(([name, op]) => [name, (...args: V[]) => apply(op, args)]));
}

/** The methods of I32Ops go on the emitter itself, which has an `applyNumeric`. */
export function defineI32Methods(prototype: object): void {
  defineLazily(prototype, I32);
}

export function numericMethods<V>(apply: Apply<V>, lanes: LaneMethods<V>): NumericMethods<V> {
  return {
    i64: tableOf(I64, apply),
    get f32() {
      return methods(F32, apply);
    },
    get f64() {
      return methods(F64, apply);
    },
    v128: Object.assign(tableOf(V128, apply), lanes),
  } as unknown as NumericMethods<V>;
}
