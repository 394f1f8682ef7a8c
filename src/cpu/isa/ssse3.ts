/** SSSE3, on MMX and XMM registers (SDM Vol. 1, section 12.6). */
import type { Emitter } from '../emit/emitter.ts';
import type { Insn } from './insn.ts';
import { insn } from './insn.ts';
import type { PackedOptions } from './mmx-int.ts';
import { packed } from './mmx-int.ts';
import { count, enterMmx, fromHalves, lanes, loadVector, lowHalf } from './simd.ts';

const both: PackedOptions = { mmx: 'ssse3', xmm: 'ssse3' };
const joined: PackedOptions = { ...both, narrowing: 'joined' };

type Operation = <V>(e: Emitter<V>, a: V, b: V) => V;

/** Neighbours of two vectors side by side: the even elements, then the odd ones. */
function pairs<V>(e: Emitter<V>, size: 2 | 4, a: V, b: V): [V, V] {
  const pick = (odd: 0 | 1): V => {
    const bytes = Array.from({ length: 16 / size }, (_, lane) => count((2 * lane + odd) * size, size));
    return e.v128.shuffle(a, b, bytes.flat());
  };
  return [pick(0), pick(1)];
}

const across =
  (size: 2 | 4, operation: Operation): Operation =>
  (e, a, b) =>
    operation(e, ...pairs(e, size, a, b));

/** a where b is positive, -a where it is negative, 0 where it is 0. */
const sign =
  (shape: 'i8x16' | 'i16x8' | 'i32x4', size: 1 | 2 | 4): Operation =>
  (e, a, b) => {
    const zero = lanes(e, size, 0n);
    const negative = e.v128[`${shape}LtS`](b, zero);
    const flipped = e.v128[`${shape}Sub`](e.v128.xor(a, negative), negative);
    return e.v128.and(flipped, e.v128[`${shape}Ne`](b, zero));
  };

/** Unsigned bytes of a times signed bytes of b, neighbours added with saturation. */
const multiplyAddBytes: Operation = (e, a, b) => {
  const { and, i16x8ShrU, i16x8ShrS, i16x8Shl, i16x8Mul, i16x8AddSatS } = e.v128;
  const eight = e.const(8);
  const even = i16x8Mul(and(a, lanes(e, 2, 0xffn)), i16x8ShrS(i16x8Shl(b, eight), eight));
  return i16x8AddSatS(even, i16x8Mul(i16x8ShrU(a, eight), i16x8ShrS(b, eight)));
};

/** wasm saturates -1 * -1 to the greatest number, where the CPU wraps to the least. */
const multiplyRound: Operation = (e, a, b) => {
  const least = lanes(e, 2, 0x8000n);
  const wraps = e.v128.and(e.v128.i16x8Eq(a, least), e.v128.i16x8Eq(b, least));
  return e.v128.xor(e.v128.i16x8Q15mulrSatS(a, b), wraps);
};

/** An index with its top bit set gives 0: so does one beyond wasm's lanes. */
const shuffleBytes =
  (kept: bigint): Operation =>
  (e, a, b) =>
    e.v128.swizzle(a, e.v128.and(b, lanes(e, 1, kept)));

const places = count(0, 16);

export const ssse3Insns: readonly Insn[] = [
  ...packed('pshufb', '38 00', shuffleBytes(0x8fn), { ...both, mmxOperation: shuffleBytes(0x87n) }),
  ...packed(
    'phaddw',
    '38 01',
    across(2, (e, a, b) => e.v128.i16x8Add(a, b)),
    joined,
  ),
  ...packed(
    'phaddd',
    '38 02',
    across(4, (e, a, b) => e.v128.i32x4Add(a, b)),
    joined,
  ),
  ...packed(
    'phaddsw',
    '38 03',
    across(2, (e, a, b) => e.v128.i16x8AddSatS(a, b)),
    joined,
  ),
  ...packed('pmaddubsw', '38 04', multiplyAddBytes, both),
  ...packed(
    'phsubw',
    '38 05',
    across(2, (e, a, b) => e.v128.i16x8Sub(a, b)),
    joined,
  ),
  ...packed(
    'phsubd',
    '38 06',
    across(4, (e, a, b) => e.v128.i32x4Sub(a, b)),
    joined,
  ),
  ...packed(
    'phsubsw',
    '38 07',
    across(2, (e, a, b) => e.v128.i16x8SubSatS(a, b)),
    joined,
  ),
  ...packed('psignb', '38 08', sign('i8x16', 1), both),
  ...packed('psignw', '38 09', sign('i16x8', 2), both),
  ...packed('psignd', '38 0A', sign('i32x4', 4), both),
  ...packed('pmulhrsw', '38 0B', multiplyRound, both),
  ...packed('pabsb', '38 1C', (e, _a, b) => e.v128.i8x16Abs(b), both),
  ...packed('pabsw', '38 1D', (e, _a, b) => e.v128.i16x8Abs(b), both),
  ...packed('pabsd', '38 1E', (e, _a, b) => e.v128.i32x4Abs(b), both),
  insn('palignr', { feature: 'ssse3', waits: true }, ['NP 0F 3A 0F /r Pq,Qq,Ib'], (e, dst, src, imm) => {
    const value = fromHalves(e, e.load(src), e.load(dst));
    const shift = e.load(imm);
    const amount = e.v128.i8x16Splat(e.select(e.gtU(shift, e.const(16)), e.const(16), shift));
    const result = lowHalf(e, e.v128.swizzle(value, e.v128.i8x16Add(e.constV128(places), amount)));
    enterMmx(e);
    e.store(dst, result);
  }),
  insn('palignr', { feature: 'ssse3' }, ['66 0F 3A 0F /r Vdq,Wdq,Ib'], (e, dst, src, imm) => {
    const { swizzle, or, i8x16Add, i8x16Sub, i8x16Splat } = e.v128;
    const low = loadVector(e, src);
    const shift = e.load(imm);
    const amount = i8x16Splat(e.select(e.gtU(shift, e.const(32)), e.const(32), shift));
    const from = i8x16Add(e.constV128(places), amount);
    e.store(dst, or(swizzle(low, from), swizzle(e.load(dst), i8x16Sub(from, lanes(e, 1, 16n)))));
  }),
];
