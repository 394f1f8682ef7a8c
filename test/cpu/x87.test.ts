/** x87 instructions against what an Intel FPU answered (X87_RECORD=1 asks this machine's), on interpreter and evaluator. */
import { describe, expect, it } from 'vitest';
import { differences, evaluate, interpreter } from './support/x87-harness.ts';
import { OPS } from './support/x87-ops.ts';
import { record, recorded } from './support/x87-recorded.ts';

if (process.env.X87_RECORD) record();

describe('x87', () => {
  const answersTo = recorded();
  const interpret = interpreter();
  for (const op of OPS) {
    it(op.name, () => {
      for (const [i, { question, answer }] of answersTo(op).entries()) {
        expect(differences(answer, interpret(question), op.near), `interpreter, case ${i}`).toEqual([]);
        // Slower by far: some cases say enough about a body that both run.
        if (i % 4 === 0) expect(differences(answer, evaluate(question), op.near), `evaluator, case ${i}`).toEqual([]);
      }
    });
  }
});
