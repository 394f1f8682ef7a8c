import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isa } from '../../src/cpu/isa/index.ts';
import { experimentFor, integerInsns, Random, rowsOf } from './support/insn-generator.ts';
import { evaluateExperiment, InterpLab } from './support/insn-oracle.ts';

const lab = new InterpLab();
const rows = rowsOf(integerInsns(isa));

describe('the interpreter does what the evaluator does', () => {
  it('for every integer row', () => {
    const seeds = fc.integer({ min: 1, max: 0x7fff_ffff });
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = new Random(seed);
        for (const row of rows) {
          const experiment = experimentFor(random, row);
          const what = `${row.text} ${Buffer.from(experiment.code).toString('hex')}`;
          expect(lab.run(experiment), what).toEqual(evaluateExperiment(experiment));
        }
      }),
      { numRuns: 8 },
    );
  }, 120_000);
});
