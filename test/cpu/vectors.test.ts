/** What an Intel processor answered (npm run test:cpu -- --record asks this machine's), by every way of running code. */
import { describe, expect, it } from 'vitest';
import { FlatCpuMemory } from '../support/flat-cpu-memory.ts';
import { differences, isEqual } from './differ/compare.ts';
import { EvalSubject } from './differ/evaluate-subject.ts';
import { SLOT, Slots } from './differ/slot.ts';
import { CpuSubject, softwareMemory } from './differ/subject.ts';
import { recorded } from './differ/vectors.ts';

describe('recorded answers of hardware', () => {
  const { requests, answers } = recorded();

  /** Every `share`th of them. */
  function check(subject: { run: CpuSubject['run'] }, share: number): void {
    const out = new Slots(1);
    const wrong: string[] = [];
    for (let i = 0; i < requests.count; i += share) {
      subject.run(requests, i, out);
      if (isEqual(answers, i, out, 0)) continue;
      const code = Buffer.from(requests.bytes(i, SLOT.code, requests.get(i, SLOT.codeLength))).toString('hex');
      wrong.push(`${code}: ${JSON.stringify(differences(answers, i, out, 0))}`);
    }
    expect(wrong).toEqual([]);
  }

  it('are many', () => expect(requests.count).toBeGreaterThan(4000));
  it("are the interpreter's", () => check(new CpuSubject(softwareMemory(), 'interpreted'), 1));
  it("are the evaluator's", () => check(new EvalSubject(new FlatCpuMemory()), 1));
  it('are those of compiled code', () => check(new CpuSubject(softwareMemory(), 'compiled exactly'), 7));
});
