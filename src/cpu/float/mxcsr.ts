/** MXCSR (SDM Vol. 1, section 10.2.3): sticky flags, modes, and what becomes of the flags that an instruction raises. */

import type { Emitter } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import { Exit } from '../exit.ts';
import { STATE } from '../state.ts';

export const IE = 0x01,
  DE = 0x02,
  ZE = 0x04,
  OE = 0x08,
  UE = 0x10,
  PE = 0x20;
export const DAZ = 0x40,
  OM = 0x400,
  UM = 0x800,
  ROUNDING = 0x6000,
  FTZ = 0x8000;
export const ROUND_NEAREST = 0,
  ROUND_DOWN = 1,
  ROUND_UP = 2;
/** Bits that exist; setting another by LDMXCSR or FXRSTOR is #GP. */
export const MXCSR_MASK = 0xffff;

/** All exceptions masked, round to nearest, neither DAZ nor FTZ: what wasm's own arithmetic does. */
const PLAIN_MASK = 0xffc0,
  PLAIN = 0x1f80;

export const loadMxcsr = <V>(e: Emitter<V>): V => e.state(STATE.mxcsr);

export const isPlain = <V>(e: Emitter<V>, mxcsr: V): V => e.eq(e.and(mxcsr, e.const(PLAIN_MASK)), e.const(PLAIN));

/** Plain, and PE is set already: an inexact result changes nothing. */
export const isQuiet = <V>(e: Emitter<V>): V =>
  e.eq(e.and(loadMxcsr(e), e.const(PLAIN_MASK | PE)), e.const(PLAIN | PE));

/** Like isQuiet in any rounding mode: for conversions, which round by themselves. */
export const isQuietInAnyRounding = <V>(e: Emitter<V>): V =>
  e.eq(e.and(loadMxcsr(e), e.const((PLAIN_MASK & ~ROUNDING) | PE)), e.const(PLAIN | PE));

/** Rounding control, 0..3. */
export const roundingOf = <V>(e: Emitter<V>, mxcsr: V): V => e.and(e.shrU(mxcsr, e.const(13)), e.const(3));

/**
 * Makes flags sticky; answers whether one of them is unmasked. An unmasked IE, DE or ZE of any lane is found before
 * anything is computed: then OE, UE and PE of the other lanes never come up (SDM Vol. 1, section 11.5.3).
 */
const raiseFlags = routine('mxcsr_raise', ['i32'], ['i32'], (e, flags) => {
  const mxcsr = loadMxcsr(e);
  const unmasked = e.and(flags, e.xor(e.shrU(mxcsr, e.const(7)), e.const(0x3f)));
  const early = e.and(unmasked, e.const(IE | DE | ZE));
  const shown = e.select(early, e.and(flags, e.const(IE | DE | ZE)), flags);
  e.setState(STATE.mxcsr, e.or(mxcsr, shown));
  return [unmasked];
});

/** Reports the flags of a whole instruction: #XM with nothing written if one is unmasked. */
export function raise<V>(e: Emitter<V>, flags: V): void {
  e.if(flags, () => {
    const [unmasked] = e.call(raiseFlags, flags);
    e.if(unmasked, () => e.fault(Exit.simd));
  });
}
