import { describe, expect, it } from 'vitest';
import { FlatCpuMemory } from '../support/flat-cpu-memory.ts';
import { differences, isEqual } from './differ/compare.ts';
import { EvalSubject } from './differ/evaluate-subject.ts';
import { randomProgram, systematic } from './differ/plan.ts';
import type { Program } from './differ/program.ts';
import { Random } from './differ/random.ts';
import { allRows, rowName, whyNotCompared } from './differ/rows.ts';
import { Slots } from './differ/slot.ts';
import { fill } from './differ/state.ts';
import { CpuSubject, softwareMemory } from './differ/subject.ts';

const rows = allRows.filter((row) => !whyNotCompared(row));
const STATES = 2;

/** Runs programs on two subjects and collects what they do differently. */
function compare(
  programs: Iterable<Program>,
  random: Random,
  subjects: readonly { run: CpuSubject['run'] }[],
): string[] {
  const [request, one, other] = [new Slots(STATES), new Slots(1), new Slots(1)];
  const wrong: string[] = [];
  for (const program of programs) {
    for (let i = 0; i < STATES; i++) {
      fill(program, random, request, i, i > 0);
      subjects[0].run(request, i, one);
      subjects[1].run(request, i, other);
      if (isEqual(one, 0, other, 0)) continue;
      const names = program.steps.map((step) => rowName(step.row)).join('; ');
      wrong.push(
        `${names} ${Buffer.from(program.code).toString('hex')} ${JSON.stringify(differences(one, 0, other, 0))}`,
      );
    }
  }
  return wrong;
}

function* take<T>(count: number, from: Iterator<T>): Generator<T> {
  for (let i = 0; i < count; i++) {
    const next = from.next();
    if (next.done) return;
    yield next.value;
  }
}
function* sequences(random: Random): Generator<Program> {
  for (;;) yield randomProgram(rows, random);
}

/** Different ones each time: what fails names the case. */
const seed = Math.trunc(Math.random() * 2 ** 31);

describe(`what the interpreter does (seed ${seed})`, () => {
  const interpreter = new CpuSubject(softwareMemory(), 'interpreted');

  it('the evaluator does, for every row and in sequences', { timeout: 120_000 }, () => {
    const random = new Random(seed);
    const evaluator = new EvalSubject(new FlatCpuMemory());
    expect(compare(take(rows.length * 3, systematic(rows, random)), random, [interpreter, evaluator])).toEqual([]);
    expect(compare(take(500, sequences(random)), random, [interpreter, evaluator])).toEqual([]);
  });

  it('compiled code does, for every row and in sequences', { timeout: 120_000 }, () => {
    const random = new Random(seed + 1);
    const compiler = new CpuSubject(softwareMemory(), 'compiled exactly');
    expect(compare(take(rows.length, systematic(rows, random)), random, [interpreter, compiler])).toEqual([]);
    expect(compare(take(500, sequences(random)), random, [interpreter, compiler])).toEqual([]);
  });
});
