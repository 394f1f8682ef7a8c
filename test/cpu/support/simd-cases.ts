/** Instructions made from the rows, in their register and memory forms. */

import type { Row } from '../../../src/cpu/decode/rows.ts';
import { parseRow } from '../../../src/cpu/decode/rows.ts';
import type { Insn } from '../../../src/cpu/isa/insn.ts';
import type { Request } from './simd-oracle.ts';
import { MEMORY } from './simd-oracle.ts';
import type { Random } from './simd-values.ts';
import { companion, hash, integer, mxcsr, pick, random, vectorOf } from './simd-values.ts';

export interface Case {
  readonly name: string;
  readonly row: Row;
  readonly form: 'register' | 'memory';
}

/** Every row that may be compared with hardware. */
export function casesOf(insns: readonly Insn[]): Case[] {
  return insns
    .flatMap((insn) => insn.rows.map((text) => parseRow(insn, text)))
    .flatMap((row) => {
      const forms = row.form
        ? [row.form]
        : row.operands.some((o) => 'EQWM'.includes(o.letter))
          ? (['register', 'memory'] as const)
          : (['register'] as const);
      return forms.map((form) => ({ name: `${row.insn.name} ${row.text} ${form}`, row, form }));
    });
}

/** Register 0 for ModRM.reg, 1 for ModRM.rm; memory as a displacement. */
function encode(one: Case, r: Random, offset: number): number[] {
  const { row, form } = one;
  const bytes: number[] = typeof row.prefix === 'number' ? [row.prefix] : [];
  // Operand size prefix for rows that leave it open.
  if (row.operands.some((o) => o.width === 'v') && (r() & 3) === 0) bytes.unshift(0x66);
  if (row.map > 0) bytes.push(0x0f);
  if (row.map > 1) bytes.push(row.map === 2 ? 0x38 : 0x3a);
  bytes.push(row.opcode);
  if (row.fixedModrm) bytes.push(row.fixedModrm[0]);
  else if (row.hasModrm) {
    const reg = (row.digit ?? 0) << 3;
    if (form === 'register') bytes.push(0xc1 | reg);
    else {
      const address = MEMORY + offset;
      bytes.push(0x05 | reg, address & 0xff, (address >> 8) & 0xff, (address >> 16) & 0xff, address >>> 24);
    }
  }
  if (row.operands.some((o) => o.letter === 'I')) bytes.push(r() & (pick(r, [0xff, 7, 0x1f, 0x7f]) as number));
  return bytes;
}

/** How the instruction reads its operands: 4 singles, 8 doubles, 0 integers. */
function elementSize(r: Random, name: string): 0 | 4 | 8 {
  if (/^cvt/.test(name)) return /^cvtt?s?[sp]s/.test(name) ? 4 : /^cvtt?[sp]d/.test(name) ? 8 : 0;
  if (/(ps|ss)$/.test(name) && !/^pack|^pabs|^psub|^padd/.test(name)) return 4;
  if (/(pd|sd)$/.test(name)) return 8;
  return pick(r, [0, 0, 0, 4, 8]);
}

/** Strings for the string comparisons: few letters, so that they match here and there. */
const ALPHABET = [0, 1, 1, 2, 2, 3, 0x80, 0xff];

export function requestOf(one: Case, r: Random): Request {
  const size = elementSize(r, one.row.insn.name);
  const first = vectorOf(r, size);
  const second = companion(r, first, size);
  const third = companion(r, first, size);
  const memory = new Uint8Array(32);
  const offset = r() % 16 === 0 ? 4 : 0;
  memory.set(third, 0);
  memory.set(vectorOf(r, size), 16);
  if (offset) memory.set(third, offset);
  const isMxcsr = one.row.insn.name === 'ldmxcsr';
  if (isMxcsr) memory.set([r() & 0xff, r() & 0xff, r() % 4 ? 0 : r() & 0xff, 0], offset);
  const small = /^(ps[rl]l|psra)/.test(one.row.insn.name) && r() % 4 > 0;
  if (small) for (const v of [second, memory.subarray(offset)]) v.set([r() % 70, 0, 0, 0, 0, 0, 0, 0]);
  const isString = /^pcmp[ei]str/.test(one.row.insn.name);
  if (isString) for (const v of [first, second, memory]) v.forEach((_, i) => void (v[i] = pick(r, ALPHABET)));
  return {
    code: encode(one, r, offset),
    mxcsr: mxcsr(r),
    eflags: 0x202 | (r() & 0x8d5),
    gpr: [0, 1, 2, 3].map(() => (isString && r() % 2 ? (r() % 40) - 20 : integer(r)) >>> 0),
    mmx: r() % 8 > 0,
    memory,
    xmm: [first, second, vectorOf(r, 0)],
    mm: [first.slice(0, 8), second.slice(0, 8)],
  };
}

/** The first `count` requests of a case: the same in every run, whatever other rows exist. */
export function requestsOf(one: Case, count: number, seed = 0): Request[] {
  const r = random(hash(one.name) ^ seed);
  return Array.from({ length: count }, () => requestOf(one, r));
}
