/** 128-bit arithmetic on pairs [high, low] of i64. */
import type { Emitter } from '../emit/emitter.ts';
import type { Pair } from './format.ts';

const LOW32 = 0xffffffffn;

/** a * b, all 128 bits, from four 32-bit products. */
export function mulWide<V>(e: Emitter<V>, a: V, b: V): Pair<V> {
  const { add, mul, and, or, shl, shrU } = e.i64;
  const half = e.const64(32n),
    low = e.const64(LOW32);
  const al = and(a, low),
    ah = shrU(a, half),
    bl = and(b, low),
    bh = shrU(b, half);
  const ll = mul(al, bl);
  const middle = add(mul(al, bh), shrU(ll, half));
  const middle2 = add(mul(ah, bl), and(middle, low));
  return [add(add(mul(ah, bh), shrU(middle, half)), shrU(middle2, half)), or(shl(middle2, half), and(ll, low))];
}

export function addWide<V>(e: Emitter<V>, [ah, al]: Pair<V>, [bh, bl]: Pair<V>): Pair<V> {
  const low = e.i64.add(al, bl);
  return [e.i64.add(e.i64.add(ah, bh), e.i64.extendU(e.i64.ltU(low, al))), low];
}

export function subWide<V>(e: Emitter<V>, [ah, al]: Pair<V>, [bh, bl]: Pair<V>): Pair<V> {
  return [e.i64.sub(e.i64.sub(ah, bh), e.i64.extendU(e.i64.ltU(al, bl))), e.i64.sub(al, bl)];
}

export const isZeroWide = <V>(e: Emitter<V>, [high, low]: Pair<V>): V => e.i64.eqz(e.i64.or(high, low));

export const ltWide = <V>(e: Emitter<V>, [ah, al]: Pair<V>, [bh, bl]: Pair<V>): V =>
  e.or(e.i64.ltU(ah, bh), e.and(e.i64.eq(ah, bh), e.i64.ltU(al, bl)));

/** Right by any i32 count >= 0; bits shifted out stay visible in the lowest bit ("sticky"). */
export function shiftRightSticky<V>(e: Emitter<V>, [high, low]: Pair<V>, count: V): Pair<V> {
  const { shl, shrU, or, eqz, extendU } = e.i64;
  const sticky = (bits: V): V => extendU(e.eqz(eqz(bits)));
  const outHigh = e.variable('i64', e.const64(0n));
  const outLow = e.variable('i64', sticky(or(high, low)));
  const n = extendU(count);
  // (x << 1) << (63 - n) is x << (64 - n), and 0 for n = 0.
  const spill = (x: V): V => shl(shl(x, e.const64(1n)), e.i64.sub(e.const64(63n), n));
  e.if(
    e.ltU(count, e.const(64)),
    () => {
      outHigh.set(shrU(high, n));
      outLow.set(or(or(shrU(low, n), spill(high)), sticky(spill(low))));
    },
    () =>
      e.if(e.ltU(count, e.const(128)), () => {
        const lost = or(low, spill(high)); // counts are modulo 64
        outLow.set(or(shrU(high, n), sticky(e.select(e.eq(count, e.const(64)), low, lost))));
      }),
  );
  return [outHigh.get(), outLow.get()];
}

/** Left by 0..63. */
export function shiftLeftWide<V>(e: Emitter<V>, [high, low]: Pair<V>, n: V): Pair<V> {
  const { shl, shrU, or, sub } = e.i64;
  return [or(shl(high, n), shrU(shrU(low, e.const64(1n)), sub(e.const64(63n), n))), shl(low, n)];
}

/** Shifts a nonzero pair left until its highest bit is set; answers it and the exponent that goes with it. */
export function normalize<V>(e: Emitter<V>, [high, low]: Pair<V>, exponent: V): [V, V, V] {
  const upper = e.i64.eqz(high);
  const h = e.select(upper, low, high);
  const l = e.select(upper, e.const64(0n), low);
  const n = e.i64.clz(h);
  const [outHigh, outLow] = shiftLeftWide(e, [h, l], n);
  const down = e.add(e.i64.wrap(n), e.select(upper, e.const(64), e.const(0)));
  return [outHigh, outLow, e.sub(exponent, down)];
}
