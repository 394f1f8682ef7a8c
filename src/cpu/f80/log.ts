/** F2XM1, FYL2X, FYL2XP1. */
import type { Emitter } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import { STATE } from '../state.ts';
import { coefficients, doubleLog2e, log2Power } from './constants.ts';
import {
  type Big,
  bigVariable,
  horner,
  mulHigh,
  negate,
  normal,
  reciprocal,
  scale,
  selectPair,
  shiftRight,
  toFixed,
} from './fixed.ts';
import {
  BIAS,
  choose,
  DE,
  denormalFlags,
  EXPONENT,
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
  SIGN,
  signOf,
  UE,
  withFlags,
  ZE,
} from './format.ts';
import { unpack } from './mul.ts';
import { f80Nan, f80Nan1 } from './nan.ts';
import { roundTo64 } from './round.ts';
import { inexact } from './trig.ts';
import { addWide, isZeroWide, normalize, subWide } from './wide.ts';

/** (2**x - 1) / x is the sum of (ln 2)**(k + 1) / (k + 1)! * x**k: 128 fraction bits. */
const POWERS = coefficients(128, 30, (k) => log2Power(k + 1n));

/** 2**x - 1 for |x| <= 1; beyond, the manual leaves the result open and the operand stays. */
export const f80PowerOf2 = routine('f80_2xm1', ['i64', 'i32'], ['i64', 'i32'], (e, sig, se) => {
  const out = outcome(e);
  const sign = signOf(e, se);
  const one = e.geS(exponentOf(e, se), e.const(BIAS));
  const minusOne = e.and(e.eq(se, e.const(SIGN | BIAS)), e.i64.eq(sig, e.const64(INTEGER_BIT)));
  choose(
    e,
    [
      [isNanOrUnsupported(e, sig, se), () => out.set(e.call(f80Nan1, sig, se))],
      [isInfinite(e, se), () => out.set([sig, e.select(sign, e.const(SIGN | BIAS), se)])],
      [e.i64.eqz(sig), () => out.set([sig, se])],
      [one, () => out.set([sig, withFlags(e, e.select(minusOne, e.sub(se, e.const(1)), se), PE)])],
    ],
    () => {
      const a = unpack(e, sig, se);
      const exponent = e.sub(a.exponent, e.const(BIAS));
      const big: Big<typeof sig> = [a.sig, e.const64(0n), exponent];
      const sum = horner(e, POWERS(), toFixed(e, big), sign);
      const flags = e.select(isDenormal(e, sig, se), e.const(DE << 16), e.const(0));
      out.set(inexact(e, sign, scale(e, big, sum, 0), flags));
    },
  );
  return out.get();
});

/** log2((1 + s) / (1 - s)) / s is the sum of 2 / ln 2 / (2k + 1) * s**2k: 126 fraction bits. */
const LOGARITHM = coefficients(126, 26, (k) => doubleLog2e(2n * k + 1n));

const logKernel = routine('f80_log', ['i64', 'i64', 'i32'], ['i64', 'i64', 'i32'], (e, high, low, exponent) => {
  const s: Big<typeof high> = [high, low, exponent];
  const f = toFixed(e, s);
  return [...scale(e, s, horner(e, LOGARITHM(), mulHigh(e, f, f), false), 2)];
});

/** Just above the square root of 2: significands beyond it count as below 1. */
const ROOT2 = 0xb504f333f9de6485n;

interface Logarithm<V> {
  negative: V;
  big: Big<V>;
  exact: V;
}

/** log2 of a normalized number; exactly its exponent where its significand is 1. */
function logarithm<V>(e: Emitter<V>, [m, rest, exponent]: Big<V>): Logarithm<V> {
  const one: Pair<V> = [e.const64(INTEGER_BIT), e.const64(0n)];
  const low = e.i64.geU(m, e.const64(ROOT2));
  const whole = e.add(exponent, low);
  // m - 1 and m + 1 in the same units; the latter has one bit more.
  const difference = selectPair(e, low, negate(e, [m, rest]), subWide(e, [m, rest], one));
  const half = shiftRight(e, selectPair(e, low, [m, rest], difference), e.const(1));
  const sum: Pair<V> = [e.i64.or(half[0], one[0]), half[1]];
  const exact = isZeroWide(e, difference);
  const s = scale(e, normal(e, difference, e.const(-2)), reciprocal(e, sum), 1);
  const log = bigVariable(e);
  const negative = e.variable('i32', low);
  e.if(e.eqz(exact), () => log.set(e.call(logKernel, ...s)));
  e.if(whole, () => {
    // |whole| and the rest with 112 fraction bits: added where their signs agree.
    const wholeNegative = e.ltS(whole, e.const(0));
    const magnitude = e.select(wholeNegative, e.sub(e.const(0), whole), whole);
    const integer: Pair<V> = [e.i64.shl(e.i64.extendU(magnitude), e.const64(48n)), e.const64(0n)];
    const [high, l, p] = log.get();
    const fraction = shiftRight(e, [high, l], e.sub(e.const(15), p));
    const agree = e.eq(wholeNegative, low);
    const total = selectPair(e, agree, addWide(e, integer, fraction), subWide(e, integer, fraction));
    log.set(normalize(e, total, e.const(15)));
    negative.set(wholeNegative);
  });
  return { negative: negative.get(), big: log.get(), exact };
}

/** y times a logarithm. */
function times<V>(e: Emitter<V>, { negative, big, exact }: Logarithm<V>, ySig: V, ySe: V, flags: V): V[] {
  const y = unpack(e, ySig, ySe);
  const [high, low, exponent] = scale(e, big, [y.sig, e.const64(0n)], 1);
  const sign = e.xor(signOf(e, ySe), e.shl(negative, e.const(15)));
  const sticky = e.i64.or(low, e.i64.extendU(e.eqz(exact)));
  // The FPU reports PE even for powers of 2, and UE if the product is tiny.
  const raised = e.or(flags, e.select(exact, e.const(PE << 16), e.const(0)));
  const control = e.state(STATE.fpuControl);
  const [sig, word] = roundTo64(e, sign, e.add(exponent, y.exponent), high, sticky, control, raised);
  const tiny = e.and(exact, e.eqz(exponentOf(e, word)));
  return [sig, e.or(word, e.select(tiny, e.const(UE << 16), e.const(0)))];
}

/** (x, y) -> y * log2(x). */
export const f80YLog2X = routine(
  'f80_yl2x',
  ['i64', 'i32', 'i64', 'i32'],
  ['i64', 'i32'],
  (e, xSig, xSe, ySig, ySe) => {
    const out = outcome(e);
    const flags = denormalFlags(e, isDenormal(e, xSig, xSe), isDenormal(e, ySig, ySe));
    const ySign = signOf(e, ySe),
      yZero = e.i64.eqz(ySig),
      yInfinite = isInfinite(e, ySe),
      xZero = e.i64.eqz(xSig),
      xInfinite = isInfinite(e, xSe);
    const isOne = e.and(e.eq(exponentOf(e, xSe), e.const(BIAS)), e.i64.eq(xSig, e.const64(INTEGER_BIT)));
    const below = e.shl(e.ltS(exponentOf(e, xSe), e.const(BIAS)), e.const(15));
    const sign = e.xor(ySign, below);
    const infinity: readonly (typeof xSig)[] = [e.const64(INTEGER_BIT), e.or(sign, e.const(EXPONENT))];
    choose(
      e,
      [
        [
          e.or(isNanOrUnsupported(e, xSig, xSe), isNanOrUnsupported(e, ySig, ySe)),
          () => out.set(e.call(f80Nan, xSig, xSe, ySig, ySe)),
        ],
        [e.and(e.ne(signOf(e, xSe), e.const(0)), e.eqz(xZero)), () => out.set(indefinite(e, IE))],
        [e.and(xZero, yZero), () => out.set(indefinite(e, IE))],
        [e.and(xZero, e.eqz(yInfinite)), () => out.set([infinity[0], withFlags(e, infinity[1], ZE)])],
        [e.and(xInfinite, yZero), () => out.set(indefinite(e, IE))],
        [e.and(yInfinite, isOne), () => out.set(indefinite(e, IE))],
        [e.or(xInfinite, yInfinite), () => out.set([infinity[0], e.or(infinity[1], flags)])],
        [yZero, () => out.set([ySig, e.or(sign, flags)])],
        [isOne, () => out.set([e.const64(0n), e.or(ySign, flags)])],
      ],
      () => {
        const x = unpack(e, xSig, xSe);
        out.set(times(e, logarithm(e, [x.sig, e.const64(0n), e.sub(x.exponent, e.const(BIAS))]), ySig, ySe, flags));
      },
    );
    return out.get();
  },
);

/** x / (x + 2), the argument of the logarithm's series for 1 + x. */
function shifted<V>(e: Emitter<V>, sig: V, exponent: V, negative: V): Big<V> {
  const x: Big<V> = [sig, e.const64(0n), exponent];
  const f = toFixed(e, x);
  const quarter = shiftRight(e, f, e.const(2)),
    half = shiftRight(e, f, e.const(1));
  const ones = e.const64(-1n);
  const above = addWide(e, [e.const64(INTEGER_BIT), e.const64(0n)], quarter);
  const below = subWide(e, [ones, ones], half);
  const [h, l, s] = scale(e, x, reciprocal(e, selectPair(e, negative, below, above)), 1);
  return [h, l, e.sub(s, e.select(negative, e.const(1), e.const(2)))];
}

/** x + 1 for |x| >= 1/4, x > -1. */
function plusOne<V>(e: Emitter<V>, sig: V, exponent: V, negative: V): Big<V> {
  const zero = e.const64(0n);
  const large = e.gtS(exponent, e.const(0));
  const top: Pair<V> = [e.const64(INTEGER_BIT), zero];
  // Both at the larger one's exponent, one bit down to leave room for a carry.
  const x = shiftRight(e, [sig, zero], e.select(large, e.const(1), e.sub(e.const(1), exponent)));
  const one = shiftRight(e, top, e.select(large, e.add(exponent, e.const(1)), e.const(1)));
  const sum = selectPair(e, negative, subWide(e, one, x), addWide(e, one, x));
  return normal(e, sum, e.select(large, e.add(exponent, e.const(1)), e.const(1)));
}

/** y * log2(x + 1): the series directly for small x, else as FYL2X. At -1 and below, undefined, the FPU answers x. */
function logarithm1<V>(e: Emitter<V>, [xSig, xSe, ySig, ySe]: readonly [V, V, V, V], flags: V): V[] {
  const negative = e.ne(signOf(e, xSe), e.const(0));
  const x = unpack(e, xSig, xSe);
  const exponent = e.sub(x.exponent, e.const(BIAS));
  const out = outcome(e);
  const inexactTimes = (log: { negative: V; big: Big<V> }): void =>
    out.set(times(e, { ...log, exact: e.const(0) }, ySig, ySe, flags));
  choose(
    e,
    [
      [
        e.ltS(exponent, e.const(-2)),
        () => {
          const [h, l, p] = e.call(logKernel, ...shifted(e, x.sig, exponent, negative));
          inexactTimes({ negative, big: [h, l, p] });
        },
      ],
      [e.and(negative, e.geS(exponent, e.const(0))), () => out.set([xSig, withFlags(e, e.or(xSe, flags), PE)])],
    ],
    () => inexactTimes(logarithm(e, plusOne(e, x.sig, exponent, negative))),
  );
  return out.get();
}

/** (x, y) -> y * log2(x + 1) for |x| < 1 - sqrt(1/2). */
export const f80YLog2X1 = routine(
  'f80_yl2xp1',
  ['i64', 'i32', 'i64', 'i32'],
  ['i64', 'i32'],
  (e, xSig, xSe, ySig, ySe) => {
    const out = outcome(e);
    const flags = denormalFlags(e, isDenormal(e, xSig, xSe), isDenormal(e, ySig, ySe));
    const negative = e.ne(signOf(e, xSe), e.const(0));
    const sign = e.xor(signOf(e, ySe), signOf(e, xSe));
    const yInfinite = isInfinite(e, ySe),
      xInfinite = isInfinite(e, xSe);
    const xZero = e.i64.eqz(xSig),
      yZero = e.i64.eqz(ySig);
    choose(
      e,
      [
        [
          e.or(isNanOrUnsupported(e, xSig, xSe), isNanOrUnsupported(e, ySig, ySe)),
          () => out.set(e.call(f80Nan, xSig, xSe, ySig, ySe)),
        ],
        [e.or(e.and(xInfinite, e.or(negative, yZero)), e.and(yInfinite, xZero)), () => out.set(indefinite(e, IE))],
        [
          e.or(xInfinite, yInfinite),
          () => out.set([e.const64(INTEGER_BIT), e.or(e.or(sign, e.const(EXPONENT)), flags)]),
        ],
        [e.or(xZero, yZero), () => out.set([e.const64(0n), e.or(sign, flags)])],
      ],
      () => out.set(logarithm1(e, [xSig, xSe, ySig, ySe], flags)),
    );
    return out.get();
  },
);
