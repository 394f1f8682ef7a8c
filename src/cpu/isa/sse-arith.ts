/** ADD, SUB, MUL, DIV, SQRT, MIN, MAX of SS, SD, PS and PD (SDM Vol. 1, sections 10.4.1.1 and 11.4.1.1). */
import type { Emitter } from '../emit/emitter.ts';
import type { Routine } from '../emit/routine.ts';
import { addFloat } from '../float/add.ts';
import { extremeFloat } from '../float/compare.ts';
import type { Format } from '../float/format.ts';
import { BINARY32, BINARY64, implicitBit, infinityBits, signMask } from '../float/format.ts';
import { divFloat, mulFloat, sqrtFloat } from '../float/mul.ts';
import { isQuiet, raise } from '../float/mxcsr.ts';
import {
  byLanes,
  denormalLanes,
  finiteLanes,
  isNotDenormal,
  loadScalar,
  scalar,
  untinyLanes,
  vector,
} from '../float/vector.ts';
import type { Feature, Insn } from './insn.ts';
import { insn } from './insn.ts';
import { loadVector } from './simd.ts';

/** What wasm computes, and when that is all there is to do. */
export interface Arithmetic {
  readonly name: string;
  readonly opcode: string;
  /** SQRT has no first operand. */
  readonly unary?: boolean;
  /** Exact result and flags, of operands in i64. */
  readonly slow: <V>(e: Emitter<V>, f: Format, a: V, b: V) => V[];
  readonly scalar: <V>(e: Emitter<V>, f: Format, a: V, b: V) => V;
  readonly vector: <V>(e: Emitter<V>, f: Format, a: V, b: V) => V;
  /** Whether a fast result needs no flag but PE. Scalars: a condition; vectors: all ones in each good lane. */
  readonly scalarGood: <V>(e: Emitter<V>, f: Format, result: V, a: V, b: V) => V;
  readonly vectorGood: <V>(e: Emitter<V>, f: Format, result: V, a: V, b: V) => V;
  /** MIN, MAX: the first operand is the result if it relates so to the second. Good operands raise no flag in any mode. */
  readonly keepsFirst?: 'lt' | 'gt';
}

type Good = Pick<Arithmetic, 'scalarGood' | 'vectorGood'>;

/** A sum of numbers that are not denormal is exact where it is tiny: only NaNs and infinities are left. */
const finite: Good = {
  scalarGood(e, f, result) {
    const s = scalar(e, f);
    return s.lt(s.abs(result), s.constant(infinityBits(f)));
  },
  vectorGood: (e, f, result) => finiteLanes(e, f, result),
};

/** A product or quotient must be finite and above the smallest normal number, lest it was rounded up to it. */
const normal: Good = {
  scalarGood(e, f, result) {
    const s = scalar(e, f);
    const size = s.abs(result);
    return e.and(s.gt(size, s.constant(implicitBit(f))), s.lt(size, s.constant(infinityBits(f))));
  },
  vectorGood: (e, f, result, a, b) => e.v128.and(finiteLanes(e, f, result), untinyLanes(e, f, result, a, b)),
};

const ordered: Good = {
  scalarGood(e, f, _result, a, b) {
    const s = scalar(e, f);
    return e.and(s.eq(a, a), s.eq(b, b));
  },
  vectorGood(e, f, _result, a, b) {
    const { eq } = vector(e, f);
    return e.v128.and(eq(a, a), eq(b, b));
  },
};

export const OPERATIONS: readonly Arithmetic[] = [
  {
    name: 'add',
    opcode: '58',
    slow: (e, f, a, b) => e.call(addFloat[f.name], a, b, e.const64(0n)),
    scalar: (e, f, a, b) => scalar(e, f).add(a, b),
    vector: (e, f, a, b) => vector(e, f).add(a, b),
    ...finite,
  },
  {
    name: 'mul',
    opcode: '59',
    slow: (e, f, a, b) => e.call(mulFloat[f.name], a, b),
    scalar: (e, f, a, b) => scalar(e, f).mul(a, b),
    vector: (e, f, a, b) => vector(e, f).mul(a, b),
    ...normal,
  },
  {
    name: 'sub',
    opcode: '5C',
    slow: (e, f, a, b) => e.call(addFloat[f.name], a, b, e.const64(signMask(f))),
    scalar: (e, f, a, b) => scalar(e, f).sub(a, b),
    vector: (e, f, a, b) => vector(e, f).sub(a, b),
    ...finite,
  },
  {
    name: 'min',
    opcode: '5D',
    slow: (e, f, a, b) => e.call(extremeFloat[f.name], a, b, e.const(0)),
    scalar: (e, f, a, b) => e.select(scalar(e, f).lt(a, b), a, b),
    vector: (e, f, a, b) => vector(e, f).pmin(b, a),
    ...ordered,
    keepsFirst: 'lt',
  },
  {
    name: 'div',
    opcode: '5E',
    slow: (e, f, a, b) => e.call(divFloat[f.name], a, b),
    scalar: (e, f, a, b) => scalar(e, f).div(a, b),
    vector: (e, f, a, b) => vector(e, f).div(a, b),
    ...normal,
    vectorGood: (e, f, result, a) => e.v128.and(finiteLanes(e, f, result), untinyLanes(e, f, result, a)),
  },
  {
    name: 'max',
    opcode: '5F',
    slow: (e, f, a, b) => e.call(extremeFloat[f.name], a, b, e.const(1)),
    scalar: (e, f, a, b) => e.select(scalar(e, f).gt(a, b), a, b),
    vector: (e, f, a, b) => vector(e, f).pmax(b, a),
    ...ordered,
    keepsFirst: 'gt',
  },
  {
    name: 'sqrt',
    opcode: '51',
    unary: true,
    slow: (e, f, _a, b) => e.call(sqrtFloat[f.name], b),
    scalar: (e, f, _a, b) => scalar(e, f).sqrt(b),
    vector: (e, f, _a, b) => vector(e, f).sqrt(b),
    ...finite,
  },
];

function scalarForm(op: Arithmetic, f: Format, row: string, name: string, feature: Feature): Insn {
  return insn(name, { feature }, [row], (e, dst, src) => {
    const way = e.deferFloat(op.name, f.size, false, dst, src);
    if (way === 'done') return;
    const s = scalar(e, f);
    const { bits: bBits, float: b } = loadScalar(e, f, src);
    const { bits: aBits, float: a } = op.unary ? { bits: bBits, float: b } : loadScalar(e, f, dst);
    const exactly = (): void => {
      const [bits, flags] = op.slow(e, f, s.widen(aBits), s.widen(bBits));
      raise(e, flags);
      e.storeLow(dst, s.narrow(bits), f.size);
    };
    if (way === 'exact') return exactly();
    const result = op.scalar(e, f, a, b);
    const good = e.and(op.scalarGood(e, f, result, a, b), isNotDenormal(e, f, bBits));
    const alsoA = op.unary ? good : e.and(good, isNotDenormal(e, f, aBits));
    e.if(
      op.keepsFirst ? alsoA : e.and(alsoA, isQuiet(e)),
      () => {
        // Integers are selected without a branch.
        if (op.keepsFirst) e.storeLow(dst, e.select(s[op.keepsFirst](a, b), aBits, bBits), f.size);
        else e.storeFloat(dst, result, f.size);
      },
      exactly,
    );
  });
}

/** A packed operation on two vectors, with its flags raised; `slow` does it lane by lane. */
export function packedArithmetic<V>(e: Emitter<V>, op: Arithmetic, f: Format, slow: Routine, a: V, b: V): V {
  const result = op.vector(e, f, a, b);
  const denormal = denormalLanes(e, f, b);
  const bad = op.unary ? denormal : e.v128.or(denormal, denormalLanes(e, f, a));
  const good = e.v128.i8x16AllTrue(e.v128.andnot(op.vectorGood(e, f, result, a, b), bad));
  const out = e.variable('v128', result);
  e.if(e.eqz(op.keepsFirst ? good : e.and(good, isQuiet(e))), () => {
    const [lanes, flags] = e.call(slow, a, b);
    raise(e, flags);
    out.set(lanes);
  });
  return out.get();
}

const slowPacked = (op: Arithmetic, f: Format): Routine =>
  byLanes(`${f.name}_${op.name}_lanes`, f, 2, (e, _lane, a, b) => op.slow(e, f, a, b));

function packedForm(op: Arithmetic, f: Format, row: string, name: string, feature: Feature): Insn {
  const slow = slowPacked(op, f);
  return insn(name, { feature }, [row], (e, dst, src) => {
    const way = e.deferFloat(op.name, f.size, true, dst, src);
    if (way === 'done') return;
    const b = loadVector(e, src);
    const a = op.unary ? b : e.load(dst);
    if (way === 'checked') return e.store(dst, packedArithmetic(e, op, f, slow, a, b));
    const [lanes, flags] = e.call(slow, a, b);
    raise(e, flags);
    e.store(dst, lanes);
  });
}

export const arithmetic: readonly Insn[] = OPERATIONS.flatMap((op) => [
  packedForm(op, BINARY32, `NP 0F ${op.opcode} /r Vps,Wps`, `${op.name}ps`, 'sse'),
  packedForm(op, BINARY64, `66 0F ${op.opcode} /r Vpd,Wpd`, `${op.name}pd`, 'sse2'),
  scalarForm(op, BINARY32, `F3 0F ${op.opcode} /r Vss,Wss`, `${op.name}ss`, 'sse'),
  scalarForm(op, BINARY64, `F2 0F ${op.opcode} /r Vsd,Wsd`, `${op.name}sd`, 'sse2'),
]);
