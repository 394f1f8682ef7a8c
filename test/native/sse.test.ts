/** Random MMX and SSE instructions on this machine's CPU and on Tallship's, compared bit for bit. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mmx } from '../../src/cpu/isa/mmx.ts';
import { sse } from '../../src/cpu/isa/sse.ts';
import { casesOf, requestsOf } from '../cpu/support/simd-cases.ts';
import { runEvaluator, show } from '../cpu/support/simd-evaluate.ts';
import { interpreter } from '../cpu/support/simd-interpret.ts';
import type { Request } from '../cpu/support/simd-oracle.ts';
import { runNative, whyNotNative } from '../cpu/support/simd-oracle.ts';

const insns = [...mmx, ...sse];
/** Requests per encoding; SIMD_ROUNDS=3000 makes a million operations. */
const rounds = Number(process.env.SIMD_ROUNDS ?? 60);
const only = new RegExp(process.env.SIMD_ONLY ?? '');
const reason = whyNotNative(readFileSync('/proc/cpuinfo', 'utf8'));

describe.skipIf(reason)(`SIMD against hardware${reason ? `: ${reason}` : ''}`, () => {
  const seed = (Math.random() * 2 ** 32) >>> 0;
  const interpret = interpreter();
  /** The interpreter is the faster of the two: it gets all requests, the evaluator a tenth. */
  const tallship = (request: Request, i: number): string[] =>
    i % 10 ? [show(interpret(request))] : [show(interpret(request)), show(runEvaluator(insns, request))];
  for (const one of casesOf(insns).filter((c) => only.test(c.name))) {
    it(`${one.name}, seed ${seed}`, { timeout: 600_000 }, () => {
      const requests = requestsOf(one, rounds, seed);
      const native = runNative(requests);
      const wrong = requests.flatMap((request, i) => {
        const expected = show(native[i]);
        const actual = tallship(request, i);
        return actual.every((one) => one === expected) ? [] : [{ request, expected, actual }];
      });
      expect(wrong.slice(0, 3)).toEqual([]);
    });
  }
});
