/**
 * fixtures/guest/files.c makes file calls of every kind and prints the answers: the real kernel's are in the golden file
 * (recorded by TALLSHIP_RECORD=1 on Linux 6.18), and asked for again where this machine runs i386 programs.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fixture, golden, runOn } from '../support/on-tree.ts';
import { hasNative } from '../support/run.ts';
import { hostDirectory, TREES } from '../support/trees.ts';

function runNatively(): string {
  return spawnSync(fixture('files'), { cwd: hostDirectory(), encoding: 'utf8' }).stdout;
}

if (process.env.TALLSHIP_RECORD && hasNative()) writeFileSync(golden('files.txt'), runNatively());
const expected = readFileSync(golden('files.txt'), 'utf8');

if (hasNative()) {
  test('the real kernel answers what was recorded', () => {
    expect(runNatively()).toBe(expected);
  });
}

describe.each(TREES)('file calls over %s', (_name, make) => {
  test('answer as the real kernel does', async () => {
    expect(await runOn(make(), 'files')).toBe(expected);
  });
});
