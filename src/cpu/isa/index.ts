/** Every instruction, the frequent ones first: the order of the interpreter's code. */
import { arith } from './arith.ts';
import { bcd } from './bcd.ts';
import { bits } from './bits.ts';
import { control } from './control.ts';
import { flagControl } from './flag-control.ts';
import type { Insn } from './insn.ts';
import { logic } from './logic.ts';
import { mmx } from './mmx.ts';
import { move } from './move.ts';
import { muldiv } from './muldiv.ts';
import { shift } from './shift.ts';
import { sse } from './sse.ts';
import { stack } from './stack.ts';
import { string } from './string.ts';
import { system } from './system.ts';
import { x87 } from './x87.ts';

export const isa: readonly Insn[] = [
  ...move,
  ...arith,
  ...logic,
  ...stack,
  ...control,
  ...shift,
  ...muldiv,
  ...string,
  ...bits,
  ...flagControl,
  ...bcd,
  ...system,
  ...x87,
  ...mmx,
  ...sse,
];
