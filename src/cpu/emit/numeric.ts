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

class Table<V> {
  readonly applyNumeric: Apply<V>;
  constructor(apply: Apply<V>) {
    this.applyNumeric = apply;
  }
}
const tableClass = (table: Record<string, NumericOp>): typeof Table => {
  const Made = class<V> extends Table<V> {};
  defineLazily(Made.prototype, table);
  return Made;
};

/** The small tables are made whole, when they are asked for: bodies spread them. */
function methods<V>(table: Record<string, NumericOp>, apply: Apply<V>): object {
  return Object.fromEntries(Object.entries(table).map(([name, op]) => [name, (...args: V[]) => apply(op, args)]));
}

const I64Table = tableClass(I64);
const V128Table = tableClass(V128);

/** The methods of I32Ops go on the emitter itself, which has an `applyNumeric`. */
export function defineI32Methods(prototype: object): void {
  defineLazily(prototype, I32);
}

export function numericMethods<V>(apply: Apply<V>, lanes: LaneMethods<V>): NumericMethods<V> {
  return {
    i64: new I64Table(apply),
    get f32() {
      return methods(F32, apply);
    },
    get f64() {
      return methods(F64, apply);
    },
    v128: Object.assign(new V128Table(apply), lanes),
  } as unknown as NumericMethods<V>;
}
