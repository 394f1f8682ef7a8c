/** Conversions between the two formats and 32-bit integers. */
import type { Emitter } from '../emit/emitter.ts';
import type { Routine } from '../emit/routine.ts';
import { routine } from '../emit/routine.ts';
import { choose } from '../f80/format.ts';
import type { Format } from './format.ts';
import {
  BINARY32,
  BINARY64,
  classes,
  host,
  infinityBits,
  outcome,
  quietBit,
  signMask,
  withDenormal,
} from './format.ts';
import { isSafelyNormal } from './mul.ts';
import { IE, isPlain, loadMxcsr, PE, roundingOf } from './mxcsr.ts';
import { roundTo, unpack } from './round.ts';

const FRACTION_GAP = BigInt(BINARY64.fraction - BINARY32.fraction);
/** Distance of the sign bits. */
const SIGN_GAP = 32n;

const inexactIf = <V>(e: Emitter<V>, condition: V): V => e.select(condition, e.const(PE), e.const(0));
const invalidIf = <V>(e: Emitter<V>, condition: V): V => e.select(condition, e.const(IE), e.const(0));

/** CVTSD2SS. */
export const f64ToF32 = routine('f64_to_f32', ['i64'], ['i64', 'i32'], (e, a0) => {
  const { shrU, or, and } = e.i64;
  const c = classes(e, BINARY64);
  const single = host(e, BINARY32),
    double = host(e, BINARY64);
  const mxcsr = loadMxcsr(e);
  const a = c.flushed(a0, mxcsr);
  const sign = shrU(c.sign(a), e.const64(SIGN_GAP));
  const narrow = e.f32.demote(double.of(a));
  const out = outcome(e);
  const general = (): void =>
    choose(
      e,
      [
        [
          c.isNan(a),
          () => {
            const payload = and(shrU(a, e.const64(FRACTION_GAP)), e.const64(quietBit(BINARY32) - 1n));
            const nan = or(or(sign, payload), e.const64(infinityBits(BINARY32) | quietBit(BINARY32)));
            out.set([nan, invalidIf(e, c.isSignaling(a))]);
          },
        ],
        [c.isInfinite(a), () => out.set([or(sign, e.const64(infinityBits(BINARY32))), e.const(0)])],
        [c.isZero(a), () => out.set([sign, e.const(0)])],
      ],
      () => {
        const [exponent, significand] = unpack(e, BINARY64, a);
        const biased = e.sub(exponent, e.const(BINARY64.bias - BINARY32.bias));
        out.set(withDenormal(e, e.call(roundTo.f32, sign, biased, significand), c.isDenormal(a)));
      },
    );
  e.if(
    e.and(isPlain(e, mxcsr), isSafelyNormal(e, BINARY32, narrow)),
    () => out.set([single.bits(narrow), inexactIf(e, e.f64.ne(e.f64.promote(narrow), double.of(a)))]),
    general,
  );
  return out.get();
});

/** CVTSS2SD: exact. */
export const f32ToF64 = routine('f32_to_f64', ['i64'], ['i64', 'i32'], (e, a0) => {
  const { shl, or, and } = e.i64;
  const c = classes(e, BINARY32);
  const a = c.flushed(a0, loadMxcsr(e));
  const out = outcome(e);
  e.if(
    c.isNan(a),
    () => {
      const payload = shl(and(a, e.const64(quietBit(BINARY32) - 1n)), e.const64(FRACTION_GAP));
      const sign = shl(c.sign(a), e.const64(SIGN_GAP));
      const nan = or(or(sign, payload), e.const64(infinityBits(BINARY64) | quietBit(BINARY64)));
      out.set([nan, invalidIf(e, c.isSignaling(a))]);
    },
    () => {
      const wide = e.i64.reinterpretF64(e.f64.promote(host(e, BINARY32).of(a)));
      out.set(withDenormal(e, [wide, e.const(0)], c.isDenormal(a)));
    },
  );
  return out.get();
});

/** CVTSI2SS. */
export const i32ToF32 = routine('i32_to_f32', ['i32'], ['i64', 'i32'], (e, value) => {
  const near = e.f32.convertI32S(value);
  const out = outcome(e);
  const exact = e.f64.eq(e.f64.promote(near), e.f64.convertI32S(value));
  e.if(
    e.or(exact, isPlain(e, loadMxcsr(e))),
    () => out.set([host(e, BINARY32).bits(near), inexactIf(e, e.eqz(exact))]),
    () => {
      const wide = e.i64.extendS(value);
      const negative = e.ltS(value, e.const(0));
      const size = e.select(negative, e.i64.sub(e.const64(0n), wide), wide);
      const zeros = e.i64.clz(size);
      const sign = e.select(negative, e.const64(signMask(BINARY32)), e.const64(0n));
      const exponent = e.sub(e.const(BINARY32.bias + 63), e.i64.wrap(zeros));
      out.set(e.call(roundTo.f32, sign, exponent, e.i64.shl(size, zeros)));
    },
  );
  return out.get();
});

/** x (f64) rounded to an integer in a mode: 0 nearest, 1 down, 2 up, 3 toward zero. */
export function roundToInteger<V>(e: Emitter<V>, x: V, mode: V): V {
  const { nearest, floor, ceil, trunc } = e.f64;
  const even = e.select(e.eqz(mode), nearest(x), ceil(x));
  const odd = e.select(e.eq(mode, e.const(1)), floor(x), trunc(x));
  return e.select(e.and(mode, e.const(1)), odd, even);
}

/** (bits, whether to truncate whatever MXCSR says) -> [i32, flags]: out of range and NaNs are 0x80000000 and invalid. */
function toIntegerRoutine(f: Format): Routine {
  return routine(`${f.name}_to_i32`, ['i64', 'i32'], ['i32', 'i32'], (e, a, truncate) => {
    const mxcsr = loadMxcsr(e);
    const number = host(e, f).of(classes(e, f).flushed(a, mxcsr));
    const x = f.size === 4 ? e.f64.promote(number) : number;
    const whole = roundToInteger(e, x, e.select(truncate, e.const(3), roundingOf(e, mxcsr)));
    const value = e.f64.toI32S(whole);
    const fits = e.f64.eq(e.f64.convertI32S(value), whole);
    return [
      e.select(fits, value, e.const(0x8000_0000 | 0)),
      e.select(fits, inexactIf(e, e.f64.ne(whole, x)), e.const(IE)),
    ];
  });
}

export const toInteger: Record<Format['name'], Routine> = {
  f32: toIntegerRoutine(BINARY32),
  f64: toIntegerRoutine(BINARY64),
};
