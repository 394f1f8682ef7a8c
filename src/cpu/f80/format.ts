/**
 * The 80-bit extended format (SDM Vol. 1, section 4.2.2) as bodies hold it: a 64-bit significand with its integer bit, and
 * sign (bit 15) and biased exponent in the low half of an i32.
 *
 * Routines of this folder are pure but for reading the control word. They answer [significand, word]: the word's low half
 * is sign and exponent, its high half what the operation adds to the status word.
 */
import type { Emitter } from '../emit/emitter.ts';

/** Status word bits. */
export const IE = 0x01,
  DE = 0x02,
  ZE = 0x04,
  OE = 0x08,
  UE = 0x10,
  PE = 0x20,
  SF = 0x40,
  ES = 0x80,
  C0 = 0x100,
  C1 = 0x200,
  C2 = 0x400,
  C3 = 0x4000,
  BUSY = 0x8000;

export const SIGN = 0x8000;
export const EXPONENT = 0x7fff;
export const BIAS = 0x3fff;
/** Exponent adjustment of the unmasked overflow and underflow responses (SDM Vol. 1, section 8.5.4). */
export const WRAP = 0x6000;
export const INTEGER_BIT = 1n << 63n;
export const QUIET_BIT = 1n << 62n;

/** Control word: rounding control, precision control 11 (64 bits). */
export const ROUND_CONTROL = 0xc00;
export const ROUND_NEAREST = 0,
  ROUND_DOWN = 1,
  ROUND_UP = 2;
export const PRECISION_64 = 0x300;
/** What the fast paths are written for: all exceptions masked, 64 bits, round to nearest. */
export const PLAIN_MASK = 0xf3f;
export const PLAIN_CONTROL = 0x33f;

export type Pair<V> = readonly [V, V];
/** Significand, sign and exponent of two values. */
export type Operands<V> = readonly [V, V, V, V];

/** A normal number in parts; of `sign`, bit 15 counts. */
export interface Parts<V> {
  readonly sig: V;
  readonly exponent: V;
  readonly sign: V;
}

/** Puts status bits known when the code is emitted beside a sign and exponent. */
export const withFlags = <V>(e: Emitter<V>, se: V, flags: number): V => e.or(se, e.const(flags << 16));

export const exponentOf = <V>(e: Emitter<V>, se: V): V => e.and(se, e.const(EXPONENT));
export const partsOf = <V>(e: Emitter<V>, [sig, se]: Pair<V>): Parts<V> => ({
  sig,
  exponent: exponentOf(e, se),
  sign: se,
});
export const joined = <V>(e: Emitter<V>, { exponent, sign }: Parts<V>): V => e.or(signOf(e, sign), exponent);
export const signOf = <V>(e: Emitter<V>, se: V): V => e.and(se, e.const(SIGN));

/** Exponent not 0 but integer bit 0: unnormal, pseudo-infinity or pseudo-NaN, which the FPU refuses. */
export function isUnsupported<V>(e: Emitter<V>, sig: V, se: V): V {
  return e.and(e.ne(exponentOf(e, se), e.const(0)), e.i64.geS(sig, e.const64(0n)));
}

/** A NaN of either kind, or a pseudo-NaN. */
export function isNan<V>(e: Emitter<V>, sig: V, se: V): V {
  const fraction = e.i64.shl(sig, e.const64(1n));
  return e.and(e.eq(exponentOf(e, se), e.const(EXPONENT)), e.i64.ne(fraction, e.const64(0n)));
}

/** Operands that never reach arithmetic. */
export const isNanOrUnsupported = <V>(e: Emitter<V>, sig: V, se: V): V =>
  e.or(isNan(e, sig, se), isUnsupported(e, sig, se));

export function isSignaling<V>(e: Emitter<V>, sig: V, se: V): V {
  return e.and(isNan(e, sig, se), e.i64.eqz(e.i64.and(sig, e.const64(QUIET_BIT))));
}

export const isInfinite = <V>(e: Emitter<V>, se: V): V => e.eq(exponentOf(e, se), e.const(EXPONENT));

/** Denormal or pseudo-denormal. */
export function isDenormal<V>(e: Emitter<V>, sig: V, se: V): V {
  return e.and(e.eqz(exponentOf(e, se)), e.i64.ne(sig, e.const64(0n)));
}

/** DE in the word's high half if either operand is denormal. */
export function denormalFlags<V>(e: Emitter<V>, ...denormal: V[]): V {
  return e.shl(
    denormal.reduce((a, b) => e.or(a, b)),
    e.const(17),
  );
}

/** Finite, not zero, not denormal, integer bit set. */
export function isNormal<V>(e: Emitter<V>, sig: V, exponent: V): V {
  return e.and(e.ltU(e.sub(exponent, e.const(1)), e.const(EXPONENT - 1)), e.i64.ltS(sig, e.const64(0n)));
}

/** Rounding control, 0..3. */
export const roundingOf = <V>(e: Emitter<V>, control: V): V => e.and(e.shrU(control, e.const(10)), e.const(3));

/** The default NaN ("real indefinite") with status bits. */
export const indefinite = <V>(e: Emitter<V>, flags: number): Pair<V> => [
  e.const64(INTEGER_BIT | QUIET_BIT),
  e.const(0xffff | (flags << 16)),
];

/** A result that the arms of a conditional fill in. */
export function outcome<V>(e: Emitter<V>) {
  const sig = e.variable('i64', e.const64(0n));
  const word = e.variable('i32', e.const(0));
  return {
    set(pair: readonly V[]): void {
      sig.set(pair[0]);
      word.set(pair[1]);
    },
    get: (): V[] => [sig.get(), word.get()],
    word,
  };
}

/** if, else if, ... else. */
export function choose<V>(e: Emitter<V>, arms: readonly (readonly [V, () => void])[], otherwise: () => void): void {
  const [first, ...rest] = arms;
  if (first === undefined) otherwise();
  else e.if(first[0], first[1], () => choose(e, rest, otherwise));
}
