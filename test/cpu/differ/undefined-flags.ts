/** Arithmetic flags that the manual leaves undefined (SDM Vol. 2, "Flags Affected"). */
import type { Mismatch } from './differ.ts';
import { SLOT } from './slot.ts';

const CF = 0x1;
const PF = 0x4;
const AF = 0x10;
const ZF = 0x40;
const SF = 0x80;
const OF = 0x800;
const ALL = CF | PF | AF | ZF | SF | OF;

const ALWAYS: Record<string, number> = {
  and: AF,
  or: AF,
  xor: AF,
  test: AF,
  mul: SF | ZF | AF | PF,
  imul: SF | ZF | AF | PF,
  div: ALL,
  idiv: ALL,
  bt: OF | SF | AF | PF,
  bts: OF | SF | AF | PF,
  btr: OF | SF | AF | PF,
  btc: OF | SF | AF | PF,
  bsf: ALL & ~ZF,
  bsr: ALL & ~ZF,
  daa: OF,
  das: OF,
  aaa: OF | SF | ZF | PF,
  aas: OF | SF | ZF | PF,
  aam: OF | AF | CF,
  aad: OF | AF | CF,
};
const SHIFTS = ['shl', 'shr', 'sar', 'shld', 'shrd'];
const ROTATES = ['rol', 'ror', 'rcl', 'rcr'];
const ECX = 4;

/** Of a program of one instruction. */
export function undefinedFlags({ program, request }: Mismatch): number {
  const step = program.steps[0];
  if (!step) return 0;
  const { insn, operands, opcode } = step.row;
  const { name } = insn;
  const isShift = SHIFTS.includes(name);
  if (!isShift && !ROTATES.includes(name)) return ALWAYS[name] ?? 0;
  const by = operands[operands.length - 1].name;
  const last = program.code[step.at + step.length - 1];
  const count = (by === '1' ? 1 : by === 'CL' ? request.get(0, SLOT.gpr + ECX) : last) & 31;
  if (!isShift) return count === 1 ? 0 : OF;
  const isByte = step.row.map === 0 && (opcode & 1) === 0;
  const bits = isByte ? 8 : program.code.subarray(step.at, step.at + step.length).includes(0x66) ? 16 : 32;
  if (count === 0) return 0;
  if (name.length === 4 && count > bits) return ALL;
  const carry = name.length === 3 && name !== 'sar' && count >= bits ? CF : 0;
  return AF | carry | (count === 1 ? 0 : OF);
}
