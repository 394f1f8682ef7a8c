import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixture } from '../support/machine.ts';
import { Harbour } from '../support/running.ts';

let harbour: Harbour;
beforeEach(() => {
  harbour = new Harbour();
  harbour.env.XDG_STATE_HOME = harbour.runtime;
});
afterEach(async () => {
  for (const name of await harbour.names()) await harbour.run('kill', '-s', 'KILL', name);
  harbour.close();
});

const at = (name: string) => join(harbour.runtime, name);
/** Counts and sleeps, for three seconds at least. */
const COUNT = [fixture('counter'), '100', '20000', '30'];

describe('tallship checkpoint', () => {
  it('makes images of a machine that goes on, and at last ends it; restore goes on from there', async () => {
    const whole = await harbour.run('run', ...COUNT);
    await harbour.run('run', '-d', '--name', 'job', ...COUNT);
    const first = await harbour.run('checkpoint', 'job');
    expect(first).toMatchObject({ status: 0, stdout: `${at('job.image')}\n`, stderr: '' });
    const report = JSON.parse((await harbour.run('checkpoint', 'job', '--stop', '-o', 'end.image', '--json')).stdout);
    expect(report).toMatchObject({ path: at('end.image'), processes: [{ threads: 1, parent: 0 }] });
    expect(report.size).toBeGreaterThan(4096);
    expect(statSync(at('end.image')).mode & 0o777).toBe(0o700);
    expect(await harbour.names()).toEqual([]);
    expect((await harbour.run('logs', '-f', 'job')).stderr).toContain('was saved and has ended here');
    const so = (await harbour.run('logs', 'job')).stdout;
    const rest = await harbour.run('restore', 'end.image');
    expect([rest.status, so + rest.stdout]).toEqual([0, whole.stdout]);
    // The first image is of an earlier moment.
    const earlier = await harbour.run('restore', 'job.image');
    expect(whole.stdout.endsWith(earlier.stdout)).toBe(true);
    expect(earlier.stdout.length).toBeGreaterThanOrEqual(rest.stdout.length);
  });

  it('says what is wrong, and leaves the machine as it is', async () => {
    await harbour.start('work');
    mkdirSync(at('full/of/things'), { recursive: true });
    const refused = await harbour.run('checkpoint', 'work', '-o', 'full');
    expect([refused.status, refused.stderr]).toEqual([125, expect.stringContaining('is no image: it is not replaced')]);
    const nowhere = await harbour.run('checkpoint', 'work', '-o', 'no/such/directory');
    expect([nowhere.status, nowhere.stderr]).toEqual([125, expect.stringContaining('ENOENT')]);
    expect((await harbour.run('checkpoint', 'nobody')).stderr).toContain('no such machine');
    expect(await harbour.names()).toEqual(['work']);
    expect(readdirSync(at('full'))).toEqual(['of']);
  });
});

describe('tallship checkpoint --store', () => {
  it('keeps images by name, shows, exports and collects them, and restores from there', async () => {
    const whole = await harbour.run('run', ...COUNT);
    await harbour.run('run', '-d', '--name', 'job', ...COUNT);
    const saved = await harbour.run('checkpoint', 'job', '--store', 'store', '--compress', 'deflate');
    expect(saved).toMatchObject({ status: 0, stdout: `${at('store/images/job')}\n`, stderr: '' });
    await harbour.run('checkpoint', 'job', '--store', 'store', '-o', 'end', '--stop');
    const so = (await harbour.run('logs', 'job')).stdout;
    const rest = await harbour.run('restore', 'store/images/end');
    expect([rest.status, so + rest.stdout]).toEqual([0, whole.stdout]);
    const found = JSON.parse((await harbour.run('image', 'ls', 'store', '--json')).stdout);
    expect(found).toMatchObject([{ path: 'store/images/end' }, { path: 'store/images/job' }]);
    expect((await harbour.run('image', 'verify', 'store/images/job')).stdout).toContain('whole');
    expect((await harbour.run('image', 'diff', 'store/images/job', 'store/images/end')).stdout).toContain('changed');
    rmSync(at('store/images/job'), { recursive: true });
    expect((await harbour.run('image', 'gc', 'store')).stdout).toMatch(/^store: 1 images, \d+ objects removed/);
    expect((await harbour.run('image', 'export', 'store/images/end', 'end.image')).status).toBe(0);
    expect(await harbour.run('restore', 'end.image')).toEqual(rest);
    const refused = await harbour.run('image', 'gc', 'end.image');
    expect([refused.status, refused.stderr]).toEqual([125, expect.stringContaining('is no store')]);
  });
});

describe('tallship image', () => {
  const image = (...args: string[]) => harbour.run('image', ...args);

  it('shows what is in an image, and what has changed since', async () => {
    writeFileSync(at('text'), 'one two\n');
    await harbour.run('run', '-d', '--name', 'job', ...COUNT);
    await harbour.run('checkpoint', 'job');
    await harbour.run('checkpoint', 'job', '-o', 'later.image', '--stop');
    const [found] = JSON.parse((await image('ls', '--json')).stdout);
    expect(found).toMatchObject({ path: 'job.image', processes: 1 });
    expect((await image('show', 'job.image')).stdout).toMatch(/^version +2, written by tallship [\d.]+\nmade/);
    expect((await image('ps', 'job.image')).stdout).toMatch(/^PID +PARENT .*\n\d+ +0 +sleeping +1 .*counter 100/);
    const [{ descriptors }] = JSON.parse((await image('fds', 'job.image', '--json')).stdout);
    expect(descriptors.map(({ fd, kind }: { fd: number; kind: string }) => [fd, kind])).toEqual([
      [0, 'inherited'],
      [1, 'inherited'],
      [2, 'inherited'],
    ]);
    expect((await image('maps', 'job.image')).stdout).toMatch(
      / {2}[\da-f]{8}-[\da-f]{8} {2}r-xp {2}[\da-f]{8} {2}\S*counter\n/,
    );
    expect((await image('verify', 'job.image')).stdout).toBe('job.image: whole\n');
    expect((await image('diff', 'job.image', 'later.image')).stdout).toMatch(/pages: [1-9]\d* changed/);
  });

  it('says what is damaged', async () => {
    await harbour.run('run', '-d', '--name', 'job', ...COUNT);
    await harbour.run('checkpoint', 'job', '--stop');
    const machine = readFileSync(at('job.image/machine'));
    machine[machine.length >> 1] ^= 1;
    writeFileSync(at('job.image/machine'), machine);
    const { status, stderr } = await image('verify', 'job.image');
    expect([status, stderr]).toEqual([
      125,
      expect.stringContaining('its file machine is damaged: its checksum differs'),
    ]);
    expect((await harbour.run('restore', 'job.image')).stderr).toContain('checksum differs');
    expect((await image('verify', 'text')).stderr).toContain('is no image');
    expect((await image('see', 'job.image')).stderr).toContain('one of ls, show');
  });
});

describe('tallship run --state', () => {
  const job = (...options: string[]) => harbour.run('run', '--state', 'state', ...options, ...COUNT);
  const manifest = () => JSON.parse(readFileSync(at('state/manifest.json'), 'utf8'));

  it('ends after each image with the status asked for, and goes on by itself', async () => {
    const whole = await harbour.run('run', ...COUNT);
    let output = '';
    const statuses: (number | null)[] = [];
    do {
      const part = await job('--every', '1', '--checkpoint-exit-code', '85');
      output += part.stdout;
      statuses.push(part.status);
      expect(existsSync(at('state/image'))).toBe(part.status === 85);
    } while (statuses.at(-1) === 85 && statuses.length < 100);
    expect(output).toBe(whole.stdout);
    expect([statuses[0], statuses.at(-1)]).toEqual([85, 0]);
    expect(manifest()).toMatchObject({ command: COUNT, end: { status: 0 } });
  });

  it('goes on elsewhere, and is kept from other commands and from twins', async () => {
    await job('--every', '1', '--checkpoint-exit-code', '85');
    cpSync(at('state'), at('moved'), { recursive: true });
    const other = await harbour.run('run', '--state', 'state', fixture('wordcount'));
    expect([other.status, other.stderr]).toEqual([125, expect.stringContaining('it holds another command')]);
    writeFileSync(
      at('state/lock'),
      `${process.pid}.${readFileSync('/proc/self/stat', 'latin1').split(') ')[1].split(' ')[19]}`,
    );
    expect((await job()).stderr).toContain('works with it');
    const moved = await harbour.run('run', '--state', 'moved', ...COUNT);
    expect([moved.status, moved.stderr]).toEqual([0, expect.stringContaining('goes on from')]);
    expect(existsSync(at('moved/image'))).toBe(false);
  });

  it("has its manifest from the start, and never passes on the guest's own status as that of an image", async () => {
    writeFileSync(at('script'), `#!${fixture('wordcount')}\n`);
    const own = await harbour.run('run', '--every', '1h', '--checkpoint-exit-code', '1', fixture('wordcount'), 'none');
    expect([own.status, own.stderr]).toEqual([1, expect.stringContaining('which is that of a checkpoint')]);
    const failing = await harbour.run('run', '--state', 'early', './no-such-program');
    expect(failing.status).toBe(127);
    expect(existsSync(at('early/manifest.json'))).toBe(true);
    expect(readFileSync(at('early/manifest.json'), 'utf8')).toContain('no-such-program');
  });

  it.each([
    [['--every', 'often'], 'give a time like'],
    [['--checkpoint-exit-code', '85'], 'when?'],
    [['--image', 'x', '--state', 'y'], 'give one of them'],
    [['--on-signal', 'KILL=save'], 'USR1=save'],
  ])('%j is refused', async (options, why) => {
    const { status, stderr } = await harbour.run('run', ...options, fixture('wordcount'));
    expect([status, stderr]).toEqual([125, expect.stringContaining(why)]);
  });
});
