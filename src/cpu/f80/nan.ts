/** What an operation answers when an operand is a NaN or an unsupported encoding (SDM Vol. 1, tables 4-7 and 8-10). */
import { routine } from '../emit/routine.ts';
import {
  choose,
  IE,
  indefinite,
  isNan,
  isSignaling,
  isUnsupported,
  outcome,
  QUIET_BIT,
  SIGN,
  withFlags,
} from './format.ts';

/**
 * Of two operands, at least one a NaN or unsupported: the quiet NaN that results. A quiet one beats a signaling one, else
 * the larger significand counts, else the positive one.
 */
export const f80Nan = routine('f80_nan', ['i64', 'i32', 'i64', 'i32'], ['i64', 'i32'], (e, aSig, aSe, bSig, bSe) => {
  const out = outcome(e);
  const aNan = isNan(e, aSig, aSe),
    bNan = isNan(e, bSig, bSe);
  const aSignaling = isSignaling(e, aSig, aSe),
    bSignaling = isSignaling(e, bSig, bSe);
  choose(
    e,
    [[e.or(isUnsupported(e, aSig, aSe), isUnsupported(e, bSig, bSe)), () => out.set(indefinite(e, IE))]],
    () => {
      const positive = e.eqz(e.and(aSe, e.const(SIGN)));
      const larger = e.or(e.i64.gtU(aSig, bSig), e.and(e.i64.eq(aSig, bSig), positive));
      const both = e.and(aNan, bNan);
      const mixed = e.xor(aSignaling, bSignaling);
      const pickA = e.select(both, e.select(mixed, bSignaling, larger), aNan);
      const sig = e.i64.or(e.select(pickA, aSig, bSig), e.const64(QUIET_BIT));
      const flags = e.shl(e.or(aSignaling, bSignaling), e.const(16));
      out.set([sig, e.or(e.select(pickA, aSe, bSe), flags)]);
    },
  );
  return out.get();
});

/** The same for one operand. */
export const f80Nan1 = routine('f80_nan1', ['i64', 'i32'], ['i64', 'i32'], (e, sig, se) => {
  const out = outcome(e);
  e.if(
    isUnsupported(e, sig, se),
    () => out.set(indefinite(e, IE)),
    () => {
      const quiet = e.i64.or(sig, e.const64(QUIET_BIT));
      out.set([quiet, e.select(isSignaling(e, sig, se), withFlags(e, se, IE), se)]);
    },
  );
  return out.get();
});
