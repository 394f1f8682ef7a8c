/** The rows under test. */
import { existsSync, readFileSync } from 'node:fs';
import type { Row } from '../../../src/cpu/decode/rows.ts';
import { parseRow } from '../../../src/cpu/decode/rows.ts';
import { isa } from '../../../src/cpu/isa/index.ts';

export const allRows: readonly Row[] = isa.flatMap((insn) => insn.rows.map((text) => parseRow(insn, text)));
/** UMIP: Linux answers in the processor's place, and does other things on the way. */
export const isEmulated = (row: Row): boolean => /^(sldt|str|smsw|sgdt|sidt)$/.test(row.insn.name);
export const storesPointers = (row: Row): boolean => /^(fnsave|fnstenv|fxsave)$/.test(row.insn.name);
/** 66 is an operand-size prefix there. */
export const takesOperandSize = (row: Row): boolean => row.prefix === undefined || row.prefix === 'nf';
export const rowName = (row: Row): string => `${row.insn.name} (${row.text})`;

function hasUmip(): boolean {
  return existsSync('/proc/cpuinfo') && / umip /.test(readFileSync('/proc/cpuinfo', 'latin1'));
}

/** Rows that say something about the machine rather than compute: the oracle cannot know the right answer. */
export const NOT_COMPARED: readonly { row: RegExp; reason: string; applies?: boolean }[] = [
  { row: /^cpuid /, reason: 'says what the processor is' },
  { row: /^rdtscp? /, reason: 'time' },
  { row: /^(sldt|str|smsw|sgdt|sidt) /, reason: "without UMIP they show the host's tables", applies: !hasUmip() },
];
export const whyNotCompared = (row: Row): string | undefined =>
  NOT_COMPARED.find((one) => one.row.test(rowName(row)) && one.applies !== false)?.reason;
