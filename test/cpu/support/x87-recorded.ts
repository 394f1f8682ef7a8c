/** What an Intel processor answered, kept as differences from the questions: fixtures/vectors/x87.bin.br. */
import { readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { makeCase, Random } from './x87-cases.ts';
import { encode, RECORD_SIZE, runNative } from './x87-harness.ts';
import { OPS, type Op } from './x87-ops.ts';

const file = new URL('../../../fixtures/vectors/x87.bin.br', import.meta.url);
/** Cases per instruction. */
const COUNT = 40;

export function casesOf(op: Op, count: number, seed: number): Buffer[] {
  const random = new Random(seed * 65536 + op.code[0] * 256 + op.code[1]);
  return Array.from({ length: count }, () => encode(makeCase(random, op.code, op.memory)));
}

/** Puts the stack in physical order, or back: a push or pop then moves no bytes. */
function rotate(record: Buffer, status: number, sign: 1 | -1): Buffer {
  const out = Buffer.from(record);
  const top = (status >> 11) & 7;
  for (let i = 0; i < 8; i++) {
    const from = 28 + 10 * ((i - sign * top + 16) & 7);
    record.copy(out, 28 + 10 * i, from, from + 10);
  }
  return out;
}

const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, i) => byte ^ b[i]));
const physical = (record: Buffer): Buffer => rotate(record, record.readUInt16LE(4), 1);

/** Asks this machine's FPU. */
export function record(): void {
  const chunks = OPS.flatMap((op) => {
    const questions = casesOf(op, COUNT, 0);
    const answers = runNative(questions);
    return questions.map((question, i) => {
      const answer = Buffer.from(answers[i]);
      // Where the instruction stood depends on the program; that it was told does not.
      answer.writeUInt32LE(answer.readUInt32LE(12) ? 1 : 0, 12);
      return xor(physical(answer), physical(question));
    });
  });
  // Byte columns compress better than records.
  const columns = Buffer.alloc(chunks.length * RECORD_SIZE);
  for (const [i, chunk] of chunks.entries()) {
    for (let k = 0; k < RECORD_SIZE; k++) columns[k * chunks.length + i] = chunk[k];
  }
  const params = { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_QUALITY]: 11 };
  writeFileSync(file, brotliCompressSync(columns, { params }));
}

/** Questions and answers by instruction. */
export function recorded(): (op: Op) => { question: Buffer; answer: Buffer }[] {
  const columns = brotliDecompressSync(readFileSync(file));
  const rows = columns.length / RECORD_SIZE;
  if (rows !== OPS.length * COUNT) throw new Error('X87_RECORD=1 must record the answers anew');
  return (op) => {
    const first = OPS.indexOf(op) * COUNT;
    return casesOf(op, COUNT, 0).map((question, i) => {
      const change = Buffer.alloc(RECORD_SIZE);
      for (let k = 0; k < RECORD_SIZE; k++) change[k] = columns[k * rows + first + i];
      const answer = xor(change, physical(question));
      return { question, answer: rotate(answer, answer.readUInt16LE(4), -1) };
    });
  };
}
