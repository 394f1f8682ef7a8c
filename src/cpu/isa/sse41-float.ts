/** SSE4.1: rounding, dot products, blends and insertion of floats (SDM Vol. 1, section 12.10). */
import type { Emitter } from '../emit/emitter.ts';
import { addFloat } from '../float/add.ts';
import type { Format } from '../float/format.ts';
import { BINARY32, BINARY64 } from '../float/format.ts';
import { mulFloat } from '../float/mul.ts';
import { raise } from '../float/mxcsr.ts';
import { roundFloat } from '../float/round-integer.ts';
import { getLane, laneCount, scalar, setLane } from '../float/vector.ts';
import { STATE } from '../state.ts';
import type { Insn } from './insn.ts';
import { insn } from './insn.ts';
import { elementAt, laneMask, loadVector, zeroVector } from './simd.ts';
import { immediateMask } from './sse41-int.ts';

const sse41 = { feature: 'sse4.1' } as const;

function roundScalar(name: string, opcode: string, f: Format, width: 'ss' | 'sd'): Insn {
  return insn(name, sse41, [`66 0F 3A ${opcode} /r V${width},W${width},Ib`], (e, dst, src, imm) => {
    const s = scalar(e, f);
    const [bits, flags] = e.call(roundFloat[f.name], s.widen(e.loadLow(src, f.size)), e.load(imm));
    raise(e, flags);
    e.storeLow(dst, s.narrow(bits), f.size);
  });
}

function roundPacked(name: string, opcode: string, f: Format): Insn {
  return insn(name, sse41, [`66 0F 3A ${opcode} /r Vdq,Wdq,Ib`], (e, dst, src, imm) => {
    let result = loadVector(e, src);
    let flags = e.const(0);
    for (let lane = 0; lane < laneCount(f); lane++) {
      const [bits, raised] = e.call(roundFloat[f.name], getLane(e, f, result, lane), e.load(imm));
      result = setLane(e, f, result, lane, bits);
      flags = e.or(flags, raised);
    }
    raise(e, flags);
    e.store(dst, result);
  });
}

/** The lanes' products where the immediate asks for them, +0 elsewhere; then their flags. */
function maskedProducts<V>(e: Emitter<V>, f: Format, a: V, b: V, imm: V): [V[], V] {
  const products: V[] = [];
  let flags = e.const(0);
  for (let lane = 0; lane < laneCount(f); lane++) {
    const product = e.variable('i64', e.const64(0n));
    const raised = e.variable('i32', e.const(0));
    e.if(e.and(imm, e.const(0x10 << lane)), () => {
      const [bits, one] = e.call(mulFloat[f.name], getLane(e, f, a, lane), getLane(e, f, b, lane));
      product.set(bits);
      raised.set(one);
    });
    products.push(product.get());
    flags = e.or(flags, raised.get());
  }
  return [products, flags];
}

/**
 * Every lane adds its partner at a distance of 1, then of 2, so that all end with the sum. Which of two NaNs comes through
 * differs by lane: its own, but its neighbour's in DPPS's first step (found on hardware). Each step raises its flags
 * before the next begins.
 */
function sumAcross<V>(e: Emitter<V>, f: Format, terms: V[], distance: number): V[] {
  if (distance === terms.length) return terms;
  let flags = e.const(0);
  const sums = terms.map((term, lane) => {
    const pair = [term, terms[lane ^ distance]];
    const [first, second] = f.size === 4 && distance === 1 ? pair.reverse() : pair;
    const [bits, raised] = e.call(addFloat[f.name], first, second, e.const64(0n));
    flags = e.or(flags, raised);
    return bits;
  });
  raise(e, flags);
  return sumAcross(e, f, sums, distance * 2);
}

function dotProduct(name: string, opcode: string, f: Format): Insn {
  return insn(name, sse41, [`66 0F 3A ${opcode} /r Vdq,Wdq,Ib`], (e, dst, src, immediate) => {
    const b = loadVector(e, src);
    const imm = e.load(immediate);
    const [products, flags] = maskedProducts(e, f, e.load(dst), b, imm);
    raise(e, flags);
    const sums = sumAcross(e, f, products, 1);
    const all = sums.reduce((v, bits, lane) => setLane(e, f, v, lane, bits), zeroVector(e));
    e.store(dst, e.v128.and(all, immediateMask(e, imm, f.size)));
  });
}

/** Blends by the sign of each element of xmm0. */
function blendBySign(name: string, opcode: string, shape: 'i8x16' | 'i32x4' | 'i64x2', bits: 8 | 32 | 64): Insn {
  return insn(name, sse41, [`66 0F 38 ${opcode} /r Vdq,Wdq`], (e, dst, src) => {
    const b = loadVector(e, src);
    const mask = e.v128[`${shape}ShrS`](e.state(STATE.xmm, 'v128'), e.const(bits - 1));
    e.store(dst, e.v128.bitselect(b, e.load(dst), mask));
  });
}

function blendByImmediate(name: string, opcode: string, size: 4 | 8): Insn {
  return insn(name, sse41, [`66 0F 3A ${opcode} /r Vdq,Wdq,Ib`], (e, dst, src, imm) => {
    const b = loadVector(e, src);
    e.store(dst, e.v128.bitselect(b, e.load(dst), immediateMask(e, e.load(imm), size)));
  });
}

export const sse41Floats: readonly Insn[] = [
  blendBySign('pblendvb', '10', 'i8x16', 8),
  blendBySign('blendvps', '14', 'i32x4', 32),
  blendBySign('blendvpd', '15', 'i64x2', 64),
  roundPacked('roundps', '08', BINARY32),
  roundPacked('roundpd', '09', BINARY64),
  roundScalar('roundss', '0A', BINARY32, 'ss'),
  roundScalar('roundsd', '0B', BINARY64, 'sd'),
  blendByImmediate('blendps', '0C', 4),
  blendByImmediate('blendpd', '0D', 8),
  insn('insertps', sse41, ['66 0F 3A 21 /r Vps,Wss,Ib'], (e, dst, src, immediate) => {
    const imm = e.load(immediate);
    const from = e.shrU(imm, e.const(6)),
      to = e.and(e.shrU(imm, e.const(4)), e.const(3));
    const value = e.isMemory(src) ? e.loadLow(src, 4) : e.i64.wrap(elementAt(e, e.load(src), 4, from));
    const inserted = e.v128.bitselect(e.v128.i32x4Splat(value), e.load(dst), laneMask(e, 4, to));
    e.store(dst, e.v128.bitselect(zeroVector(e), inserted, immediateMask(e, imm, 4)));
  }),
  dotProduct('dpps', '40', BINARY32),
  dotProduct('dppd', '41', BINARY64),
];
