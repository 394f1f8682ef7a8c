/** fixtures/guest/mounts.c, as root: recorded by TALLSHIP_RECORD=1 in a mount name space of its own on Linux 6.18. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { makeCredentials } from '../../src/vfs/credentials.ts';
import { fixture, golden, runOn } from '../support/on-tree.ts';
import { hasNative } from '../support/run.ts';
import { hostDirectory, TREES } from '../support/trees.ts';

function runNatively(): string {
  const argv = ['-m', '--propagation', 'private', fixture('mounts')];
  return spawnSync('unshare', argv, { cwd: hostDirectory(), encoding: 'utf8' }).stdout;
}

const root = process.getuid!() === 0;
if (process.env.TALLSHIP_RECORD && hasNative() && root) writeFileSync(golden('mounts.txt'), runNatively());
const expected = readFileSync(golden('mounts.txt'), 'utf8');

/** Root in the machine makes files for root: on the host only root can. */
const trees = TREES.filter(([name]) => root || name !== 'host directory');

describe.each(trees)('mounts over %s', (_name, make) => {
  test('behave as the real kernel has them', async () => {
    expect(await runOn(make(), 'mounts', [], makeCredentials(0, 0))).toBe(expected);
  });
});
