/** Bit tests and scans (SDM Vol. 1, 7.3.5). */
import type { Emitter, Operand } from '../emit/emitter.ts';
import type { Insn } from './insn.ts';
import { insn } from './insn.ts';

type Change = <V>(e: Emitter<V>, unit: V, mask: V) => V;

/**
 * SDM Vol. 2A, BT, BTC, BTR, BTS: CF is the bit. A register offset reaches beyond a memory operand: the unit is the one
 * that holds the bit.
 */
function bitTest(name: string, opcode: string, digit: number, change: Change | undefined): Insn {
  return insn(
    name,
    { lock: change !== undefined },
    [`${opcode} /r Ev,Gv`, `0F BA /${digit} Ev,Ib`],
    (e, base, offset) => {
      const size = base.size as 2 | 4;
      const number = e.load(offset);
      const inUnit = e.and(number, e.const(size * 8 - 1));
      const mask = e.shl(e.const(1), inUnit);
      const isNarrow = e.addressSize === 2;
      const isFar = e.isMemory(base) && offset.kind === 'register';
      if (isFar) testFar(e, base, number, isNarrow, mask, inUnit, change);
      else {
        const unit = e.load(base);
        if (change) e.store(base, change(e, unit, mask));
        e.flags.set({ cf: e.and(e.shrU(unit, inUnit), e.const(1)) });
      }
    },
  );
}

function testFar<V>(
  e: Emitter<V>,
  base: Operand,
  number: V,
  isNarrow: boolean,
  mask: V,
  inUnit: V,
  change: Change | undefined,
): void {
  const size = base.size as 2 | 4;
  const units = e.shrS(e.sext(number, size), e.const(size === 2 ? 4 : 5));
  const far = e.shl(units, e.const(size === 2 ? 1 : 2));
  const sum = e.add(e.operandAddress(base), far);
  // With 16-bit addressing the offset wraps as any other.
  const address = isNarrow ? e.and(sum, e.const(0xffff)) : sum;
  const unit = change ? e.readModified(address, size) : e.read(address, size);
  if (change) e.write(address, change(e, unit, mask), size);
  e.flags.set({ cf: e.and(e.shrU(unit, inUnit), e.const(1)) });
}

export const bt = bitTest('bt', '0F A3', 4, undefined);
export const bts = bitTest('bts', '0F AB', 5, (e, unit, mask) => e.or(unit, mask));
export const btr = bitTest('btr', '0F B3', 6, (e, unit, mask) => e.and(unit, e.xor(mask, e.const(-1))));
export const btc = bitTest('btc', '0F BB', 7, (e, unit, mask) => e.xor(unit, mask));

/**
 * SDM Vol. 2A, BSF and BSR: a source of 0 leaves the destination alone, as processors do. TZCNT and LZCNT run as these.
 * The flags other than ZF are undefined: PF is the index's (0's for a source of 0), the rest clear, as on Intel's processors.
 */
function bitScan(name: string, opcode: string, index: <V>(e: Emitter<V>, value: V) => V): Insn {
  return insn(name, {}, [`${opcode} /r Gv,Ev`], (e, dst, src) => {
    const value = e.load(src);
    const found = index(e, value);
    e.store(dst, e.select(value, found, e.load(dst)));
    const no = e.const(0);
    const pf = e.eqz(e.and(e.popcnt(e.select(value, found, no)), e.const(1)));
    e.flags.set({ cf: no, of: no, sf: no, af: no, zf: e.eqz(value), pf });
  });
}
export const bsf = bitScan('bsf', '0F BC', (e, value) => e.ctz(value));
export const bsr = bitScan('bsr', '0F BD', (e, value) => e.sub(e.const(31), e.clz(value)));

export const bits = [bt, bts, btr, btc, bsf, bsr];
