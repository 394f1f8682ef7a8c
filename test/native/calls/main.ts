/**
 * Random system calls on the host's kernel and on this one, compared: npm run test:fuzz -- [--calls N] [--seed S]
 * [--only REGEXP]. Exits with 1 where something differs that known.ts does not name.
 */
import { parseArgs } from 'node:util';
import { Random } from '../../cpu/differ/random.ts';
import { compare, type Difference, shown, shrink } from './compare.ts';
import { generate, MADE } from './generate.ts';
import { askNative, askTallship, whyNotNative } from './kernels.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '100000' },
    seed: { type: 'string' },
    only: { type: 'string' },
    /** Kinds of difference (a call each) after which it ends. */
    most: { type: 'string', default: '20' },
  },
});

const LENGTH = 40;
const BATCH = 100;

const reason = whyNotNative();
if (reason !== undefined) {
  console.error(`test:fuzz compares with the host's kernel: ${reason}`);
  process.exit(2);
}
const seed = Number(values.seed ?? Math.trunc(Math.random() * 2 ** 31));
const random = new Random(seed);
const only = values.only === undefined ? undefined : new RegExp(values.only);
console.log(`seed ${seed}, ${MADE} calls of the table`);
const found = new Map<string, { difference: Difference; count: number }>();
let made = 0;
while (made < Number(values.calls) && found.size < Number(values.most)) {
  const sequences = Array.from({ length: BATCH }, () => generate(random, LENGTH, only));
  const native = askNative(sequences);
  const ours = await askTallship(sequences);
  for (const [i, sequence] of sequences.entries()) {
    made += native[i].answers.length;
    const difference = compare(sequence, native[i], ours[i]);
    if (difference === null) continue;
    const { name } = sequence.calls[difference.at];
    const known = found.get(name);
    if (known !== undefined) known.count++;
    else {
      found.set(name, { difference, count: 1 });
      report(await shrink(difference));
    }
  }
}
console.log(`${made} calls, ${found.size === 0 ? 'no differences' : `differences of ${found.size} calls`}`);
for (const [name, { count }] of found) console.log(`  ${name}: ${count} times`);
process.exitCode = found.size === 0 ? 0 : 1;

function report({ sequence, text, at }: Difference): void {
  for (const call of sequence.calls.slice(0, at)) console.log(`  ${shown(call)}`);
  console.log(`${text}\n`);
}
