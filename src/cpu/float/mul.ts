/** Multiplication, division, square root. */
import type { Emitter } from '../emit/emitter.ts';
import type { Routine } from '../emit/routine.ts';
import { routine } from '../emit/routine.ts';
import { choose } from '../f80/format.ts';
import { mulWide } from '../f80/wide.ts';
import type { Format } from './format.ts';
import {
  BINARY32,
  BINARY64,
  classes,
  host,
  implicitBit,
  infinityBits,
  invalid,
  outcome,
  propagateNan,
  withDenormal,
} from './format.ts';
import { isPlain, loadMxcsr, PE, ZE } from './mxcsr.ts';
import { roundTo, unpack } from './round.ts';

/** The significand of a normal number without its trailing zeros, and its length in bits. */
function oddPart<V>(e: Emitter<V>, f: Format, x: V): [V, V] {
  const { and, or, ctz, shrU, wrap } = e.i64;
  const significand = or(and(x, e.const64(implicitBit(f) - 1n)), e.const64(implicitBit(f)));
  const zeros = ctz(significand);
  return [shrU(significand, zeros), e.sub(e.const(f.fraction + 1), wrap(zeros))];
}

/** The product of two significands, exact if `fits`: two numbers of n and m bits have a product of n + m - 1 or n + m. */
function oddProduct<V>(e: Emitter<V>, f: Format, a: V, b: V): { product: V; fits: V } {
  const [oddA, lengthA] = oddPart(e, f, a),
    [oddB, lengthB] = oddPart(e, f, b);
  const product = e.i64.mul(oddA, oddB);
  const short = e.leU(e.add(lengthA, lengthB), e.const(f.fraction + 2));
  return { product, fits: e.and(short, e.i64.ltU(product, e.const64(implicitBit(f) << 1n))) };
}

/** Inside (smallest normal, infinity): never tiny, whatever was rounded, and no overflow. */
export function isSafelyNormal<V>(e: Emitter<V>, f: Format, x: V): V {
  const h = host(e, f);
  const size = h.abs(x);
  return e.and(h.gt(size, h.constant(implicitBit(f))), h.lt(size, h.constant(infinityBits(f))));
}

const inexactUnless = <V>(e: Emitter<V>, exact: V): V => e.select(exact, e.const(0), e.const(PE));
const sticky = <V>(e: Emitter<V>, x: V, rest: V): V => e.i64.or(x, e.i64.extendU(e.i64.ne(rest, e.const64(0n))));

function multiplyFinite<V>(e: Emitter<V>, f: Format, sign: V, a: V, b: V): V[] {
  const [exponentA, significandA] = unpack(e, f, a),
    [exponentB, significandB] = unpack(e, f, b);
  const [high, low] = mulWide(e, significandA, significandB);
  const zeros = e.i64.clz(high);
  const exponent = e.sub(e.add(exponentA, exponentB), e.add(e.const(f.bias - 1), e.i64.wrap(zeros)));
  // Both have at most 53 bits, so the low half's top bit is clear when the high half has to move.
  return e.call(roundTo[f.name], sign, exponent, sticky(e, e.i64.shl(high, zeros), low));
}

function mulRoutine(f: Format): Routine {
  return routine(`${f.name}_mul`, ['i64', 'i64'], ['i64', 'i32'], (e, a0, b0) => {
    const c = classes(e, f),
      h = host(e, f);
    const mxcsr = loadMxcsr(e);
    const a = c.flushed(a0, mxcsr),
      b = c.flushed(b0, mxcsr);
    const sign = c.sign(e.i64.xor(a, b));
    const denormal = e.or(c.isDenormal(a), c.isDenormal(b));
    const product = h.mul(h.of(a), h.of(b));
    const plain = e.and(e.and(isPlain(e, mxcsr), isSafelyNormal(e, f, product)), e.eqz(denormal));
    const zero = e.or(c.isZero(a), c.isZero(b)),
      infinite = e.or(c.isInfinite(a), c.isInfinite(b));
    const out = outcome(e);
    const tracked = (): void => out.set([h.bits(product), inexactUnless(e, oddProduct(e, f, a, b).fits)]);
    const general = (): void =>
      choose(
        e,
        [
          [e.or(c.isNan(a), c.isNan(b)), () => out.set(propagateNan(e, f, a, b))],
          [e.and(zero, infinite), () => out.set(invalid(e, f))],
          [
            e.or(zero, infinite),
            () => {
              const size = e.select(zero, e.const64(0n), e.const64(infinityBits(f)));
              out.set(withDenormal(e, [e.i64.or(sign, size), e.const(0)], denormal));
            },
          ],
        ],
        () => out.set(withDenormal(e, multiplyFinite(e, f, sign, a, b), denormal)),
      );
    e.if(plain, tracked, general);
    return out.get();
  });
}

/** Long division, one bit a turn: 60 bits of quotient, then whether anything is left. */
function divideFinite<V>(e: Emitter<V>, f: Format, sign: V, a: V, b: V): V[] {
  const { shl, shrU, sub, or, geU, extendU } = e.i64;
  const one = e.const64(1n);
  const [exponentA, significandA] = unpack(e, f, a),
    [exponentB, significandB] = unpack(e, f, b);
  const divisor = shrU(significandB, one);
  const rest = e.variable('i64', shrU(significandA, one));
  const quotient = e.variable('i64', e.const64(0n));
  const turns = e.variable('i32', e.const(60));
  e.while(
    () => turns.get(),
    () => {
      const fits = geU(rest.get(), divisor);
      quotient.set(or(shl(quotient.get(), one), extendU(fits)));
      rest.set(shl(e.select(fits, sub(rest.get(), divisor), rest.get()), one));
      turns.set(e.sub(turns.get(), e.const(1)));
    },
  );
  const zeros = e.i64.clz(quotient.get());
  const exponent = e.add(e.sub(exponentA, exponentB), e.sub(e.const(f.bias + 4), e.i64.wrap(zeros)));
  return e.call(roundTo[f.name], sign, exponent, sticky(e, shl(quotient.get(), zeros), rest.get()));
}

function divRoutine(f: Format): Routine {
  return routine(`${f.name}_div`, ['i64', 'i64'], ['i64', 'i32'], (e, a0, b0) => {
    const c = classes(e, f),
      h = host(e, f);
    const mxcsr = loadMxcsr(e);
    const a = c.flushed(a0, mxcsr),
      b = c.flushed(b0, mxcsr);
    const sign = c.sign(e.i64.xor(a, b));
    const denormal = e.or(c.isDenormal(a), c.isDenormal(b));
    const quotient = h.div(h.of(a), h.of(b));
    const plain = e.and(e.and(isPlain(e, mxcsr), isSafelyNormal(e, f, quotient)), e.eqz(denormal));
    const out = outcome(e);
    const signed = (size: bigint) => e.i64.or(sign, e.const64(size));
    const tracked = (): void => {
      // Exact if the quotient times b is a again, bit for bit.
      const bits = h.bits(quotient);
      const { product, fits } = oddProduct(e, f, bits, b);
      out.set([bits, inexactUnless(e, e.and(fits, e.i64.eq(product, oddPart(e, f, a)[0])))]);
    };
    const general = (): void =>
      choose(
        e,
        [
          [e.or(c.isNan(a), c.isNan(b)), () => out.set(propagateNan(e, f, a, b))],
          [
            e.or(e.and(c.isZero(a), c.isZero(b)), e.and(c.isInfinite(a), c.isInfinite(b))),
            () => out.set(invalid(e, f)),
          ],
          [c.isInfinite(a), () => out.set(withDenormal(e, [signed(infinityBits(f)), e.const(0)], denormal))],
          [c.isZero(b), () => out.set([signed(infinityBits(f)), e.const(ZE)])],
          [e.or(c.isZero(a), c.isInfinite(b)), () => out.set(withDenormal(e, [sign, e.const(0)], denormal))],
        ],
        () => out.set(withDenormal(e, divideFinite(e, f, sign, a, b), denormal)),
      );
    e.if(plain, tracked, general);
    return out.get();
  });
}

/** The root of a positive finite number, two bits of the radicand a turn. */
function rootFinite<V>(e: Emitter<V>, f: Format, a: V): V[] {
  const { shl, shrU, sub, or, geU, extendU } = e.i64;
  const one = e.const64(1n),
    two = e.const64(2n);
  const [exponentA, significandA] = unpack(e, f, a);
  const power = e.sub(exponentA, e.const(f.bias));
  // The radicand is 1x.xx for an odd exponent and 01.xx for an even one.
  const radicand = e.variable('i64', shrU(significandA, extendU(e.eqz(e.and(power, e.const(1))))));
  const rest = e.variable('i64', e.const64(0n));
  const root = e.variable('i64', e.const64(0n));
  const turns = e.variable('i32', e.const(58));
  e.while(
    () => turns.get(),
    () => {
      const next = or(shl(rest.get(), two), shrU(radicand.get(), e.const64(62n)));
      radicand.set(shl(radicand.get(), two));
      const trial = or(shl(root.get(), two), one);
      const fits = geU(next, trial);
      rest.set(e.select(fits, sub(next, trial), next));
      root.set(or(shl(root.get(), one), extendU(fits)));
      turns.set(e.sub(turns.get(), e.const(1)));
    },
  );
  const exponent = e.add(e.shrS(power, e.const(1)), e.const(f.bias));
  const significand = sticky(e, shl(root.get(), e.const64(6n)), rest.get());
  return e.call(roundTo[f.name], e.const64(0n), exponent, significand);
}

function sqrtRoutine(f: Format): Routine {
  return routine(`${f.name}_sqrt`, ['i64'], ['i64', 'i32'], (e, a0) => {
    const c = classes(e, f),
      h = host(e, f);
    const mxcsr = loadMxcsr(e);
    const a = c.flushed(a0, mxcsr);
    const denormal = c.isDenormal(a);
    const root = h.sqrt(h.of(a));
    const plain = e.and(e.and(isPlain(e, mxcsr), isSafelyNormal(e, f, root)), e.eqz(denormal));
    const out = outcome(e);
    const tracked = (): void => {
      const bits = h.bits(root);
      const { product, fits } = oddProduct(e, f, bits, bits);
      out.set([bits, inexactUnless(e, e.and(fits, e.i64.eq(product, oddPart(e, f, a)[0])))]);
    };
    const general = (): void =>
      choose(
        e,
        [
          [c.isNan(a), () => out.set(propagateNan(e, f, a, a))],
          [c.isZero(a), () => out.set([a, e.const(0)])],
          [c.isNegative(a), () => out.set(invalid(e, f))],
          [c.isInfinite(a), () => out.set([a, e.const(0)])],
        ],
        () => out.set(withDenormal(e, rootFinite(e, f, a), denormal)),
      );
    e.if(plain, tracked, general);
    return out.get();
  });
}

export const mulFloat: Record<Format['name'], Routine> = { f32: mulRoutine(BINARY32), f64: mulRoutine(BINARY64) };
export const divFloat: Record<Format['name'], Routine> = { f32: divRoutine(BINARY32), f64: divRoutine(BINARY64) };
export const sqrtFloat: Record<Format['name'], Routine> = { f32: sqrtRoutine(BINARY32), f64: sqrtRoutine(BINARY64) };
