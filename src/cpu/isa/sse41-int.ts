/** SSE4.1: integers, insertion and extraction (SDM Vol. 1, section 12.10). */
import type { Emitter } from '../emit/emitter.ts';
import type { Insn } from './insn.ts';
import { insn } from './insn.ts';
import { evenDwords, packedXmm } from './mmx-int.ts';
import { count, elementAt, laneMask, lanes, loadVector, zeroVector } from './simd.ts';

const sse41 = { feature: 'sse4.1' } as const;
type Vector = <V>(e: Emitter<V>, v: V) => V;

/** PMOVSX, PMOVZX: `size` bytes of the source become 16. */
function extend(name: string, opcode: string, size: 2 | 4 | 8, widen: Vector): Insn {
  const width = { 2: 'w', 4: 'd', 8: 'q' }[size];
  return insn(name, sse41, [`66 0F 38 ${opcode} /r Vdq,W${width}`], (e, dst, src) => {
    const low = e.loadLow(src, size);
    const vector = size === 8 ? e.v128.i64x2Splat(low) : e.v128.i32x4Splat(low);
    e.store(dst, widen(e, vector));
  });
}

const signed = {
  b: (e, v) => e.v128.i16x8ExtendLowI8x16S(v),
  w: (e, v) => e.v128.i32x4ExtendLowI16x8S(v),
  d: (e, v) => e.v128.i64x2ExtendLowI32x4S(v),
} satisfies Record<string, Vector>;
const unsigned = {
  b: (e, v) => e.v128.i16x8ExtendLowI8x16U(v),
  w: (e, v) => e.v128.i32x4ExtendLowI16x8U(v),
  d: (e, v) => e.v128.i64x2ExtendLowI32x4U(v),
} satisfies Record<string, Vector>;

function extensions(name: string, row: '2' | '3', { b, w, d }: Record<'b' | 'w' | 'd', Vector>): Insn[] {
  return [
    extend(`${name}bw`, `${row}0`, 8, b),
    extend(`${name}bd`, `${row}1`, 4, (e, v) => w(e, b(e, v))),
    extend(`${name}bq`, `${row}2`, 2, (e, v) => d(e, w(e, b(e, v)))),
    extend(`${name}wd`, `${row}3`, 8, w),
    extend(`${name}wq`, `${row}4`, 4, (e, v) => d(e, w(e, v))),
    extend(`${name}dq`, `${row}5`, 8, d),
  ];
}

/** PEXTRB, PEXTRW to r/m, PEXTRD and EXTRACTPS. */
function extract(name: string, opcode: string, size: 1 | 2 | 4, rows: readonly string[]): Insn {
  return insn(
    name,
    sse41,
    rows.map((row) => `66 0F 3A ${opcode} ${row},Vdq,Ib`),
    (e, dst, src, imm) => {
      const lane = e.and(e.load(imm), e.const(16 / size - 1));
      e.store(dst, e.zext(e.i64.wrap(elementAt(e, e.load(src), size, lane)), size));
    },
  );
}

function insert(name: string, opcode: string, size: 1 | 4, rows: readonly string[]): Insn {
  const shape = size === 1 ? 'i8x16' : 'i32x4';
  return insn(
    name,
    sse41,
    rows.map((row) => `66 0F 3A ${opcode} ${row},Ib`),
    (e, dst, src, imm) => {
      const value = e.v128[`${shape}Splat`](e.loadLow(src, size));
      const lane = e.and(e.load(imm), e.const(16 / size - 1));
      e.store(dst, e.v128.bitselect(value, e.load(dst), laneMask(e, size, lane)));
    },
  );
}

/** All ones in lanes whose bit of the immediate is set. */
export function immediateMask<V>(e: Emitter<V>, imm: V, size: 2 | 4 | 8): V {
  const shape = size === 2 ? 'i16x8' : 'i32x4';
  const step = size === 8 ? 4 : size;
  const bits = Array.from({ length: 16 }, (_, i) => (i % step === 0 ? 1 << Math.floor(i / size) : 0));
  const chosen = e.constV128(bits);
  return e.v128[`${shape}Eq`](e.v128.and(e.v128[`${shape}Splat`](imm), chosen), chosen);
}

/** Sums of four absolute differences of bytes, of eight neighbouring quadruples with one. */
function multiSad<V>(e: Emitter<V>, a: V, b: V, imm: V): V {
  const { swizzle, i8x16Add, i8x16Splat, i16x8ExtendLowI8x16U, i16x8Abs, i16x8Sub, i16x8Add } = e.v128;
  const fromA = i8x16Splat(e.and(imm, e.const(4))),
    fromB = i8x16Splat(e.shl(e.and(imm, e.const(3)), e.const(2)));
  let sums = zeroVector(e);
  for (let k = 0; k < 4; k++) {
    const window = i16x8ExtendLowI8x16U(swizzle(a, i8x16Add(e.constV128(count(k, 16)), fromA)));
    const fixed = i16x8ExtendLowI8x16U(swizzle(b, i8x16Add(lanes(e, 1, BigInt(k)), fromB)));
    sums = i16x8Add(sums, i16x8Abs(i16x8Sub(window, fixed)));
  }
  return sums;
}

/** The least unsigned word and its number, the lowest where several are equal. */
function leastWord<V>(e: Emitter<V>, v: V): V {
  let best = e.const(0x7fff_ffff);
  for (let lane = 0; lane < 8; lane++) {
    const one = e.or(e.shl(e.v128.extractLane('i16x8', v, lane), e.const(3)), e.const(lane));
    best = e.select(e.ltU(one, best), one, best);
  }
  const packed = e.or(e.shrU(best, e.const(3)), e.shl(e.and(best, e.const(7)), e.const(16)));
  return e.v128.replaceLane('i32x4', zeroVector(e), 0, packed);
}

const isZero = <V>(e: Emitter<V>, v: V): V => e.eqz(e.v128.anyTrue(v));

export const sse41Integers: readonly Insn[] = [
  insn('ptest', sse41, ['66 0F 38 17 /r Vdq,Wdq'], (e, dst, src) => {
    const b = loadVector(e, src),
      a = e.load(dst);
    const zero = e.const(0);
    const cf = isZero(e, e.v128.andnot(b, a));
    e.flags.set({ zf: isZero(e, e.v128.and(a, b)), cf, pf: zero, af: zero, sf: zero, of: zero });
  }),
  ...extensions('pmovsx', '2', signed),
  ...extensions('pmovzx', '3', unsigned),
  packedXmm('pmuldq', '38 28', (e, a, b) => e.v128.i64x2ExtmulLowI32x4S(evenDwords(e, a), evenDwords(e, b)), 'sse4.1'),
  packedXmm('pcmpeqq', '38 29', (e, a, b) => e.v128.i64x2Eq(a, b), 'sse4.1'),
  insn('movntdqa', sse41, ['66 0F 38 2A /r Vdq,Mdq'], (e, dst, src) => e.store(dst, loadVector(e, src))),
  packedXmm('packusdw', '38 2B', (e, a, b) => e.v128.i16x8NarrowI32x4U(a, b), 'sse4.1'),
  packedXmm('pminsb', '38 38', (e, a, b) => e.v128.i8x16MinS(a, b), 'sse4.1'),
  packedXmm('pminsd', '38 39', (e, a, b) => e.v128.i32x4MinS(a, b), 'sse4.1'),
  packedXmm('pminuw', '38 3A', (e, a, b) => e.v128.i16x8MinU(a, b), 'sse4.1'),
  packedXmm('pminud', '38 3B', (e, a, b) => e.v128.i32x4MinU(a, b), 'sse4.1'),
  packedXmm('pmaxsb', '38 3C', (e, a, b) => e.v128.i8x16MaxS(a, b), 'sse4.1'),
  packedXmm('pmaxsd', '38 3D', (e, a, b) => e.v128.i32x4MaxS(a, b), 'sse4.1'),
  packedXmm('pmaxuw', '38 3E', (e, a, b) => e.v128.i16x8MaxU(a, b), 'sse4.1'),
  packedXmm('pmaxud', '38 3F', (e, a, b) => e.v128.i32x4MaxU(a, b), 'sse4.1'),
  packedXmm('pmulld', '38 40', (e, a, b) => e.v128.i32x4Mul(a, b), 'sse4.1'),
  packedXmm('phminposuw', '38 41', (e, _a, b) => leastWord(e, b), 'sse4.1'),
  insn('pblendw', sse41, ['66 0F 3A 0E /r Vdq,Wdq,Ib'], (e, dst, src, imm) => {
    const b = loadVector(e, src);
    e.store(dst, e.v128.bitselect(b, e.load(dst), immediateMask(e, e.load(imm), 2)));
  }),
  extract('pextrb', '14', 1, ['/rr Rd', '/rm Mb']),
  extract('pextrw', '15', 2, ['/rr Rd', '/rm Mw']),
  extract('pextrd', '16', 4, ['/r Ed']),
  extract('extractps', '17', 4, ['/r Ed']),
  insert('pinsrb', '20', 1, ['/rr Vdq,Rd', '/rm Vdq,Mb']),
  insert('pinsrd', '22', 4, ['/r Vdq,Ed']),
  insn('mpsadbw', sse41, ['66 0F 3A 42 /r Vdq,Wdq,Ib'], (e, dst, src, imm) => {
    const b = loadVector(e, src);
    e.store(dst, multiSad(e, e.load(dst), b, e.load(imm)));
  }),
];
