/** Multiplication. */
import type { Emitter, GiveUp } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import { STATE } from '../state.ts';
import {
  BIAS,
  choose,
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
  type Parts,
  signOf,
} from './format.ts';
import { f80Nan } from './nan.ts';
import { f80Round, type Plain, roundPlain } from './round.ts';
import { mulWide, normalize } from './wide.ts';

/** Exponent and normalized significand of a finite nonzero operand. */
export function unpack<V>(e: Emitter<V>, sig: V, se: V): { sig: V; exponent: V } {
  const shift = e.i64.clz(sig);
  const exponent = exponentOf(e, se);
  const effective = e.add(exponent, e.eqz(exponent));
  return { sig: e.i64.shl(sig, shift), exponent: e.sub(effective, e.i64.wrap(shift)) };
}

export const f80MulSlow = routine(
  'f80_mul_slow',
  ['i64', 'i32', 'i64', 'i32'],
  ['i64', 'i32'],
  (e, aSig, aSe, bSig, bSe) => {
    const out = outcome(e);
    const sign = signOf(e, e.xor(aSe, bSe));
    const flags = denormalFlags(e, isDenormal(e, aSig, aSe), isDenormal(e, bSig, bSe));
    const infinite = e.or(isInfinite(e, aSe), isInfinite(e, bSe));
    const zero = e.or(e.i64.eqz(aSig), e.i64.eqz(bSig));
    choose(
      e,
      [
        [
          e.or(isNanOrUnsupported(e, aSig, aSe), isNanOrUnsupported(e, bSig, bSe)),
          () => out.set(e.call(f80Nan, aSig, aSe, bSig, bSe)),
        ],
        [e.and(infinite, zero), () => out.set(indefinite(e, IE))],
        [infinite, () => out.set([e.const64(INTEGER_BIT), e.or(e.or(sign, e.const(EXPONENT)), flags)])],
        [zero, () => out.set([e.const64(0n), e.or(sign, flags)])],
      ],
      () => {
        const a = unpack(e, aSig, aSe),
          b = unpack(e, bSig, bSe);
        const product = mulWide(e, a.sig, b.sig);
        const exponent = e.sub(e.add(a.exponent, b.exponent), e.const(BIAS - 1));
        const [high, low, x] = normalize(e, product, exponent);
        out.set(e.call(f80Round, sign, x, high, low, e.state(STATE.fpuControl), flags));
      },
    );
    return out.get();
  },
);

/** a * b of normal operands under plain control. Emitted in place. */
export function plainMul<V>(e: Emitter<V>, giveUp: GiveUp<V>, a: Parts<V>, b: Parts<V>): Plain<V> {
  const { add, shrU, or, geS } = e.i64;
  const [h, l] = mulWide(e, a.sig, b.sig);
  const short = geS(h, e.const64(0n));
  const high = e.select(short, or(add(h, h), shrU(l, e.const64(63n))), h);
  const low = e.select(short, add(l, l), l);
  const exponent = e.sub(e.add(a.exponent, b.exponent), e.add(short, e.const(BIAS - 1)));
  return roundPlain(e, giveUp, e.xor(a.sign, b.sign), exponent, high, low);
}
