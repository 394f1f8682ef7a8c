/** FSIN, FCOS, FPTAN. */
import type { Emitter } from '../emit/emitter.ts';
import { type Routine, routine } from '../emit/routine.ts';
import { STATE } from '../state.ts';
import { coefficients, inverseFactorial } from './constants.ts';
import { type Big, bigVariable, horner, mulHigh, reciprocal, scale, selectPair, toFixed } from './fixed.ts';
import {
  BIAS,
  C2,
  choose,
  DE,
  exponentOf,
  IE,
  INTEGER_BIT,
  indefinite,
  isDenormal,
  isInfinite,
  isNanOrUnsupported,
  outcome,
  type Pair,
  PE,
  signOf,
  UE,
  withFlags,
} from './format.ts';
import { unpack } from './mul.ts';
import { f80Nan1 } from './nan.ts';
import { roundTo64 } from './round.ts';
import { ltWide, normalize, shiftLeftWide, subWide } from './wide.ts';

/** The hardware's pi: 66 bits (SDM Vol. 1, section 8.3.8). Here pi/2 in units of 2**-65. */
const HALF_PI = 0x3243f6a8885a308d3n;

/**
 * (normalized significand, unbiased exponent) of |x| < 2**63 -> what is left after the nearest multiple of pi/2, as a pair
 * and its exponent, and the quadrant (bits 0 and 1) with bit 2 set where the rest is negative.
 */
const reduce = routine('f80_reduce', ['i64', 'i32'], ['i64', 'i64', 'i32', 'i32'], (e, sig, exponent) => {
  const zero = e.const64(0n);
  const high = e.variable('i64', zero),
    low = e.variable('i64', sig),
    quadrant = e.variable('i32', e.const(0)),
    // x is sig * 2**(exponent + 2) units.
    count = e.variable('i32', e.add(exponent, e.const(2)));
  const out = { high: e.variable('i64', sig), low: e.variable('i64', zero), exponent: e.variable('i32', exponent) };
  const halfPi: Pair<typeof sig> = [e.const64(HALF_PI >> 64n), e.const64(BigInt.asUintN(64, HALF_PI))];
  e.if(e.geS(exponent, e.const(-2)), () => {
    const subtract = (): void => {
      e.if(e.eqz(ltWide(e, [high.get(), low.get()], halfPi)), () => {
        const [h, l] = subWide(e, [high.get(), low.get()], halfPi);
        high.set(h);
        low.set(l);
        quadrant.set(e.add(quadrant.get(), e.const(1)));
      });
    };
    e.while(
      () => e.gtS(count.get(), e.const(0)),
      () => {
        const [h, l] = shiftLeftWide(e, [high.get(), low.get()], e.const64(1n));
        high.set(h);
        low.set(l);
        quadrant.set(e.shl(quadrant.get(), e.const(1)));
        subtract();
        count.set(e.sub(count.get(), e.const(1)));
      },
    );
    const other = subWide(e, halfPi, [high.get(), low.get()]);
    const fold = ltWide(e, other, [high.get(), low.get()]);
    const [h, l] = selectPair(e, fold, other, [high.get(), low.get()]);
    const position = e.and(e.add(quadrant.get(), fold), e.const(3));
    quadrant.set(e.or(position, e.shl(fold, e.const(2))));
    const [nh, nl, x] = normalize(e, [h, l], e.const(62));
    out.high.set(nh);
    out.low.set(nl);
    out.exponent.set(x);
  });
  return [out.high.get(), out.low.get(), out.exponent.get(), quadrant.get()];
});

/** 1 / (2k + 1)! and 1 / (2k)! with 127 fraction bits. */
const SINE = coefficients(127, 15, (k) => inverseFactorial(2n * k + 1n));
const COSINE = coefficients(127, 16, (k) => inverseFactorial(2n * k));

/** Of 0 < r <= pi/4, both positive. A result that would be 1 or r stays just below it, as it must for rounding. */
function kernel(name: string, series: () => readonly bigint[], timesR: boolean): Routine {
  return routine(name, ['i64', 'i64', 'i32'], ['i64', 'i64', 'i32'], (e, high, low, exponent) => {
    const r = toFixed(e, [high, low, exponent]);
    const sum = horner(e, series(), mulHigh(e, r, r), true);
    const below = subWide(e, sum, [e.const64(0n), e.const64(1n)]);
    const one: Big<typeof high> = [high, low, exponent];
    return [...(timesR ? scale(e, one, below, 1) : normalize(e, below, e.const(0)))];
  });
}
const sine = kernel('f80_sine', SINE, true);
const cosine = kernel('f80_cosine', COSINE, false);

/** Below 2**-68 the FPU answers x for its sine and tangent, 1 for its cosine, whatever the rounding control. */
const TINY = BIAS - 68;

/** What no series has to answer: NaN, infinity (IE), zero, out of range (C2), tiny; `compute` for the rest. */
function special<V>(e: Emitter<V>, sig: V, se: V, even: boolean, compute: (sig: V, exponent: V) => V[]): V[] {
  const out = outcome(e);
  const one = [e.const64(INTEGER_BIT), e.const(BIAS)];
  const tiny = (): void => {
    const flags = e.select(isDenormal(e, sig, se), e.const((DE | PE) << 16), e.const(PE << 16));
    const a = unpack(e, sig, se);
    const under = e.or(flags, e.select(e.ltS(a.exponent, e.const(1)), e.const(UE << 16), e.const(0)));
    const rounded = roundTo64(e, signOf(e, se), a.exponent, a.sig, e.const64(0n), e.state(STATE.fpuControl), under);
    out.set(even ? [one[0], e.or(one[1], flags)] : rounded);
  };
  choose(
    e,
    [
      [isNanOrUnsupported(e, sig, se), () => out.set(e.call(f80Nan1, sig, se))],
      [isInfinite(e, se), () => out.set(indefinite(e, IE))],
      [e.i64.eqz(sig), () => out.set(even ? one : [sig, se])],
      [e.ltS(exponentOf(e, se), e.const(TINY)), tiny],
      [e.geS(exponentOf(e, se), e.const(BIAS + 63)), () => out.set([sig, withFlags(e, se, C2)])],
    ],
    () => out.set(compute(sig, e.sub(exponentOf(e, se), e.const(BIAS)))),
  );
  return out.get();
}

/** Rounds a number that is not exact. */
export function inexact<V>(e: Emitter<V>, sign: V, [high, low, exponent]: Big<V>, flags: V): V[] {
  const sticky = e.i64.or(low, e.const64(1n));
  return roundTo64(e, sign, e.add(exponent, e.const(BIAS)), high, sticky, e.state(STATE.fpuControl), flags);
}

/** Which kernel, and which sign, by quadrant: FCOS is FSIN a quadrant further, and even. */
function circular(name: string, quarter: 0 | 1): Routine {
  return routine(name, ['i64', 'i32'], ['i64', 'i32'], (e, x, se) =>
    special(e, x, se, quarter === 1, (sig, unbiased) => {
      const [high, low, exponent, place] = e.call(reduce, sig, unbiased);
      const quadrant = e.add(place, e.const(quarter));
      const big = bigVariable(e);
      const isSine = e.eqz(e.and(quadrant, e.const(1)));
      e.if(
        isSine,
        () => big.set(e.call(sine, high, low, exponent)),
        () => big.set(e.call(cosine, high, low, exponent)),
      );
      const half = e.shl(e.and(quadrant, e.const(2)), e.const(14));
      const folded = e.select(isSine, e.shl(e.and(place, e.const(4)), e.const(13)), e.const(0));
      const own = quarter ? e.const(0) : signOf(e, se);
      return inexact(e, e.xor(own, e.xor(half, folded)), big.get(), e.const(0));
    }),
  );
}
export const f80Sin = circular('f80_sin', 0);
export const f80Cos = circular('f80_cos', 1);

/** a / b. */
export function divide<V>(e: Emitter<V>, a: Big<V>, [high, low, exponent]: Big<V>): Big<V> {
  const [h, l, x] = scale(e, a, reciprocal(e, [high, low]), 1);
  return [h, l, e.sub(e.sub(x, exponent), e.const(1))];
}

export const f80Tan = routine('f80_tan', ['i64', 'i32'], ['i64', 'i32'], (e, x, se) =>
  special(e, x, se, false, (sig, unbiased) => {
    const [high, low, exponent, quadrant] = e.call(reduce, sig, unbiased);
    const [sh, sl, sx] = e.call(sine, high, low, exponent);
    const [ch, cl, cx] = e.call(cosine, high, low, exponent);
    const odd = e.and(quadrant, e.const(1));
    const big = bigVariable(e);
    e.if(
      odd,
      () => big.set(divide(e, [ch, cl, cx], [sh, sl, sx])),
      () => big.set(divide(e, [sh, sl, sx], [ch, cl, cx])),
    );
    const folded = e.shrU(quadrant, e.const(2));
    const flip = e.shl(e.xor(odd, folded), e.const(15));
    return inexact(e, e.xor(signOf(e, se), flip), big.get(), e.const(0));
  }),
);
