/** MMX, and what SSE and SSE2 added to it. */
import type { Insn } from './insn.ts';
import { integer } from './mmx-int.ts';
import { mmxMoves } from './mmx-move.ts';
import { shiftInsns } from './mmx-shift.ts';

const isMmx = (one: Insn): boolean => one.rows.some((row) => /\b[PQN][qd]\b/.test(row) || one.name === 'emms');

/** All instructions on MMX registers up to SSE2's; the twins on XMM registers are in sse.ts. */
export const mmx: Insn[] = [...mmxMoves, ...integer, ...shiftInsns].filter(isMmx);
export const mmxTwins: Insn[] = [...integer, ...shiftInsns].filter((one) => !isMmx(one));
