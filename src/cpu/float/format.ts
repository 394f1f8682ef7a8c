/**
 * The binary32 and binary64 formats (SDM Vol. 1, section 4.2.2), held as the low bits of an i64 so that routines for both
 * are written once. Routines are pure but for reading MXCSR; they answer [bits, exception flags].
 */
import type { Emitter } from '../emit/emitter.ts';
import { DAZ, DE, IE } from './mxcsr.ts';

export interface Format {
  readonly name: 'f32' | 'f64';
  readonly size: 4 | 8;
  /** Bits of the fraction field. */
  readonly fraction: number;
  readonly bias: number;
  /** Exponent field of infinities and NaNs. */
  readonly maxExponent: number;
}

export const BINARY32: Format = { name: 'f32', size: 4, fraction: 23, bias: 127, maxExponent: 255 };
export const BINARY64: Format = { name: 'f64', size: 8, fraction: 52, bias: 1023, maxExponent: 2047 };

export const signMask = (f: Format): bigint => 1n << BigInt(f.size * 8 - 1);
export const infinityBits = (f: Format): bigint => BigInt(f.maxExponent) << BigInt(f.fraction);
export const quietBit = (f: Format): bigint => 1n << BigInt(f.fraction - 1);
export const implicitBit = (f: Format): bigint => 1n << BigInt(f.fraction);
/** "Real indefinite": the quiet NaN that invalid operations yield. */
export const indefiniteBits = (f: Format): bigint => signMask(f) | infinityBits(f) | quietBit(f);

/** Questions about a number's bits. */
export function classes<V>(e: Emitter<V>, f: Format) {
  const { and, gtU, ltU, eq, eqz, sub, shrU, wrap, ne } = e.i64;
  const abs = (x: V): V => and(x, e.const64(signMask(f) - 1n));
  const isNan = (x: V): V => gtU(abs(x), e.const64(infinityBits(f)));
  const isDenormal = (x: V): V => ltU(sub(abs(x), e.const64(1n)), e.const64(implicitBit(f) - 1n));
  return {
    abs,
    sign: (x: V): V => and(x, e.const64(signMask(f))),
    isNan,
    isSignaling: (x: V): V => e.and(isNan(x), eqz(and(x, e.const64(quietBit(f))))),
    isInfinite: (x: V): V => eq(abs(x), e.const64(infinityBits(f))),
    isZero: (x: V): V => eqz(abs(x)),
    isDenormal,
    isNegative: (x: V): V => ne(and(x, e.const64(signMask(f))), e.const64(0n)),
    /** Exponent field. */
    exponent: (x: V): V => wrap(shrU(abs(x), e.const64(BigInt(f.fraction)))),
    /** A denormal operand is a zero of its sign under DAZ. */
    flushed: (x: V, mxcsr: V): V =>
      e.select(e.and(e.ne(e.and(mxcsr, e.const(DAZ)), e.const(0)), isDenormal(x)), and(x, e.const64(signMask(f))), x),
  };
}

/** The result of an operation with a NaN among its operands (SDM Vol. 1, table 4-7): the first one, made quiet. */
export function propagateNan<V>(e: Emitter<V>, f: Format, a: V, b: V): V[] {
  const { isNan, isSignaling } = classes(e, f);
  const bits = e.i64.or(e.select(isNan(a), a, b), e.const64(quietBit(f)));
  return [bits, e.select(e.or(isSignaling(a), isSignaling(b)), e.const(IE), e.const(0))];
}

export const invalid = <V>(e: Emitter<V>, f: Format): V[] => [e.const64(indefiniteBits(f)), e.const(IE)];

/** Adds DE to a result where an operand was denormal. */
export const withDenormal = <V>(e: Emitter<V>, [bits, flags]: V[], denormal: V): V[] => [
  bits,
  e.or(flags, e.select(denormal, e.const(DE), e.const(0))),
];

/** wasm's arithmetic of the format, and the way to it from bits in an i64 and back. */
export function host<V>(e: Emitter<V>, f: Format) {
  const single = f.size === 4;
  const ops = single ? e.f32 : e.f64;
  return {
    add: (a: V, b: V): V => ops.add(a, b),
    sub: (a: V, b: V): V => ops.sub(a, b),
    mul: (a: V, b: V): V => ops.mul(a, b),
    div: (a: V, b: V): V => ops.div(a, b),
    sqrt: (a: V): V => ops.sqrt(a),
    abs: (a: V): V => ops.abs(a),
    lt: (a: V, b: V): V => ops.lt(a, b),
    gt: (a: V, b: V): V => ops.gt(a, b),
    le: (a: V, b: V): V => ops.le(a, b),
    ge: (a: V, b: V): V => ops.ge(a, b),
    eq: (a: V, b: V): V => ops.eq(a, b),
    ne: (a: V, b: V): V => ops.ne(a, b),
    of: (bits: V): V => (single ? e.f32.reinterpretI32(e.i64.wrap(bits)) : e.f64.reinterpretI64(bits)),
    bits: (x: V): V => (single ? e.i64.extendU(e.f32.bits(x)) : e.i64.reinterpretF64(x)),
    constant: (bits: bigint): V =>
      single ? e.f32.reinterpretI32(e.const(Number(bits) | 0)) : e.f64.reinterpretI64(e.const64(bits)),
  };
}

/** A result that the arms of a conditional fill in. */
export function outcome<V>(e: Emitter<V>) {
  const bits = e.variable('i64', e.const64(0n));
  const flags = e.variable('i32', e.const(0));
  return {
    set([value, raised]: readonly V[]): void {
      bits.set(value);
      flags.set(raised);
    },
    get: (): V[] => [bits.get(), flags.get()],
  };
}
