/** Flag control (SDM Vol. 1, 7.3.13). I/O privilege is 0: user code cannot change IF. */
import type { Emitter } from '../emit/emitter.ts';
import { Exit } from '../exit.ts';
import { STATE } from '../state.ts';
import { insn } from './insn.ts';
import { drop, push, stackTop } from './stack.ts';

const IF = 0x200;
const DF = 0x400;
const TF = 0x100;
const AC = 0x4_0000;
/** TF, NT, AC and ID: what POPF may change besides the arithmetic flags and DF. */
const CHANGEABLE = 0x0024_4100;

export const clc = insn('clc', {}, ['F8'], (e) => e.flags.set({ cf: e.const(0) }));
export const stc = insn('stc', {}, ['F9'], (e) => e.flags.set({ cf: e.const(1) }));
export const cmc = insn('cmc', {}, ['F5'], (e) => e.flags.set({ cf: e.eqz(e.flags.get('cf')) }));
export const cld = insn('cld', {}, ['FC'], (e) => e.setState(STATE.direction, e.const(1)));
export const std = insn('std', {}, ['FD'], (e) => e.setState(STATE.direction, e.const(-1)));

/** SDM Vol. 2A, LAHF. */
export const lahf = insn('lahf', {}, ['9F'], (e) => e.setRegister(4, e.flags.image(), 1));

/** SDM Vol. 2B, SAHF: OF stays. */
export const sahf = insn('sahf', {}, ['9E'], (e) => {
  const overflow = e.shl(e.flags.get('of'), e.const(11));
  e.flags.restore(e.or(e.register(4, 1), overflow));
});

/** The image that PUSHF pushes. */
function wholeImage<V>(e: Emitter<V>): V {
  const direction = e.and(e.state(STATE.direction), e.const(0x8000_0000 | 0));
  const system = e.and(e.state(STATE.flagSystem), e.const(CHANGEABLE));
  const fixed = e.or(e.const(IF), e.shrU(direction, e.const(21)));
  return e.or(e.or(e.flags.image(), system), fixed);
}

/** Sets what user code may set; the high half stays with a 16-bit operand. */
export function setWholeImage<V>(e: Emitter<V>, image: V, size: 2 | 4): void {
  const mask = size === 2 ? CHANGEABLE & 0xffff : CHANGEABLE;
  const kept = e.and(e.state(STATE.flagSystem), e.const(~mask));
  e.setState(STATE.flagSystem, e.or(kept, e.and(image, e.const(mask))));
  e.setState(STATE.direction, e.select(e.and(image, e.const(DF)), e.const(-1), e.const(1)));
  e.flags.restore(image);
}

/** SDM Vol. 2B, PUSHF. */
export const pushf = insn('pushf', {}, ['9C'], (e) => push(e, wholeImage(e), e.operandSize));

/** SDM Vol. 2B, POPF: with TF the trap comes after the next instruction. TF and AC end the slice: see Cpu.run. */
export const popf = insn('popf', {}, ['9D'], (e) => {
  const size = e.operandSize;
  const image = stackTop(e, size);
  drop(e, size);
  setWholeImage(e, image, size);
  e.if(e.and(image, e.const(size === 2 ? TF : TF | AC)), () => e.trap(Exit.budget));
});

export const flagControl = [clc, stc, cmc, cld, std, lahf, sahf, pushf, popf];
