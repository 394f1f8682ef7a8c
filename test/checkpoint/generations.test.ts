/**
 * Programs that try one side of the kernel each, saved after a number of instructions, restored in another machine, and so
 * on for some generations: they must print what an uninterrupted run prints. The full run (npm run test:checkpoint) has
 * more rounds, and programs of a whole system.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { restore } from '../../src/node.ts';
import { golden, outputOf, prepare, runGuest } from '../support/machine.ts';

const GUESTS = [
  'threads',
  'processes',
  'pidfds',
  'seccomp',
  'signals',
  'ipc',
  'timers',
  'programs',
  'faults',
  'sigframe',
];
const ROUNDS = Number(process.env.TALLSHIP_CHECKPOINT_ROUNDS ?? 1);
const GENERATIONS = 3;

const directory = mkdtempSync(join(tmpdir(), 'tallship-generations-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Numbers that are the same in every run. */
function* chances(seed: number): Generator<number> {
  for (let x = seed >>> 0; ; ) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    yield x / 2 ** 32;
  }
}

describe.each(GUESTS)('%s', (name) => {
  it(
    'prints the same across generations',
    async () => {
      const expected = readFileSync(golden(name), 'utf8');
      const whole = await runGuest(name);
      expect(whole.output).toBe(expected);
      const total = whole.machine.kernel.scheduler.instructions;
      for (let round = 0; round < ROUNDS; round++) {
        const random = chances(round * 1000 + name.length);
        const { machine: first, output: file } = prepare(name, { exact: true });
        first.spawn({ path: `/${name}`, argv: [name], fds: [null, file, file] });
        let machine = first;
        const halts: number[] = [];
        for (let generation = 0; generation < GENERATIONS; generation++) {
          const { instructions } = machine.kernel.scheduler;
          const rest = Math.max(2, total - instructions);
          machine.kernel.scheduler.haltAt = instructions + 1 + Math.floor(random.next().value * rest * 0.6);
          halts.push(machine.kernel.scheduler.haltAt);
          await machine.run();
          if (machine.kernel.groups.size === 0) break;
          const image = join(directory, `${name}.${round}.${generation}`);
          await machine.checkpoint(image);
          machine = await restore(image, { exact: true });
          rmSync(image, { recursive: true });
        }
        machine.kernel.scheduler.haltAt = Number.POSITIVE_INFINITY;
        expect(await machine.run(), `halted at ${halts}`).toEqual({ status: 0 });
        expect(outputOf(machine), `halted at ${halts}`).toBe(expected);
      }
    },
    120_000 * ROUNDS,
  );
});
