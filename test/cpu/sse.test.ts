/** MMX and SSE instructions against replies recorded on an Intel processor (SIMD_RECORD=1 records them anew). */
import { describe, expect, it } from 'vitest';
import { mmx } from '../../src/cpu/isa/mmx.ts';
import { sse } from '../../src/cpu/isa/sse.ts';
import { casesOf } from './support/simd-cases.ts';
import { runEvaluator, show } from './support/simd-evaluate.ts';
import { interpreter } from './support/simd-interpret.ts';
import { record, recorded } from './support/simd-recorded.ts';

const insns = [...mmx, ...sse];
const cases = casesOf(insns);
if (process.env.SIMD_RECORD) record(cases);

describe('SIMD', () => {
  const find = recorded();
  const interpret = interpreter();
  for (const one of cases) {
    it(one.name, () => {
      const vectors = find(one);
      expect(vectors, 'recorded').toBeDefined();
      for (const { request, reply } of vectors!) {
        expect(show(interpret(request)), `interpreter, ${JSON.stringify(request)}`).toBe(show(reply));
        expect(show(runEvaluator(insns, request)), `evaluator, ${JSON.stringify(request)}`).toBe(show(reply));
      }
    });
  }
});
