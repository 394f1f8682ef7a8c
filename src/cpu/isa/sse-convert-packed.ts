/** Conversions between vectors (SDM Vol. 1, section 11.4.1.6), and the reciprocal estimates. */
import type { Emitter } from '../emit/emitter.ts';
import type { Routine } from '../emit/routine.ts';
import { routine } from '../emit/routine.ts';
import { f32ToF64, f64ToF32, i32ToF32, toInteger } from '../float/convert.ts';
import { rcpEstimate, rsqrtEstimate } from '../float/estimate.ts';
import { BINARY32 } from '../float/format.ts';
import { isQuiet, isQuietInAnyRounding, raise } from '../float/mxcsr.ts';
import { byLanes, denormalLanes, finiteLanes, getLane, untinyLanes } from '../float/vector.ts';
import type { Feature, Insn } from './insn.ts';
import { insn } from './insn.ts';
import { lanes, loadVector, zeroVector } from './simd.ts';

/** Four floats to four integers, the second operand being the mode. */
const singlesToIntegers = [false, true].map((truncate) =>
  byLanes(`f32_to_i32_lanes_${truncate}`, BINARY32, 1, (e, _lane, bits) => {
    const [integer, flags] = e.call(toInteger.f32, bits, e.const(truncate ? 1 : 0));
    return [e.i64.extendU(integer), flags];
  }),
);
const integersToSingles = byLanes('i32_to_f32_lanes', BINARY32, 1, (e, _lane, bits) =>
  e.call(i32ToF32, e.i64.wrap(bits)),
);

/** Two doubles to the low two dwords, zeros above. */
function narrowing(name: string, convert: <V>(e: Emitter<V>, bits: V) => V[]): Routine {
  return routine(name, ['v128'], ['v128', 'i32'], (e, v) => {
    const [low, lowFlags] = convert(e, e.v128.extractLane('i64x2', v, 0));
    const [high, highFlags] = convert(e, e.v128.extractLane('i64x2', v, 1));
    const first = e.v128.replaceLane('i32x4', zeroVector(e), 0, low);
    return [e.v128.replaceLane('i32x4', first, 1, high), e.or(lowFlags, highFlags)];
  });
}
const doublesToIntegers = [0, 1].map((truncate) =>
  narrowing(`f64_to_i32_lanes_${truncate}`, (e, bits) => e.call(toInteger.f64, bits, e.const(truncate))),
);
const doublesToSingles = narrowing('f64_to_f32_lanes', (e, bits) => {
  const [single, flags] = e.call(f64ToF32, bits);
  return [e.i64.wrap(single), flags];
});
/** The low two singles to doubles. */
const singlesToDoubles = routine('f32_to_f64_lanes', ['v128'], ['v128', 'i32'], (e, v) => {
  const [low, lowFlags] = e.call(f32ToF64, getLane(e, BINARY32, v, 0));
  const [high, highFlags] = e.call(f32ToF64, getLane(e, BINARY32, v, 1));
  const first = e.v128.replaceLane('i64x2', v, 0, low);
  return [e.v128.replaceLane('i64x2', first, 1, high), e.or(lowFlags, highFlags)];
});

/** `fast` where good is true, else what the routine makes of v. */
function converted<V>(e: Emitter<V>, v: V, fast: V, good: V, slow: Routine): V {
  const out = e.variable('v128', fast);
  e.if(e.eqz(good), () => {
    const [exact, flags] = e.call(slow, v);
    raise(e, flags);
    out.set(exact);
  });
  return out.get();
}

function singlesInsn(name: string, prefix: string, truncate: boolean): Insn {
  return insn(name, { feature: 'sse2' }, [`${prefix} 0F 5B /r Vdq,Wps`], (e, dst, src) => {
    const v = loadVector(e, src);
    const fast = e.v128.i32x4TruncSatF32x4S(truncate ? v : e.v128.f32x4Nearest(v));
    // Out of range saturates to an extreme, NaN to 0: such lanes, and the true extremes, go the slow way.
    const extreme = lanes(e, 4, 2n);
    const inside = e.v128.i32x4GeU(e.v128.i32x4Add(fast, lanes(e, 4, 0x8000_0001n)), extreme);
    const good = e.v128.i8x16AllTrue(e.v128.and(inside, e.v128.f32x4Eq(v, v)));
    const quiet = truncate ? isQuietInAnyRounding(e) : isQuiet(e);
    e.store(dst, converted(e, v, fast, e.and(good, quiet), singlesToIntegers[truncate ? 1 : 0]));
  });
}

function doublesInsn(name: string, prefix: string, truncate: boolean): Insn {
  return insn(name, { feature: 'sse2' }, [`${prefix} 0F E6 /r Vdq,Wpd`], (e, dst, src) => {
    const v = loadVector(e, src);
    const fast = e.v128.i32x4TruncSatF64x2SZero(truncate ? v : e.v128.f64x2Nearest(v));
    const inside = e.v128.i32x4GeU(e.v128.i32x4Add(fast, lanes(e, 4, 0x8000_0001n)), lanes(e, 4, 2n));
    const good = e.v128.i8x16AllTrue(e.v128.and(inside, e.v128.f64x2Eq(v, v)));
    const quiet = truncate ? isQuietInAnyRounding(e) : isQuiet(e);
    e.store(dst, converted(e, v, fast, e.and(good, quiet), doublesToIntegers[truncate ? 1 : 0]));
  });
}

function estimate(name: string, opcode: string, single: Routine): Insn[] {
  const packed = byLanes(`f32_${name}_lanes`, BINARY32, 1, (e, _lane, bits) => [e.call(single, bits)[0], e.const(0)]);
  const sse: { feature: Feature } = { feature: 'sse' };
  return [
    insn(`${name}ps`, sse, [`NP 0F ${opcode} /r Vps,Wps`], (e, dst, src) =>
      e.store(dst, e.call(packed, loadVector(e, src))[0]),
    ),
    insn(`${name}ss`, sse, [`F3 0F ${opcode} /r Vss,Wss`], (e, dst, src) =>
      e.storeLow(dst, e.i64.wrap(e.call(single, e.i64.extendU(e.loadLow(src, 4)))[0]), 4),
    ),
  ];
}

export const packedConversions: readonly Insn[] = [
  insn('cvtdq2ps', { feature: 'sse2' }, ['NP 0F 5B /r Vps,Wdq'], (e, dst, src) => {
    const v = loadVector(e, src);
    e.store(dst, converted(e, v, e.v128.f32x4ConvertI32x4S(v), isQuiet(e), integersToSingles));
  }),
  singlesInsn('cvtps2dq', '66', false),
  singlesInsn('cvttps2dq', 'F3', true),
  doublesInsn('cvtpd2dq', 'F2', false),
  doublesInsn('cvttpd2dq', '66', true),
  insn('cvtdq2pd', { feature: 'sse2' }, ['F3 0F E6 /r Vpd,Wq'], (e, dst, src) =>
    e.store(dst, e.v128.f64x2ConvertLowI32x4S(e.v128.i64x2Splat(e.loadLow(src, 8)))),
  ),
  insn('cvtps2pd', { feature: 'sse2' }, ['NP 0F 5A /r Vpd,Wq'], (e, dst, src) => {
    const v = e.v128.i64x2Splat(e.loadLow(src, 8));
    const good = e.v128.i8x16AllTrue(e.v128.andnot(e.v128.f32x4Eq(v, v), denormalLanes(e, BINARY32, v)));
    e.store(dst, converted(e, v, e.v128.f64x2PromoteLowF32x4(v), good, singlesToDoubles));
  }),
  insn('cvtpd2ps', { feature: 'sse2' }, ['66 0F 5A /r Vps,Wpd'], (e, dst, src) => {
    const v = loadVector(e, src);
    const fast = e.v128.f32x4DemoteF64x2Zero(v);
    const normal = e.v128.and(finiteLanes(e, BINARY32, fast), untinyLanes(e, BINARY32, fast));
    // The upper lanes are zero, hence not normal, and always good.
    const good = e.i64.eq(e.v128.extractLane('i64x2', normal, 0), e.const64(-1n));
    e.store(dst, converted(e, v, fast, e.and(good, isQuiet(e)), doublesToSingles));
  }),
  ...estimate('rsqrt', '52', rsqrtEstimate),
  ...estimate('rcp', '53', rcpEstimate),
];
