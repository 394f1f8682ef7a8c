/** Addition and subtraction. */
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
  implicitBit,
  invalid,
  outcome,
  propagateNan,
  signMask,
  withDenormal,
} from './format.ts';
import { isPlain, loadMxcsr, PE, ROUND_DOWN, roundingOf } from './mxcsr.ts';
import { roundTo, shiftRightSticky } from './round.ts';

/** Finite operands, exactly, then rounded. */
function addFinite<V>(e: Emitter<V>, f: Format, a: V, b: V): V[] {
  const { abs, sign, exponent } = classes(e, f);
  const { and, or, shl, sub, add, geU, extendU, eq, eqz } = e.i64;
  const ordered = geU(abs(a), abs(b));
  const big = e.select(ordered, a, b),
    small = e.select(ordered, b, a);
  // Bit 62 is the highest of the larger operand: one bit is left for the carry, at least ten for rounding.
  const significand = (x: V, field: V): V => {
    const hidden = shl(extendU(e.ne(field, e.const(0))), e.const64(BigInt(f.fraction)));
    return shl(or(and(x, e.const64(implicitBit(f) - 1n)), hidden), e.const64(BigInt(62 - f.fraction)));
  };
  const scale = (field: V): V => e.select(field, field, e.const(1));
  const bigField = exponent(big),
    smallField = exponent(small);
  const top = significand(big, bigField);
  const bottom = shiftRightSticky(e, significand(small, smallField), e.sub(scale(bigField), scale(smallField)));
  const same = eq(sign(a), sign(b));
  const sum = e.select(same, add(top, bottom), sub(top, bottom));
  const out = outcome(e);
  e.if(
    eqz(sum),
    () => {
      // A zero from unlike signs is +0, but -0 when rounding down.
      const down = e.eq(roundingOf(e, loadMxcsr(e)), e.const(ROUND_DOWN));
      const unlike = e.select(down, e.const64(signMask(f)), e.const64(0n));
      out.set([e.select(same, sign(a), unlike), e.const(0)]);
    },
    () => {
      const zeros = e.i64.clz(sum);
      const scaled = e.sub(e.add(scale(bigField), e.const(1)), e.i64.wrap(zeros));
      out.set(e.call(roundTo[f.name], sign(big), scaled, shl(sum, zeros)));
    },
  );
  return out.get();
}

function addRoutine(f: Format): Routine {
  return routine(`${f.name}_add`, ['i64', 'i64', 'i64'], ['i64', 'i32'], <V>(e: Emitter<V>, a0: V, b0: V, flip: V) => {
    const { isNan, isInfinite, isDenormal } = classes(e, f);
    const h = host(e, f);
    const mxcsr = loadMxcsr(e);
    const a = classes(e, f).flushed(a0, mxcsr),
      b = classes(e, f).flushed(b0, mxcsr),
      subtrahend = e.i64.xor(b, flip);
    const denormal = e.or(isDenormal(a), isDenormal(b));
    const x = h.of(a),
      y = h.of(subtrahend),
      sum = h.add(x, y);
    // Half the range, so that the error of the sum can be computed without overflow.
    const limit = h.constant(BigInt(f.maxExponent - 1) << BigInt(f.fraction));
    const plain = e.and(e.and(isPlain(e, mxcsr), h.lt(h.abs(sum), limit)), e.eqz(denormal));
    const out = outcome(e);
    const tracked = (): void => {
      // Knuth's two-sum: what rounding lost, exactly.
      const part = h.sub(sum, x);
      const lost = h.add(h.sub(x, h.sub(sum, part)), h.sub(y, part));
      out.set([h.bits(sum), e.select(h.ne(lost, h.constant(0n)), e.const(PE), e.const(0))]);
    };
    const general = (): void => {
      const infinite = e.or(isInfinite(a), isInfinite(b));
      choose(
        e,
        [
          [e.or(isNan(a), isNan(b)), () => out.set(propagateNan(e, f, a, b))],
          [e.and(e.and(isInfinite(a), isInfinite(b)), e.i64.ne(a, subtrahend)), () => out.set(invalid(e, f))],
          [infinite, () => out.set(withDenormal(e, [e.select(isInfinite(a), a, subtrahend), e.const(0)], denormal))],
        ],
        () => out.set(withDenormal(e, addFinite(e, f, a, subtrahend), denormal)),
      );
    };
    e.if(plain, tracked, general);
    return out.get();
  });
}

/** (a, b, mask that is xored into b: 0 to add, the sign to subtract). */
export const addFloat: Record<Format['name'], Routine> = { f32: addRoutine(BINARY32), f64: addRoutine(BINARY64) };
