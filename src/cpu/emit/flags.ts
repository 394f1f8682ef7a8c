/**
 * EFLAGS' arithmetic bits as a lazy pair that needs no type and no branch.
 *
 * flagResult R: the last result, sign-extended to 32 bits. flagAux A: bit 31 the carry out of the result's top bit (CF),
 * bit 30 the carry into it (OF = bit 31 ^ bit 30), bit 3 the carry out of bit 3 (AF), bit 0 a correction to the sign
 * and bits 8..15 one to the parity byte, so that every combination of flags has a pair:
 *   ZF = R == 0, SF = R<31> ^ A<0>, PF = even parity of (R ^ A >> 8)<7:0>.
 */
import { STATE } from '../state.ts';
import type { ConditionCode, Emitter, Flags, FlagValues, Size } from './emitter.ts';

type FlagName = keyof FlagValues<unknown>;
const CARRIES = 0xc000_0008 | 0;
/** EFLAGS bit of each arithmetic flag. */
export const FLAG_BIT: Record<FlagName, number> = { cf: 0, pf: 2, af: 4, zf: 6, sf: 7, of: 11 };
const FLAG_NAMES = Object.keys(FLAG_BIT) as FlagName[];

/** What flags need beyond the emitter: a condition as exactly 0 or 1. */
export interface FlagEmitter<V> extends Emitter<V> {
  bool(condition: V): V;
}

function setResult<V>(e: FlagEmitter<V>, result: V, size: Size): void {
  e.setState(STATE.flagResult, e.sext(result, size));
}

function setAux<V>(e: FlagEmitter<V>, aux: V): void {
  e.setState(STATE.flagAux, aux);
}

/** Carry vector of an operation of `size`, its top bit moved to bit 31; AF's carry stays in bit 3. */
function carriesToAux<V>(e: FlagEmitter<V>, carries: V, size: Size): V {
  if (size === 4) return e.and(carries, e.const(CARRIES));
  const top = e.and(e.shl(carries, e.const(32 - size * 8)), e.const(0xc000_0000 | 0));
  return e.or(top, e.and(carries, e.const(8)));
}

const sumCarries = <V>(e: FlagEmitter<V>, a: V, b: V, sum: V): V =>
  e.or(e.and(a, b), e.and(e.or(a, b), e.xor(sum, e.const(-1))));

const differenceCarries = <V>(e: FlagEmitter<V>, a: V, b: V, difference: V): V => {
  const notA = e.xor(a, e.const(-1));
  return e.or(e.and(notA, b), e.and(e.xor(notA, b), difference));
};

/** Bits 31 and 30 for CF and OF, both 0 or 1. */
const carryPair = <V>(e: FlagEmitter<V>, cf: V, of: V): V =>
  e.or(e.shl(cf, e.const(31)), e.shl(e.xor(cf, of), e.const(30)));

/** After INC and DEC: OF and AF from the carries, CF as it was. */
function keepCarry<V>(e: FlagEmitter<V>, carries: V, size: Size): void {
  const aux = carriesToAux(e, carries, size);
  const old = e.state(STATE.flagAux);
  // New bit 31 is the old CF; bit 30 becomes CF ^ OF, and OF is the new carries' bit 31 ^ bit 30.
  const change = e.and(e.xor(aux, old), e.const(0x8000_0000 | 0));
  setAux(e, e.xor(aux, e.or(change, e.shrU(change, e.const(1)))));
}

function getFlag<V>(e: FlagEmitter<V>, flag: FlagName): V {
  const result = (): V => e.state(STATE.flagResult);
  const aux = e.state(STATE.flagAux);
  switch (flag) {
    case 'cf':
      return e.shrU(aux, e.const(31));
    case 'of':
      return e.shrU(e.xor(aux, e.shl(aux, e.const(1))), e.const(31));
    case 'af':
      return e.and(e.shrU(aux, e.const(3)), e.const(1));
    case 'zf':
      return e.eqz(result());
    case 'sf':
      return e.xor(e.shrU(result(), e.const(31)), e.and(aux, e.const(1)));
    case 'pf': {
      const byte = e.and(e.xor(result(), e.shrU(aux, e.const(8))), e.const(0xff));
      return e.eqz(e.and(e.popcnt(byte), e.const(1)));
    }
  }
}

/** SF != OF. */
function signedLess<V>(e: FlagEmitter<V>): V {
  const aux = e.state(STATE.flagAux);
  const top = e.xor(e.xor(e.state(STATE.flagResult), aux), e.shl(aux, e.const(1)));
  return e.xor(e.shrU(top, e.const(31)), e.and(aux, e.const(1)));
}

/** Condition tttn (SDM Vol. 1, appendix B) as 0 or 1. */
export function flagCondition<V>(e: FlagEmitter<V>, code: ConditionCode): V {
  const positive = (): V => {
    switch (code >> 1) {
      case 0:
        return getFlag(e, 'of');
      case 1:
        return getFlag(e, 'cf');
      case 2:
        return getFlag(e, 'zf');
      case 3:
        return e.or(getFlag(e, 'cf'), getFlag(e, 'zf'));
      case 4:
        return getFlag(e, 'sf');
      case 5:
        return getFlag(e, 'pf');
      case 6:
        return signedLess(e);
      default:
        return e.or(signedLess(e), getFlag(e, 'zf'));
    }
  };
  return code & 1 ? e.eqz(positive()) : positive();
}

/** The pair that means exactly these six flags, each 0 or 1. */
function compose<V>(e: FlagEmitter<V>, flags: Required<FlagValues<V>>): void {
  const notZero = e.eqz(flags.zf);
  const parityDelta = e.xor(flags.pf, flags.zf);
  const low = e.or(e.or(flags.sf, e.shl(flags.af, e.const(3))), e.shl(parityDelta, e.const(8)));
  e.setState(STATE.flagResult, notZero);
  setAux(e, e.or(carryPair(e, flags.cf, flags.of), low));
}

function setSome<V>(e: FlagEmitter<V>, values: FlagValues<V>): void {
  const bool = (flag: FlagName): V => (values[flag] === undefined ? getFlag(e, flag) : e.bool(values[flag]));
  if (values.pf !== undefined || values.zf !== undefined || values.sf !== undefined) {
    compose(e, { cf: bool('cf'), pf: bool('pf'), af: bool('af'), zf: bool('zf'), sf: bool('sf'), of: bool('of') });
    return;
  }
  let kept = -1;
  let bits = e.const(0);
  if (values.cf !== undefined || values.of !== undefined) {
    kept &= 0x3fff_ffff;
    bits = carryPair(e, bool('cf'), bool('of'));
  }
  if (values.af !== undefined) {
    kept &= ~8;
    bits = e.or(bits, e.shl(bool('af'), e.const(3)));
  }
  setAux(e, e.or(e.and(e.state(STATE.flagAux), e.const(kept)), bits));
}

export function lazyFlags<V>(e: FlagEmitter<V>): Flags<V> {
  return {
    add(a, b, sum, size) {
      setResult(e, sum, size);
      setAux(e, carriesToAux(e, sumCarries(e, a, b, sum), size));
    },
    sub(a, b, difference, size) {
      setResult(e, difference, size);
      setAux(e, carriesToAux(e, differenceCarries(e, a, b, difference), size));
    },
    logic(result, size) {
      setResult(e, result, size);
      setAux(e, e.const(0));
    },
    inc(a, sum, size) {
      keepCarry(e, sumCarries(e, a, e.const(1), sum), size);
      setResult(e, sum, size);
    },
    dec(a, difference, size) {
      keepCarry(e, differenceCarries(e, a, e.const(1), difference), size);
      setResult(e, difference, size);
    },
    result(result, size, rest) {
      const bool = (value: V | undefined): V => (value === undefined ? e.const(0) : e.bool(value));
      const pair =
        rest.cf === undefined && rest.of === undefined ? e.const(0) : carryPair(e, bool(rest.cf), bool(rest.of));
      setResult(e, result, size);
      setAux(e, rest.af === undefined ? pair : e.or(pair, e.shl(bool(rest.af), e.const(3))));
    },
    set: (values) => setSome(e, values),
    restore(image) {
      const bit = (flag: FlagName): V => e.and(e.shrU(image, e.const(FLAG_BIT[flag])), e.const(1));
      compose(e, { cf: bit('cf'), pf: bit('pf'), af: bit('af'), zf: bit('zf'), sf: bit('sf'), of: bit('of') });
    },
    get: (flag) => getFlag(e, flag),
    image() {
      const bits = FLAG_NAMES.map((flag) => e.shl(getFlag(e, flag), e.const(FLAG_BIT[flag])));
      return bits.reduce((all, bit) => e.or(all, bit), e.const(2));
    },
  };
}
