/** What becomes of descriptors that lead outside of the machine: told before, chosen when an image is made, and at restore. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { restore } from '../../src/node.ts';
import { Harbour } from '../support/running.ts';

let harbour: Harbour;
beforeEach(() => {
  harbour = new Harbour();
  harbour.env.XDG_STATE_HOME = harbour.runtime;
  // The key that images are sealed with is there: they are our own here, too.
  vi.stubEnv('XDG_STATE_HOME', harbour.runtime);
});
afterEach(() => {
  vi.unstubAllEnvs();
  harbour.close();
});

const at = (name: string) => join(harbour.runtime, name);
const checkpoint = (...args: string[]) => harbour.run('checkpoint', 'work', ...args);

describe('tallship checkpoint --check', () => {
  it('tells what becomes of each descriptor, and saves nothing', async () => {
    await harbour.start('work');
    const { status, stdout } = await checkpoint('--check');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\d+ \S*wordcount\n {2}FD +WHAT +VERDICT {2}MEANING\n/);
    expect(stdout).toMatch(/ {2}0 +\S+:\[\d+\] +caller {3}descriptor 0 of whoever restores/);
    expect(stdout).toContain(`is ${harbour.runtime}: a restore wants it`);
    const report = JSON.parse((await checkpoint('--check', '--json', '--fd', '1=eof')).stdout);
    const [{ pid }] = report.processes;
    expect(report).toMatchObject({ possible: true, problems: [], layers: [], waits: [] });
    const standard = report.descriptors.slice(0, 3);
    expect(standard.map((one: { verdict: string }) => one.verdict)).toEqual(['caller', 'eof', 'caller']);
    const no = await checkpoint('--check', '--fd', `${pid}:0=fail`);
    expect([no.status, no.stdout]).toEqual([1, expect.stringMatching(/no image can be made: descriptor \d+:0 /)]);
    expect((await checkpoint('--fd', 'others=fail')).stderr).toContain('must not be lost');
    expect((await checkpoint('--fd', '0=reopen')).stderr).toContain('cannot be opened again');
    expect((await checkpoint('--fd', `${pid}:77=eof`)).stderr).toContain(`there is no descriptor ${pid}:77`);
    expect((await checkpoint('--fd', '0=/dev/null')).stderr).toContain('give one of caller, reopen, eof, error, fail');
    expect((await checkpoint('--fd', 'zero=eof')).stderr).toContain('give N=WHAT');
  });
});

describe('a descriptor that leads outside', () => {
  it('is what the image or the restore says', async () => {
    await harbour.start('work');
    writeFileSync(at('words'), 'a tall ship\n');
    await checkpoint('--fd', '0=error', '--stop');
    const so = async (...args: string[]) => {
      const { status, stdout, stderr } = await harbour.run('restore', 'work.image', ...args);
      return [status, stdout, stderr];
    };
    expect(await so()).toEqual([1, '', expect.stringContaining('wordcount')]);
    expect(await so('--fd', '0=eof')).toEqual([0, expect.stringMatching(/^ *0 +0 +0/), '']);
    expect(await so('--fd', '0=words')).toEqual([0, expect.stringMatching(/^ *1 +3 +12/), '']);
    expect(await so('--fd', '0=fail')).toEqual([125, '', expect.stringContaining('must not be lost: give it one')]);
    expect(await so('--fd', '0=reopen')).toEqual([125, '', expect.stringContaining('cannot be opened again')]);
    const [{ pid }] = JSON.parse((await harbour.run('image', 'ps', 'work.image', '--json')).stdout);
    expect(await so('--fd', `${pid}:0=words`)).toEqual([0, expect.stringMatching(/^ *1 +3 +12/), '']);
    expect(await so('--fd', '9:0=eof')).toEqual([125, '', expect.stringContaining('it has no descriptor 9:0')]);
    // By the API; a broken connection stays one in the image of an image.
    const machine = await restore(at('work.image'));
    await machine.checkpoint(at('second.image'));
    machine.close();
    expect(await (await restore(at('second.image'), { descriptors: { 0: 'error' } })).run()).toEqual({ status: 1 });
    await expect(restore(at('second.image'), { descriptors: { others: 'fail' } })).rejects.toThrow('must not be lost');
  });
});
