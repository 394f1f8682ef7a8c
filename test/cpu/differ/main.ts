/**
 * The differential tester by hand: npm run test:cpu -- [--seconds N] [--cases N] [--seed S] [--row REGEXP] [--documented]
 * [--random]; with --decode N the decoder beside iced-x86, on N random byte strings; with --record
 * answers for fixtures/vectors. Exits with 1 where something differs that exceptions.ts does not name.
 */
import { parseArgs } from 'node:util';
import { checkDecoder } from './decode-check.ts';
import { EXCEPTIONS } from './exceptions.ts';
import { Oracle, whyNoOracle } from './oracle.ts';
import { Random } from './random.ts';
import { NOT_COMPARED } from './rows.ts';
import { runSession } from './session.ts';
import { record } from './vectors.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    cases: { type: 'string' },
    seed: { type: 'string' },
    row: { type: 'string', default: '' },
    documented: { type: 'boolean', default: false },
    random: { type: 'boolean', default: false },
    decode: { type: 'string' },
    record: { type: 'boolean', default: false },
  },
});

const seed = Number(values.seed ?? Math.trunc(Math.random() * 2 ** 31));
console.log(`seed ${seed}`);
if (values.decode !== undefined) process.exitCode = compareDecoders(Number(values.decode));
else process.exitCode = values.record ? await recordVectors() : await compareWithHardware();

function compareDecoders(count: number): number {
  const { cases, found } = checkDecoder(new Random(seed), count, Number.POSITIVE_INFINITY);
  for (const { example, count: times } of found.values()) console.log(`${times} times ${example}`);
  console.log(`${cases} byte strings, ${found.size} kinds of disagreement`);
  return found.size > 0 ? 1 : 0;
}

async function recordVectors(): Promise<number> {
  const oracle = new Oracle();
  const { kept, asked } = await record(oracle);
  oracle.close();
  console.log(`${kept} of ${asked} cases recorded`);
  return kept === asked ? 0 : 1;
}

async function compareWithHardware(): Promise<number> {
  const reason = whyNoOracle();
  if (reason !== undefined) {
    console.error(`test:cpu needs an x86 Linux: ${reason}`);
    return 2;
  }
  const start = performance.now();
  const summary = await runSession({
    seed,
    seconds: Number(values.seconds ?? (values.cases === undefined ? 30 : Number.POSITIVE_INFINITY)),
    cases: Number(values.cases ?? Number.POSITIVE_INFINITY),
    row: new RegExp(values.row),
    undefinedCount: !values.documented,
    randomOnly: values.random,
    states: 16,
  });
  const seconds = (performance.now() - start) / 1000;
  for (const { text, count } of summary.failures) console.log(`\n${text}\n  ${count} times`);
  console.log();
  const { cases, evaluated, compiled, protected: hosted, endless, lost, rows, missing } = summary;
  console.log(
    `${cases} cases in ${seconds.toFixed(1)} s, ${Math.round(cases / seconds)} a second; ${compiled} also compiled, ${hosted} with the host's page protection, ${evaluated} evaluated`,
  );
  if (endless + lost > 0) console.log(`${endless} are loops without end, ${lost} were lost with the oracle`);
  console.log(
    `${rows - missing.length} of ${rows} rows exercised on hardware${missing.length ? `; not: ${missing.join(', ')}` : ''}`,
  );
  for (const { row, reason, applies } of NOT_COMPARED)
    if (applies !== false) console.log(`not compared: ${row.source}: ${reason}`);
  for (const { name, reason } of EXCEPTIONS)
    if (summary.exceptions[name]) console.log(`${summary.exceptions[name]} times ${name}: ${reason}`);
  const total = summary.failures.reduce((sum, one) => sum + one.count, 0);
  console.log(total ? `${total} differences of ${summary.failures.length} kinds` : 'no differences');
  return total ? 1 : 0;
}
