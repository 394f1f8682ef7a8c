/** Half a minute of the differential tester (test/cpu/differ) against this machine's CPU; CPU_SECONDS and CPU_SEED set other. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { whyNoOracle } from '../cpu/differ/oracle.ts';
import { runSession } from '../cpu/differ/session.ts';

/** What the manuals leave open, as the order of accesses, was taken from Intel's processors. */
function whyNot(): string | undefined {
  const reason = whyNoOracle();
  if (reason !== undefined) return reason;
  return /GenuineIntel/.test(readFileSync('/proc/cpuinfo', 'latin1')) ? undefined : 'not an Intel processor';
}

const reason = whyNot();
const seconds = Number(process.env.CPU_SECONDS ?? 30);
// CI repeats one seed, so that a difference which was always there does not stop an unrelated change.
const fresh = process.env.CI ? 1552452399 : Math.trunc(Math.random() * 2 ** 31);
const seed = Number(process.env.CPU_SEED ?? fresh);

describe.skipIf(reason)(`the CPU against hardware${reason ? `: ${reason}` : ''}`, () => {
  it(`every row and random sequences, seed ${seed}`, { timeout: (seconds + 120) * 1000 }, async () => {
    console.log(`cpu.test.ts: seed ${seed}; npm run test:cpu -- --seed ${seed} goes on`);
    const summary = await runSession({
      seed,
      seconds,
      cases: Number.POSITIVE_INFINITY,
      row: /^/,
      undefinedCount: false,
      randomOnly: false,
      states: 4,
    });
    expect(summary.failures.map((one) => one.text)).toEqual([]);
    expect(summary.missing).toEqual([]);
    expect(summary.lost + summary.endless).toBeLessThan(summary.cases / 1000);
  });
});
