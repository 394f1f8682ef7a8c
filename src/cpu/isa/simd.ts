/** What MMX and SSE bodies share. */
import type { Emitter, Operand } from '../emit/emitter.ts';
import { STATE } from '../state.ts';

/** A 128-bit operand; in memory it must be aligned (SDM Vol. 1, section 10.4.1.1). */
export function loadVector<V>(e: Emitter<V>, operand: Operand): V {
  e.requireAligned(operand, 16);
  return e.load(operand);
}

/** Every MMX instruction but EMMS leaves TOP 0 and all registers valid (SDM Vol. 1, section 9.5.1). */
export function enterMmx<V>(e: Emitter<V>): void {
  e.setState(STATE.fpuTop, e.const(0));
  e.setState(STATE.fpuEmpty, e.const64(0n), 'i64');
}

export const lowHalf = <V>(e: Emitter<V>, v: V): V => e.v128.extractLane('i64x2', v, 0);
export const highHalf = <V>(e: Emitter<V>, v: V): V => e.v128.extractLane('i64x2', v, 1);
export const zeroVector = <V>(e: Emitter<V>): V => e.constV128(new Array<number>(16).fill(0));
export const onesVector = <V>(e: Emitter<V>): V => e.constV128(new Array<number>(16).fill(0xff));
/** An i64 with zeros above it. */
export const fromLow = <V>(e: Emitter<V>, low: V): V => e.v128.replaceLane('i64x2', zeroVector(e), 0, low);
/** Two halves. */
export const fromHalves = <V>(e: Emitter<V>, low: V, high: V): V =>
  e.v128.replaceLane('i64x2', e.v128.i64x2Splat(low), 1, high);

/** A constant made of equal lanes of `size` bytes. */
export function lanes<V>(e: Emitter<V>, size: 1 | 2 | 4 | 8, value: bigint): V {
  const bytes = Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
  return e.constV128(new Array<number[]>(16 / size).fill(bytes).flat());
}

/** Bytes counted from `first`. */
export const count = (first: number, length: number): number[] => Array.from({ length }, (_, i) => first + i);

const NUMBERS = { 1: 'i8x16', 2: 'i16x8', 4: 'i32x4' } as const;

/** All ones in the lane whose number is computed. */
export function laneMask<V>(e: Emitter<V>, size: 1 | 2 | 4, lane: V): V {
  const shape = NUMBERS[size];
  const bytes = Array.from({ length: 16 }, (_, i) => (i % size === 0 ? i / size : 0));
  return e.v128[`${shape}Eq`](e.constV128(bytes), e.v128[`${shape}Splat`](lane));
}

/** The element whose number is computed, in the low bits of an i64; bits above it are others'. */
export function elementAt<V>(e: Emitter<V>, v: V, size: 1 | 2 | 4, lane: V): V {
  const perHalf = 8 / size;
  const half = e.select(e.and(lane, e.const(perHalf)), highHalf(e, v), lowHalf(e, v));
  return e.i64.shrU(half, e.i64.extendU(e.mul(e.and(lane, e.const(perHalf - 1)), e.const(8 * size))));
}
