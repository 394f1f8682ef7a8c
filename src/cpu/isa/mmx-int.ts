/**
 * The integer instructions that exist on MMX registers and, with prefix 66, on XMM registers: written once on 128 bits.
 * SDM Vol. 1, sections 9.4, 11.4.2 and 12.6.
 */
import type { Emitter } from '../emit/emitter.ts';
import type { Feature, Insn } from './insn.ts';
import { insn } from './insn.ts';
import { enterMmx, fromHalves, highHalf, lanes, loadVector, lowHalf } from './simd.ts';

/** A vector operation of DEST and SRC. */
type Operation = <V>(e: Emitter<V>, a: V, b: V) => V;

/**
 * How an operation on 128 bits gives the one on 64: each lane for itself; both operands side by side, twice (packing and
 * horizontal operations); or the high half of an interleaving.
 */
type Narrowing = 'lanes' | 'joined' | 'high';

export interface PackedOptions {
  /** CPUID features of the two forms. */
  mmx?: Feature;
  xmm?: Feature;
  narrowing?: Narrowing;
  /** The source operand of the MMX form where it is not Qq. */
  source?: string;
  /** What the MMX form does where it is another operation. */
  mmxOperation?: Operation;
}

/** `name` on MMX registers (NP 0F opcode) and on XMM registers (66 0F opcode). */
export function packed(name: string, opcode: string, operation: Operation, options: PackedOptions = {}): Insn[] {
  const { mmx = 'mmx', xmm = 'sse2', narrowing = 'lanes', source = 'Qq', mmxOperation = operation } = options;
  const narrow = insn(name, { feature: mmx, waits: true }, [`NP 0F ${opcode} /r Pq,${source}`], (e, dst, src) => {
    const a = e.load(dst),
      b = source === 'Qq' ? e.load(src) : e.i64.extendU(e.loadLow(src, 4));
    let result: typeof a;
    if (narrowing === 'joined') {
      const both = fromHalves(e, a, b);
      result = lowHalf(e, mmxOperation(e, both, both));
    } else {
      const wide = mmxOperation(e, e.v128.i64x2Splat(a), e.v128.i64x2Splat(b));
      result = narrowing === 'high' ? highHalf(e, wide) : lowHalf(e, wide);
    }
    enterMmx(e);
    e.store(dst, result);
  });
  return [narrow, packedXmm(name, opcode, operation, xmm)];
}

/** The 66 0F form alone. */
export function packedXmm(name: string, opcode: string, operation: Operation, feature: Feature = 'sse2'): Insn {
  return insn(name, { feature }, [`66 0F ${opcode} /r Vdq,Wdq`], (e, dst, src) => {
    const b = loadVector(e, src);
    e.store(dst, operation(e, e.load(dst), b));
  });
}

const interleave =
  (size: 1 | 2 | 4 | 8, high: boolean): Operation =>
  (e, a, b) => {
    const first = high ? 8 : 0;
    const indices = Array.from({ length: 16 }, (_, i) => {
      const lane = Math.floor(i / (2 * size));
      const fromB = Math.floor(i / size) % 2;
      return first + lane * size + (i % size) + 16 * fromB;
    });
    return e.v128.shuffle(a, b, indices);
  };

/** The high 16 bits of every 32-bit product in two vectors of four. */
const highWords = [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31];
export const mulHighSigned: Operation = (e, a, b) =>
  e.v128.shuffle(e.v128.i32x4ExtmulLowI16x8S(a, b), e.v128.i32x4ExtmulHighI16x8S(a, b), highWords);
const mulHighUnsigned: Operation = (e, a, b) =>
  e.v128.shuffle(e.v128.i32x4ExtmulLowI16x8U(a, b), e.v128.i32x4ExtmulHighI16x8U(a, b), highWords);

/** Lanes 0 and 2 of four, moved together: the operands of 32 x 32 = 64 bit products. */
export const evenDwords = <V>(e: Emitter<V>, a: V): V =>
  e.v128.shuffle(a, a, [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11]);

/** Sums of eight absolute differences of bytes, one in each half. */
const sumOfDifferences: Operation = (e, a, b) => {
  const { i8x16SubSatU, or, i16x8ExtaddPairwiseI8x16U, i32x4ExtaddPairwiseI16x8U, i64x2Add, i64x2ShrU, and } = e.v128;
  const quads = i32x4ExtaddPairwiseI16x8U(i16x8ExtaddPairwiseI8x16U(or(i8x16SubSatU(a, b), i8x16SubSatU(b, a))));
  return i64x2Add(i64x2ShrU(quads, e.const(32)), and(quads, lanes(e, 8, 0xffffffffn)));
};

/** andnot of wasm is a & ~b; the CPU's is ~a & b. */
const andNot: Operation = (e, a, b) => e.v128.andnot(b, a);

export const integer: readonly Insn[] = [
  packed('punpcklbw', '60', interleave(1, false), { source: 'Qd' }),
  packed('punpcklwd', '61', interleave(2, false), { source: 'Qd' }),
  packed('punpckldq', '62', interleave(4, false), { source: 'Qd' }),
  packed('packsswb', '63', (e, a, b) => e.v128.i8x16NarrowI16x8S(a, b), { narrowing: 'joined' }),
  packed('pcmpgtb', '64', (e, a, b) => e.v128.i8x16GtS(a, b)),
  packed('pcmpgtw', '65', (e, a, b) => e.v128.i16x8GtS(a, b)),
  packed('pcmpgtd', '66', (e, a, b) => e.v128.i32x4GtS(a, b)),
  packed('packuswb', '67', (e, a, b) => e.v128.i8x16NarrowI16x8U(a, b), { narrowing: 'joined' }),
  packed('punpckhbw', '68', interleave(1, true), { narrowing: 'high', mmxOperation: interleave(1, false) }),
  packed('punpckhwd', '69', interleave(2, true), { narrowing: 'high', mmxOperation: interleave(2, false) }),
  packed('punpckhdq', '6A', interleave(4, true), { narrowing: 'high', mmxOperation: interleave(4, false) }),
  packed('packssdw', '6B', (e, a, b) => e.v128.i16x8NarrowI32x4S(a, b), { narrowing: 'joined' }),
  packedXmm('punpcklqdq', '6C', interleave(8, false)),
  packedXmm('punpckhqdq', '6D', interleave(8, true)),
  packed('pcmpeqb', '74', (e, a, b) => e.v128.i8x16Eq(a, b)),
  packed('pcmpeqw', '75', (e, a, b) => e.v128.i16x8Eq(a, b)),
  packed('pcmpeqd', '76', (e, a, b) => e.v128.i32x4Eq(a, b)),
  packed('paddq', 'D4', (e, a, b) => e.v128.i64x2Add(a, b), { mmx: 'sse2' }),
  packed('pmullw', 'D5', (e, a, b) => e.v128.i16x8Mul(a, b)),
  packed('psubusb', 'D8', (e, a, b) => e.v128.i8x16SubSatU(a, b)),
  packed('psubusw', 'D9', (e, a, b) => e.v128.i16x8SubSatU(a, b)),
  packed('pminub', 'DA', (e, a, b) => e.v128.i8x16MinU(a, b), { mmx: 'sse' }),
  packed('pand', 'DB', (e, a, b) => e.v128.and(a, b)),
  packed('paddusb', 'DC', (e, a, b) => e.v128.i8x16AddSatU(a, b)),
  packed('paddusw', 'DD', (e, a, b) => e.v128.i16x8AddSatU(a, b)),
  packed('pmaxub', 'DE', (e, a, b) => e.v128.i8x16MaxU(a, b), { mmx: 'sse' }),
  packed('pandn', 'DF', andNot),
  packed('pavgb', 'E0', (e, a, b) => e.v128.i8x16AvgrU(a, b), { mmx: 'sse' }),
  packed('pavgw', 'E3', (e, a, b) => e.v128.i16x8AvgrU(a, b), { mmx: 'sse' }),
  packed('pmulhuw', 'E4', mulHighUnsigned, { mmx: 'sse' }),
  packed('pmulhw', 'E5', mulHighSigned),
  packed('psubsb', 'E8', (e, a, b) => e.v128.i8x16SubSatS(a, b)),
  packed('psubsw', 'E9', (e, a, b) => e.v128.i16x8SubSatS(a, b)),
  packed('pminsw', 'EA', (e, a, b) => e.v128.i16x8MinS(a, b), { mmx: 'sse' }),
  packed('por', 'EB', (e, a, b) => e.v128.or(a, b)),
  packed('paddsb', 'EC', (e, a, b) => e.v128.i8x16AddSatS(a, b)),
  packed('paddsw', 'ED', (e, a, b) => e.v128.i16x8AddSatS(a, b)),
  packed('pmaxsw', 'EE', (e, a, b) => e.v128.i16x8MaxS(a, b), { mmx: 'sse' }),
  packed('pxor', 'EF', (e, a, b) => e.v128.xor(a, b)),
  packed('pmuludq', 'F4', (e, a, b) => e.v128.i64x2ExtmulLowI32x4U(evenDwords(e, a), evenDwords(e, b)), {
    mmx: 'sse2',
  }),
  packed('pmaddwd', 'F5', (e, a, b) => e.v128.i32x4DotI16x8S(a, b)),
  packed('psadbw', 'F6', sumOfDifferences, { mmx: 'sse' }),
  packed('psubb', 'F8', (e, a, b) => e.v128.i8x16Sub(a, b)),
  packed('psubw', 'F9', (e, a, b) => e.v128.i16x8Sub(a, b)),
  packed('psubd', 'FA', (e, a, b) => e.v128.i32x4Sub(a, b)),
  packed('psubq', 'FB', (e, a, b) => e.v128.i64x2Sub(a, b), { mmx: 'sse2' }),
  packed('paddb', 'FC', (e, a, b) => e.v128.i8x16Add(a, b)),
  packed('paddw', 'FD', (e, a, b) => e.v128.i16x8Add(a, b)),
  packed('paddd', 'FE', (e, a, b) => e.v128.i32x4Add(a, b)),
].flat();
