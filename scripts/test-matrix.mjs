// Runs the test suite under every release of Node and protection mode that CI promises.
//   node scripts/test-matrix.mjs          the pairs that `npm test` itself has not covered, as CI does
//   node scripts/test-matrix.mjs --all    every combination, the whole suite each
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const all = process.argv.includes('--all');
const modes = ['hardware', 'software'];
// What differs between the modes is memory and what stands on it: the rest of the suite runs on the diagonal only.
const CROSS = [
  'test/memory',
  'test/cpu',
  'test/kernel',
  'test/programs/busybox.test.ts',
  'test/programs/shells.test.ts',
];

/** The current release of Node, from its npm package, kept between runs. */
function currentNode() {
  const { TALLSHIP_CACHE, XDG_CACHE_HOME } = process.env;
  const base = TALLSHIP_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'tallship');
  const prefix = join(base, 'node-current');
  mkdirSync(prefix, { recursive: true });
  const binary = join(prefix, 'node_modules/node/bin/node');
  const wanted = execFileSync('npm', ['view', 'node', 'version'], { encoding: 'utf8' }).trim();
  const have = existsSync(binary) ? execFileSync(binary, ['--version'], { encoding: 'utf8' }).trim() : '';
  if (have !== `v${wanted}`)
    execFileSync('npm', ['install', '--prefix', prefix, '--no-save', `node@${wanted}`], { stdio: 'inherit' });
  return binary;
}

/** Runs the suite, or the part of it in these files. */
function run(node, mode, files = []) {
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  console.log(`\n== Node ${version}, ${mode} protection${files.length > 0 ? `: ${files.join(' ')}` : ''}`);
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--passWithNoTests', ...files];
  const { status } = spawnSync(node, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, TALLSHIP_TEST_PROTECTION: mode },
  });
  return { version, mode, passed: status === 0 };
}

const here = process.execPath;
const current = currentNode();
const results = [];
if (all) {
  for (const node of [here, current]) for (const mode of modes) results.push(run(node, mode));
} else {
  results.push(run(here, 'software', CROSS), run(current, 'hardware', CROSS), run(current, 'software'));
}
console.log('');
for (const { version, mode, passed } of results)
  console.log(`${passed ? 'passed' : 'FAILED'}  Node ${version}, ${mode} protection`);
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
