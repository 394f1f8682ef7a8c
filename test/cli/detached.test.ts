import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixture } from '../support/machine.ts';
import { Harbour } from '../support/running.ts';
import { Terminal, tallshipCommand } from '../support/terminal.ts';

let harbour: Harbour;
beforeEach(() => {
  harbour = new Harbour();
  harbour.env.XDG_STATE_HOME = harbour.runtime;
});
afterEach(async () => {
  for (const name of await harbour.names()) await harbour.run('kill', '-s', 'KILL', name);
  harbour.close();
});

/** `tallship run -d`, with a name. */
const detach = (name: string, ...words: string[]) => harbour.run('run', '-d', '--name', name, ...words);

describe('detached machines', () => {
  it('write to a log and leave their exit status', async () => {
    writeFileSync(join(harbour.runtime, 'text'), 'one two\nthree\n');
    const started = await detach('count', fixture('wordcount'), 'text');
    expect(started).toMatchObject({ status: 0, stderr: '' });
    const followed = await harbour.run('logs', '-f', 'count');
    expect([followed.status, followed.stdout]).toEqual([0, expect.stringContaining('2')]);
    expect((await harbour.run('logs', started.stdout.trim())).stdout).toBe(followed.stdout);
    const [run] = JSON.parse((await harbour.run('logs', '--json')).stdout);
    expect(run).toMatchObject({ name: 'count', pid: Number(started.stdout), state: 'exited 0', end: { status: 0 } });
    expect(statSync(run.log).mode & 0o777).toBe(0o600);
  });

  it('that cannot start say why at once, and leave nothing', async () => {
    const { status, stderr } = await detach('none', './no-such-program');
    expect([status, stderr]).toEqual([127, expect.stringMatching(/^tallship: .*no-such-program.*\n$/)]);
    expect(readdirSync(join(harbour.runtime, 'tallship/runs'))).toEqual([]);
  });

  it('that were killed from outside are lost; a signal is told by its number', async () => {
    const pid = Number((await detach('lost', '--tty', fixture('wordcount'))).stdout);
    process.kill(pid, 'SIGKILL');
    expect((await harbour.run('logs', '-f', 'lost')).stderr).toContain('has gone without a word');
    await detach('hit', '--tty', fixture('wordcount'));
    await harbour.run('kill', 'hit', '-s', 'USR1');
    expect((await harbour.run('logs', '-f', 'hit')).signal).toBe('SIGUSR1');
    expect((await harbour.run('logs')).stdout).toMatch(/ lost +lost.*\n\d+ +killed by signal 10 +hit/);
  });

  it('do not keep their logs where others can write', async () => {
    mkdirSync(join(harbour.runtime, 'tallship/runs'), { recursive: true, mode: 0o755 });
    expect(await detach('open', fixture('wordcount'))).toMatchObject({
      status: 125,
      stderr: expect.stringContaining('chmod 700'),
    });
  });
});

describe('tallship attach', () => {
  const attached = () => {
    const env = Object.entries(harbour.env).map(([name, value]) => `${name}=${value}`);
    return new Terminal(`stty rows 30 cols 100; env ${env.join(' ')} ${tallshipCommand(['attach', 'typed'])}`, '/');
  };

  it('is the keyboard and screen; Ctrl-\\ leaves it, and the program goes on', async () => {
    await detach('typed', '--tty', fixture('wordcount'));
    const first = attached();
    await first.see('leaves it');
    first.type('one two\r');
    await first.see('one two\r\n');
    first.type('\x1c');
    await first.see('it goes on');
    expect(await first.end()).toBe(0);
    const second = attached();
    await second.see('leaves it\r\none two\r\n');
    second.type('three\r\x04');
    await second.see(/2\s+3\s+14/);
    expect(await second.end()).toBe(0);
    expect((await harbour.run('logs', 'typed')).stdout).toContain('one two\r\nthree\r\n');
  });

  it('needs a terminal to be there', async () => {
    await harbour.start('plain');
    expect(await harbour.run('attach', 'plain')).toMatchObject({
      status: 125,
      stderr: expect.stringContaining('--tty'),
    });
    expect((await harbour.run('attach', 'nobody')).stderr).toContain('no such machine');
  });
});
