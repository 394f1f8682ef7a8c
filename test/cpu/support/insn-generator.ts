/** Random encodings of the integer rows, with registers that make memory operands land in or near the data pages. */

import type { Row } from '../../../src/cpu/decode/rows.ts';
import { parseRow } from '../../../src/cpu/decode/rows.ts';
import type { Insn } from '../../../src/cpu/isa/insn.ts';
import type { Experiment } from './insn-oracle.ts';
import { DATA, WINDOW, WINDOW_SIZE } from './insn-oracle.ts';

/** xorshift32: the same experiments for the same seed. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed || 1;
  }
  u32(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }
  below(n: number): number {
    return Math.floor((this.u32() / 2 ** 32) * n);
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}

const CORNERS = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

function registerValue(random: Random): number {
  const kind = random.below(10);
  if (kind < 5) return WINDOW + 0x40 + random.below(WINDOW_SIZE - 0x80);
  if (kind < 6) return DATA + 0x1fff - random.below(8);
  if (kind < 8) return random.pick(CORNERS);
  return random.u32();
}

function immediateBytes(random: Random, row: Row, operandSize: number, isNarrowAddress: boolean): number[] {
  const bytes: number[] = [];
  const push = (count: number): void => {
    const value = random.chance(40) ? random.pick(CORNERS) : random.u32();
    for (let i = 0; i < count; i++) bytes.push((value >>> (i * 8)) & 0xff);
  };
  for (const { letter, width } of row.operands) {
    if (letter === 'I') push(width === 'b' || width === 'bs' ? 1 : width === 'w' ? 2 : operandSize);
    // Forwards only: a branch to itself would never end.
    else if (letter === 'J')
      bytes.push(random.below(0x70), ...(width === 'b' ? [] : [0, 0, 0].slice(0, operandSize - 1)));
    else if (letter === 'O') push(isNarrowAddress ? 2 : 4);
    else if (letter === 'A') push(operandSize + 2);
  }
  return bytes;
}

function modrmBytes(random: Random, row: Row, isNarrowAddress: boolean): number[] {
  if (row.fixedModrm) return [row.fixedModrm[0] + random.below(row.fixedModrm[1])];
  const reg = row.digit ?? random.below(8);
  const isRegister = row.form ? row.form === 'register' : random.chance(50);
  const mod = isRegister ? 3 : random.below(3);
  const rm = random.below(8);
  const bytes = [(mod << 6) | (reg << 3) | rm];
  const sib = random.below(256);
  const hasSib = !isNarrowAddress && !isRegister && rm === 4;
  if (hasSib) bytes.push(sib);
  const isAbsolute = mod === 0 && (isNarrowAddress ? rm === 6 : rm === 5 || (hasSib && (sib & 7) === 5));
  const displacement = random.chance(70) ? random.below(64) - 32 : random.u32() | 0;
  const value = isAbsolute ? WINDOW + random.below(WINDOW_SIZE - 32) : displacement;
  const count = isRegister ? 0 : isAbsolute || mod === 2 ? (isNarrowAddress ? 2 : 4) : mod;
  for (let i = 0; i < count; i++) bytes.push((value >> (i * 8)) & 0xff);
  return bytes;
}

/** isPlain: without prefixes that change sizes. */
export function encode(random: Random, row: Row, isPlain = false): Uint8Array {
  const prefixes: number[] = [];
  const isNarrow = !isPlain && row.prefix !== 0x66 && random.chance(25);
  const isNarrowAddress = !isPlain && random.chance(5);
  if (isNarrow || row.prefix === 0x66) prefixes.push(0x66);
  if (isNarrowAddress) prefixes.push(0x67);
  if (row.insn.options.rep && random.chance(60)) prefixes.push(random.pick([0xf2, 0xf3]));
  if (row.insn.options.lock && random.chance(10)) prefixes.push(0xf0);
  if (typeof row.prefix === 'number' && row.prefix !== 0x66) prefixes.push(row.prefix);
  const escapeBytes = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][row.map];
  const opcode = row.opcode + (row.plusRegister ? random.below(8) : 0);
  const modrm = row.hasModrm ? modrmBytes(random, row, isNarrowAddress) : [];
  const immediates = immediateBytes(random, row, isNarrow ? 2 : 4, isNarrowAddress);
  return Uint8Array.from([...prefixes, ...escapeBytes, opcode, ...modrm, ...immediates]);
}

/** IF is set; TF, NT and AC are clear. */
function flagsImage(random: Random): number {
  const direction = random.chance(20) ? 0x400 : 0;
  return (random.u32() & 0x8d5) | direction | 0x202;
}

export function experimentFor(random: Random, row: Row): Experiment {
  const gpr = Array.from({ length: 8 }, () => registerValue(random));
  if (row.insn.options.rep && random.chance(90)) gpr[1] = random.below(300);
  if (random.chance(80)) gpr[4] = (WINDOW + 0x80 + random.below(WINDOW_SIZE - 0x100)) & ~3;
  const window = Uint8Array.from(
    { length: WINDOW_SIZE },
    () => (random.chance(30) ? random.pick(CORNERS) : random.u32()) & 0xff,
  );
  return { name: row.insn.name, code: encode(random, row), gpr, eflags: flagsImage(random), window };
}

export function rowsOf(insns: readonly Insn[]): Row[] {
  return insns.flatMap((insn) => insn.rows.map((text) => parseRow(insn, text)));
}

/** Not comparable one at a time: they load segments, ask the host, trap later or leave the flat code segment. */
const APART = new Set([
  'mov sreg',
  'push sreg',
  'pop sreg',
  'lds',
  'les',
  'lss',
  'lfs',
  'lgs',
  'cpuid',
  'rdtsc',
  'popf',
  'iret',
  'jmp far',
  'call far',
  'ret far',
  'lar',
  'lsl',
  'verr',
  'verw',
  'int',
  'nop',
]);
const FEATURES = new Set(['base', 'cmov', 'cx8', 'movbe']);

export function integerInsns(insns: readonly Insn[]): Insn[] {
  return insns.filter((insn) => FEATURES.has(insn.options.feature ?? 'base') && !APART.has(insn.name));
}

/** What the interpreter runs in pairs with one handler (interp/fusions.ts), and neighbours of those. */
const PAIRED = new Set([
  'mov',
  'movzx',
  'lea',
  'add',
  'sub',
  'and',
  'or',
  'xor',
  'cmp',
  'test',
  'dec',
  'inc',
  'shl',
  'shr',
  'rol',
  'push',
  'pop',
  'cmov',
  'set',
  'j',
]);

/** Several frequent instructions in a row, as long as they fit into a request. */
export function sequenceFor(random: Random, rows: readonly Row[]): Experiment {
  const frequent = rows.filter((row) => PAIRED.has(row.insn.name));
  const base = experimentFor(random, frequent[0]);
  const code: number[] = [];
  const names: string[] = [];
  for (let i = 0; i < 8; i++) {
    const row = random.pick(frequent);
    const bytes = encode(random, row, true);
    if (code.length + bytes.length > 24) break;
    code.push(...bytes);
    names.push(row.insn.name);
  }
  return { ...base, name: names.join(' '), code: Uint8Array.from(code) };
}
