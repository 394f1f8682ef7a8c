/** Addition and subtraction. */
import type { Emitter, GiveUp } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import { STATE } from '../state.ts';
import {
  choose,
  denormalFlags,
  exponentOf,
  IE,
  INTEGER_BIT,
  indefinite,
  isDenormal,
  isInfinite,
  isNanOrUnsupported,
  outcome,
  type Parts,
  ROUND_DOWN,
  roundingOf,
  SIGN,
  signOf,
} from './format.ts';
import { f80Nan } from './nan.ts';
import { f80Round, type Plain, roundPlain } from './round.ts';
import { addWide, isZeroWide, normalize, shiftRightSticky, subWide } from './wide.ts';

/** a + b, or a - b with flip = 0x8000, for any operands, precision and rounding. */
export const f80AddSlow = routine(
  'f80_add_slow',
  ['i64', 'i32', 'i64', 'i32', 'i32'],
  ['i64', 'i32'],
  (e, aSig, aSe, bSig, bSe, flip) => {
    const out = outcome(e);
    const control = e.state(STATE.fpuControl);
    const aSign = signOf(e, aSe),
      bSign = signOf(e, e.xor(bSe, flip));
    const same = e.eq(aSign, bSign);
    const flags = denormalFlags(e, isDenormal(e, aSig, aSe), isDenormal(e, bSig, bSe));
    choose(
      e,
      [
        [
          e.or(isNanOrUnsupported(e, aSig, aSe), isNanOrUnsupported(e, bSig, bSe)),
          () => out.set(e.call(f80Nan, aSig, aSe, bSig, bSe)),
        ],
        [e.and(e.and(isInfinite(e, aSe), isInfinite(e, bSe)), e.eqz(same)), () => out.set(indefinite(e, IE))],
        [isInfinite(e, aSe), () => out.set([aSig, e.or(aSe, flags)])],
        [isInfinite(e, bSe), () => out.set([bSig, e.or(e.xor(bSe, flip), flags)])],
      ],
      () => out.set(addFinite(e, aSig, aSe, aSign, bSig, bSe, bSign, control, flags)),
    );
    return out.get();
  },
);

function addFinite<V>(e: Emitter<V>, aSig: V, aSe: V, aSign: V, bSig: V, bSe: V, bSign: V, control: V, flags: V): V[] {
  const zero = e.const64(0n);
  // Exponent 0 means 1 without integer bit.
  const at = (se: V): V => e.add(exponentOf(e, se), e.eqz(exponentOf(e, se)));
  const aExp = at(aSe),
    bExp = at(bSe);
  const swap = e.or(e.ltS(aExp, bExp), e.and(e.eq(aExp, bExp), e.i64.ltU(aSig, bSig)));
  const big = e.select(swap, bSig, aSig),
    small = e.select(swap, aSig, bSig);
  const exponent = e.select(swap, bExp, aExp);
  const distance = e.sub(exponent, e.select(swap, aExp, bExp));
  const sign = e.select(swap, bSign, aSign);
  const shifted = shiftRightSticky(e, [small, zero], distance);
  const out = outcome(e);
  const high = e.variable('i64', zero),
    low = e.variable('i64', zero),
    exp = e.variable('i32', exponent);
  e.if(
    e.eq(aSign, bSign),
    () => {
      const [h, l] = addWide(e, [big, zero], shifted);
      const carry = e.i64.ltU(h, big);
      const [h1, l1] = shiftRightSticky(e, [h, l], e.const(1));
      high.set(e.select(carry, e.i64.or(h1, e.const64(INTEGER_BIT)), h));
      low.set(e.select(carry, l1, l));
      exp.set(e.add(exponent, carry));
    },
    () => {
      const [h, l] = subWide(e, [big, zero], shifted);
      high.set(h);
      low.set(l);
    },
  );
  e.if(
    isZeroWide(e, [high.get(), low.get()]),
    () => {
      const down = e.eq(roundingOf(e, control), e.const(ROUND_DOWN));
      const cancelled = e.select(down, e.const(SIGN), e.const(0));
      out.set([zero, e.or(e.select(e.eq(aSign, bSign), aSign, cancelled), flags)]);
    },
    () => {
      const [h, l, x] = normalize(e, [high.get(), low.get()], exp.get());
      out.set(e.call(f80Round, sign, x, h, l, control, flags));
    },
  );
  return out.get();
}

/** a + b (a - b with flip) of normal operands under plain control. Emitted in place. */
export function plainAdd<V>(e: Emitter<V>, giveUp: GiveUp<V>, a: Parts<V>, b: Parts<V>, flip: number): Plain<V> {
  const { shl, shrU, or, sub, add, ltU, ne, eqz, extendU, wrap } = e.i64;
  const zero = e.const64(0n),
    one = e.const64(1n);
  const bFlipped = flip ? e.xor(b.sign, e.const(flip)) : b.sign;
  const swap = e.ltS(a.exponent, b.exponent);
  const big = e.select(swap, b.sig, a.sig),
    small = e.select(swap, a.sig, b.sig);
  const distance = e.select(swap, e.sub(b.exponent, a.exponent), e.sub(a.exponent, b.exponent));
  giveUp(e.geU(distance, e.const(64)));
  const n = extendU(distance);
  const shifted = shrU(small, n);
  const out = shl(shl(small, one), sub(e.const64(63n), n));
  const sign = e.variable('i32', e.select(swap, bFlipped, a.sign)),
    exponent = e.variable('i32', e.select(swap, b.exponent, a.exponent)),
    high = e.variable('i64', big),
    low = e.variable('i64', out);
  e.if(
    signOf(e, e.xor(a.sign, bFlipped)),
    () => {
      // Of equal exponents, the second may be the larger one.
      const isNegative = ltU(big, shifted);
      const signed = sub(sub(big, shifted), extendU(ne(out, zero)));
      const difference = e.select(isNegative, sub(zero, signed), signed);
      // Zero has a sign of its own, and a high half of 0 needs more than one shift.
      giveUp(eqz(difference));
      const shift = e.i64.clz(difference);
      const rest = sub(zero, out);
      sign.set(e.xor(sign.get(), e.mul(isNegative, e.const(SIGN))));
      exponent.set(e.sub(exponent.get(), wrap(shift)));
      high.set(or(shl(difference, shift), shrU(shrU(rest, one), sub(e.const64(63n), shift))));
      low.set(shl(rest, shift));
    },
    () => {
      const sum = add(big, shifted);
      const carry = ltU(sum, big);
      exponent.set(e.add(exponent.get(), carry));
      high.set(e.select(carry, or(shrU(sum, one), e.const64(INTEGER_BIT)), sum));
      // The lowest bit that goes out is 0.
      low.set(e.select(carry, or(shl(sum, e.const64(63n)), shrU(out, one)), out));
    },
  );
  return roundPlain(e, giveUp, sign.get(), exponent.get(), high.get(), low.get());
}
