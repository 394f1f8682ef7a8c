/** CMPPS and its kin, COMISS, UCOMISS (SDM Vol. 2, CMPPD; table 3-1 for the predicates). */
import type { Emitter, Operand } from '../emit/emitter.ts';
import type { Routine } from '../emit/routine.ts';
import { routine } from '../emit/routine.ts';
import { compareFloat } from '../float/compare.ts';
import type { Format } from '../float/format.ts';
import { BINARY32, BINARY64 } from '../float/format.ts';
import { raise } from '../float/mxcsr.ts';
import {
  denormalLanes,
  getLane,
  isNotDenormal,
  laneCount,
  loadScalar,
  scalar,
  setLane,
  vector,
} from '../float/vector.ts';
import type { Feature, Insn } from './insn.ts';
import { insn } from './insn.ts';
import { loadVector } from './simd.ts';

/** (a, b, whether quiet NaNs signal) -> [a, b as DAZ leaves them, flags]. */
function compareLanes(f: Format): Routine {
  return routine(
    `${f.name}_compare_lanes`,
    ['v128', 'v128', 'i32'],
    ['v128', 'v128', 'i32'],
    (e, a, b, quietSignals) => {
      let outA = a,
        outB = b,
        flags = e.const(0);
      for (let lane = 0; lane < laneCount(f); lane++) {
        const [x, y, raised] = e.call(
          compareFloat[f.name],
          getLane(e, f, a, lane),
          getLane(e, f, b, lane),
          quietSignals,
        );
        outA = setLane(e, f, outA, lane, x);
        outB = setLane(e, f, outB, lane, y);
        flags = e.or(flags, raised);
      }
      return [outA, outB, flags];
    },
  );
}
const compareVectors: Record<Format['name'], Routine> = { f32: compareLanes(BINARY32), f64: compareLanes(BINARY64) };

/** Predicates 1, 2, 5 and 6 (LT, LE, NLT, NLE) are invalid for quiet NaNs too. */
const quietSignals = <V>(e: Emitter<V>, predicate: V): V => {
  const low = e.and(predicate, e.const(3));
  return e.and(e.xor(low, e.shrU(low, e.const(1))), e.const(1));
};

/**
 * How two numbers relate: a <= b is bit 0, a >= b bit 1, so that 0 is unordered, 1 less, 2 greater, 3 equal. One nibble
 * per predicate, from EQ upwards, says for which relations it holds.
 */
const HOLDS = 0xe5d7_1a28 | 0;

function packedCompare(f: Format, row: string, name: string, feature: Feature): Insn {
  return insn(name, { feature }, [row], (e, dst, src, imm) => {
    const v = vector(e, f);
    const b0 = loadVector(e, src);
    const a = e.variable('v128', e.load(dst)),
      b = e.variable('v128', b0);
    const predicate = e.and(e.load(imm), e.const(7));
    const unordered = e.v128.or(v.ne(a.get(), a.get()), v.ne(b.get(), b.get()));
    const denormal = e.v128.or(denormalLanes(e, f, a.get()), denormalLanes(e, f, b.get()));
    e.if(e.v128.anyTrue(e.v128.or(denormal, unordered)), () => {
      const [x, y, flags] = e.call(compareVectors[f.name], a.get(), b.get(), quietSignals(e, predicate));
      raise(e, flags);
      a.set(x);
      b.set(y);
    });
    const notGreater = v.le(a.get(), b.get()),
      notLess = v.le(b.get(), a.get());
    const holds = e.shrU(e.const(HOLDS), e.shl(predicate, e.const(2)));
    const { bitselect, i8x16Splat } = e.v128;
    const where = (relation: number): typeof b0 =>
      i8x16Splat(e.sub(e.const(0), e.and(e.shrU(holds, e.const(relation)), e.const(1))));
    e.store(dst, bitselect(bitselect(where(3), where(1), notLess), bitselect(where(2), where(0), notLess), notGreater));
  });
}

/** The relation of two scalar operands (see HOLDS), with the flags of comparing them raised. */
function relate<V>(e: Emitter<V>, f: Format, dst: Operand, src: Operand, signals: () => V): V {
  const s = scalar(e, f);
  const { bits: bBits, float: b } = loadScalar(e, f, src);
  const { bits: aBits, float: a } = loadScalar(e, f, dst);
  const relation = (x: V, y: V): V => e.or(s.le(x, y), e.shl(s.ge(x, y), e.const(1)));
  const out = e.variable('i32', relation(a, b));
  const normal = e.and(isNotDenormal(e, f, aBits), isNotDenormal(e, f, bBits));
  e.if(e.eqz(e.and(normal, e.ne(out.get(), e.const(0)))), () => {
    const [x, y, flags] = e.call(compareFloat[f.name], s.widen(aBits), s.widen(bBits), signals());
    raise(e, flags);
    out.set(relation(s.of(s.narrow(x)), s.of(s.narrow(y))));
  });
  return out.get();
}

function scalarCompare(f: Format, row: string, name: string, feature: Feature): Insn {
  return insn(name, { feature }, [row], (e, dst, src, imm) => {
    const predicate = e.and(e.load(imm), e.const(7));
    const relation = relate(e, f, dst, src, () => quietSignals(e, predicate));
    const place = e.add(e.shl(predicate, e.const(2)), relation);
    const mask = e.sub(e.const(0), e.and(e.shrU(e.const(HOLDS), place), e.const(1)));
    e.storeLow(dst, f.size === 8 ? e.i64.extendS(mask) : mask, f.size);
  });
}

/** ZF PF CF: 000 greater, 001 less, 100 equal, 111 unordered. */
function flagCompare(f: Format, row: string, name: string, feature: Feature, signals: 0 | 1): Insn {
  return insn(name, { feature }, [row], (e, dst, src) => {
    const relation = relate(e, f, dst, src, () => e.const(signals));
    const zero = e.const(0);
    e.flags.set({
      cf: e.ltU(relation, e.const(2)),
      zf: e.eqz(e.and(e.add(relation, e.const(1)), e.const(2))),
      pf: e.eqz(relation),
      af: zero,
      sf: zero,
      of: zero,
    });
  });
}

export const compares: readonly Insn[] = [
  packedCompare(BINARY32, 'NP 0F C2 /r Vps,Wps,Ib', 'cmpps', 'sse'),
  packedCompare(BINARY64, '66 0F C2 /r Vpd,Wpd,Ib', 'cmppd', 'sse2'),
  scalarCompare(BINARY32, 'F3 0F C2 /r Vss,Wss,Ib', 'cmpss', 'sse'),
  scalarCompare(BINARY64, 'F2 0F C2 /r Vsd,Wsd,Ib', 'cmpsd', 'sse2'),
  flagCompare(BINARY32, 'NP 0F 2E /r Vss,Wss', 'ucomiss', 'sse', 0),
  flagCompare(BINARY64, '66 0F 2E /r Vsd,Wsd', 'ucomisd', 'sse2', 0),
  flagCompare(BINARY32, 'NP 0F 2F /r Vss,Wss', 'comiss', 'sse', 1),
  flagCompare(BINARY64, '66 0F 2F /r Vsd,Wsd', 'comisd', 'sse2', 1),
];
