/** FCOM and FXAM. */
import type { Emitter } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import {
  C0,
  C1,
  C2,
  C3,
  choose,
  DE,
  exponentOf,
  IE,
  isDenormal,
  isInfinite,
  isNan,
  isNanOrUnsupported,
  isSignaling,
  isUnsupported,
  SIGN,
  signOf,
} from './format.ts';

/** (a, b, quiet) -> C3 C2 C0 and exceptions as status bits. Quiet NaNs are IE unless `quiet`. */
export const f80Compare = routine(
  'f80_compare',
  ['i64', 'i32', 'i64', 'i32', 'i32'],
  ['i32'],
  (e, aSig, aSe, bSig, bSe, quiet) => {
    const status = e.variable('i32', e.const(0));
    choose(
      e,
      [
        [
          e.or(isNanOrUnsupported(e, aSig, aSe), isNanOrUnsupported(e, bSig, bSe)),
          () => {
            const refused = e.or(isUnsupported(e, aSig, aSe), isUnsupported(e, bSig, bSe));
            const signaling = e.or(isSignaling(e, aSig, aSe), isSignaling(e, bSig, bSe));
            const invalid = e.or(e.eqz(quiet), e.or(refused, signaling));
            status.set(e.or(e.const(C0 | C2 | C3), e.mul(invalid, e.const(IE))));
          },
        ],
      ],
      () => {
        const [less, equal] = order(e, aSig, aSe, bSig, bSe);
        const relation = e.select(equal, e.const(C3), e.select(less, e.const(C0), e.const(0)));
        const denormal = e.or(isDenormal(e, aSig, aSe), isDenormal(e, bSig, bSe));
        status.set(e.or(relation, e.mul(denormal, e.const(DE))));
      },
    );
    return [status.get()];
  },
);

function order<V>(e: Emitter<V>, aSig: V, aSe: V, bSig: V, bSe: V): [V, V] {
  const at = (se: V): V => e.add(exponentOf(e, se), e.eqz(exponentOf(e, se)));
  const aExp = at(aSe),
    bExp = at(bSe);
  const sameExp = e.eq(aExp, bExp);
  const below = e.or(e.ltU(aExp, bExp), e.and(sameExp, e.i64.ltU(aSig, bSig)));
  const magnitude = e.and(sameExp, e.i64.eq(aSig, bSig));
  const zeros = e.i64.eqz(e.i64.or(aSig, bSig));
  const aNegative = e.ne(signOf(e, aSe), e.const(0));
  const sameSign = e.eq(signOf(e, aSe), signOf(e, bSe));
  const less = e.select(sameSign, e.xor(below, aNegative), aNegative);
  return [less, e.or(zeros, e.and(sameSign, magnitude))];
}

/** (value, empty) -> C3 C2 C0 by class and C1 by sign (SDM Vol. 2A, FXAM). */
export const f80Examine = routine('f80_examine', ['i64', 'i32', 'i32'], ['i32'], (e, sig, se, empty) => {
  const zero = e.i64.eqz(sig);
  const byExponent = e.select(exponentOf(e, se), e.const(C2), e.select(zero, e.const(C3), e.const(C3 | C2)));
  const infinite = e.select(isInfinite(e, se), e.const(C2 | C0), byExponent);
  const nan = e.select(isNan(e, sig, se), e.const(C0), infinite);
  const supported = e.select(isUnsupported(e, sig, se), e.const(0), nan);
  const kind = e.select(empty, e.const(C3 | C0), supported);
  return [e.or(kind, e.select(e.and(se, e.const(SIGN)), e.const(C1), e.const(0)))];
});
