/** FPREM, FPREM1, FSCALE and FXTRACT. */
import type { Emitter } from '../emit/emitter.ts';
import { type Routine, routine } from '../emit/routine.ts';
import { STATE } from '../state.ts';
import { f80FromInt } from './convert-int.ts';
import { divWide } from './div.ts';
import {
  BIAS,
  C0,
  C1,
  C2,
  C3,
  choose,
  DE,
  denormalFlags,
  EXPONENT,
  exponentOf,
  IE,
  INTEGER_BIT,
  indefinite,
  isDenormal,
  isInfinite,
  isNanOrUnsupported,
  outcome,
  SIGN,
  signOf,
  withFlags,
  ZE,
} from './format.ts';
import { unpack } from './mul.ts';
import { f80Nan, f80Nan1 } from './nan.ts';
import { roundTo64 } from './round.ts';

/** Low three bits of the quotient as C0 C3 C1, at the word's high half. */
function quotientFlags<V>(e: Emitter<V>, quotient: V): V {
  const q = e.i64.wrap(quotient);
  const bit = (n: number, flag: number): V => e.mul(e.and(e.shrU(q, e.const(n)), e.const(1)), e.const(flag << 16));
  return e.or(bit(2, C0), e.or(bit(1, C3), bit(0, C1)));
}

interface Reduction<V> {
  sign: V;
  exponent: V;
  rest: V;
  flags: V;
}

/** An exact result: zero, or normalized and given its (perhaps denormal) encoding. */
function exact<V>(e: Emitter<V>, r: Reduction<V>): V[] {
  const out = outcome(e);
  e.if(
    e.i64.eqz(r.rest),
    () => out.set([r.rest, e.or(r.sign, r.flags)]),
    () => {
      const shift = e.i64.clz(r.rest);
      const exponent = e.sub(r.exponent, e.i64.wrap(shift));
      const sig = e.i64.shl(r.rest, shift);
      out.set(roundTo64(e, r.sign, exponent, sig, e.const64(0n), e.state(STATE.fpuControl), r.flags));
    },
  );
  return out.get();
}

/** a - b * quotient, the quotient truncated (FPREM) or rounded to nearest even (FPREM1, IEEE). */
function remainder(name: string, nearest: boolean): Routine {
  return routine(name, ['i64', 'i32', 'i64', 'i32'], ['i64', 'i32'], (e, aSig, aSe, bSig, bSe) => {
    const out = outcome(e);
    const flags = denormalFlags(e, isDenormal(e, aSig, aSe), isDenormal(e, bSig, bSe));
    choose(
      e,
      [
        [
          e.or(isNanOrUnsupported(e, aSig, aSe), isNanOrUnsupported(e, bSig, bSe)),
          () => out.set(e.call(f80Nan, aSig, aSe, bSig, bSe)),
        ],
        [e.or(isInfinite(e, aSe), e.i64.eqz(bSig)), () => out.set(indefinite(e, IE))],
        [e.i64.eqz(aSig), () => out.set([aSig, e.or(aSe, flags)])],
        [
          isInfinite(e, bSe),
          () => {
            const a = unpack(e, aSig, aSe);
            out.set(exact(e, { sign: signOf(e, aSe), exponent: a.exponent, rest: a.sig, flags }));
          },
        ],
      ],
      () => out.set(exact(e, reduce(e, nearest, [aSig, aSe, bSig, bSe], flags))),
    );
    return out.get();
  });
}

function reduce<V>(e: Emitter<V>, nearest: boolean, [aSig, aSe, bSig, bSe]: readonly V[], flags: V): Reduction<V> {
  const { shl, shrU, sub, add, extendU, gtU, eq, and, wrap } = e.i64;
  const one = e.const64(1n);
  const a = unpack(e, aSig, aSe),
    b = unpack(e, bSig, bSe);
  const distance = e.sub(a.exponent, b.exponent);
  const sign = e.variable('i32', signOf(e, aSe)),
    exponent = e.variable('i32', a.exponent),
    rest = e.variable('i64', a.sig),
    word = e.variable('i32', flags);
  const reverse = (whole: V, quotient: V): void => {
    rest.set(sub(whole, rest.get()));
    sign.set(e.xor(sign.get(), e.const(SIGN)));
    word.set(e.or(flags, quotientFlags(e, add(quotient, one))));
  };
  choose(
    e,
    [
      [
        // The manual leaves open how far one step goes; this is as far as Intel's processors go.
        e.geS(distance, e.const(64)),
        () => {
          const bits = e.or(e.and(distance, e.const(31)), e.const(32));
          const n = extendU(bits);
          const high = shrU(a.sig, sub(e.const64(64n), n));
          rest.set(divWide(e, [high, shl(a.sig, n)], b.sig)[1]);
          exponent.set(e.sub(a.exponent, bits));
          word.set(withFlags(e, flags, C2));
        },
      ],
      [
        e.geS(distance, e.const(0)),
        () => {
          const n = extendU(distance);
          const high = shrU(shrU(a.sig, one), sub(e.const64(63n), n));
          const [quotient, left] = divWide(e, [high, shl(a.sig, n)], b.sig);
          rest.set(left);
          exponent.set(b.exponent);
          word.set(e.or(flags, quotientFlags(e, quotient)));
          if (nearest) {
            const other = sub(b.sig, left);
            const up = e.or(gtU(left, other), e.and(eq(left, other), wrap(and(quotient, one))));
            e.if(up, () => reverse(b.sig, quotient));
          }
        },
      ],
    ],
    () => {
      if (!nearest) return;
      // Half of b or less is left alone; more than half, a is one exponent below b and 2b - a fits.
      const more = e.and(e.eq(distance, e.const(-1)), gtU(a.sig, b.sig));
      e.if(more, () => reverse(shl(b.sig, one), e.const64(0n)));
    },
  );
  return { sign: sign.get(), exponent: exponent.get(), rest: rest.get(), flags: word.get() };
}

export const f80Prem = remainder('f80_prem', false);
export const f80Prem1 = remainder('f80_prem1', true);

/** a * 2**trunc(b). */
export const f80Scale = routine(
  'f80_scale',
  ['i64', 'i32', 'i64', 'i32'],
  ['i64', 'i32'],
  (e, aSig, aSe, bSig, bSe) => {
    const out = outcome(e);
    const flags = denormalFlags(e, isDenormal(e, aSig, aSe), isDenormal(e, bSig, bSe));
    const aZero = e.i64.eqz(aSig),
      aInfinite = isInfinite(e, aSe),
      bInfinite = isInfinite(e, bSe);
    const negative = e.ne(signOf(e, bSe), e.const(0));
    const sign = signOf(e, aSe);
    choose(
      e,
      [
        [
          e.or(isNanOrUnsupported(e, aSig, aSe), isNanOrUnsupported(e, bSig, bSe)),
          () => out.set(e.call(f80Nan, aSig, aSe, bSig, bSe)),
        ],
        [e.and(bInfinite, e.select(negative, aInfinite, aZero)), () => out.set(indefinite(e, IE))],
        [e.or(aInfinite, aZero), () => out.set([aSig, e.or(aSe, flags)])],
        [e.and(bInfinite, negative), () => out.set([e.const64(0n), e.or(sign, flags)])],
        [bInfinite, () => out.set([e.const64(INTEGER_BIT), e.or(e.or(sign, e.const(EXPONENT)), flags)])],
      ],
      () => {
        const a = unpack(e, aSig, aSe);
        const bExponent = e.sub(exponentOf(e, bSe), e.const(BIAS));
        // Beyond 2**16 every value over- or underflows; below 1 nothing happens.
        const shift = e.i64.extendU(e.and(e.sub(e.const(63), bExponent), e.const(63)));
        const whole = e.i64.wrap(e.i64.shrU(bSig, shift));
        const some = e.select(e.ltS(bExponent, e.const(0)), e.const(0), whole);
        const magnitude = e.select(e.gtS(bExponent, e.const(16)), e.const(0x1ffff), some);
        const scale = e.select(negative, e.sub(e.const(0), magnitude), magnitude);
        const exponent = e.add(a.exponent, scale);
        out.set(roundTo64(e, sign, exponent, a.sig, e.const64(0n), e.state(STATE.fpuControl), flags));
      },
    );
    return out.get();
  },
);

/** (value) -> exponent, significand with its flags (those of both). */
export const f80Extract = routine('f80_extract', ['i64', 'i32'], ['i64', 'i32', 'i64', 'i32'], (e, sig, se) => {
  const exponent = outcome(e),
    significand = outcome(e);
  choose(
    e,
    [
      [
        isNanOrUnsupported(e, sig, se),
        () => {
          const [q, word] = e.call(f80Nan1, sig, se);
          exponent.set([q, e.and(word, e.const(0xffff))]);
          significand.set([q, word]);
        },
      ],
      [
        isInfinite(e, se),
        () => {
          exponent.set([sig, e.const(EXPONENT)]);
          significand.set([sig, se]);
        },
      ],
      [
        e.i64.eqz(sig),
        () => {
          exponent.set([e.const64(INTEGER_BIT), e.const(SIGN | EXPONENT)]);
          significand.set([sig, withFlags(e, se, ZE)]);
        },
      ],
    ],
    () => {
      const a = unpack(e, sig, se);
      exponent.set(e.call(f80FromInt, e.i64.extendS(e.sub(a.exponent, e.const(BIAS)))));
      const denormal = e.select(isDenormal(e, sig, se), e.const(DE << 16), e.const(0));
      significand.set([a.sig, e.or(e.or(signOf(e, se), e.const(BIAS)), denormal)]);
    },
  );
  return [...exponent.get(), ...significand.get()];
});
