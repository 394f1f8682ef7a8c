/** The x87 FPU: every instruction of opcodes D8 to DF, FWAIT, FXSAVE and FXRSTOR. */
import type { Insn } from './insn.ts';
import { arithmeticInsns } from './x87-arith.ts';
import { compareInsns } from './x87-compare.ts';
import { controlInsns } from './x87-control.ts';
import { moveInsns } from './x87-move.ts';
import { transcendentalInsns } from './x87-transcendental.ts';

export const x87: Insn[] = [...moveInsns, ...arithmeticInsns, ...compareInsns, ...transcendentalInsns, ...controlInsns];
