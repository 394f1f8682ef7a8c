/** Moves between XMM registers, memory, general and MMX registers; logic on whole registers. */
import type { Emitter } from '../emit/emitter.ts';
import type { Body, Feature, Insn } from './insn.ts';
import { insn } from './insn.ts';
import {
  elementAt,
  enterMmx,
  fromHalves,
  fromLow,
  highHalf,
  laneMask,
  loadVector,
  lowHalf,
  zeroVector,
} from './simd.ts';

/** Load and store forms of a move of 16 bytes. */
function wholeMoves(
  name: string,
  prefix: string,
  load: string,
  store: string,
  feature: Feature,
  aligned: boolean,
): Insn {
  return insn(
    name,
    { feature },
    [`${prefix} 0F ${load} /r Vdq,Wdq`, `${prefix} 0F ${store} /r Wdq,Vdq`],
    (e, dst, src) => {
      if (aligned) {
        e.requireAligned(src, 16);
        e.requireAligned(dst, 16);
      }
      e.store(dst, e.load(src));
    },
  );
}

/** MOVSS, MOVSD: from memory with zeros above, between registers and to memory the low element only. */
function scalarMove(name: string, prefix: string, width: 'ss' | 'sd', feature: Feature): Insn {
  const size = width === 'ss' ? 4 : 8;
  const rows = [`${prefix} 0F 10 /r V${width},W${width}`, `${prefix} 0F 11 /r W${width},V${width}`];
  return insn(name, { feature }, rows, (e, dst, src) => {
    if (e.isMemory(src)) e.store(dst, e.loadExtended(src, size));
    else e.storeLow(dst, e.loadLow(src, size), size);
  });
}

/** MOVLPS, MOVHPS and their PD twins: one half from or to memory. */
function halfMove(name: string, prefix: string, opcodes: [string, string], half: 0 | 1, feature: Feature): Insn[] {
  const [load, store] = opcodes;
  return [
    insn(name, { feature }, [`${prefix} 0F ${load} /rm Vdq,Mq`], (e, dst, src) => {
      const value = e.load(src);
      if (half === 0) e.storeLow(dst, value, 8);
      else e.store(dst, fromHalves(e, lowHalf(e, e.load(dst)), value));
    }),
    insn(name, { feature }, [`${prefix} 0F ${store} /rm Mq,Vdq`], (e, dst, src) =>
      e.store(dst, half === 0 ? e.loadLow(src, 8) : highHalf(e, e.load(src))),
    ),
  ];
}

type Logic = <V>(e: Emitter<V>, a: V, b: V) => V;
function logic(name: string, opcode: string, operation: Logic): Insn[] {
  const body: Body = (e, dst, src) => {
    const b = loadVector(e, src);
    e.store(dst, operation(e, e.load(dst), b));
  };
  return [
    insn(`${name}ps`, { feature: 'sse' }, [`NP 0F ${opcode} /r Vps,Wps`], body),
    insn(`${name}pd`, { feature: 'sse2' }, [`66 0F ${opcode} /r Vpd,Wpd`], body),
  ];
}

export const moves: readonly Insn[] = [
  wholeMoves('movups', 'NP', '10', '11', 'sse', false),
  wholeMoves('movupd', '66', '10', '11', 'sse2', false),
  wholeMoves('movaps', 'NP', '28', '29', 'sse', true),
  wholeMoves('movapd', '66', '28', '29', 'sse2', true),
  wholeMoves('movdqa', '66', '6F', '7F', 'sse2', true),
  wholeMoves('movdqu', 'F3', '6F', '7F', 'sse2', false),
  scalarMove('movss', 'F3', 'ss', 'sse'),
  scalarMove('movsd', 'F2', 'sd', 'sse2'),
  ...halfMove('movlps', 'NP', ['12', '13'], 0, 'sse'),
  ...halfMove('movlpd', '66', ['12', '13'], 0, 'sse2'),
  ...halfMove('movhps', 'NP', ['16', '17'], 1, 'sse'),
  ...halfMove('movhpd', '66', ['16', '17'], 1, 'sse2'),
  insn('movhlps', { feature: 'sse' }, ['NP 0F 12 /rr Vps,Ups'], (e, dst, src) =>
    e.storeLow(dst, highHalf(e, e.load(src)), 8),
  ),
  insn('movlhps', { feature: 'sse' }, ['NP 0F 16 /rr Vps,Ups'], (e, dst, src) =>
    e.store(dst, fromHalves(e, e.loadLow(dst, 8), e.loadLow(src, 8))),
  ),
  insn('movd', { feature: 'sse2' }, ['66 0F 6E /r Vdq,Ed'], (e, dst, src) =>
    e.store(dst, e.v128.replaceLane('i32x4', zeroVector(e), 0, e.load(src))),
  ),
  insn('movd', { feature: 'sse2' }, ['66 0F 7E /r Ed,Vdq'], (e, dst, src) => e.store(dst, e.loadLow(src, 4))),
  insn('movq', { feature: 'sse2' }, ['F3 0F 7E /r Vdq,Wq'], (e, dst, src) => e.store(dst, e.loadExtended(src, 8))),
  insn('movq', { feature: 'sse2' }, ['66 0F D6 /r Wq,Vdq'], (e, dst, src) => {
    const value = e.loadLow(src, 8);
    if (e.isMemory(dst)) e.store(dst, value);
    else e.store(dst, fromLow(e, value));
  }),
  insn('movq2dq', { feature: 'sse2', waits: true }, ['F3 0F D6 /rr Vdq,Nq'], (e, dst, src) => {
    e.store(dst, fromLow(e, e.load(src)));
    enterMmx(e);
  }),
  insn('movdq2q', { feature: 'sse2', waits: true }, ['F2 0F D6 /rr Pq,Udq'], (e, dst, src) => {
    enterMmx(e);
    e.store(dst, e.loadLow(src, 8));
  }),
  insn('movmskps', { feature: 'sse' }, ['NP 0F 50 /rr Gd,Ups'], (e, dst, src) =>
    e.store(dst, e.v128.i32x4Bitmask(e.load(src))),
  ),
  insn('movmskpd', { feature: 'sse2' }, ['66 0F 50 /rr Gd,Upd'], (e, dst, src) =>
    e.store(dst, e.v128.i64x2Bitmask(e.load(src))),
  ),
  insn('pmovmskb', { feature: 'sse2' }, ['66 0F D7 /rr Gd,Udq'], (e, dst, src) =>
    e.store(dst, e.v128.i8x16Bitmask(e.load(src))),
  ),
  ...logic('and', '54', (e, a, b) => e.v128.and(a, b)),
  ...logic('andn', '55', (e, a, b) => e.v128.andnot(b, a)),
  ...logic('or', '56', (e, a, b) => e.v128.or(a, b)),
  ...logic('xor', '57', (e, a, b) => e.v128.xor(a, b)),
  insn('pinsrw', { feature: 'sse2' }, ['66 0F C4 /r Vdq,Ew,Ib'], (e, dst, src, imm) => {
    const word = e.v128.i16x8Splat(e.loadLow(src, 2));
    e.store(dst, e.v128.bitselect(word, e.load(dst), laneMask(e, 2, e.and(e.load(imm), e.const(7)))));
  }),
  insn('pextrw', { feature: 'sse2' }, ['66 0F C5 /r Gd,Udq,Ib'], (e, dst, src, imm) =>
    e.store(dst, e.and(e.i64.wrap(elementAt(e, e.load(src), 2, e.load(imm))), e.const(0xffff))),
  ),
];
