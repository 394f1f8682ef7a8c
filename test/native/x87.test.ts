/** Random x87 instructions on this machine's FPU and on Tallship's. X87_ROUNDS=8000 makes more than a million operations. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decode, differences, interpreter, runNative, whyNotNative } from '../cpu/support/x87-harness.ts';
import { OPS } from '../cpu/support/x87-ops.ts';
import { casesOf } from '../cpu/support/x87-recorded.ts';

const rounds = Number(process.env.X87_ROUNDS ?? 100);
const only = new RegExp(process.env.X87_ONLY ?? '');
const reason = whyNotNative(readFileSync('/proc/cpuinfo', 'utf8'));

describe.skipIf(reason)(`x87 against hardware${reason ? `: ${reason}` : ''}`, () => {
  const seed = (Math.random() * 2 ** 32) >>> 0;
  const interpret = interpreter();
  for (const op of OPS.filter((one) => only.test(one.name))) {
    it(`${op.name}, seed ${seed}`, { timeout: 600_000 }, () => {
      const cases = casesOf(op, rounds, seed);
      const native = runNative(cases);
      const wrong = cases.flatMap((one, i) => {
        const found = differences(native[i], interpret(one), op.near);
        return found.length ? [{ before: decode(one), found }] : [];
      });
      expect(wrong.slice(0, 3)).toEqual([]);
    });
  }
});
