/** Conversions of scalars, and between vectors of floats and MMX registers (SDM Vol. 1, sections 10.4.4 and 11.4.1.6). */
import type { Emitter, Operand } from '../emit/emitter.ts';
import { f32ToF64, f64ToF32, i32ToF32, toInteger } from '../float/convert.ts';
import type { Format } from '../float/format.ts';
import { BINARY32, BINARY64, implicitBit, infinityBits } from '../float/format.ts';
import { isQuiet, isQuietInAnyRounding, raise } from '../float/mxcsr.ts';
import { isNotDenormal, scalar } from '../float/vector.ts';
import type { Feature, Insn } from './insn.ts';
import { insn } from './insn.ts';
import { enterMmx, fromLow, loadVector } from './simd.ts';

/** Bits of a scalar -> i32, flags raised. */
function scalarToInteger<V>(e: Emitter<V>, f: Format, bits: V, truncate: boolean): V {
  const s = scalar(e, f);
  const x = f.size === 4 ? e.f64.promote(s.of(bits)) : s.of(bits);
  const value = e.f64.toI32S(truncate ? x : e.f64.nearest(x));
  // Saturation yields one of the extremes; those themselves take the slow path too, as do NaNs.
  const inside = e.geU(e.add(value, e.const(0x8000_0001 | 0)), e.const(2));
  const quiet = truncate ? isQuietInAnyRounding(e) : isQuiet(e);
  const out = e.variable('i32', value);
  e.if(e.eqz(e.and(e.and(inside, e.f64.eq(x, x)), quiet)), () => {
    const [integer, flags] = e.call(toInteger[f.name], s.widen(bits), e.const(truncate ? 1 : 0));
    raise(e, flags);
    out.set(integer);
  });
  return out.get();
}

function toGeneral(name: string, f: Format, row: string, feature: Feature, truncate: boolean): Insn {
  return insn(name, { feature }, [row], (e, dst, src) =>
    e.store(dst, scalarToInteger(e, f, e.loadLow(src, f.size), truncate)),
  );
}

/** i32 -> bits (i32) of an f32, flags raised. */
function integerToSingle<V>(e: Emitter<V>, value: V): V {
  const out = e.variable('i32', e.f32.bits(e.f32.convertI32S(value)));
  e.if(e.eqz(isQuiet(e)), () => {
    const [bits, flags] = e.call(i32ToF32, value);
    raise(e, flags);
    out.set(e.i64.wrap(bits));
  });
  return out.get();
}

const integerToDouble = <V>(e: Emitter<V>, value: V): V => e.i64.reinterpretF64(e.f64.convertI32S(value));

/** Two i32 in an i64, and an i64 from two. */
const split = <V>(e: Emitter<V>, pair: V): [V, V] => [e.i64.wrap(pair), e.i64.wrap(e.i64.shrU(pair, e.const64(32n)))];
const join = <V>(e: Emitter<V>, low: V, high: V): V =>
  e.i64.or(e.i64.extendU(low), e.i64.shl(e.i64.extendU(high), e.const64(32n)));

/** MMX from floats: both lanes are computed before either's flags are raised. */
function toMmx(name: string, f: Format, prefix: string, opcode: string, feature: Feature, truncate: boolean): Insn {
  const source = f.size === 4 ? 'Wq' : 'Wpd';
  return insn(name, { feature, waits: true }, [`${prefix} 0F ${opcode} /r Pq,${source}`], (e, dst, src) => {
    const pair = f.size === 4 ? split(e, e.loadLow(src, 8)).map((half) => e.i64.extendU(half)) : bothHalves(e, src);
    const mode = e.const(truncate ? 1 : 0);
    const [low, lowFlags] = e.call(toInteger[f.name], pair[0], mode);
    const [high, highFlags] = e.call(toInteger[f.name], pair[1], mode);
    // Even an unmasked exception finds the x87 in MMX state.
    enterMmx(e);
    raise(e, e.or(lowFlags, highFlags));
    e.store(dst, join(e, low, high));
  });
}

function bothHalves<V>(e: Emitter<V>, src: Operand): V[] {
  const v = loadVector(e, src);
  return [0, 1].map((lane) => e.v128.extractLane('i64x2', v, lane));
}

/** Floats from MMX or m64; only the register form enters MMX state. */
function fromMmx(name: string, prefix: string, feature: Feature, store: 'singles' | 'doubles'): Insn[] {
  return ['/rr', '/rm'].map((form) =>
    insn(name, { feature, waits: form === '/rr' }, [`${prefix} 0F 2A ${form} Vdq,Qq`], (e, dst, src) => {
      const [low, high] = split(e, e.load(src));
      if (form === '/rr') enterMmx(e);
      if (store === 'doubles') {
        const first = fromLow(e, integerToDouble(e, low));
        e.store(dst, e.v128.replaceLane('i64x2', first, 1, integerToDouble(e, high)));
      } else {
        const [first, firstFlags] = e.call(i32ToF32, low);
        const [second, secondFlags] = e.call(i32ToF32, high);
        raise(e, e.or(firstFlags, secondFlags));
        e.storeLow(dst, join(e, e.i64.wrap(first), e.i64.wrap(second)), 8);
      }
    }),
  );
}

export const conversions: readonly Insn[] = [
  insn('cvtsi2ss', { feature: 'sse' }, ['F3 0F 2A /r Vss,Ed'], (e, dst, src) =>
    e.storeLow(dst, integerToSingle(e, e.load(src)), 4),
  ),
  insn('cvtsi2sd', { feature: 'sse2' }, ['F2 0F 2A /r Vsd,Ed'], (e, dst, src) =>
    e.storeLow(dst, integerToDouble(e, e.load(src)), 8),
  ),
  toGeneral('cvtss2si', BINARY32, 'F3 0F 2D /r Gd,Wss', 'sse', false),
  toGeneral('cvttss2si', BINARY32, 'F3 0F 2C /r Gd,Wss', 'sse', true),
  toGeneral('cvtsd2si', BINARY64, 'F2 0F 2D /r Gd,Wsd', 'sse2', false),
  toGeneral('cvttsd2si', BINARY64, 'F2 0F 2C /r Gd,Wsd', 'sse2', true),
  insn('cvtss2sd', { feature: 'sse2' }, ['F3 0F 5A /r Vsd,Wss'], (e, dst, src) => {
    const s = scalar(e, BINARY32);
    const bits = e.loadLow(src, 4);
    const wide = e.f64.promote(s.of(bits));
    const out = e.variable('i64', e.i64.reinterpretF64(wide));
    const good = e.and(s.eq(s.of(bits), s.of(bits)), isNotDenormal(e, BINARY32, bits));
    e.if(e.eqz(good), () => {
      const [exact, flags] = e.call(f32ToF64, s.widen(bits));
      raise(e, flags);
      out.set(exact);
    });
    e.storeLow(dst, out.get(), 8);
  }),
  insn('cvtsd2ss', { feature: 'sse2' }, ['F2 0F 5A /r Vss,Wsd'], (e, dst, src) => {
    const s = scalar(e, BINARY32);
    const bits = e.loadLow(src, 8);
    const narrow = e.f32.demote(e.f64.reinterpretI64(bits));
    const out = e.variable('i32', e.f32.bits(narrow));
    const size = e.f32.abs(narrow);
    const inside = e.and(
      e.f32.gt(size, s.constant(implicitBit(BINARY32))),
      e.f32.lt(size, s.constant(infinityBits(BINARY32))),
    );
    e.if(e.eqz(e.and(inside, isQuiet(e))), () => {
      const [exact, flags] = e.call(f64ToF32, bits);
      raise(e, flags);
      out.set(e.i64.wrap(exact));
    });
    e.storeLow(dst, out.get(), 4);
  }),
  toMmx('cvtps2pi', BINARY32, 'NP', '2D', 'sse', false),
  toMmx('cvttps2pi', BINARY32, 'NP', '2C', 'sse', true),
  toMmx('cvtpd2pi', BINARY64, '66', '2D', 'sse2', false),
  toMmx('cvttpd2pi', BINARY64, '66', '2C', 'sse2', true),
  ...fromMmx('cvtpi2ps', 'NP', 'sse', 'singles'),
  ...fromMmx('cvtpi2pd', '66', 'sse2', 'doubles'),
];
