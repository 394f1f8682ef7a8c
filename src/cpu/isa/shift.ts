/**
 * Shifts and rotates (SDM Vol. 1, 7.3.6). The count is taken modulo 32; with 0 nothing changes, no flag either. OF is
 * undefined for counts above 1. Intel's processors have it as a shift by 1 would set it; ROL and ROR of a
 * register by an immediate leave it.
 */
import type { Emitter, Operand } from '../emit/emitter.ts';
import { generalSize } from './arith.ts';
import type { Insn } from './insn.ts';
import { insn } from './insn.ts';

type Narrow = 1 | 2 | 4;

function shiftRows(digit: number): string[] {
  return [
    `C1 /${digit} Ev,Ib`,
    `D1 /${digit} Ev,1`,
    `D3 /${digit} Ev,CL`,
    `C0 /${digit} Eb,Ib`,
    `D0 /${digit} Eb,1`,
    `D2 /${digit} Eb,CL`,
  ];
}

/** What a shift yields for a count of 1..31; the flags other than CF and OF follow from the result, or stay. */
interface Shifted<V> {
  result: V;
  cf: V;
  of: V;
}

/** A count of 0 does not change memory, but writes it: where that is forbidden it faults. */
const writeBack = <V>(e: Emitter<V>, dst: Operand, value: V): (() => void) | undefined =>
  e.isMemory(dst) ? () => e.store(dst, value) : undefined;

function shiftInsn(
  name: string,
  digits: readonly number[],
  isRotate: boolean,
  compute: <V>(e: Emitter<V>, a: V, count: V, size: Narrow, keepsOf: boolean) => Shifted<V>,
): Insn {
  return insn(name, { modifies: true }, digits.flatMap(shiftRows), (e, dst: Operand, by: Operand) => {
    const size = generalSize(dst);
    const a = e.load(dst);
    const count = e.and(e.load(by), e.const(31));
    e.if(
      count,
      () => {
        const { result, cf, of } = compute(e, a, count, size, by.kind === 'immediate' && !e.isMemory(dst));
        e.store(dst, result);
        if (isRotate) e.flags.set({ cf, of });
        else e.flags.result(result, size, { cf, of });
      },
      writeBack(e, dst, a),
    );
  });
}

/** Bit n of a value, as 0 or 1. */
const bit = <V>(e: Emitter<V>, value: V, n: number): V => e.and(e.shrU(value, e.const(n)), e.const(1));

const topBitsDiffer = <V>(e: Emitter<V>, a: V, size: Narrow): V =>
  e.xor(bit(e, a, size * 8 - 1), bit(e, a, size * 8 - 2));

/** SDM Vol. 2B, SAL/SHL; /6 is an alias of /4. */
export const shl = shiftInsn('shl', [4, 6], false, (e, a, count, size) => {
  const wide = e.shl(a, count);
  const cf = size === 4 ? bit(e, e.shrU(a, e.sub(e.const(32), count)), 0) : bit(e, wide, size * 8);
  return { result: e.zext(wide, size), cf, of: topBitsDiffer(e, a, size) };
});

/** SDM Vol. 2B, SHR. */
export const shr = shiftInsn('shr', [5], false, (e, a, count, size) => ({
  result: e.shrU(a, count),
  cf: bit(e, e.shrU(a, e.sub(count, e.const(1))), 0),
  of: bit(e, a, size * 8 - 1),
}));

/** SDM Vol. 2B, SAR. */
export const sar = shiftInsn('sar', [7], false, (e, a, count, size) => {
  const signed = e.sext(a, size);
  return {
    result: e.zext(e.shrS(signed, count), size),
    cf: bit(e, e.shrS(signed, e.sub(count, e.const(1))), 0),
    of: e.const(0),
  };
});

/** Rotates `size` bytes left by 0..31 without CF. */
function rotateLeft<V>(e: Emitter<V>, a: V, count: V, size: Narrow): V {
  if (size === 4) return e.rotl(a, count);
  const by = e.and(count, e.const(size * 8 - 1));
  const right = e.shrU(a, e.sub(e.const(size * 8), by));
  return e.zext(e.or(e.shl(a, by), right), size);
}

const ofOfRotation = <V>(e: Emitter<V>, count: V, of: V, keepsOf: boolean): V =>
  keepsOf ? e.select(e.eq(count, e.const(1)), of, e.flags.get('of')) : of;

/** SDM Vol. 2B, ROL. */
export const rol = shiftInsn('rol', [0], true, (e, a, count, size, keepsOf) => {
  const result = rotateLeft(e, a, count, size);
  return { result, cf: bit(e, result, 0), of: ofOfRotation(e, count, topBitsDiffer(e, a, size), keepsOf) };
});

/** SDM Vol. 2B, ROR. */
export const ror = shiftInsn('ror', [1], true, (e, a, count, size, keepsOf) => {
  const result = rotateLeft(e, a, e.sub(e.const(32), count), size);
  const of = e.xor(bit(e, a, size * 8 - 1), bit(e, a, 0));
  return { result, cf: bit(e, result, size * 8 - 1), of: ofOfRotation(e, count, of, keepsOf) };
});

/** Rotates CF:a, size * 8 + 1 bits, left by `count`, which is less than that. */
function rotateThroughCarry<V>(e: Emitter<V>, a: V, count: V, size: Narrow): { result: V; cf: V } {
  const bits = BigInt(size * 8);
  const carry = e.i64.shl(e.i64.extendU(e.flags.get('cf')), e.const64(bits));
  const wide = e.i64.or(carry, e.i64.extendU(a));
  const by = e.i64.extendU(count);
  const rotated = e.i64.or(e.i64.shl(wide, by), e.i64.shrU(wide, e.i64.sub(e.const64(bits + 1n), by)));
  const cf = e.and(e.i64.wrap(e.i64.shrU(rotated, e.const64(bits))), e.const(1));
  return { result: e.zext(e.i64.wrap(rotated), size), cf };
}

const countModulo = <V>(e: Emitter<V>, count: V, size: Narrow): V =>
  size === 4 ? count : e.remU(count, e.const(size * 8 + 1));

/** A count of 9 or 17 turns a byte or word all the way round: that leaves OF too. */
const ofOfTurn = <V>(e: Emitter<V>, turn: V, of: V, size: Narrow): V =>
  size === 4 ? of : e.select(turn, of, e.flags.get('of'));

/** SDM Vol. 2B, RCL. */
export const rcl = shiftInsn('rcl', [2], true, (e, a, count, size) => {
  const turn = countModulo(e, count, size);
  const { result, cf } = rotateThroughCarry(e, a, turn, size);
  return { result, cf, of: ofOfTurn(e, turn, topBitsDiffer(e, a, size), size) };
});

/** SDM Vol. 2B, RCR: a rotation left by the rest of the width. */
export const rcr = shiftInsn('rcr', [3], true, (e, a, count, size) => {
  const turn = countModulo(e, count, size);
  const { result, cf } = rotateThroughCarry(e, a, e.sub(e.const(size * 8 + 1), turn), size);
  const of = e.xor(bit(e, a, size * 8 - 1), e.flags.get('cf'));
  return { result, cf, of: ofOfTurn(e, turn, of, size) };
});

/**
 * SDM Vol. 2B, SHLD and SHRD. 16-bit operands with counts above 16 are undefined; as on current processors, the bits of
 * the destination follow those of the source.
 */
function doubleShift(name: string, opcodes: readonly string[], isLeft: boolean): Insn {
  const rows = [`${opcodes[0]} /r Ev,Gv,Ib`, `${opcodes[1]} /r Ev,Gv,CL`];
  return insn(name, { modifies: true }, rows, (e, dst, src, by) => {
    const size = dst.size as 2 | 4;
    const a = e.load(dst);
    const b = e.load(src);
    const count = e.and(e.load(by), e.const(31));
    e.if(
      count,
      () => {
        const bits = BigInt(size * 8);
        const [high, low] = isLeft ? [a, b] : [b, a];
        let wide = e.i64.or(e.i64.shl(e.i64.extendU(high), e.const64(bits)), e.i64.extendU(low));
        if (size === 2) wide = e.i64.or(e.i64.shl(wide, e.const64(16n)), e.i64.extendU(high));
        if (size === 2 && !isLeft) wide = e.i64.or(wide, e.i64.shl(e.i64.extendU(low), e.const64(48n)));
        const distance = e.i64.extendU(count);
        const shifted = isLeft ? e.i64.shl(wide, distance) : e.i64.shrU(wide, distance);
        const from = isLeft ? (size === 2 ? 32n : 32n) : size === 2 ? 16n : 0n;
        const result = e.zext(e.i64.wrap(e.i64.shrU(shifted, e.const64(from))), size);
        const outside = isLeft
          ? e.i64.shrU(wide, e.i64.sub(e.const64(from + bits), distance))
          : e.i64.shrU(wide, e.i64.add(e.i64.sub(distance, e.const64(1n)), e.const64(from)));
        const cf = e.and(e.i64.wrap(outside), e.const(1));
        const of = isLeft ? topBitsDiffer(e, a, size) : e.xor(bit(e, a, size * 8 - 1), bit(e, b, 0));
        e.store(dst, result);
        e.flags.result(result, size, { cf, of });
      },
      writeBack(e, dst, a),
    );
  });
}
export const shld = doubleShift('shld', ['0F A4', '0F A5'], true);
export const shrd = doubleShift('shrd', ['0F AC', '0F AD'], false);

export const shift = [shl, shr, sar, rol, ror, rcl, rcr, shld, shrd];
