/**
 * Programs of fixtures/guest that try one side of the kernel each and print what it answers, in the same words in every
 * run. The golden files are the real kernel's answers (TALLSHIP_RECORD=1 on Linux 6.18); where this machine runs i386
 * programs, it is asked again.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fixture, golden, runGuest } from '../support/machine.ts';
import { hasNative } from '../support/run.ts';

const GUESTS = [
  'faults',
  'pidfds',
  'seccomp',
  'segments',
  'sigframe',
  'signals',
  'processes',
  'threads',
  'programs',
  'timers',
  'ipc',
  'multiplexed',
];

function runNatively(name: string): string {
  return spawnSync(fixture(name), { encoding: 'utf8', timeout: 20_000, stdio: ['ignore', 'pipe', 'inherit'] }).stdout;
}

describe.each(GUESTS)('%s', (name) => {
  if (process.env.TALLSHIP_RECORD && hasNative()) writeFileSync(golden(name), runNatively(name));
  const expected = readFileSync(golden(name), 'utf8');

  test('answers as the real kernel does', async () => {
    const { outcome, output } = await runGuest(name);
    expect(output).toBe(expected);
    expect(outcome).toEqual({ status: 0 });
  });

  if (hasNative()) {
    test('the real kernel still says so', () => {
      expect(runNatively(name)).toBe(expected);
    });
  }
});
