/** Reads the row notation of isa/insn.ts. */
import type { Insn } from '../isa/insn.ts';

/** Width codes of SDM Vol. 2, appendix A.2.2, and those for scalar SSE operands. */
export type Width = 'b' | 'bs' | 'w' | 'd' | 'v' | 'z' | 'y' | 'q' | 'dq' | 't' | 'ss' | 'sd' | 'none';

export interface OperandSpec {
  /** Letter of appendix A.2.1; `Z` is the register in the opcode; `fixed` a register or constant that the row names. */
  readonly letter:
    | 'E'
    | 'G'
    | 'M'
    | 'R'
    | 'I'
    | 'J'
    | 'A'
    | 'O'
    | 'S'
    | 'Z'
    | 'P'
    | 'Q'
    | 'N'
    | 'V'
    | 'W'
    | 'U'
    | 'X'
    | 'Y'
    | 'STi'
    | 'fixed';
  readonly width: Width;
  readonly name: string;
}

export interface Row {
  readonly insn: Insn;
  readonly text: string;
  /** Mandatory prefix; 'np' forbids them all, 'nf' F2 and F3; undefined: none has a meaning of its own. */
  readonly prefix: 'np' | 'nf' | 0x66 | 0xf2 | 0xf3 | undefined;
  /** 0 one byte, 1 after 0F, 2 after 0F 38, 3 after 0F 3A. */
  readonly map: 0 | 1 | 2 | 3;
  readonly opcode: number;
  /** +r: eight opcodes with a register in the low bits. */
  readonly plusRegister: boolean;
  readonly hasModrm: boolean;
  readonly digit: number | undefined;
  readonly form: 'memory' | 'register' | undefined;
  /** The ModRM bytes that the row covers: [first, count]. */
  readonly fixedModrm: readonly [number, number] | undefined;
  readonly operands: readonly OperandSpec[];
  /** A ModRM byte that no operand takes its address from (prefetch hints, wide NOP): the address bytes are there all the same. */
  readonly skipsAddress: boolean;
}

export const ADDRESS_ONLY: OperandSpec = { letter: 'E', width: 'b', name: 'Eb' };

const WIDTHS: Record<string, Width> = {
  b: 'b',
  bs: 'bs',
  w: 'w',
  d: 'd',
  v: 'v',
  z: 'z',
  y: 'y',
  q: 'q',
  dq: 'dq',
  t: 't',
  ss: 'ss',
  sd: 'sd',
  ps: 'dq',
  pd: 'dq',
  x: 'dq',
  pi: 'q',
  '': 'none',
  a: 'none',
  p: 'none',
  s: 'none',
};
const FIXED =
  /^(AL|CL|DL|BL|AH|CH|DH|BH|AX|CX|DX|BX|e[ABCD]X|E[ABCD]X|e?[SB]P|e?[SD]I|E[SB]P|E[SD]I|ES|CS|SS|DS|FS|GS|1|3|ST0)$/;

function parseOperand(text: string): OperandSpec {
  if (FIXED.test(text)) return { letter: 'fixed', width: 'none', name: text };
  if (text === 'STi') return { letter: 'STi', width: 't', name: text };
  const letter = text[0];
  const width = WIDTHS[text.slice(1)];
  if (!'EGMRIJAOSZPQNVWUXY'.includes(letter) || width === undefined) throw new Error(`operand ${text}`);
  return { letter: letter as OperandSpec['letter'], width, name: text };
}

function parsePrefix(word: string): Row['prefix'] {
  switch (word) {
    case 'NP':
      return 'np';
    case 'NF':
      return 'nf';
    case '66':
      return 0x66;
    case 'F2':
      return 0xf2;
    case 'F3':
      return 0xf3;
    default:
      return undefined;
  }
}

const IS_BYTE = /^[0-9A-F]{2}$/;

/** Takes the opcode map's bytes off the front. */
function takeMap(bytes: string[]): Row['map'] {
  if (bytes.length < 2 || bytes[0] !== '0F') return 0;
  bytes.shift();
  const isThreeByte = bytes.length > 1 && /^3[8A]$/.test(bytes[0]);
  if (!isThreeByte) return 1;
  return bytes.shift() === '38' ? 2 : 3;
}

export function parseRow(insn: Insn, text: string): Row {
  const words = text.replace(/([0-9A-F]{2})\+(r|i)\b/g, '$1 +$2').split(/\s+/);
  let prefix: Row['prefix'];
  // A lone prefix byte is a prefix only when an opcode follows it: `F3 90` is PAUSE.
  if (words.length > 1 && (/^N[PF]$/.test(words[0]) || IS_BYTE.test(words[1]))) prefix = parsePrefix(words[0]);
  if (prefix !== undefined) words.shift();
  const bytes: string[] = [];
  while (words.length && IS_BYTE.test(words[0])) bytes.push(words.shift()!);
  const map = takeMap(bytes);
  const opcode = Number.parseInt(bytes[0], 16);
  const fixed = bytes.length > 1 ? Number.parseInt(bytes[1], 16) : undefined;
  let plusRegister = false;
  let plusIndex = false;
  let digit: number | undefined;
  let form: Row['form'];
  let hasModrm = fixed !== undefined;
  if (words[0] === '+r') plusRegister = words.shift() === '+r';
  else if (words[0] === '+i') plusIndex = words.shift() === '+i';
  const slash = /^\/([0-7r])(m|r)?$/.exec(words[0] ?? '');
  if (slash) {
    words.shift();
    hasModrm = true;
    if (slash[1] !== 'r') digit = Number(slash[1]);
    if (slash[2]) form = slash[2] === 'm' ? 'memory' : 'register';
  }
  const operands = (words.shift() ?? '').split(',').filter(Boolean).map(parseOperand);
  if (words.length || Number.isNaN(opcode)) throw new Error(`row ${text}`);
  if (!form && operands.some((o) => o.letter === 'M')) form = 'memory';
  if (!form && operands.some((o) => 'NU'.includes(o.letter))) form = 'register';
  const fixedModrm = fixed === undefined ? undefined : ([fixed, plusIndex ? 8 : 1] as const);
  const skipsAddress = hasModrm && !fixedModrm && !operands.some((o) => 'EMRQNWU'.includes(o.letter));
  return { insn, text, prefix, map, opcode, plusRegister, hasModrm, digit, form, fixedModrm, operands, skipsAddress };
}

/** How much of the encoding a row fixes: the most particular row wins. */
function specificity(row: Row): number {
  const modrm = row.fixedModrm ? 8 : (row.digit !== undefined ? 2 : 0) + (row.form ? 2 : 0);
  const prefix =
    row.prefix === undefined ? 0 : row.prefix === 'np' || row.prefix === 'nf' || row.prefix === 0x66 ? 16 : 32;
  return prefix + modrm + (row.plusRegister ? 0 : 1);
}

/** Rows by map * 256 + opcode, the most particular first. */
export type RowTable = readonly (readonly Row[])[];

export function rowTable(insns: readonly Insn[], features: ReadonlySet<string>): RowTable {
  const table: Row[][] = Array.from({ length: 0x400 }, () => []);
  for (const one of insns) {
    const feature = one.options.feature ?? 'base';
    if (feature !== 'base' && !features.has(feature)) continue;
    for (const text of one.rows) {
      const row = parseRow(one, text);
      const count = row.plusRegister ? 8 : 1;
      for (let i = 0; i < count; i++) table[row.map * 256 + row.opcode + i].push(row);
    }
  }
  for (const rows of table) rows.sort((a, b) => specificity(b) - specificity(a));
  return table;
}
