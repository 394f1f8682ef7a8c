/** Cases with the answers of a real CPU, for hosts that have none: fixtures/vectors/cpu.bin.br. */
import { readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { isEqual } from './compare.ts';
import type { Oracle } from './oracle.ts';
import { BATCH } from './oracle.ts';
import { formsOf, programOf, randomProgram } from './plan.ts';
import type { Program } from './program.ts';
import { Random } from './random.ts';
import { allRows, isEmulated, whyNotCompared } from './rows.ts';
import { SLOT, Slots } from './slot.ts';
import { fill } from './state.ts';
import { CpuSubject, softwareMemory } from './subject.ts';

const file = new URL('../../../fixtures/vectors/cpu.bin.br', import.meta.url);
/** What a request and an answer have in their slots. */
const REQUEST_SIZE = SLOT.signo;
const ANSWER_SIZE = SLOT.outside + 4;
const STATES = 2;
const FORMS = 2;
const SEQUENCES = 300;
const SIGVTALRM = 26;

function* programs(random: Random): Generator<Program> {
  const rows = allRows.filter((row) => !whyNotCompared(row) && !isEmulated(row));
  for (const row of rows) {
    const forms = formsOf(row);
    for (let n = 0; n < FORMS; n++) yield programOf(row, random.pick(forms), random);
  }
  for (let n = 0; n < SEQUENCES; n++) yield randomProgram(rows, random);
}

/** Asks this machine's CPU; keeps the cases that Tallship answers alike. Answers how many, and how many there were. */
export async function record(oracle: Oracle): Promise<{ kept: number; asked: number }> {
  const random = new Random(2026);
  const interpreter = new CpuSubject(softwareMemory(), 'interpreted');
  const [requests, native, out] = [new Slots(BATCH), new Slots(BATCH), new Slots(1)];
  const questions: Uint8Array[] = [];
  const answers: Uint8Array[] = [];
  let asked = 0;
  for (const program of programs(random)) {
    for (let i = 0; i < STATES; i++) fill(program, random, requests, i, i > 0);
    await oracle.run(requests, STATES, native);
    for (let i = 0; i < STATES; i++, asked++) {
      interpreter.run(requests, i, out);
      if (native.get(i, SLOT.signo) === SIGVTALRM || !isEqual(native, i, out, 0)) continue;
      requests.set(i, SLOT.isSameCode, 0);
      questions.push(requests.bytes(i, 0, REQUEST_SIZE).slice());
      answers.push(difference(native.bytes(i, 0, ANSWER_SIZE), requests.bytes(i, 0, REQUEST_SIZE)));
    }
  }
  const params = { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_QUALITY]: 11 };
  const bytes = Buffer.concat([Buffer.from(Uint32Array.of(questions.length).buffer), ...questions, ...answers]);
  writeFileSync(file, brotliCompressSync(bytes, { params }));
  return { kept: questions.length, asked };
}

/** What changed: zero where an answer is as its question. */
function difference(answer: Uint8Array, question: Uint8Array): Uint8Array {
  return answer.map((byte, i) => byte ^ (question[i] ?? 0));
}

/** Questions and answers, slot by slot. */
export function recorded(): { requests: Slots; answers: Slots } {
  const bytes = new Uint8Array(brotliDecompressSync(readFileSync(file)));
  const count = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const requests = new Slots(count);
  const answers = new Slots(count);
  for (let i = 0; i < count; i++) {
    const question = bytes.subarray(4 + i * REQUEST_SIZE, 4 + (i + 1) * REQUEST_SIZE);
    const start = 4 + count * REQUEST_SIZE + i * ANSWER_SIZE;
    requests.bytes(i, 0, REQUEST_SIZE).set(question);
    answers.bytes(i, 0, ANSWER_SIZE).set(difference(bytes.subarray(start, start + ANSWER_SIZE), question));
  }
  return { requests, answers };
}
