/** CMPPS and its kin, COMISS, UCOMISS (SDM Vol. 2, CMPPD; table 3-1 for the predicates). */
import type { Emitter } from '../emit/emitter.ts';
import type { Routine } from '../emit/routine.ts';
import { routine } from '../emit/routine.ts';
import { compareFloat } from '../float/compare.ts';
import type { Format } from '../float/format.ts';
import { BINARY32, BINARY64 } from '../float/format.ts';
import { raise } from '../float/mxcsr.ts';
import { denormalLanes, getLane, isNotDenormal, laneCount, scalar, setLane, vector } from '../float/vector.ts';
import type { Feature, Insn } from './insn.ts';
import { insn } from './insn.ts';
import { loadVector, onesVector, zeroVector } from './simd.ts';

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

/** 0 EQ, 1 LT, 2 LE, 3 UNORD; 4 more negates. */
function choosePredicate<V>(e: Emitter<V>, predicate: V, eq: V, lt: V, le: V, unordered: V): V {
  const bit = (n: number): V => e.and(predicate, e.const(n));
  return e.select(bit(2), e.select(bit(1), unordered, le), e.select(bit(1), lt, eq));
}

function packedCompare(f: Format, row: string, name: string, feature: Feature): Insn {
  return insn(name, { feature }, [row], (e, dst, src, imm) => {
    const v = vector(e, f);
    const b0 = loadVector(e, src);
    const a = e.variable('v128', e.load(dst)),
      b = e.variable('v128', b0);
    const predicate = e.load(imm);
    const unordered = (): typeof b0 => e.v128.or(v.ne(a.get(), a.get()), v.ne(b.get(), b.get()));
    const denormal = e.v128.or(denormalLanes(e, f, a.get()), denormalLanes(e, f, b.get()));
    e.if(e.v128.anyTrue(e.v128.or(denormal, unordered())), () => {
      const [x, y, flags] = e.call(compareVectors[f.name], a.get(), b.get(), quietSignals(e, predicate));
      raise(e, flags);
      a.set(x);
      b.set(y);
    });
    const [x, y] = [a.get(), b.get()];
    const mask = choosePredicate(e, predicate, v.eq(x, y), v.lt(x, y), v.le(x, y), unordered());
    const negate = e.select(e.and(predicate, e.const(4)), onesVector(e), zeroVector(e));
    e.store(dst, e.v128.xor(mask, negate));
  });
}

/** Loads two scalars, raises what comparing them raises; answers them as floats. */
function comparands<V>(e: Emitter<V>, f: Format, aBits: V, bBits: V, signals: () => V): [V, V] {
  const s = scalar(e, f);
  const a = e.variable(s.type, aBits),
    b = e.variable(s.type, bBits);
  const isOrdered = e.and(s.eq(s.of(aBits), s.of(aBits)), s.eq(s.of(bBits), s.of(bBits)));
  const isNormal = e.and(isNotDenormal(e, f, aBits), isNotDenormal(e, f, bBits));
  e.if(e.eqz(e.and(isOrdered, isNormal)), () => {
    const [x, y, flags] = e.call(compareFloat[f.name], s.widen(aBits), s.widen(bBits), signals());
    raise(e, flags);
    a.set(s.narrow(x));
    b.set(s.narrow(y));
  });
  return [s.of(a.get()), s.of(b.get())];
}

function scalarCompare(f: Format, row: string, name: string, feature: Feature): Insn {
  return insn(name, { feature }, [row], (e, dst, src, imm) => {
    const s = scalar(e, f);
    const bBits = e.loadLow(src, f.size);
    const predicate = e.load(imm);
    const [a, b] = comparands(e, f, e.loadLow(dst, f.size), bBits, () => quietSignals(e, predicate));
    const unordered = e.or(s.ne(a, a), s.ne(b, b));
    const holds = choosePredicate(e, predicate, s.eq(a, b), s.lt(a, b), s.le(a, b), unordered);
    const bit = e.xor(holds, e.and(e.shrU(predicate, e.const(2)), e.const(1)));
    const mask = e.sub(e.const(0), bit);
    e.storeLow(dst, f.size === 8 ? e.i64.extendS(mask) : mask, f.size);
  });
}

/** ZF PF CF: 000 greater, 001 less, 100 equal, 111 unordered. */
function flagCompare(f: Format, row: string, name: string, feature: Feature, signals: 0 | 1): Insn {
  return insn(name, { feature }, [row], (e, dst, src) => {
    const s = scalar(e, f);
    const bBits = e.loadLow(src, f.size);
    const [a, b] = comparands(e, f, e.loadLow(dst, f.size), bBits, () => e.const(signals));
    const zero = e.const(0);
    e.flags.set({
      cf: e.eqz(s.ge(a, b)),
      zf: e.eqz(e.or(s.lt(a, b), s.gt(a, b))),
      pf: e.or(s.ne(a, a), s.ne(b, b)),
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
