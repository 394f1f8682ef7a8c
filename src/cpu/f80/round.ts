/** Rounding, overflow and underflow (SDM Vol. 1, sections 4.8.4, 8.5.4 and 8.5.5): the end of every inexact operation. */
import type { Emitter, GiveUp } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import {
  C1,
  EXPONENT,
  INTEGER_BIT,
  OE,
  PE,
  PRECISION_64,
  ROUND_DOWN,
  ROUND_NEAREST,
  ROUND_UP,
  roundingOf,
  signOf,
  UE,
  WRAP,
} from './format.ts';
import { shiftRightSticky } from './wide.ts';

export interface Rounded<V> {
  /** Discarded bits cleared; 0 when the increment carried out. */
  sig: V;
  /** i32 conditions. */
  inexact: V;
  up: V;
}

/**
 * Rounds high:low to the bits of high above the lowest `discard` (an i64 below 64), by rounding control rc and the sign.
 */
export function roundAt<V>(e: Emitter<V>, negative: V, high: V, low: V, discard: V, rc: V): Rounded<V> {
  const { shl, shrU, and, or, sub, add, ne, eq, gtU, eqz, wrap, extendU } = e.i64;
  const zero = e.const64(0n),
    one = e.const64(1n),
    half = e.const64(INTEGER_BIT);
  const spill = or(shl(high, sub(e.const64(64n), discard)), extendU(ne(low, zero)));
  const rest = e.select(eqz(discard), low, spill);
  const ulp = shl(one, discard);
  const kept = and(high, sub(zero, ulp));
  const odd = wrap(and(shrU(high, discard), one));
  const inexact = ne(rest, zero);
  const nearest = e.or(gtU(rest, half), e.and(eq(rest, half), odd));
  const away = e.eq(rc, e.select(negative, e.const(ROUND_DOWN), e.const(ROUND_UP)));
  const up = e.select(e.eq(rc, e.const(ROUND_NEAREST)), nearest, e.and(away, inexact));
  return { sig: add(kept, e.select(up, ulp, zero)), inexact, up };
}

/** PE and C1 in the word's high half. */
export const inexactFlags = <V>(e: Emitter<V>, inexact: V, up: V): V =>
  e.or(e.shl(inexact, e.const(21)), e.shl(up, e.const(25)));

/**
 * (sign, biased exponent without bounds, high, low, control word, flags so far << 16) -> result. The highest bit of `high`
 * is set. Precision is the control word's: callers that ignore it pass control | PRECISION_64.
 */
export const f80Round = routine(
  'f80_round',
  ['i32', 'i32', 'i64', 'i64', 'i32', 'i32'],
  ['i64', 'i32'],
  (e, sign, exponent, high, low, control, flags) => {
    const rc = roundingOf(e, control);
    // 00: 24 bits, 10: 53; 01 is reserved and counts as 11.
    const narrow = e.select(e.and(control, e.const(0x200)), e.const64(11n), e.const64(40n));
    const discard = e.select(e.and(control, e.const(0x100)), e.const64(0n), narrow);
    const first = roundAt(e, sign, high, low, discard, rc);
    const carried = e.i64.eqz(first.sig);
    const sig = e.variable('i64', e.select(carried, e.const64(INTEGER_BIT), first.sig));
    const exp = e.variable('i32', e.add(exponent, e.ne(carried, e.const(0))));
    const word = e.variable('i32', e.or(flags, inexactFlags(e, first.inexact, first.up)));
    const add = (bits: number): void => word.set(e.or(word.get(), e.const(bits << 16)));

    const tiny = e.ltS(exp.get(), e.const(1));
    const underflow = (): void => {
      const [h, l] = shiftRightSticky(e, [high, low], e.sub(e.const(1), exponent));
      const again = roundAt(e, sign, h, l, discard, rc);
      sig.set(again.sig);
      exp.set(e.i64.wrap(e.i64.shrU(again.sig, e.const64(63n))));
      word.set(e.or(flags, inexactFlags(e, again.inexact, again.up)));
      e.if(e.and(again.inexact, tiny), () => add(UE));
    };
    const wrapUp = (): void => {
      exp.set(e.add(exp.get(), e.const(WRAP)));
      add(UE);
      // FSCALE can go further than the wrapped exponent reaches.
      e.if(e.ltS(exp.get(), e.const(1)), () => {
        sig.set(e.const64(0n));
        exp.set(e.const(0));
        add(PE);
      });
    };
    const overflow = (): void => {
      const away = e.eq(rc, e.select(sign, e.const(ROUND_DOWN), e.const(ROUND_UP)));
      const infinite = e.or(e.eqz(rc), away);
      const largest = e.i64.sub(e.const64(0n), e.i64.shl(e.const64(1n), discard));
      sig.set(e.select(infinite, e.const64(INTEGER_BIT), largest));
      exp.set(e.select(infinite, e.const(EXPONENT), e.const(EXPONENT - 1)));
      word.set(e.or(flags, e.select(infinite, e.const(C1 << 16), e.const(0))));
      add(OE | PE);
    };
    const wrapDown = (): void => {
      exp.set(e.sub(exp.get(), e.const(WRAP)));
      add(OE);
      e.if(e.geS(exp.get(), e.const(EXPONENT)), () => {
        sig.set(e.const64(INTEGER_BIT));
        exp.set(e.const(EXPONENT));
        add(PE | C1);
      });
    };
    e.if(
      e.ltS(exponent, e.const(1)),
      () => e.if(e.or(e.and(control, e.const(UE)), e.eqz(tiny)), underflow, wrapUp),
      () => e.if(e.geS(exp.get(), e.const(EXPONENT)), () => e.if(e.and(control, e.const(OE)), overflow, wrapDown)),
    );
    return [sig.get(), e.or(e.or(word.get(), sign), exp.get())];
  },
);

/** Rounds to 64 bits whatever the precision control says. */
export const roundTo64 = <V>(e: Emitter<V>, sign: V, exponent: V, high: V, low: V, control: V, flags: V): V[] =>
  e.call(f80Round, sign, exponent, high, low, e.or(control, e.const(PRECISION_64)), flags);

/** The control word is what the fast paths are written for. */
export const isPlain = <V>(e: Emitter<V>): V => e.fpu.isPlain();

/** What a fast path answers. What it lost (an i64, 0 for nothing) says PE, `up` (0 or 1) C1. */
export interface Plain<V> {
  readonly sig: V;
  readonly se: V;
  readonly lost: V;
  readonly up: V;
}

/** To nearest at 64 bits; gives up where the exponent may leave its range, or the increment carries out. */
export function roundPlain<V>(e: Emitter<V>, giveUp: GiveUp<V>, sign: V, exponent: V, high: V, low: V): Plain<V> {
  const { sub, and, add, gtU, geS, extendU } = e.i64;
  // Above a half, or at it where the number is odd.
  const up = gtU(low, sub(e.const64(INTEGER_BIT), and(high, e.const64(1n))));
  const rounded = add(high, extendU(up));
  giveUp(e.geU(e.sub(exponent, e.const(1)), e.const(EXPONENT - 2)));
  giveUp(geS(rounded, e.const64(0n)));
  return { sig: rounded, se: e.or(signOf(e, sign), exponent), lost: low, up };
}
