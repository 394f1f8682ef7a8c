/** Which instructions are #GP(0) for the segment that their prefix names (SDM Vol. 3A, 5.4 and 5.5). */
import type { Decoded, DecodedOperand } from '../decode/decoded.ts';
import { CS, FS, STATE } from '../state.ts';
import { effectsOf } from './effects.ts';
import { USER_CS, USER32_CS } from './segments.ts';

/** What fs and gs allow, as one number: 0 everything, 1 nothing (null), 2 no writes (code), for each of the two. */
export function segmentModes(fs: number, gs: number): number {
  const mode = (selector: number): number =>
    selector < 4 ? 1 : (selector | 3) === USER32_CS || (selector | 3) === USER_CS ? 2 : 0;
  return mode(fs) | (mode(gs) << 2);
}

/** Where a memory operand is put that its segment forbids: no page there is ever the guest's, and #PF means #GP(0). */
export const FORBIDDEN = 0xffff_f000;
/** The page where parts of such an operand are that wrap at 64 KiB: below what can be mapped. */
const WRAPPED_PAGE = 0xf;
export const isForbidden = (address: number): boolean => address >= FORBIDDEN || address >>> 12 === WRAPPED_PAGE;

/** Is the use that this instruction makes of the segment that its prefix names forbidden? Code is not written, null not used. */
export function violatesSegment(decoded: Decoded, modes: number): boolean {
  const { segment, insn, operands, repeat } = decoded;
  const mode = segment === CS ? 2 : segment < FS ? 0 : (modes >> ((segment - FS) * 2)) & 3;
  if (mode === 0) return false;
  const { reads, writes } = effectsOf(insn, operands, repeat !== 0);
  return writes || (mode === 1 && reads);
}

/** x87 instructions have exceptions that come first, POP reads the stack: they get as far as the access, if there is one. */
export function isDeferred({ insn, operands }: Decoded): boolean {
  const isLate = insn.options.waits === true || insn.options.popsFirst === true;
  return isLate && operands.some((operand) => operand.kind === 'memory');
}

/** A memory operand that must not be accessed. */
export const NOWHERE: DecodedOperand = {
  kind: 'memory',
  size: 4,
  offset: 0,
  value: 0,
  selector: 0,
  address: {
    base: STATE.zero,
    index: STATE.zero,
    shift: 0,
    displacement: FORBIDDEN | 0,
    segment: STATE.zero,
    narrow: false,
  },
};
