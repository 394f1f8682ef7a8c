/** Rounding an exact result into a format, with every mode and exception of SDM Vol. 1, sections 4.8 and 11.5.2. */
import type { Emitter } from '../emit/emitter.ts';
import type { Routine } from '../emit/routine.ts';
import { routine } from '../emit/routine.ts';
import type { Format } from './format.ts';
import { BINARY32, BINARY64, classes, implicitBit, infinityBits } from './format.ts';
import { FTZ, loadMxcsr, OE, OM, PE, ROUND_DOWN, ROUND_NEAREST, ROUND_UP, roundingOf, UE, UM } from './mxcsr.ts';

/** x >> count with the lost bits kept visible in the lowest bit; count is an i32 >= 0. */
export function shiftRightSticky<V>(e: Emitter<V>, x: V, count: V): V {
  const { shl, shrU, or, extendU, eqz, and } = e.i64;
  const n = extendU(count);
  const lost = and(x, e.i64.sub(shl(e.const64(1n), n), e.const64(1n)));
  const near = or(shrU(x, n), extendU(e.eqz(eqz(lost))));
  return e.select(e.ltU(count, e.const(64)), near, extendU(e.eqz(eqz(x))));
}

/** A finite nonzero number as [biased exponent, significand with its highest bit at 63]; denormals are normalised. */
export function unpack<V>(e: Emitter<V>, f: Format, x: V): [V, V] {
  const { abs, exponent } = classes(e, f);
  const { and, or, shl, extendU } = e.i64;
  const field = exponent(x);
  const hidden = shl(extendU(e.ne(field, e.const(0))), e.const64(BigInt(f.fraction)));
  const significand = or(and(abs(x), e.const64(implicitBit(f) - 1n)), hidden);
  const zeros = e.i64.clz(significand);
  const down = e.sub(e.i64.wrap(zeros), e.const(63 - f.fraction));
  return [e.sub(e.select(field, field, e.const(1)), down), shl(significand, zeros)];
}

/** Drops the low bits of a significand: [the rest rounded, 1 if inexact]. The carry out stays in the number. */
function roundOff<V>(e: Emitter<V>, f: Format, significand: V, negative: V, rounding: V): [V, V] {
  const { and, shrU, add, gtU, ne, extendU, wrap } = e.i64;
  const drop = BigInt(63 - f.fraction);
  const rest = and(significand, e.const64((1n << drop) - 1n));
  const kept = shrU(significand, e.const64(drop));
  const half = e.const64(1n << (drop - 1n));
  const odd = e.and(wrap(kept), e.const(1));
  const inexact = ne(rest, e.const64(0n));
  const nearest = e.or(gtU(rest, half), e.and(e.i64.eq(rest, half), odd));
  const away = e.or(
    e.and(e.eq(rounding, e.const(ROUND_DOWN)), negative),
    e.and(e.eq(rounding, e.const(ROUND_UP)), e.eqz(negative)),
  );
  const up = e.select(e.eq(rounding, e.const(ROUND_NEAREST)), nearest, e.and(away, inexact));
  return [add(kept, extendU(up)), inexact];
}

/**
 * (sign in its place in the format, biased exponent that belongs to bit 63, significand with bit 63 set and sticky bit 0)
 * -> [bits, flags].
 */
function roundRoutine(f: Format): Routine {
  return routine(
    `${f.name}_round`,
    ['i64', 'i32', 'i64'],
    ['i64', 'i32'],
    <V>(e: Emitter<V>, sign: V, exponent: V, significand: V) => {
      const { or, shl, add, extendU, eqz, geU } = e.i64;
      const mxcsr = loadMxcsr(e);
      const rounding = roundingOf(e, mxcsr);
      const negative = e.eqz(eqz(sign));
      const precise = e.const(PE);
      const bits = e.variable('i64', e.const64(0n));
      const flags = e.variable('i32', e.const(0));
      // As if the exponent had no bounds: tininess is judged after rounding.
      const [rounded, inexact] = roundOff(e, f, significand, negative, rounding);
      const carried = geU(rounded, e.const64(implicitBit(f) << 1n));
      const finalExponent = e.add(exponent, carried);
      const raised = (condition: V, value: V): V => e.select(condition, value, e.const(0));

      const overflow = (): void => {
        const inward = e.or(
          e.eq(rounding, e.const(3)),
          e.eq(rounding, e.select(negative, e.const(ROUND_UP), e.const(ROUND_DOWN))),
        );
        bits.set(or(sign, e.i64.sub(e.const64(infinityBits(f)), extendU(inward))));
        // Unmasked, the result is rounded as if the exponent had no bounds: PE only if that was inexact.
        const masked = e.and(mxcsr, e.const(OM));
        flags.set(e.or(e.const(OE), raised(e.or(masked, inexact), precise)));
      };
      const tiny = (): void => {
        const shifted = shiftRightSticky(e, significand, e.sub(e.const(1), exponent));
        const [denormal, lost] = roundOff(e, f, shifted, negative, rounding);
        bits.set(or(sign, denormal));
        e.if(
          e.and(mxcsr, e.const(UM)),
          () => {
            flags.set(raised(lost, e.const(UE | PE)));
            e.if(e.and(mxcsr, e.const(FTZ)), () => {
              bits.set(sign);
              flags.set(e.const(UE | PE));
            });
          },
          () => flags.set(e.or(e.const(UE), raised(inexact, precise))),
        );
      };
      const normal = (): void => {
        // The implicit bit adds 1 to the exponent field, and so does a carry.
        const field = shl(e.i64.extendS(e.sub(exponent, e.const(1))), e.const64(BigInt(f.fraction)));
        bits.set(or(sign, add(field, rounded)));
        flags.set(raised(inexact, precise));
      };
      e.if(e.leS(finalExponent, e.const(0)), tiny, () =>
        e.if(e.geS(finalExponent, e.const(f.maxExponent)), overflow, () =>
          // Exponent 0 that a carry made 1: the field of -1 would not wrap right in 32 bits.
          e.if(
            e.eqz(exponent),
            () => {
              bits.set(or(sign, e.const64(implicitBit(f))));
              flags.set(raised(inexact, precise));
            },
            normal,
          ),
        ),
      );
      return [bits.get(), flags.get()];
    },
  );
}

export const roundTo: Record<Format['name'], Routine> = { f32: roundRoutine(BINARY32), f64: roundRoutine(BINARY64) };
