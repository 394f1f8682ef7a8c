/** The rows under test. */
import type { Row } from '../../../src/cpu/decode/rows.ts';
import { parseRow } from '../../../src/cpu/decode/rows.ts';
import { isa } from '../../../src/cpu/isa/index.ts';

export const allRows: readonly Row[] = isa.flatMap((insn) => insn.rows.map((text) => parseRow(insn, text)));
/** UMIP: Linux answers in the processor's place, and does other things on the way. */
export const isEmulated = (row: Row): boolean => /^(sldt|str|smsw|sgdt|sidt)$/.test(row.insn.name);
export const storesPointers = (row: Row): boolean => /^(fnsave|fnstenv|fxsave)$/.test(row.insn.name);
export const rowName = (row: Row): string => `${row.insn.name} (${row.text})`;

/** Rows that say something about the machine rather than compute: the oracle cannot know the right answer. */
export const NOT_COMPARED: readonly { row: RegExp; reason: string }[] = [
  { row: /^cpuid /, reason: 'says what the processor is' },
  { row: /^rdtscp? /, reason: 'time' },
];
export const whyNotCompared = (row: Row): string | undefined =>
  NOT_COMPARED.find((one) => one.row.test(rowName(row)))?.reason;
