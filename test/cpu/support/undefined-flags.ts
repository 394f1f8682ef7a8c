/** Arithmetic flags that the manual leaves undefined (SDM Vol. 2, "Flags Affected"): not compared with hardware. */
import type { Experiment } from './insn-oracle.ts';

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

function opcodeAt(code: Uint8Array): number {
  return code.findIndex((byte) => ![0x66, 0x67, 0xf0].includes(byte));
}

/** The count of a shift: its last byte, 1, or CL. */
function shiftCount({ code, gpr }: Experiment): number {
  const at = opcodeAt(code);
  const opcode = code[at] === 0x0f ? 0x100 + code[at + 1] : code[at];
  if ([0xd0, 0xd1].includes(opcode)) return 1;
  return ([0xd2, 0xd3, 0x1a5, 0x1ad].includes(opcode) ? gpr[1] : code[code.length - 1]) & 31;
}

function operandBits({ code }: Experiment): number {
  const at = opcodeAt(code);
  if (code[at] !== 0x0f && (code[at] & 1) === 0) return 8;
  return code.subarray(0, at).includes(0x66) ? 16 : 32;
}

export function undefinedFlags(experiment: Experiment): number {
  const { name } = experiment;
  if (SHIFTS.includes(name)) {
    const count = shiftCount(experiment);
    if (count === 0) return 0;
    const isDouble = name.length === 4;
    if (isDouble && count > operandBits(experiment)) return ALL;
    const carry = !isDouble && name !== 'sar' && count >= operandBits(experiment) ? CF : 0;
    return AF | carry | (count === 1 ? 0 : OF);
  }
  if (ROTATES.includes(name)) return shiftCount(experiment) === 1 ? 0 : OF;
  return ALWAYS[name] ?? 0;
}
