/** FPATAN. */
import type { Emitter } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import { atanFixed, coefficients, inverse, piFixed } from './constants.ts';
import {
  type Big,
  bigVariable,
  horner,
  mulHigh,
  negate,
  pairOf,
  reciprocal,
  scale,
  selectPair,
  shiftRight,
  toFixed,
} from './fixed.ts';
import {
  choose,
  denormalFlags,
  isDenormal,
  isInfinite,
  isNanOrUnsupported,
  outcome,
  type Pair,
  signOf,
} from './format.ts';
import { unpack } from './mul.ts';
import { f80Nan } from './nan.ts';
import { inexact } from './trig.ts';
import { addWide, mulWide, normalize, subWide } from './wide.ts';

/** 1 / (2k + 1) with 127 fraction bits: enough for arguments up to 1/16. */
const SERIES = coefficients(127, 17, (k) => inverse(2n * k + 1n));
/** atan(k/8) with 127 fraction bits. */
const eighth = (k: number): bigint => atanFixed(BigInt(k), 8n, 127);

/** atan(u) for 0 < u <= 1/16. Stays below u, as it must for rounding. */
const atanKernel = routine('f80_atan_small', ['i64', 'i64', 'i32'], ['i64', 'i64', 'i32'], (e, high, low, exponent) => {
  const u: Big<typeof high> = [high, low, exponent];
  const f = toFixed(e, u);
  const sum = horner(e, SERIES(), mulHigh(e, f, f), true);
  return [...scale(e, u, subWide(e, sum, [e.const64(0n), e.const64(1n)]), 1)];
});

/** A pair times a small i64; the product fits. */
function timesSmall<V>(e: Emitter<V>, [high, low]: Pair<V>, n: V): Pair<V> {
  const [carry, product] = mulWide(e, low, n);
  return [e.i64.add(e.i64.mul(high, n), carry), product];
}

/** (a, b normalized, exponent of a less that of b) -> atan(a / b) for a <= b. */
const atanRatio = routine('f80_atan_ratio', ['i64', 'i64', 'i32'], ['i64', 'i64', 'i32'], (e, a, b, distance) => {
  const zero = e.const64(0n);
  const out = bigVariable(e);
  const half = (x: typeof a) => e.f64.convertI64S(e.i64.shrU(x, e.const64(1n)));
  // The nearest eighth, from 53 bits; where a is far smaller, 0.
  const near = e.gtS(distance, e.const(-6));
  const power = e.f64.reinterpretI64(e.i64.shl(e.i64.extendS(e.add(distance, e.const(1026))), e.const64(52n)));
  const estimate = e.f64.toI64S(e.f64.nearest(e.f64.mul(e.f64.div(half(a), half(b)), power)));
  const k = e.select(near, estimate, zero);
  e.if(
    e.i64.eqz(k),
    () => {
      const ratio = scale(e, [a, zero, distance], reciprocal(e, [b, zero]), 0);
      out.set(e.call(atanKernel, ...ratio));
    },
    () => {
      // atan(a/b) = atan(k/8) + atan((8a - kb) / (8b + ka)), with 60 bits below those of the significands.
      const wide = (x: typeof a): Pair<typeof a> => [e.i64.shrU(x, e.const64(4n)), e.i64.shl(x, e.const64(60n))];
      const b1 = wide(b),
        a1 = shiftRight(e, wide(a), e.sub(e.const(0), distance));
      const eight = e.const64(8n);
      const difference = subWide(e, timesSmall(e, a1, eight), timesSmall(e, b1, k));
      const sum = addWide(e, timesSmall(e, b1, eight), timesSmall(e, a1, k));
      const minus = e.i64.ltS(difference[0], zero);
      const magnitude = selectPair(e, minus, negate(e, difference), difference);
      const base = tableEntry(e, k);
      e.if(
        e.i64.eqz(e.i64.or(...magnitude)),
        () => out.set(normalize(e, base, e.const(0))),
        () => {
          const n = normalize(e, magnitude, e.const(0));
          const [dh, dl, dx] = normalize(e, sum, e.const(0));
          const [uh, ul, ux] = scale(e, n, reciprocal(e, [dh, dl]), 1);
          const [h, l, x] = e.call(atanKernel, uh, ul, e.sub(e.sub(ux, dx), e.const(1)));
          const part = shiftRight(e, [h, l], e.sub(e.const(0), x));
          const total = selectPair(e, minus, subWide(e, base, part), addWide(e, base, part));
          out.set(normalize(e, total, e.const(0)));
        },
      );
    },
  );
  return [...out.get()];
});

function tableEntry<V>(e: Emitter<V>, k: V): Pair<V> {
  let entry = pairOf(e, eighth(8));
  for (let i = 7; i > 0; i--) entry = selectPair(e, e.i64.eq(k, e.const64(BigInt(i))), pairOf(e, eighth(i)), entry);
  return entry;
}

/** Quarters of pi for the cases where x or y is zero or infinite: 0 to 4. */
function quarters<V>(e: Emitter<V>, xSmall: V, ySmall: V, xNegative: V): V {
  const behind = e.select(xNegative, e.const(4), e.const(0));
  const diagonal = e.select(xNegative, e.const(3), e.const(1));
  return e.select(ySmall, behind, e.select(xSmall, e.const(2), diagonal));
}

/** (x, y) -> the angle of (x, y), from -pi to pi. */
export const f80Atan2 = routine(
  'f80_atan2',
  ['i64', 'i32', 'i64', 'i32'],
  ['i64', 'i32'],
  (e, xSig, xSe, ySig, ySe) => {
    const out = outcome(e);
    const flags = denormalFlags(e, isDenormal(e, xSig, xSe), isDenormal(e, ySig, ySe));
    const sign = signOf(e, ySe);
    const xNegative = e.ne(signOf(e, xSe), e.const(0));
    const xZero = e.i64.eqz(xSig),
      yZero = e.i64.eqz(ySig),
      xInfinite = isInfinite(e, xSe),
      yInfinite = isInfinite(e, ySe);
    const special = e.or(e.or(xZero, yZero), e.or(xInfinite, yInfinite));
    const pi = pairOf(e, piFixed(126));
    choose(
      e,
      [
        [
          e.or(isNanOrUnsupported(e, xSig, xSe), isNanOrUnsupported(e, ySig, ySe)),
          () => out.set(e.call(f80Nan, xSig, xSe, ySig, ySe)),
        ],
        [
          special,
          () => {
            const ySmall = e.or(yZero, e.and(xInfinite, e.eqz(yInfinite)));
            const xSmall = e.or(xZero, e.and(yInfinite, e.eqz(xInfinite)));
            const n = quarters(e, xSmall, ySmall, xNegative);
            const angle = timesSmall(e, shiftRight(e, pi, e.const(2)), e.i64.extendU(n));
            e.if(
              n,
              () => out.set(inexact(e, sign, normalize(e, angle, e.const(1)), flags)),
              () => out.set([e.const64(0n), e.or(sign, flags)]),
            );
          },
        ],
      ],
      () => {
        const x = unpack(e, xSig, xSe),
          y = unpack(e, ySig, ySe);
        const steep = e.or(e.gtS(y.exponent, x.exponent), e.and(e.eq(y.exponent, x.exponent), e.i64.gtU(y.sig, x.sig)));
        const distance = e.sub(y.exponent, x.exponent);
        const [high, low, exponent] = e.call(
          atanRatio,
          e.select(steep, x.sig, y.sig),
          e.select(steep, y.sig, x.sig),
          e.select(steep, e.sub(e.const(0), distance), distance),
        );
        e.if(
          e.or(steep, xNegative),
          () => {
            const base = selectPair(e, steep, shiftRight(e, pi, e.const(1)), pi);
            const part = shiftRight(e, [high, low], e.sub(e.const(1), exponent));
            const plus = e.and(steep, xNegative);
            const angle = selectPair(e, plus, addWide(e, base, part), subWide(e, base, part));
            out.set(inexact(e, sign, normalize(e, angle, e.const(1)), flags));
          },
          () => out.set(inexact(e, sign, [high, low, exponent], flags)),
        );
      },
    );
    return out.get();
  },
);
