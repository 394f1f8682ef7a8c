/** Between extended and single or double: widening is exact, narrowing rounds to the smaller format's own limits. */
import type { Emitter } from '../emit/emitter.ts';
import { type Routine, routine } from '../emit/routine.ts';
import { STATE } from '../state.ts';
import {
  BIAS,
  C1,
  choose,
  DE,
  EXPONENT,
  exponentOf,
  IE,
  INTEGER_BIT,
  isNan,
  isSignaling,
  isUnsupported,
  joined,
  OE,
  outcome,
  type Parts,
  PE,
  QUIET_BIT,
  ROUND_DOWN,
  ROUND_NEAREST,
  roundingOf,
  SIGN,
  signOf,
  UE,
} from './format.ts';
import { unpack } from './mul.ts';
import { isPlain, roundAt } from './round.ts';
import { shiftRightSticky } from './wide.ts';

interface Format {
  readonly name: string;
  readonly fraction: number;
  readonly bias: number;
  /** The exponent field of infinities. */
  readonly top: number;
  /** How far above bit 15 the sign stands. */
  readonly signShift: bigint;
}
const DOUBLE: Format = { name: 'f64', fraction: 52, bias: 1023, top: 0x7ff, signShift: 48n };
const SINGLE: Format = { name: 'f32', fraction: 23, bias: 127, top: 0xff, signShift: 16n };

/** The exponent field; and the sign as in Parts. */
function fieldsOf<V>(e: Emitter<V>, format: Format, bits: V): Pick<Parts<V>, 'exponent' | 'sign'> {
  const { shrU, wrap } = e.i64;
  return {
    exponent: e.and(wrap(shrU(bits, e.const64(BigInt(format.fraction)))), e.const(format.top)),
    sign: wrap(shrU(bits, e.const64(format.signShift))),
  };
}

/** Zero, denormal, infinity, NaN. */
function wideningSlow(format: Format): Routine {
  return routine(`f80_from_${format.name}`, ['i64'], ['i64', 'i32'], (e, bits) => {
    const { shl, shrU } = e.i64;
    const { exponent, sign: unmasked } = fieldsOf(e, format, bits);
    const sign = signOf(e, unmasked);
    const fraction = shrU(shl(bits, e.const64(BigInt(64 - format.fraction))), e.const64(1n));
    const out = outcome(e);
    choose(
      e,
      [
        [exponent, () => out.set([e.i64.or(fraction, e.const64(INTEGER_BIT)), e.or(sign, e.const(EXPONENT))])],
        [e.i64.eqz(fraction), () => out.set([fraction, sign])],
      ],
      () => {
        const shift = e.i64.clz(fraction);
        const exp = e.sub(e.const(BIAS - format.bias + 1), e.i64.wrap(shift));
        out.set([e.i64.shl(fraction, shift), e.or(e.or(sign, exp), e.const(DE << 16))]);
      },
    );
    return out.get();
  });
}

/** A widening: in place where `normal` holds, else by the routine, which is right for all. */
export interface Widening {
  readonly fast: <V>(e: Emitter<V>, bits: V) => { normal: V; value: Parts<V> };
  /** Bits in an i64 -> value, with DE in its flags if denormal; a signaling NaN stays one: its consumer reports it. */
  readonly any: <V>(e: Emitter<V>, bits: V) => readonly V[];
}

function widening(format: Format): Widening {
  const slow = wideningSlow(format);
  const fast = <V>(e: Emitter<V>, bits: V) => {
    const { sign, exponent } = fieldsOf(e, format, bits);
    // The integer bit takes the place of the exponent's lowest.
    const aligned = e.i64.shl(bits, e.const64(BigInt(63 - format.fraction)));
    return {
      normal: e.ltU(e.sub(exponent, e.const(1)), e.const(format.top - 1)),
      value: {
        sig: e.i64.or(aligned, e.const64(INTEGER_BIT)),
        exponent: e.add(exponent, e.const(BIAS - format.bias)),
        sign,
      },
    };
  };
  return {
    fast,
    any(e, bits) {
      const out = outcome(e);
      const { normal, value } = fast(e, bits);
      e.if(
        normal,
        () => out.set([value.sig, joined(e, value)]),
        () => out.set(e.call(slow, bits)),
      );
      return out.get();
    },
  };
}
export const widenF64 = widening(DOUBLE);
export const widenF32 = widening(SINGLE);

/** Fields of the small format, in an i64; `sig` is a significand with its integer bit at bit 63 (dropped if exponent is 0). */
function pack<V>(e: Emitter<V>, format: Format, sign: V, exponent: V, sig: V): V {
  const { shl, shrU, or, extendU } = e.i64;
  const fraction = shrU(shl(sig, e.const64(1n)), e.const64(BigInt(64 - format.fraction)));
  const high = or(
    shl(extendU(sign), e.const64(format.signShift)),
    shl(extendU(exponent), e.const64(BigInt(format.fraction))),
  );
  return or(high, fraction);
}

function narrowFinite<V>(e: Emitter<V>, format: Format, sig: V, se: V): V[] {
  const control = e.state(STATE.fpuControl);
  const rc = roundingOf(e, control);
  const sign = signOf(e, se);
  const discard = e.const64(BigInt(63 - format.fraction));
  const a = unpack(e, sig, se);
  const zero = e.const64(0n);
  const exponent = e.sub(a.exponent, e.const(BIAS - format.bias));
  const first = roundAt(e, sign, a.sig, zero, discard, rc);
  const carried = e.i64.eqz(first.sig);
  const rounded = e.add(exponent, carried);
  const out = outcome(e);
  const flags = (inexact: V, up: V): V => e.or(e.mul(inexact, e.const(PE)), e.mul(up, e.const(C1)));
  choose(
    e,
    [
      [
        e.ltS(exponent, e.const(1)),
        () => {
          const [high, low] = shiftRightSticky(e, [a.sig, zero], e.sub(e.const(1), exponent));
          const again = roundAt(e, sign, high, low, discard, rc);
          const field = e.i64.wrap(e.i64.shrU(again.sig, e.const64(63n)));
          // Masked, a tiny exact result is no exception.
          const unmasked = e.eqz(e.and(control, e.const(UE)));
          const under = e.and(e.ltS(rounded, e.const(1)), e.or(again.inexact, unmasked));
          out.set([
            pack(e, format, sign, field, again.sig),
            e.or(flags(again.inexact, again.up), e.mul(under, e.const(UE))),
          ]);
        },
      ],
      [
        e.geS(rounded, e.const(format.top)),
        () => {
          const away = e.eq(rc, e.select(sign, e.const(ROUND_DOWN), e.const(ROUND_DOWN + 1)));
          const infinite = e.or(e.eq(rc, e.const(ROUND_NEAREST)), away);
          const largest = pack(e, format, sign, e.const(format.top - 1), e.const64(-1n));
          const infinity = pack(e, format, sign, e.const(format.top), zero);
          out.set([
            e.select(infinite, infinity, largest),
            e.or(e.const(OE | PE), e.select(infinite, e.const(C1), e.const(0))),
          ]);
        },
      ],
    ],
    () => out.set([pack(e, format, sign, rounded, first.sig), flags(first.inexact, first.up)]),
  );
  return out.get();
}

/** A narrowing: in place where `ready` holds, else by the routine, which is right for all. */
export interface Narrowing {
  readonly fast: <V>(e: Emitter<V>, sig: V, se: V) => { ready: V; bits: V; flags: V };
  /** (value) -> bits in an i64, status bits. Where an unmasked exception forbids the store the bits do not matter. */
  readonly any: Routine;
}

/** Normal numbers that stay normal, plain control. */
function narrowPlain<V>(e: Emitter<V>, format: Format, sig: V, se: V) {
  const { shrU, and, ne, add, extendU } = e.i64;
  const field = e.sub(exponentOf(e, se), e.const(BIAS - format.bias));
  const inRange = e.ltU(e.sub(field, e.const(1)), e.const(format.top - 2));
  const drop = 63 - format.fraction;
  const unit = 1n << BigInt(drop);
  const lost = and(sig, e.const64(unit - 1n));
  const odd = and(shrU(sig, e.const64(BigInt(drop))), e.const64(1n));
  // Half a unit less one plus the kept part's lowest bit: carries exactly when nearest-even goes up.
  const up = e.i64.geU(add(add(lost, odd), e.const64(unit / 2n - 1n)), e.const64(unit));
  return {
    ready: e.and(e.and(isPlain(e), inRange), e.i64.ltS(sig, e.const64(0n))),
    bits: add(pack(e, format, signOf(e, se), field, sig), extendU(up)),
    flags: e.or(e.shl(ne(lost, e.const64(0n)), e.const(5)), e.shl(up, e.const(9))),
  };
}

function narrowing(format: Format): Narrowing {
  const any = routine(`f80_to_${format.name}`, ['i64', 'i32'], ['i64', 'i32'], (e, sig, se) => {
    const out = outcome(e);
    const sign = signOf(e, se);
    const top = e.const(format.top);
    const quiet = e.i64.or(sig, e.const64(QUIET_BIT));
    choose(
      e,
      [
        [
          isUnsupported(e, sig, se),
          () => out.set([pack(e, format, e.const(SIGN), top, e.const64(QUIET_BIT)), e.const(IE)]),
        ],
        [isNan(e, sig, se), () => out.set([pack(e, format, sign, top, quiet), isSignaling(e, sig, se)])],
        [
          e.eq(exponentOf(e, se), e.const(EXPONENT)),
          () => out.set([pack(e, format, sign, top, e.const64(0n)), e.const(0)]),
        ],
        [e.i64.eqz(sig), () => out.set([pack(e, format, sign, e.const(0), sig), e.const(0)])],
      ],
      () => out.set(narrowFinite(e, format, sig, se)),
    );
    return out.get();
  });
  return { fast: (e, sig, se) => narrowPlain(e, format, sig, se), any };
}
export const narrowF64 = narrowing(DOUBLE);
export const narrowF32 = narrowing(SINGLE);
