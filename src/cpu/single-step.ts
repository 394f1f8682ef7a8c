/** The trap flag: #DB after an instruction, and after each element of a repeated one (SDM Vol. 3B, 17.3.1.4). */
import type { Decoded } from './decode/decoded.ts';
import { readEflags } from './eflags.ts';
import { ECX, SS, STATE } from './state.ts';

const ZF = 0x40;
/** Set where an instruction is left in its middle (SDM Vol. 3B, 17.3.1.1). */
const RF = 0x1_0000;
const COUNTER = STATE.gpr / 4 + ECX;

/** What a comparison that goes on leaves alone. */
export interface Held {
  /** Elements after this one. */
  readonly left: number;
  readonly flags: readonly number[];
}
const FLAG_FIELDS = [STATE.flagResult / 4, STATE.flagAux / 4];

/** Leaves one element to do. */
export function holdRepeat(words: Int32Array, decoded: Decoded | undefined): Held | undefined {
  if (!decoded?.repeat) return undefined;
  const mask = decoded.addressSize === 2 ? 0xffff : -1;
  const count = (words[COUNTER] & mask) >>> 0;
  if (count < 2) return undefined;
  words[COUNTER] = (words[COUNTER] & ~mask) | 1;
  return { left: count - 1, flags: FLAG_FIELDS.map((field) => words[field]) };
}

/** After the element: the instruction goes on, with the flags it began with, unless a comparison ends it. */
export function resumeRepeat(words: Int32Array, decoded: Decoded, held: Held, isDone: boolean): void {
  const mask = decoded.addressSize === 2 ? 0xffff : -1;
  const count = isDone ? held.left : held.left + 1;
  words[COUNTER] = (words[COUNTER] & ~mask) | (count & mask);
  if (!isDone) return;
  const isEqual = (readEflags(new Uint8Array(words.buffer, words.byteOffset, words.byteLength)) & ZF) !== 0;
  const compares = /^(cmps|scas)/.test(decoded.insn.name);
  if (compares && isEqual !== (decoded.repeat === 0xf3)) return;
  words[STATE.eip / 4] = decoded.eip;
  words[STATE.flagSystem / 4] |= RF;
  FLAG_FIELDS.forEach((field, i) => {
    words[field] = held.flags[i];
  });
}

/** MOV SS and POP SS: #DB waits for the next instruction (SDM Vol. 3A, 6.8.3). */
export function delaysTrap({ insn, operands }: Decoded): boolean {
  return insn.options.loadsSegment === true && operands.length < 3 && operands[0].offset === STATE.selector + SS * 4;
}
