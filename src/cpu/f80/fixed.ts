/** Fixed-point arithmetic on 128 bits, with some bits to spare over the 64 that results keep. */
import type { Emitter } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import { divWide } from './div.ts';
import type { Pair } from './format.ts';
import { addWide, mulWide, normalize, subWide } from './wide.ts';

/** A positive number: pair / 2**127 * 2**exponent, the pair's highest bit set. */
export type Big<V> = readonly [V, V, V];

export const pairOf = <V>(e: Emitter<V>, value: bigint): Pair<V> => [
  e.const64(BigInt.asUintN(64, value >> 64n)),
  e.const64(BigInt.asUintN(64, value)),
];

/** The upper 128 bits of a product, at most 2 too small. */
const mulHighRoutine = routine('f80_mul_high', ['i64', 'i64', 'i64', 'i64'], ['i64', 'i64'], (e, ah, al, bh, bl) => {
  const zero = e.const64(0n);
  const [crossA] = mulWide(e, ah, bl);
  const [crossB] = mulWide(e, al, bh);
  const sum = addWide(e, mulWide(e, ah, bh), [zero, crossA]);
  return [...addWide(e, sum, [zero, crossB])];
});
export function mulHigh<V>(e: Emitter<V>, a: Pair<V>, b: Pair<V>): Pair<V> {
  const [high, low] = e.call(mulHighRoutine, ...a, ...b);
  return [high, low];
}

export const negate = <V>(e: Emitter<V>, a: Pair<V>): Pair<V> => subWide(e, [e.const64(0n), e.const64(0n)], a);
export const selectPair = <V>(e: Emitter<V>, c: V, a: Pair<V>, b: Pair<V>): Pair<V> => [
  e.select(c, a[0], b[0]),
  e.select(c, a[1], b[1]),
];

/** Shift right by an i32 count, 0 for counts beyond 127. */
export function shiftRight<V>(e: Emitter<V>, [high, low]: Pair<V>, count: V): Pair<V> {
  const { shl, shrU, or, sub, extendU } = e.i64;
  const zero = e.const64(0n);
  const n = extendU(count);
  const spill = shl(shl(high, e.const64(1n)), sub(e.const64(63n), n));
  const far = e.geU(count, e.const(64)),
    gone = e.geU(count, e.const(128));
  const h = e.select(far, zero, shrU(high, n));
  const l = e.select(far, shrU(high, n), or(shrU(low, n), spill));
  return [h, e.select(gone, zero, l)];
}

/** A number below 1 with 128 fraction bits. */
export const toFixed = <V>(e: Emitter<V>, [high, low, exponent]: Big<V>): Pair<V> =>
  shiftRight(e, [high, low], e.sub(e.const(-1), exponent));

export const normal = <V>(e: Emitter<V>, pair: Pair<V>, exponent: V): Big<V> => normalize(e, pair, exponent);

/** c0 + z * (c1 + z * (c2 + ...)), or with alternating signs; z below 1, all partial sums positive. */
export function horner<V>(e: Emitter<V>, coefficients: readonly bigint[], z: Pair<V>, negative: V | boolean): Pair<V> {
  let sum = pairOf(e, coefficients[coefficients.length - 1]);
  for (let k = coefficients.length - 2; k >= 0; k--) {
    const product = mulHigh(e, sum, z);
    const c = pairOf(e, coefficients[k]);
    if (typeof negative === 'boolean') sum = negative ? subWide(e, c, product) : addWide(e, c, product);
    else sum = addWide(e, c, selectPair(e, negative, negate(e, product), product));
  }
  return sum;
}

/** 1 / d for 1/2 <= d < 1 with 128 fraction bits: the result has 127. One Newton step on a 64-bit quotient. */
const reciprocalRoutine = routine('f80_reciprocal', ['i64', 'i64'], ['i64', 'i64'], (e, high, low) => {
  const [guess] = divWide(e, [e.const64((1n << 63n) - 1n), e.const64(-1n)], high);
  const first: Pair<typeof high> = [guess, e.const64(0n)];
  const correction = negate(e, mulHigh(e, [high, low], first));
  const [h, l] = mulHigh(e, first, correction);
  return [...addWide(e, [h, l], [h, l])];
});
export function reciprocal<V>(e: Emitter<V>, d: Pair<V>): Pair<V> {
  const [high, low] = e.call(reciprocalRoutine, ...d);
  return [high, low];
}

/** a * b with b = pair / 2**(128 - integerBits). */
export function scale<V>(e: Emitter<V>, [high, low, exponent]: Big<V>, b: Pair<V>, integerBits: number): Big<V> {
  return normal(e, mulHigh(e, [high, low], b), e.add(exponent, e.const(integerBits)));
}

/** A number that the arms of a conditional fill in. */
export function bigVariable<V>(e: Emitter<V>) {
  const [high, low, exponent] = [
    e.variable('i64', e.const64(0n)),
    e.variable('i64', e.const64(0n)),
    e.variable('i32', e.const(0)),
  ];
  return {
    set([h, l, x]: readonly V[]): void {
      high.set(h);
      low.set(l);
      exponent.set(x);
    },
    get: (): Big<V> => [high.get(), low.get(), exponent.get()],
  };
}
