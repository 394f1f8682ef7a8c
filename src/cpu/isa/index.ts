/** Every instruction, the frequent ones first: the order of the interpreter's code. */
import { arith } from './arith.ts';
import { control } from './control.ts';
import type { Insn } from './insn.ts';
import { logic } from './logic.ts';
import { move } from './move.ts';
import { stack } from './stack.ts';

export const isa: readonly Insn[] = [...move, ...arith, ...logic, ...stack, ...control];
