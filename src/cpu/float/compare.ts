/** Comparison, minimum, maximum. */

import type { Emitter } from '../emit/emitter.ts';
import type { Routine } from '../emit/routine.ts';
import { routine } from '../emit/routine.ts';
import type { Format } from './format.ts';
import { BINARY32, BINARY64, classes, host } from './format.ts';
import { DE, IE, loadMxcsr } from './mxcsr.ts';

/** IE for a NaN that signals, else DE for a denormal; NaNs hide denormals. */
function compareFlags<V>(e: Emitter<V>, f: Format, a: V, b: V, quietSignals: V): V {
  const c = classes(e, f);
  const nan = e.or(c.isNan(a), c.isNan(b));
  const signals = e.or(e.or(c.isSignaling(a), c.isSignaling(b)), e.and(nan, e.ne(quietSignals, e.const(0))));
  const denormal = e.and(e.or(c.isDenormal(a), c.isDenormal(b)), e.eqz(nan));
  return e.or(e.select(signals, e.const(IE), e.const(0)), e.select(denormal, e.const(DE), e.const(0)));
}

/** (a, b, whether quiet NaNs are invalid too) -> [a and b as DAZ leaves them, flags]. */
function compareRoutine(f: Format): Routine {
  return routine(`${f.name}_compare`, ['i64', 'i64', 'i32'], ['i64', 'i64', 'i32'], (e, a0, b0, quietSignals) => {
    const { flushed } = classes(e, f);
    const mxcsr = loadMxcsr(e);
    const a = flushed(a0, mxcsr),
      b = flushed(b0, mxcsr);
    return [a, b, compareFlags(e, f, a, b, quietSignals)];
  });
}

/** (a, b, 1 for the maximum) -> [bits, flags]: b itself if either is a NaN or both are zeros (SDM Vol. 2, MINSD). */
function extremeRoutine(f: Format): Routine {
  return routine(`${f.name}_extreme`, ['i64', 'i64', 'i32'], ['i64', 'i32'], (e, a0, b0, isMaximum) => {
    const { flushed } = classes(e, f);
    const h = host(e, f);
    const mxcsr = loadMxcsr(e);
    const a = flushed(a0, mxcsr),
      b = flushed(b0, mxcsr);
    const x = h.of(a),
      y = h.of(b);
    const first = e.select(isMaximum, h.gt(x, y), h.lt(x, y));
    return [e.select(first, a, b), compareFlags(e, f, a, b, e.const(1))];
  });
}

export const compareFloat: Record<Format['name'], Routine> = {
  f32: compareRoutine(BINARY32),
  f64: compareRoutine(BINARY64),
};
export const extremeFloat: Record<Format['name'], Routine> = {
  f32: extremeRoutine(BINARY32),
  f64: extremeRoutine(BINARY64),
};
