/**
 * RCPSS and RSQRTSS. Intel's processors answer the reciprocal (root) of the middle of the operand's interval, rounded to 13
 * bits: 2048 intervals from 1 to 2 for the one, 1024 from 1 to 2 and from 2 to 4 for the other. No flags; a denormal
 * operand counts as zero, a denormal result becomes zero.
 */
import { routine } from '../emit/routine.ts';
import { choose } from '../f80/format.ts';
import { BINARY32, classes, indefiniteBits, infinityBits, quietBit } from './format.ts';

const FRACTION = BINARY32.fraction;

/** (bits) -> [bits]. */
export const rcpEstimate = routine('f32_rcp', ['i64'], ['i64'], (e, a) => {
  const c = classes(e, BINARY32);
  const { or, shrU, wrap, extendU } = e.i64;
  const exponent = c.exponent(a);
  const sign = c.sign(a);
  const out = e.variable('i64', sign);
  choose(
    e,
    [
      [c.isNan(a), () => out.set(or(a, e.const64(quietBit(BINARY32))))],
      [e.eqz(exponent), () => out.set(or(sign, e.const64(infinityBits(BINARY32))))],
      [e.geU(exponent, e.const(253)), () => out.set(sign)],
    ],
    () => {
      // 8192 / (1 + (2 i + 1) / 4096), rounded half up, for the interval's number i.
      const interval = e.and(wrap(shrU(a, e.const64(12n))), e.const(2047));
      const twice = e.divU(e.const(1 << 26), e.add(e.const(4097), e.shl(interval, e.const(1))));
      const estimate = e.shrU(e.add(twice, e.const(1)), e.const(1));
      const fraction = e.shl(e.sub(estimate, e.const(4096)), e.const(FRACTION - 12));
      const field = e.shl(e.sub(e.const(253), exponent), e.const(FRACTION));
      out.set(or(sign, extendU(e.or(field, fraction))));
    },
  );
  return [out.get()];
});

/** (bits) -> [bits]. */
export const rsqrtEstimate = routine('f32_rsqrt', ['i64'], ['i64'], (e, a) => {
  const c = classes(e, BINARY32);
  const { or, shrU, wrap, extendU } = e.i64;
  const exponent = c.exponent(a);
  const out = e.variable('i64', e.const64(0n));
  choose(
    e,
    [
      [c.isNan(a), () => out.set(or(a, e.const64(quietBit(BINARY32))))],
      [e.eqz(exponent), () => out.set(or(c.sign(a), e.const64(infinityBits(BINARY32))))],
      [c.isNegative(a), () => out.set(e.const64(indefiniteBits(BINARY32)))],
      [c.isInfinite(a), () => out.set(e.const64(0n))],
    ],
    () => {
      // With an even distance from 1 the operand is in [1, 2), else in [2, 4); its root halves the distance.
      const power = e.sub(exponent, e.const(BINARY32.bias));
      const odd = e.and(power, e.const(1));
      const interval = e.and(wrap(shrU(a, e.const64(13n))), e.const(1023));
      const middle = e.f64.mul(
        e.f64.convertI32S(e.shl(e.add(e.const(2049), e.shl(interval, e.const(1))), odd)),
        e.constF64(1 / 2048),
      );
      const estimate = e.f64.toI32S(e.f64.nearest(e.f64.div(e.constF64(8192), e.f64.sqrt(middle))));
      const fraction = e.shl(e.and(estimate, e.const(4095)), e.const(FRACTION - 12));
      const field = e.sub(e.const(BINARY32.bias - 1), e.shrS(power, e.const(1)));
      out.set(extendU(e.or(e.shl(field, e.const(FRACTION)), fraction)));
    },
  );
  return [out.get()];
});
