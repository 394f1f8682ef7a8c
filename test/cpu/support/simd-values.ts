/** Operands that matter to SIMD instructions, from a seeded generator. */

export type Random = () => number;

/** 32 random bits a call (splitmix32). */
export function random(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

export const hash = (text: string): number =>
  [...text].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 0x01000193), 0x811c9dc5) >>> 0;

export const pick = <T>(r: Random, list: readonly T[]): T => list[r() % list.length];
const chance = (r: Random, percent: number): boolean => r() % 100 < percent;
const bits64 = (r: Random): bigint => (BigInt(r()) << 32n) | BigInt(r());

interface Format {
  fraction: bigint;
  bias: bigint;
  max: bigint;
}
const FORMATS: Record<4 | 8, Format> = {
  4: { fraction: 23n, bias: 127n, max: 255n },
  8: { fraction: 52n, bias: 1023n, max: 2047n },
};

/** A float's bits: every class, boundaries between classes and between rounding cases. */
export function floatBits(r: Random, size: 4 | 8): bigint {
  const { fraction, bias, max } = FORMATS[size];
  const mask = (1n << fraction) - 1n;
  const sign = BigInt(r() & 1) << (size === 4 ? 31n : 63n);
  const make = (exponent: bigint, significand: bigint): bigint => sign | (exponent << fraction) | (significand & mask);
  const any = bits64(r);
  switch (r() % 20) {
    case 0:
      return sign;
    case 1:
      return make(0n, pick(r, [1n, mask, any, 1n << (fraction - 1n)]));
    case 2:
      return make(1n, pick(r, [0n, 1n, any]));
    case 3:
      return make(max - 1n, pick(r, [mask, 0n, any]));
    case 4:
      return make(max, 0n);
    case 5:
      return make(max, (1n << (fraction - 1n)) | pick(r, [0n, any]));
    case 6:
      return make(max, 1n | (any & (mask >> 1n)));
    case 7:
      return any & ((1n << BigInt(size * 8)) - 1n);
    case 8:
      return make(bias + pick(r, [-1n, 0n, 1n]), pick(r, [0n, 1n, mask, mask - 1n]));
    case 9: // around the range of i32
      return make(bias + pick(r, [30n, 31n, 32n]), pick(r, [0n, 1n, mask, any, any & ~0x3ffffn]));
    case 10: // k + 1/2
      return make(bias + BigInt(r() % 20), any & (mask << (fraction - 20n)));
    case 11: // around the range of f32, seen from f64
      return size === 4
        ? make(BigInt(r() % 3), any)
        : make(
            bias + pick(r, [-127n, -126n, -149n, -150n, -140n, 127n, 128n]),
            pick(r, [0n, mask, any, mask << 29n, mask << 28n]),
          );
    case 12: // halves the exponent range: products and quotients at its ends
      return make(pick(r, [bias / 2n, bias + bias / 2n]) + BigInt((r() % 5) - 2), any);
    case 13:
    case 14: // few bits: exact results
      return make(bias + BigInt((r() % 30) - 15), any & (mask << (fraction - 6n)));
    case 15:
      return make(bias + BigInt((r() % 16) - 8), any & (mask << (fraction / 2n)));
    default:
      return make(bias + BigInt((r() % 80) - 40), any);
  }
}

function put(out: Uint8Array, at: number, size: number, value: bigint): void {
  for (let i = 0; i < size; i++) out[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
}

const BYTES = [0, 1, 0x7f, 0x80, 0x81, 0xff];

/** 16 bytes as floats of a size, or as integers (0). */
export function vectorOf(r: Random, size: 0 | 4 | 8): Uint8Array {
  const out = new Uint8Array(16);
  if (size === 0) {
    const interesting = chance(r, 40);
    return out.map(() => (interesting ? pick(r, BYTES) : r() & 0xff));
  }
  for (let at = 0; at < 16; at += size) put(out, at, size, floatBits(r, size));
  return out;
}

/** A second operand: often one that nearly cancels, equals or continues the first. */
export function companion(r: Random, first: Uint8Array, size: 0 | 4 | 8): Uint8Array {
  const out = vectorOf(r, size);
  if (size === 0) return chance(r, 10) ? first.slice() : out;
  for (let at = 0; at < 16; at += size) {
    if (!chance(r, 35)) continue;
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(first[at + i]);
    const { fraction } = FORMATS[size];
    const steps = BigInt(r() % 5) - 2n;
    const scale = pick(r, [0n, 0n, 1n, -1n, fraction, -fraction, fraction + 1n]);
    put(
      out,
      at,
      size,
      BigInt.asUintN(size * 8, value + steps + (scale << fraction)) ^ (BigInt(r() & 1) << BigInt(size * 8 - 1)),
    );
  }
  return out;
}

const INTEGERS = [
  0, 1, 2, 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff, 0x1000001, 0x1000003, 0xff000001, 0x7fffff80,
];
export const integer = (r: Random): number => (chance(r, 50) ? pick(r, INTEGERS) : r() >>> (r() % 32));

/** MXCSR: mostly as programs have it. */
export function mxcsr(r: Random): number {
  const kind = r() % 100;
  if (kind < 35) return 0x1fa0;
  if (kind < 45) return 0x1f80;
  if (kind < 60) return 0x1f80 | ((r() & 3) << 13) | (r() & 0x3f);
  if (kind < 75) return 0x1f80 | (r() & 0xe07f);
  if (kind < 90) return (r() & 0x9fff & ~pick(r, [0x80, 0x100, 0x200, 0x400, 0x800, 0x1000])) | pick(r, [0x1f80, 0]);
  return r() & 0xffff;
}
