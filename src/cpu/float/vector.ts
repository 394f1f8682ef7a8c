/** Floating-point arithmetic on whole vectors: wasm's where it gives the CPU's result and flags, else lane by lane. */
import type { Emitter, Operand } from '../emit/emitter.ts';
import type { Routine } from '../emit/routine.ts';
import { routine } from '../emit/routine.ts';
import type { Format } from './format.ts';
import { host, implicitBit, infinityBits } from './format.ts';

export const laneCount = (f: Format): number => 16 / f.size;

/** A lane's bits in an i64. */
export const getLane = <V>(e: Emitter<V>, f: Format, v: V, lane: number): V =>
  f.size === 8 ? e.v128.extractLane('i64x2', v, lane) : e.i64.extendU(e.v128.extractLane('i32x4', v, lane));
export const setLane = <V>(e: Emitter<V>, f: Format, v: V, lane: number, bits: V): V =>
  f.size === 8 ? e.v128.replaceLane('i64x2', v, lane, bits) : e.v128.replaceLane('i32x4', v, lane, e.i64.wrap(bits));

/** wasm's vector instructions of a format. */
export function vector<V>(e: Emitter<V>, f: Format) {
  const shape = f.size === 4 ? 'f32x4' : 'f64x2';
  const ops = e.v128;
  return {
    add: (a: V, b: V): V => ops[`${shape}Add`](a, b),
    sub: (a: V, b: V): V => ops[`${shape}Sub`](a, b),
    mul: (a: V, b: V): V => ops[`${shape}Mul`](a, b),
    div: (a: V, b: V): V => ops[`${shape}Div`](a, b),
    lt: (a: V, b: V): V => ops[`${shape}Lt`](a, b),
    gt: (a: V, b: V): V => ops[`${shape}Gt`](a, b),
    le: (a: V, b: V): V => ops[`${shape}Le`](a, b),
    eq: (a: V, b: V): V => ops[`${shape}Eq`](a, b),
    ne: (a: V, b: V): V => ops[`${shape}Ne`](a, b),
    pmin: (a: V, b: V): V => ops[`${shape}Pmin`](a, b),
    pmax: (a: V, b: V): V => ops[`${shape}Pmax`](a, b),
    sqrt: (a: V): V => ops[`${shape}Sqrt`](a),
    abs: (a: V): V => ops[`${shape}Abs`](a),
    constant: (bits: bigint): V => {
      const lane = Array.from({ length: f.size }, (_, i) => Number((bits >> BigInt(8 * i)) & 0xffn));
      return e.constV128(new Array<number[]>(laneCount(f)).fill(lane).flat());
    },
  };
}

/** All ones in lanes that hold a denormal. */
export function denormalLanes<V>(e: Emitter<V>, f: Format, v: V): V {
  const { abs, lt, ne, constant } = vector(e, f);
  return e.v128.and(lt(abs(v), constant(implicitBit(f))), ne(v, constant(0n)));
}

/** All ones in lanes that hold a finite number. */
export function finiteLanes<V>(e: Emitter<V>, f: Format, v: V): V {
  const { abs, lt, constant } = vector(e, f);
  return lt(abs(v), constant(infinityBits(f)));
}

/** All ones in lanes above the smallest normal number, or where the result is zero because an operand is. */
export function untinyLanes<V>(e: Emitter<V>, f: Format, result: V, ...zeroCauses: V[]): V {
  const { abs, gt, eq, constant } = vector(e, f);
  const zeros = zeroCauses.map((cause) => eq(cause, constant(0n)));
  return zeros.reduce((all, zero) => e.v128.or(all, zero), gt(abs(result), constant(implicitBit(f))));
}

/** A scalar's bits that are not a denormal, as i32 or i64 by format. */
export function isNotDenormal<V>(e: Emitter<V>, f: Format, bits: V): V {
  // Twice a denormal lies in 2 .. 2 * implicit - 2; zero wraps to the top.
  const bound = 2n * implicitBit(f) - 2n;
  if (f.size === 4) {
    return e.geU(e.sub(e.shl(bits, e.const(1)), e.const(1)), e.const(Number(bound)));
  }
  return e.i64.geU(e.i64.sub(e.i64.shl(bits, e.const64(1n)), e.const64(1n)), e.const64(bound));
}

/** Bits of a scalar operand (i32 or i64) as a float and as the i64 that routines take, and back. */
export function scalar<V>(e: Emitter<V>, f: Format) {
  const single = f.size === 4;
  return {
    ...host(e, f),
    type: single ? ('i32' as const) : ('i64' as const),
    of: (bits: V): V => (single ? e.f32.reinterpretI32(bits) : e.f64.reinterpretI64(bits)),
    bits: (x: V): V => (single ? e.f32.bits(x) : e.i64.reinterpretF64(x)),
    widen: (bits: V): V => (single ? e.i64.extendU(bits) : bits),
    narrow: (bits: V): V => (single ? e.i64.wrap(bits) : bits),
  };
}

/** A scalar operand as bits (i32 or i64) and as a float: a register is read twice, for moves between kinds are slow. */
export function loadScalar<V>(e: Emitter<V>, f: Format, operand: Operand): { bits: V; float: V } {
  const bits = e.loadLow(operand, f.size);
  return { bits, float: e.isMemory(operand) ? scalar(e, f).of(bits) : e.loadFloat(operand, f.size) };
}

type LaneOperation = <V>(e: Emitter<V>, lane: number, ...operands: V[]) => V[];

/** (vectors ...) -> [vector, flags]: `operation` on the lanes of each, its flags gathered. */
export function byLanes(name: string, f: Format, operands: number, operation: LaneOperation): Routine {
  const parameters = new Array<'v128'>(operands).fill('v128');
  return routine(name, parameters, ['v128', 'i32'], <V>(e: Emitter<V>, ...vectors: V[]) => {
    let result = vectors[0];
    let flags = e.const(0);
    for (let lane = 0; lane < laneCount(f); lane++) {
      const [bits, raised] = operation(e, lane, ...vectors.map((v) => getLane(e, f, v, lane)));
      result = setLane(e, f, result, lane, bits);
      flags = e.or(flags, raised);
    }
    return [result, flags];
  });
}
