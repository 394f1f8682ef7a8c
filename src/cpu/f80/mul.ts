/** Multiplication. */
import type { Emitter } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import { STATE } from '../state.ts';
import {
  BIAS,
  choose,
  denormalFlags,
  EXPONENT,
  exponentOf,
  IE,
  INTEGER_BIT,
  indefinite,
  isDenormal,
  isInfinite,
  isNanOrUnsupported,
  isNormal,
  outcome,
  signOf,
} from './format.ts';
import { f80Nan } from './nan.ts';
import { f80Round, isPlain, roundPlain } from './round.ts';
import { mulWide, normalize } from './wide.ts';

/** Exponent and normalized significand of a finite nonzero operand. */
export function unpack<V>(e: Emitter<V>, sig: V, se: V): { sig: V; exponent: V } {
  const shift = e.i64.clz(sig);
  const exponent = exponentOf(e, se);
  const effective = e.add(exponent, e.eqz(exponent));
  return { sig: e.i64.shl(sig, shift), exponent: e.sub(effective, e.i64.wrap(shift)) };
}

export const f80MulSlow = routine(
  'f80_mul_slow',
  ['i64', 'i32', 'i64', 'i32'],
  ['i64', 'i32'],
  (e, aSig, aSe, bSig, bSe) => {
    const out = outcome(e);
    const sign = signOf(e, e.xor(aSe, bSe));
    const flags = denormalFlags(e, isDenormal(e, aSig, aSe), isDenormal(e, bSig, bSe));
    const infinite = e.or(isInfinite(e, aSe), isInfinite(e, bSe));
    const zero = e.or(e.i64.eqz(aSig), e.i64.eqz(bSig));
    choose(
      e,
      [
        [
          e.or(isNanOrUnsupported(e, aSig, aSe), isNanOrUnsupported(e, bSig, bSe)),
          () => out.set(e.call(f80Nan, aSig, aSe, bSig, bSe)),
        ],
        [e.and(infinite, zero), () => out.set(indefinite(e, IE))],
        [infinite, () => out.set([e.const64(INTEGER_BIT), e.or(e.or(sign, e.const(EXPONENT)), flags)])],
        [zero, () => out.set([e.const64(0n), e.or(sign, flags)])],
      ],
      () => {
        const a = unpack(e, aSig, aSe),
          b = unpack(e, bSig, bSe);
        const product = mulWide(e, a.sig, b.sig);
        const exponent = e.sub(e.add(a.exponent, b.exponent), e.const(BIAS - 1));
        const [high, low, x] = normalize(e, product, exponent);
        out.set(e.call(f80Round, sign, x, high, low, e.state(STATE.fpuControl), flags));
      },
    );
    return out.get();
  },
);

/** a * b: normal operands and plain control first. Emitted in place. */
export function f80Mul<V>(e: Emitter<V>, aSig: V, aSe: V, bSig: V, bSe: V): V[] {
  const { shl, shrU, or, geS, extendU } = e.i64;
  const zero = e.const64(0n);
  const out = outcome(e);
  const done = e.variable('i32', e.const(0));
  const aExp = exponentOf(e, aSe),
    bExp = exponentOf(e, bSe);
  e.if(e.and(isPlain(e), e.and(isNormal(e, aSig, aExp), isNormal(e, bSig, bExp))), () => {
    const [h, l] = mulWide(e, aSig, bSig);
    const short = geS(h, zero);
    const n = extendU(short);
    const high = or(shl(h, n), e.select(short, shrU(l, e.const64(63n)), zero));
    const low = shl(l, n);
    const exponent = e.sub(e.sub(e.add(aExp, bExp), e.const(BIAS - 1)), short);
    roundPlain(e, out, done, [signOf(e, e.xor(aSe, bSe)), exponent, high, low]);
  });
  e.if(e.eqz(done.get()), () => out.set(e.call(f80MulSlow, aSig, aSe, bSig, bSe)));
  return out.get();
}
