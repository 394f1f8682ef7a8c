/** The comparison behind PCMPxSTRx (SDM Vol. 2, section 4.1). Bit j of a mask stands for element j of the second string. */
import type { Emitter } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import { STATE } from '../state.ts';
import { zeroVector } from './simd.ts';

type Lanes = 'i8x16' | 'i16x8';

/** One bit per element from a comparison of bytes or of words, as bit 0 of the immediate says. */
function elementMask<V>(e: Emitter<V>, imm: V, compare: (shape: Lanes) => V): V {
  const bits = e.variable('i32', e.const(0));
  e.if(
    e.and(imm, e.const(1)),
    () => bits.set(e.v128.i16x8Bitmask(compare('i16x8'))),
    () => bits.set(e.v128.i8x16Bitmask(compare('i8x16'))),
  );
  return bits.get();
}

/** Elements before the first null. */
export function implicitLength<V>(e: Emitter<V>, v: V, imm: V): V {
  const nulls = elementMask(e, imm, (shape) => e.v128[`${shape}Eq`](v, zeroVector(e)));
  return e.ctz(e.or(nulls, e.shl(e.const(1), e.shrU(e.const(16), e.and(imm, e.const(1))))));
}

const lowBits = <V>(e: Emitter<V>, n: V): V => e.sub(e.shl(e.const(1), n), e.const(1));

/** Element i of the first string, which lies in scratch. */
function element<V>(e: Emitter<V>, i: V, imm: V): V {
  const isWord = e.and(imm, e.const(1));
  const low = e.state(STATE.scratch, 'u8', e.shl(i, isWord));
  return e.select(isWord, e.state(STATE.scratch, 'u16', e.shl(i, isWord)), low);
}

/** b <= limit, or b >= limit, with the signedness of bit 1 of the immediate. */
function within<V>(e: Emitter<V>, b: V, limit: V, imm: V, relation: 'Le' | 'Ge'): V {
  return elementMask(e, imm, (shape) => {
    const bound = e.v128[`${shape}Splat`](limit);
    const signed = e.v128[`${shape}${relation}S`](b, bound);
    return e.select(e.and(imm, e.const(2)), signed, e.v128[`${shape}${relation}U`](b, bound));
  });
}

/** (first string, second, their lengths, imm8) -> [IntRes2]. */
export const compareStrings = routine(
  'compare_strings',
  ['v128', 'v128', 'i32', 'i32', 'i32'],
  ['i32'],
  <V>(e: Emitter<V>, a: V, b: V, lengthA: V, lengthB: V, imm: V) => {
    const elements = e.shrU(e.const(16), e.and(imm, e.const(1)));
    const all = lowBits(e, elements);
    const valid = lowBits(e, lengthB);
    const kind = e.and(e.shrU(imm, e.const(2)), e.const(3));
    const result = e.variable('i32', e.const(0));
    const i = e.variable('i32', e.const(0));
    e.setState(STATE.scratch, a, 'v128');
    const equalTo = (x: V): V => elementMask(e, imm, (shape) => e.v128[`${shape}Eq`](e.v128[`${shape}Splat`](x), b));
    const step = (n: number): void => i.set(e.add(i.get(), e.const(n)));

    const any = (): void =>
      e.while(
        () => e.ltU(i.get(), lengthA),
        () => {
          result.set(e.or(result.get(), e.and(equalTo(element(e, i.get(), imm)), valid)));
          step(1);
        },
      );
    // Pairs of bounds; one without a partner counts for nothing.
    const ranges = (): void =>
      e.while(
        () => e.ltU(e.add(i.get(), e.const(1)), lengthA),
        () => {
          const above = within(e, b, element(e, i.get(), imm), imm, 'Ge');
          const below = within(e, b, element(e, e.add(i.get(), e.const(1)), imm), imm, 'Le');
          result.set(e.or(result.get(), e.and(e.and(above, below), valid)));
          step(2);
        },
      );
    // Beyond both ends elements count as equal, beyond one as different.
    const each = (): void => {
      const equal = elementMask(e, imm, (shape) => e.v128[`${shape}Eq`](a, b));
      const validA = lowBits(e, lengthA);
      const neither = e.xor(e.or(valid, validA), e.const(-1));
      result.set(e.and(e.or(e.and(e.and(equal, valid), validA), neither), all));
    };
    // Where the second string's register ends, the rest of the first is taken to follow.
    const ordered = (): void => {
      result.set(all);
      e.while(
        () => e.ltU(i.get(), lengthA),
        () => {
          const match = e.shrU(e.and(equalTo(element(e, i.get(), imm)), valid), i.get());
          const beyond = e.xor(e.shrU(all, i.get()), e.const(-1));
          result.set(e.and(result.get(), e.or(match, beyond)));
          step(1);
        },
      );
    };
    e.if(
      e.and(kind, e.const(2)),
      () => e.if(e.and(kind, e.const(1)), ordered, each),
      () => e.if(e.and(kind, e.const(1)), ranges, any),
    );
    // Polarity: negated everywhere, or only where the second string is valid.
    const masked = e.select(e.and(imm, e.const(0x20)), valid, all);
    return [e.xor(result.get(), e.select(e.and(imm, e.const(0x10)), masked, e.const(0)))];
  },
);
