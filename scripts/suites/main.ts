/**
 * npm run test:suites -- [SUITE...] [--only REGEXP] [--minutes N] [--again] [--failed]: test suites of Debian packages,
 * natively and here. A case that passes natively must pass. Results are kept in fixtures/suites (docs/COMPATIBILITY.md is made
 * of them): a run goes on with what has no result yet; --again forgets them, --failed runs only what has failed.
 * Needs root, for the native runs (chroot), and a Debian mirror. Exits with 1 where a case that passes natively does not here.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cacheDirectory } from '../../src/cli/cache.ts';
import { hasNativeSysroot, native, type Outcome, run, tallship } from '../../test/support/run.ts';
import { MAIN } from '../../test/support/sysroot.ts';
import type { Case, Result, Suite, Verdict } from './suite.ts';
import { SUITES } from './table.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: '' },
    minutes: { type: 'string', default: 'Infinity' },
    again: { type: 'boolean', default: false },
    failed: { type: 'boolean', default: false },
  },
});
const unknown = positionals.filter((name) => !SUITES.some((suite) => suite.name === name));
if (unknown.length > 0) {
  console.error(`there is no suite ${unknown[0]}; there are ${SUITES.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
const chosen = SUITES.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const only = new RegExp(values.only);
const end = Date.now() + Number(values.minutes) * 60_000;

/** How many of its cases pass natively and not here. */
async function runSuite(suite: Suite): Promise<number> {
  const root = await makeSysroot(suite);
  const file = fileURLToPath(new URL(`../../fixtures/suites/${suite.name}.json`, import.meta.url));
  const known: Record<string, Result> = existsSync(file) && !values.again ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const cases = await suite.cases(async (argv) => (await native(root, '/tmp', argv)).stdout);
  for (const one of cases.filter(({ name }) => only.test(name) && isDue(known[name]))) {
    if (Date.now() > end) break;
    const result = await judge(suite, root, one, known[one.name]?.native);
    known[one.name] = { ...known[one.name], ...result };
    console.log(
      `${suite.name} ${one.name}: natively ${result.native}${result.tallship ? `, here ${result.tallship}` : ''}`,
    );
    writeFileSync(file, `${JSON.stringify(known, Object.keys(known).sort().concat('native', 'tallship', 'why'), 1)}\n`);
  }
  return summary(suite, known);
}

const isDue = (result: Result | undefined) =>
  values.failed
    ? failsHere(result)
    : result === undefined || (result.native === 'pass' && result.tallship === undefined);
const failsHere = (result?: Result) =>
  result?.native === 'pass' && result.tallship !== undefined && result.tallship !== 'pass';

async function makeSysroot(suite: Suite): Promise<string> {
  const root = join(cacheDirectory('sysroots'), `suite-${suite.name}`);
  const done = join(root, '.complete');
  if (!existsSync(done)) {
    const made = await run(process.execPath, [MAIN, 'sysroot', root, ...suite.packages], { timeout: 600_000 });
    if (made.status !== 0)
      throw new Error(`${suite.name}: its sysroot cannot be made: ${made.stderr.trim().split('\n').at(-1)}`);
    mkdirSync(join(root, 'tmp'), { recursive: true, mode: 0o1777 });
    writeFileSync(done, '');
  }
  if (!hasNativeSysroot(root)) throw new Error('native runs are not possible here: they take root and an i386 kernel');
  return root;
}

async function judge(suite: Suite, root: string, { argv }: Case, known?: Verdict): Promise<Result> {
  const patience = suite.patience * 1000;
  const natively = known ?? verdict(await native(root, '/tmp', argv, { timeout: patience }));
  if (natively !== 'pass') return { native: natively };
  const here = await tallship(['run', '-L', root, '-C', '/tmp', ...argv], { timeout: patience * 10 + 60_000 });
  return { native: natively, tallship: verdict(here) };
}

function verdict({ status, signal, stdout, stderr }: Outcome): Verdict {
  if (signal === 'SIGKILL') return 'timeout';
  if (status !== 0) return 'fail';
  return /\bskipped\b/.test(`${stdout}${stderr}`.split('\n').slice(-4).join('\n')) && !/\bOK\b/.test(stdout)
    ? 'skipped'
    : 'pass';
}

function summary({ name }: Suite, results: Readonly<Record<string, Result>>): number {
  const all = Object.entries(results);
  const tried = all.filter(([, { native, tallship }]) => native === 'pass' && tallship !== undefined);
  const failing = tried.filter(([, result]) => failsHere(result));
  console.log(`${name}: ${tried.length - failing.length} of ${tried.length} that pass natively pass here`);
  for (const [failed, { tallship, why }] of failing) console.log(`  ${failed}: ${tallship}${why ? ` (${why})` : ''}`);
  return failing.length;
}

let bad = 0;
for (const suite of chosen) bad += await runSuite(suite);
process.exitCode = bad === 0 ? 0 : 1;
