/** Addition and subtraction. */
import type { Emitter } from '../emit/emitter.ts';
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
  type Operands,
  outcome,
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
export function plainAdd<V>(e: Emitter<V>, out: Plain<V>, [aSig, aSe, bSig, bSe]: Operands<V>, flip: number): void {
  const { shl, shrU, or, and, sub, add, ltU, ne, extendU, wrap } = e.i64;
  const zero = e.const64(0n),
    one = e.const64(1n);
  const aExp = exponentOf(e, aSe),
    bExp = exponentOf(e, bSe);
  const bFlipped = flip ? e.xor(bSe, e.const(flip)) : bSe;
  const swap = e.or(e.ltS(aExp, bExp), e.and(e.eq(aExp, bExp), ltU(aSig, bSig)));
  const big = e.select(swap, bSig, aSig),
    small = e.select(swap, aSig, bSig);
  const exponent = e.select(swap, bExp, aExp);
  const distance = e.sub(exponent, e.select(swap, aExp, bExp));
  const sign = signOf(e, e.select(swap, bFlipped, aSe));
  e.if(e.ltU(distance, e.const(64)), () => {
    const n = extendU(distance);
    const high = shrU(small, n);
    const low = shl(shl(small, one), sub(e.const64(63n), n));
    e.if(
      e.and(e.xor(aSe, bFlipped), e.const(SIGN)),
      () => {
        const difference = sub(sub(big, high), extendU(ne(low, zero)));
        const rest = sub(zero, low);
        // Zero has a sign of its own, and a high half of 0 needs more than one shift.
        e.if(ne(difference, zero), () => {
          const shift = e.i64.clz(difference);
          const h = or(shl(difference, shift), shrU(shrU(rest, one), sub(e.const64(63n), shift)));
          roundPlain(e, out, sign, e.sub(exponent, wrap(shift)), h, shl(rest, shift));
        });
      },
      () => {
        const sum = add(big, high);
        const carry = ltU(sum, big);
        const c = extendU(carry);
        const h = or(shrU(sum, c), shl(c, e.const64(63n)));
        const l = e.select(carry, or(or(shl(sum, e.const64(63n)), shrU(low, one)), and(low, one)), low);
        roundPlain(e, out, sign, e.add(exponent, carry), h, l);
      },
    );
  });
}
