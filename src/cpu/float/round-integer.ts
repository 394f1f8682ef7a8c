/** ROUNDSS and ROUNDSD: to an integer that stays a float. */

import type { Routine } from '../emit/routine.ts';
import { routine } from '../emit/routine.ts';
import { roundToInteger } from './convert.ts';
import type { Format } from './format.ts';
import { BINARY32, BINARY64, classes, host, outcome, propagateNan } from './format.ts';
import { loadMxcsr, PE, roundingOf } from './mxcsr.ts';

/** (bits, imm8) -> [bits, flags]. imm8: bits 0 and 1 the mode, bit 2 MXCSR's mode instead, bit 3 no PE. */
function roundRoutine(f: Format): Routine {
  return routine(`${f.name}_round_integer`, ['i64', 'i32'], ['i64', 'i32'], (e, a0, imm) => {
    const c = classes(e, f),
      h = host(e, f);
    const mxcsr = loadMxcsr(e);
    const a = c.flushed(a0, mxcsr);
    const out = outcome(e);
    e.if(
      c.isNan(a),
      () => out.set(propagateNan(e, f, a, a)),
      () => {
        const mode = e.select(e.and(imm, e.const(4)), roundingOf(e, mxcsr), e.and(imm, e.const(3)));
        const x = f.size === 4 ? e.f64.promote(h.of(a)) : h.of(a);
        const whole = roundToInteger(e, x, mode);
        const changed = e.and(e.f64.ne(whole, x), e.eqz(e.and(imm, e.const(8))));
        const bits = h.bits(f.size === 4 ? e.f32.demote(whole) : whole);
        out.set([bits, e.select(changed, e.const(PE), e.const(0))]);
      },
    );
    return out.get();
  });
}

export const roundFloat: Record<Format['name'], Routine> = { f32: roundRoutine(BINARY32), f64: roundRoutine(BINARY64) };
