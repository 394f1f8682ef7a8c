/** Division and square root. */
import type { Emitter, GiveUp } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import { STATE } from '../state.ts';
import {
  BIAS,
  choose,
  DE,
  denormalFlags,
  EXPONENT,
  IE,
  INTEGER_BIT,
  indefinite,
  isDenormal,
  isInfinite,
  isNanOrUnsupported,
  type Operands,
  outcome,
  type Pair,
  type Parts,
  SIGN,
  signOf,
  withFlags,
  ZE,
} from './format.ts';
import { unpack } from './mul.ts';
import { f80Nan, f80Nan1 } from './nan.ts';
import { f80Round, type Plain, roundPlain } from './round.ts';
import { addWide, mulWide, subWide } from './wide.ts';

const LOW32 = 0xffffffffn;

/**
 * high:low / divisor with high < divisor and the divisor's highest bit set: quotient and remainder, digit by 32-bit digit
 * (Knuth, TAOCP vol. 2, 4.3.1 D).
 */
export function divWide<V>(e: Emitter<V>, [high, low]: Pair<V>, divisor: V): Pair<V> {
  const { add, sub, mul, and, or, shl, shrU, divU, gtU, ltU } = e.i64;
  const half = e.const64(32n),
    mask = e.const64(LOW32),
    one = e.const64(1n);
  const d1 = shrU(divisor, half),
    d0 = and(divisor, mask);
  const digit = (upper: V, next: V): Pair<V> => {
    const tooBig = (q: V, r: V): V => e.or(gtU(q, mask), gtU(mul(q, d0), or(shl(r, half), next)));
    const q = divU(upper, d1);
    const r = sub(upper, mul(q, d1));
    const once = tooBig(q, r);
    const q1 = e.select(once, sub(q, one), q),
      r1 = e.select(once, add(r, d1), r);
    const twice = e.and(once, e.and(ltU(r1, e.const64(LOW32 + 1n)), tooBig(q1, r1)));
    const q2 = e.select(twice, sub(q1, one), q1);
    return [q2, sub(or(shl(upper, half), next), mul(q2, divisor))];
  };
  const [qh, rest] = digit(high, shrU(low, half));
  const [ql, remainder] = digit(rest, and(low, mask));
  return [or(shl(qh, half), ql), remainder];
}

/** 64 bits that round as the fraction part/whole does: 0, below, at or above a half. */
function fractionOf<V>(e: Emitter<V>, part: V, whole: V): V {
  const other = e.i64.sub(whole, part);
  const above = e.select(e.i64.gtU(part, other), e.const64(3n << 62n), e.const64(1n << 62n));
  const fraction = e.select(e.i64.eq(part, other), e.const64(1n << 63n), above);
  return e.select(e.i64.eqz(part), part, fraction);
}

interface Quotient<V> {
  high: V;
  /** Rounds as what follows `high`. */
  low: V;
  /** 1 where the dividend's significand was the larger one. */
  large: V;
}

function quotientOf<V>(e: Emitter<V>, a: V, b: V): Quotient<V> {
  const large = e.i64.geU(a, b);
  const n = e.i64.extendU(large);
  const low = e.select(large, e.i64.shl(a, e.const64(63n)), e.const64(0n));
  const [high, remainder] = divWide(e, [e.i64.shrU(a, n), low], b);
  return { high, low: fractionOf(e, remainder, b), large };
}

/** a / b of normal operands under plain control. Emitted in place. */
export function plainDiv<V>(e: Emitter<V>, giveUp: GiveUp<V>, a: Parts<V>, b: Parts<V>): Plain<V> {
  const { high, low, large } = quotientOf(e, a.sig, b.sig);
  const exponent = e.add(e.sub(a.exponent, b.exponent), e.add(large, e.const(BIAS - 1)));
  return roundPlain(e, giveUp, e.xor(a.sign, b.sign), exponent, high, low);
}

function divFinite<V>(e: Emitter<V>, [aSig, aSe, bSig, bSe]: Operands<V>, sign: V, flags: V): V[] {
  const a = unpack(e, aSig, aSe),
    b = unpack(e, bSig, bSe);
  const { high, low, large } = quotientOf(e, a.sig, b.sig);
  const exponent = e.add(e.sub(a.exponent, b.exponent), e.add(large, e.const(BIAS - 1)));
  return e.call(f80Round, sign, exponent, high, low, e.state(STATE.fpuControl), flags);
}

/** a / b. */
export const f80Div = routine('f80_div', ['i64', 'i32', 'i64', 'i32'], ['i64', 'i32'], (e, aSig, aSe, bSig, bSe) => {
  const out = outcome(e);
  const sign = signOf(e, e.xor(aSe, bSe));
  const flags = denormalFlags(e, isDenormal(e, aSig, aSe), isDenormal(e, bSig, bSe));
  const aInfinite = isInfinite(e, aSe),
    bInfinite = isInfinite(e, bSe);
  const aZero = e.i64.eqz(aSig),
    bZero = e.i64.eqz(bSig);
  const infinity = e.or(e.or(sign, e.const(EXPONENT)), flags);
  choose(
    e,
    [
      [
        e.or(isNanOrUnsupported(e, aSig, aSe), isNanOrUnsupported(e, bSig, bSe)),
        () => out.set(e.call(f80Nan, aSig, aSe, bSig, bSe)),
      ],
      [e.or(e.and(aInfinite, bInfinite), e.and(aZero, bZero)), () => out.set(indefinite(e, IE))],
      [aInfinite, () => out.set([e.const64(INTEGER_BIT), infinity])],
      [e.or(bInfinite, aZero), () => out.set([e.const64(0n), e.or(sign, flags)])],
      // Even of a denormal, only ZE.
      [bZero, () => out.set([e.const64(INTEGER_BIT), withFlags(e, e.and(infinity, e.const(0xffff)), ZE)])],
    ],
    () => out.set(divFinite(e, [aSig, aSe, bSig, bSe], sign, flags)),
  );
  return out.get();
});

/** Floor of the square root of a 128-bit number >= 2**126, and what is left, as a fraction that rounds alike. */
function rootWide<V>(e: Emitter<V>, n: Pair<V>): Pair<V> {
  const { shl, shrU, add, sub } = e.i64;
  const convert = e.f64.convertI64S;
  const one = e.const64(1n);
  const unsigned = (x: V): V => e.f64.mul(convert(shrU(x, one)), e.constF64(2));
  // 52 good bits, then one Newton step leaves it at most 1 off.
  const guess = shl(e.f64.toI64S(e.f64.mul(e.f64.sqrt(unsigned(n[0])), e.constF64(2 ** 31))), one);
  const [eh, el] = subWide(e, n, mulWide(e, guess, guess));
  const error = e.f64.add(e.f64.mul(convert(eh), e.constF64(2 ** 64)), unsigned(el));
  const step = e.f64.floor(e.f64.div(error, e.f64.mul(unsigned(guess), e.constF64(2))));
  const root = e.variable('i64', add(guess, e.f64.toI64S(step)));
  const rest = (): Pair<V> => subWide(e, n, mulWide(e, root.get(), root.get()));
  e.if(e.i64.ltS(rest()[0], e.const64(0n)), () => root.set(sub(root.get(), one)));
  const twice = addWide(e, [e.const64(0n), root.get()], [e.const64(0n), root.get()]);
  // The remainder is at most 2 * root; it reaches 2 * root + 1 where the guess was one too small.
  const [over] = subWide(e, rest(), addWide(e, twice, [e.const64(0n), one]));
  e.if(e.i64.geS(over, e.const64(0n)), () => root.set(add(root.get(), one)));
  const [h, l] = rest();
  const above = e.or(e.i64.ne(h, e.const64(0n)), e.i64.gtU(l, root.get()));
  const fraction = e.select(above, e.const64(3n << 62n), e.const64(1n << 62n));
  return [root.get(), e.select(e.i64.eqz(e.i64.or(h, l)), e.const64(0n), fraction)];
}

export const f80Sqrt = routine('f80_sqrt', ['i64', 'i32'], ['i64', 'i32'], (e, sig, se) => {
  const out = outcome(e);
  choose(
    e,
    [
      [isNanOrUnsupported(e, sig, se), () => out.set(e.call(f80Nan1, sig, se))],
      [e.i64.eqz(sig), () => out.set([sig, se])],
      [e.and(se, e.const(SIGN)), () => out.set(indefinite(e, IE))],
      [isInfinite(e, se), () => out.set([sig, se])],
    ],
    () => {
      const a = unpack(e, sig, se);
      const unbiased = e.sub(a.exponent, e.const(BIAS));
      const odd = e.and(unbiased, e.const(1));
      const n = e.i64.extendU(e.eqz(odd));
      const low = e.select(odd, e.const64(0n), e.i64.shl(a.sig, e.const64(63n)));
      const [root, fraction] = rootWide(e, [e.i64.shrU(a.sig, n), low]);
      const exponent = e.add(e.shrS(unbiased, e.const(1)), e.const(BIAS));
      const denormal = e.select(isDenormal(e, sig, se), e.const(DE << 16), e.const(0));
      out.set(e.call(f80Round, e.const(0), exponent, root, fraction, e.state(STATE.fpuControl), denormal));
    },
  );
  return out.get();
});
