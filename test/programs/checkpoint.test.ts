/** A program of a Debian system, saved once while it waits; npm run test:checkpoint does it with many, at many moments. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MAIN, sysroot } from '../support/sysroot.ts';

const root = sysroot();
const programs = new URL('../../scripts/checkpoint-programs.mjs', import.meta.url).href;
const { PROGRAMS } = (await import(programs)) as { PROGRAMS: Record<string, string[]> };

const directory = mkdtempSync(join(tmpdir(), 'tallship-programs-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** @param interrupts sends SIGUSR2 as soon as there is output. */
function tallship(args: readonly string[], interrupts = false): Promise<string> {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: directory, stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout.on('data', (data) => {
    if (interrupts && output === '') child.kill('SIGUSR2');
    output += data;
  });
  return new Promise((done) => child.on('close', () => done(output)));
}

describe.skipIf('missing' in root)(`saved in between${'missing' in root ? `: ${root.missing}` : ''}`, () => {
  it('vi on a terminal ends as if nothing had happened', { timeout: 180_000 }, async () => {
    const run = ['run', '-q', '-L', 'path' in root ? root.path : '/'];
    const saving = ['--on-signal', 'USR2=save-exit', '--store', 'store', '--image', 'vi'];
    const image = join(directory, 'store/images/vi');
    const whole = await tallship([...run, ...PROGRAMS.vi]);
    const before = await tallship([...run, ...saving, ...PROGRAMS.vi], true);
    expect(before.length).toBeLessThan(whole.length);
    expect(before + (await tallship(['restore', '-q', image]))).toBe(whole);
  });
});
