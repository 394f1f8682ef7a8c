/** Shifts of vector elements, by a register, memory or an immediate (SDM Vol. 2, PSLLW, PSRAW, PSRLW). */
import type { Emitter } from '../emit/emitter.ts';
import type { Insn } from './insn.ts';
import { insn } from './insn.ts';
import { count as bytesFrom, enterMmx, loadVector, lowHalf, zeroVector } from './simd.ts';

type Shift = 'Shl' | 'ShrU' | 'ShrS';
const SHAPE = { 16: 'i16x8', 32: 'i32x4', 64: 'i64x2' } as const;
type Width = keyof typeof SHAPE;

/** A count (i64) beyond the element clears it, or fills it with its sign. */
function shift<V>(e: Emitter<V>, kind: Shift, width: Width, value: V, count: V): V {
  const operation = e.v128[`${SHAPE[width]}${kind}`];
  const amount = e.i64.wrap(count);
  const beyond = e.i64.geU(count, e.const64(BigInt(width)));
  if (kind === 'ShrS') return operation(value, e.select(beyond, e.const(width - 1), amount));
  return e.select(beyond, zeroVector(e), operation(value, amount));
}

function shifts(name: string, kind: Shift, width: Width, opcode: string, group: string): Insn[] {
  const mmx = insn(
    name,
    { feature: 'mmx', waits: true },
    [`NP 0F ${opcode} /r Pq,Qq`, `NP 0F ${group} Nq,Ib`],
    (e, dst, src) => {
      const count = src.kind === 'immediate' ? e.i64.extendU(e.load(src)) : e.load(src);
      const result = lowHalf(e, shift(e, kind, width, e.v128.i64x2Splat(e.load(dst)), count));
      enterMmx(e);
      e.store(dst, result);
    },
  );
  const xmm = insn(
    name,
    { feature: 'sse2' },
    [`66 0F ${opcode} /r Vdq,Wdq`, `66 0F ${group} Udq,Ib`],
    (e, dst, src) => {
      const count = src.kind === 'immediate' ? e.i64.extendU(e.load(src)) : lowHalf(e, loadVector(e, src));
      e.store(dst, shift(e, kind, width, e.load(dst), count));
    },
  );
  return [mmx, xmm];
}

/** Bytes of the whole register: each takes the byte `direction * count` places further, or 0. */
function shiftBytes(name: string, group: string, direction: 1 | -1): Insn {
  return insn(name, { feature: 'sse2' }, [`66 0F ${group} Udq,Ib`], (e, dst, src) => {
    const imm = e.load(src);
    const amount = e.v128.i8x16Splat(e.select(e.gtU(imm, e.const(15)), e.const(16), imm));
    const places = e.constV128(bytesFrom(0, 16));
    const from = direction === 1 ? e.v128.i8x16Add(places, amount) : e.v128.i8x16Sub(places, amount);
    e.store(dst, e.v128.swizzle(e.load(dst), from));
  });
}

export const shiftInsns: readonly Insn[] = [
  shifts('psrlw', 'ShrU', 16, 'D1', '71 /2'),
  shifts('psrld', 'ShrU', 32, 'D2', '72 /2'),
  shifts('psrlq', 'ShrU', 64, 'D3', '73 /2'),
  shifts('psraw', 'ShrS', 16, 'E1', '71 /4'),
  shifts('psrad', 'ShrS', 32, 'E2', '72 /4'),
  shifts('psllw', 'Shl', 16, 'F1', '71 /6'),
  shifts('pslld', 'Shl', 32, 'F2', '72 /6'),
  shifts('psllq', 'Shl', 64, 'F3', '73 /6'),
  shiftBytes('psrldq', '73 /3', 1),
  shiftBytes('pslldq', '73 /7', -1),
].flat();
