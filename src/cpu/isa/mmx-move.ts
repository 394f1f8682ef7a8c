/** MMX: moves, word insertion and extraction, masks (SDM Vol. 1, sections 9.4.1 and 10.4.4). */
import type { Emitter, Operand } from '../emit/emitter.ts';
import { STATE } from '../state.ts';
import type { Insn } from './insn.ts';
import { insn } from './insn.ts';
import { enterMmx, lowHalf } from './simd.ts';
import { shuffleLanes } from './sse-shuffle.ts';
import { maskedStore } from './sse-stream.ts';

const mmxOption = { feature: 'mmx', waits: true } as const;
const sseOption = { feature: 'sse', waits: true } as const;

function writeMmx<V>(e: Emitter<V>, dst: Operand, value: V): void {
  enterMmx(e);
  e.store(dst, value);
}

/** TOP is 0 even after a store that faults, as on Intel's processors. */
function storeFromMmx<V>(e: Emitter<V>, dst: Operand, value: V): void {
  e.setState(STATE.fpuTop, e.const(0));
  e.store(dst, value);
  enterMmx(e);
}

/** Bit offset of the word that the immediate's low two bits choose. */
const wordOffset = <V>(e: Emitter<V>, imm: V): V => e.i64.extendU(e.shl(e.and(imm, e.const(3)), e.const(4)));

export const mmxMoves: readonly Insn[] = [
  insn('movd', mmxOption, ['NP 0F 6E /r Pq,Ed'], (e, dst, src) => writeMmx(e, dst, e.i64.extendU(e.load(src)))),
  insn('movd', mmxOption, ['NP 0F 7E /r Ed,Pq'], (e, dst, src) => {
    storeFromMmx(e, dst, e.i64.wrap(e.load(src)));
  }),
  insn('movq', mmxOption, ['NP 0F 6F /r Pq,Qq'], (e, dst, src) => writeMmx(e, dst, e.load(src))),
  insn('movq', mmxOption, ['NP 0F 7F /r Qq,Pq'], (e, dst, src) => {
    storeFromMmx(e, dst, e.load(src));
  }),
  insn('movntq', sseOption, ['NP 0F E7 /r Mq,Pq'], (e, dst, src) => {
    storeFromMmx(e, dst, e.load(src));
  }),
  insn('emms', mmxOption, ['NP 0F 77'], (e) => {
    e.setState(STATE.fpuTop, e.const(0));
    e.setState(STATE.fpuEmpty, e.const64(0x0101_0101_0101_0101n), 'i64');
  }),
  insn('pshufw', sseOption, ['NP 0F 70 /r Pq,Qq,Ib'], (e, dst, src, imm) => {
    const words = e.v128.i64x2Splat(e.load(src));
    writeMmx(e, dst, lowHalf(e, shuffleLanes(e, words, e.load(imm), 'low words')));
  }),
  insn('pinsrw', sseOption, ['NP 0F C4 /r Pq,Ew,Ib'], (e, dst, src, imm) => {
    const { shl, and, or, xor } = e.i64;
    const offset = wordOffset(e, e.load(imm));
    const word = shl(e.i64.extendU(e.loadLow(src, 2)), offset);
    const hole = xor(shl(e.const64(0xffffn), offset), e.const64(-1n));
    writeMmx(e, dst, or(and(e.load(dst), hole), word));
  }),
  insn('pextrw', sseOption, ['NP 0F C5 /r Gd,Nq,Ib'], (e, dst, src, imm) => {
    const word = e.i64.wrap(e.i64.shrU(e.load(src), wordOffset(e, e.load(imm))));
    e.store(dst, e.and(word, e.const(0xffff)));
    enterMmx(e);
  }),
  insn('pmovmskb', sseOption, ['NP 0F D7 /r Gd,Nq'], (e, dst, src) => {
    const mask = e.v128.i8x16Bitmask(e.v128.i64x2Splat(e.load(src)));
    e.store(dst, e.and(mask, e.const(0xff)));
    enterMmx(e);
  }),
  insn('maskmovq', sseOption, ['NP 0F F7 /r Pq,Nq'], (e, src, mask) => {
    const bits = e.v128.i8x16Bitmask(e.v128.i64x2Splat(e.load(mask)));
    // Even where the store faults, as on Intel's processors.
    enterMmx(e);
    maskedStore(e, e.v128.i64x2Splat(e.load(src)), e.and(bits, e.const(0xff)), 8);
  }),
];
