/** Shuffles by an immediate, which the interpreter reads from its record: the byte indices are computed. */
import type { Emitter } from '../emit/emitter.ts';
import type { Insn } from './insn.ts';
import { insn } from './insn.ts';
import { count, fromHalves, highHalf, lanes, loadVector, lowHalf } from './simd.ts';

const LOW_OF_FIRST = [...count(0, 8), ...count(24, 8)];
const PLACES = count(0, 16);

/** Byte indices of four lanes, each chosen by two bits of the immediate. */
function dwordIndices<V>(e: Emitter<V>, imm: V): V {
  const { i32x4Mul, i32x4Splat, i32x4ShrU, i32x4Add, and } = e.v128;
  // A multiplication moves each lane's two bits to bits 6 and 7: no shift has a count per lane.
  const factors = e.constV128([64, 0, 0, 0, 16, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0]);
  const chosen = and(i32x4ShrU(i32x4Mul(i32x4Splat(imm), factors), e.const(6)), lanes(e, 4, 3n));
  return i32x4Add(i32x4Mul(chosen, lanes(e, 4, 0x04040404n)), lanes(e, 4, 0x03020100n));
}

/** The same for the words of one half, `first` being its first byte. */
function wordIndices<V>(e: Emitter<V>, imm: V, first: number): V {
  const { i16x8Mul, i16x8Splat, i16x8ShrU, i16x8Add, and } = e.v128;
  const factors = e.constV128([64, 0, 16, 0, 4, 0, 1, 0, 64, 0, 16, 0, 4, 0, 1, 0]);
  const chosen = and(i16x8ShrU(i16x8Mul(i16x8Splat(imm), factors), e.const(6)), lanes(e, 2, 3n));
  return i16x8Add(i16x8Mul(chosen, lanes(e, 2, 0x0202n)), lanes(e, 2, BigInt(first + ((first + 1) << 8))));
}

export function shuffleLanes<V>(e: Emitter<V>, v: V, imm: V, kind: 'dwords' | 'low words' | 'high words'): V {
  const places = e.constV128(PLACES);
  switch (kind) {
    case 'dwords':
      return e.v128.swizzle(v, dwordIndices(e, imm));
    case 'low words':
      return e.v128.swizzle(v, e.v128.shuffle(wordIndices(e, imm, 0), places, LOW_OF_FIRST));
    default:
      return e.v128.swizzle(v, e.v128.shuffle(places, wordIndices(e, imm, 8), LOW_OF_FIRST));
  }
}

function pshuf(name: string, prefix: string, kind: 'dwords' | 'low words' | 'high words'): Insn {
  return insn(name, { feature: 'sse2' }, [`${prefix} 0F 70 /r Vdq,Wdq,Ib`], (e, dst, src, imm) =>
    e.store(dst, shuffleLanes(e, loadVector(e, src), e.load(imm), kind)),
  );
}

/** Half of a vector that a bit of the immediate chooses, as i64. */
const chooseHalf = <V>(e: Emitter<V>, v: V, bit: V): V => e.select(bit, highHalf(e, v), lowHalf(e, v));

export const shuffles: readonly Insn[] = [
  pshuf('pshufd', '66', 'dwords'),
  pshuf('pshuflw', 'F2', 'low words'),
  pshuf('pshufhw', 'F3', 'high words'),
  insn('shufps', { feature: 'sse' }, ['NP 0F C6 /r Vps,Wps,Ib'], (e, dst, src, imm) => {
    const b = loadVector(e, src);
    const indices = dwordIndices(e, e.load(imm));
    const first = e.v128.swizzle(e.load(dst), indices),
      second = e.v128.swizzle(b, indices);
    e.store(dst, e.v128.shuffle(first, second, LOW_OF_FIRST));
  }),
  insn('shufpd', { feature: 'sse2' }, ['66 0F C6 /r Vpd,Wpd,Ib'], (e, dst, src, imm) => {
    const b = loadVector(e, src);
    const bits = e.load(imm);
    const low = chooseHalf(e, e.load(dst), e.and(bits, e.const(1)));
    e.store(dst, fromHalves(e, low, chooseHalf(e, b, e.and(bits, e.const(2)))));
  }),
  insn('unpcklps', { feature: 'sse' }, ['NP 0F 14 /r Vps,Wps'], (e, dst, src) => {
    const b = loadVector(e, src);
    e.store(dst, e.v128.shuffle(e.load(dst), b, [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23]));
  }),
  insn('unpckhps', { feature: 'sse' }, ['NP 0F 15 /r Vps,Wps'], (e, dst, src) => {
    const b = loadVector(e, src);
    e.store(dst, e.v128.shuffle(e.load(dst), b, [8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31]));
  }),
  insn('unpcklpd', { feature: 'sse2' }, ['66 0F 14 /r Vpd,Wpd'], (e, dst, src) => {
    const b = loadVector(e, src);
    e.store(dst, fromHalves(e, lowHalf(e, e.load(dst)), lowHalf(e, b)));
  }),
  insn('unpckhpd', { feature: 'sse2' }, ['66 0F 15 /r Vpd,Wpd'], (e, dst, src) => {
    const b = loadVector(e, src);
    e.store(dst, fromHalves(e, highHalf(e, e.load(dst)), highHalf(e, b)));
  }),
];
