/** Images at an instruction, and of files that change. */
import { appendFileSync, copyFileSync, mkdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixture } from '../support/machine.ts';
import { Harbour } from '../support/running.ts';

let harbour: Harbour;
beforeEach(() => {
  harbour = new Harbour();
  harbour.env.XDG_STATE_HOME = harbour.runtime;
});
afterEach(() => harbour.close());

const at = (name: string) => join(harbour.runtime, name);

describe('tallship run --checkpoint-at', () => {
  it('makes an image after exactly so many instructions, and goes on', async () => {
    const args = ['--checkpoint-at', '900000', '--image', 'it', fixture('counter'), '20', '9000'];
    const whole = await harbour.run('run', ...args);
    expect([whole.status, whole.stdout.split('\n').length]).toEqual([0, 21]);
    expect(whole.stderr).toMatch(/saved \S*it \(paused/);
    const { stdout } = await harbour.run('restore', 'it');
    expect([stdout.length > 0, stdout.length < whole.stdout.length]).toEqual([true, true]);
    expect(whole.stdout.endsWith(stdout)).toBe(true);
    const again = await harbour.run('run', ...args);
    expect(again.stdout).toBe(whole.stdout);
    expect((await harbour.run('restore', 'it')).stdout).toBe(stdout);
    const wrong = await harbour.run('run', '--checkpoint-at', '0', fixture('counter'));
    expect([wrong.status, wrong.stderr]).toEqual([125, expect.stringContaining('--checkpoint-at 0: give a whole')]);
  });
});

describe('tallship restore -d --stopped', () => {
  it('can be told to go on', async () => {
    await harbour.startOf('job', [], [fixture('wordcount')]);
    await harbour.run('checkpoint', 'job', '--stop');
    await harbour.run('restore', '-d', '--stopped', '--name', 'rest', 'job.image');
    expect((await harbour.run('ps')).stdout).toMatch(/ T +\S+ +\S*wordcount/);
    expect((await harbour.run('kill', 'rest', '-s', 'CONT')).status).toBe(0);
    expect((await harbour.run('logs', '-f', 'rest')).stdout).toMatch(/0 +0 +0/);
  });
});

describe('a file that an image refers to', () => {
  it('must be what it was', async () => {
    copyFileSync(fixture('wordcount'), at('counter'));
    await harbour.startOf('job', [], [at('counter')]);
    const restore = (...args: string[]) => harbour.run('restore', '--fd', '0=eof', ...args);
    expect((await harbour.run('checkpoint', 'job', '-o', 'content', '--files', 'content')).status).toBe(0);
    expect((await harbour.run('checkpoint', 'job', '--stop')).status).toBe(0);
    utimesSync(at('counter'), 1, 1);
    expect((await restore('job.image')).status).toBe(0);
    appendFileSync(at('counter'), 'more');
    const { status, stderr } = await restore('job.image');
    expect([status, stderr]).toEqual([125, expect.stringContaining('counter has changed since')]);
    expect((await restore('content')).status).toBe(0);
    mkdirSync(at('elsewhere'));
    copyFileSync(fixture('wordcount'), at('elsewhere/counter'));
    expect((await restore('job.image', '--map', `${harbour.runtime}=${at('elsewhere')}`)).status).toBe(0);
    expect((await restore('job.image', '-v', `${at('elsewhere')}:${harbour.runtime}`)).status).toBe(0);
  });
});
