/** Between extended and integers, packed decimals, and FRNDINT. */
import type { Emitter } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import { STATE } from '../state.ts';
import type { Widening } from './convert-float.ts';
import {
  BIAS,
  C1,
  choose,
  DE,
  EXPONENT,
  exponentOf,
  IE,
  isDenormal,
  isNanOrUnsupported,
  isUnsupported,
  outcome,
  type Pair,
  PE,
  partsOf,
  roundingOf,
  SIGN,
  signOf,
} from './format.ts';
import { f80Nan1 } from './nan.ts';
import { inexactFlags, type Rounded, roundAt } from './round.ts';
import { shiftRightSticky } from './wide.ts';

function fromMagnitude<V>(e: Emitter<V>, magnitude: V): Pair<V> {
  const shift = e.i64.clz(magnitude);
  const exponent = e.sub(e.const(BIAS + 63), e.i64.wrap(shift));
  return [e.i64.shl(magnitude, shift), e.select(e.i64.eqz(magnitude), e.const(0), exponent)];
}

function fromInt<V>(e: Emitter<V>, value: V): Pair<V> {
  const negative = e.i64.ltS(value, e.const64(0n));
  const magnitude = e.select(negative, e.i64.sub(e.const64(0n), value), value);
  const [sig, exponent] = fromMagnitude(e, magnitude);
  return [sig, e.or(e.shl(negative, e.const(15)), exponent)];
}

/** (signed integer) -> value, exactly. */
export const f80FromInt = routine('f80_from_int', ['i64'], ['i64', 'i32'], (e, value) => [...fromInt(e, value)]);

export const widenInt: Widening = {
  fast(e, value) {
    return { normal: e.i64.ne(value, e.const64(0n)), value: partsOf(e, fromInt(e, value)) };
  },
  any: fromInt,
};

/** The integer part of a value below 2**64, rounded. */
function roundToInteger<V>(e: Emitter<V>, sig: V, se: V, rc: V): Rounded<V> {
  const count = e.sub(e.const(BIAS + 63), exponentOf(e, se));
  const [high, low] = shiftRightSticky(e, [sig, e.const64(0n)], count);
  return roundAt(e, signOf(e, se), high, low, e.const64(0n), rc);
}

/**
 * (value, rounding control, largest positive result) -> integer, status bits. What does not fit is IE and the smallest
 * negative integer.
 */
export const f80ToInt = routine('f80_to_int', ['i64', 'i32', 'i32', 'i64'], ['i64', 'i32'], (e, sig, se, rc, limit) => {
  const out = outcome(e);
  const invalid = (): void => out.set([e.i64.sub(e.const64(-1n), limit), e.const(IE)]);
  const bad = e.or(e.gtS(exponentOf(e, se), e.const(BIAS + 63)), isUnsupported(e, sig, se));
  e.if(bad, invalid, () => {
    const negative = e.ne(signOf(e, se), e.const(0));
    const rounded = roundToInteger(e, sig, se, rc);
    const most = e.i64.add(limit, e.i64.extendU(negative));
    e.if(e.i64.gtU(rounded.sig, most), invalid, () => {
      const flags = e.or(e.mul(rounded.inexact, e.const(PE)), e.mul(rounded.up, e.const(C1)));
      out.set([e.select(negative, e.i64.sub(e.const64(0n), rounded.sig), rounded.sig), flags]);
    });
  });
  return out.get();
});

/** FRNDINT. */
export const f80RoundToInt = routine('f80_rndint', ['i64', 'i32'], ['i64', 'i32'], (e, sig, se) => {
  const out = outcome(e);
  choose(
    e,
    [
      [isNanOrUnsupported(e, sig, se), () => out.set(e.call(f80Nan1, sig, se))],
      [e.or(e.geS(exponentOf(e, se), e.const(BIAS + 63)), e.i64.eqz(sig)), () => out.set([sig, se])],
    ],
    () => {
      const rounded = roundToInteger(e, sig, se, roundingOf(e, e.state(STATE.fpuControl)));
      const [high, exponent] = fromMagnitude(e, rounded.sig);
      const denormal = e.select(isDenormal(e, sig, se), e.const(DE << 16), e.const(0));
      const flags = e.or(denormal, inexactFlags(e, rounded.inexact, rounded.up));
      out.set([high, e.or(e.or(signOf(e, se), exponent), flags)]);
    },
  );
  return out.get();
});

const LARGEST_DECIMAL = 10n ** 18n - 1n;

/** Decimal digits 2i and 2i + 1 of a number, as a packed byte. */
function digitPair<V>(e: Emitter<V>, value: V, i: number): V {
  const pair = e.i64.remU(e.i64.divU(value, e.const64(100n ** BigInt(i))), e.const64(100n));
  return e.i64.add(pair, e.i64.mul(e.i64.divU(pair, e.const64(10n)), e.const64(6n)));
}

/** The four bits of a packed decimal from `bit` on. */
const digitAt = <V>(e: Emitter<V>, source: V, bit: number): V =>
  e.i64.and(e.i64.shrU(source, e.const64(BigInt(bit))), e.const64(15n));

/** (value, rounding control) -> nine bytes of digit pairs and a sign byte as [low 8 bytes, high 2], status bits. */
export const f80ToDecimal = routine(
  'f80_to_decimal',
  ['i64', 'i32', 'i32'],
  ['i64', 'i32', 'i32'],
  (e, sig, se, rc) => {
    const low = e.variable('i64', e.const64(0xc000000000000000n)),
      high = e.variable('i32', e.const(0xffff)),
      flags = e.variable('i32', e.const(IE));
    const magnitude = e.and(se, e.const(EXPONENT));
    const fits = e.and(e.ltS(magnitude, e.const(BIAS + 60)), e.eqz(isUnsupported(e, sig, se)));
    e.if(fits, () => {
      const rounded = roundToInteger(e, sig, se, rc);
      e.if(e.i64.leU(rounded.sig, e.const64(LARGEST_DECIMAL)), () => {
        let digits = digitPair(e, rounded.sig, 0);
        for (let i = 1; i < 8; i++) {
          digits = e.i64.or(digits, e.i64.shl(digitPair(e, rounded.sig, i), e.const64(BigInt(8 * i))));
        }
        low.set(digits);
        high.set(e.or(e.i64.wrap(digitPair(e, rounded.sig, 8)), e.and(se, e.const(SIGN))));
        flags.set(e.or(e.mul(rounded.inexact, e.const(PE)), e.mul(rounded.up, e.const(C1))));
      });
    });
    return [low.get(), high.get(), flags.get()];
  },
);

/** (low 8 bytes, high 2 bytes) -> value, exactly. */
export const f80FromDecimal = routine('f80_from_decimal', ['i64', 'i32'], ['i64', 'i32'], (e, low, high) => {
  const { add, mul, extendU } = e.i64;
  const ten = e.const64(10n);
  const upper = extendU(high);
  let value = add(mul(digitAt(e, upper, 4), ten), digitAt(e, upper, 0));
  for (let bit = 60; bit >= 0; bit -= 4) value = add(mul(value, ten), digitAt(e, low, bit));
  const [sig, exponent] = fromMagnitude(e, value);
  return [sig, e.or(exponent, e.and(high, e.const(SIGN)))];
});
