/** A machine goes on on another host; whatever becomes of the connection, it runs once. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixture } from '../support/machine.ts';
import { commandLine } from '../support/run.ts';
import { Harbour } from '../support/running.ts';

/** More of them: TALLSHIP_CUTS=100 npx vitest run test/cli/migrate.test.ts */
const CUTS = Number(process.env.TALLSHIP_CUTS ?? 3);
const RELAY = fileURLToPath(new URL('../support/relay.mjs', import.meta.url));

let harbour: Harbour;
beforeEach(() => {
  harbour = new Harbour();
  harbour.env.XDG_STATE_HOME = harbour.runtime;
  // The other side is this machine: its shell finds this tallship.
  mkdirSync(at('bin'));
  const [main] = commandLine(['berth']);
  const words = [process.execPath, main].map((word) => `'${word}'`).join(' ');
  writeFileSync(at('bin/tallship'), `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  harbour.env.PATH = `${at('bin')}:${process.env.PATH}`;
});
afterEach(() => harbour.close());

const at = (name: string) => join(harbour.runtime, name);
const ARGS = ['60', '20000', '40'];
const migrate = (url: string, ...options: string[]) => harbour.run('migrate', 'work', url, ...options);

describe('tallship migrate', () => {
  it('goes on there, with the input, output and exit status of here', async () => {
    const child = await harbour.start('work');
    const { status, stdout, stderr } = await migrate('exec:env', '--json');
    expect([status, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({ passes: expect.any(Number), downtime: expect.any(Number) });
    expect((await migrate('exec:env')).stderr).toContain('it runs elsewhere already');
    expect((await harbour.run('checkpoint', 'work')).stderr).toContain('it runs on another host');
    expect((await harbour.run('kill', 'work', '-s', 'CONT')).status).toBe(0);
    child.stdin!.end('a tall ship\n');
    expect(await harbour.end(child)).toMatchObject({ status: 0, stdout: expect.stringMatching(/1 +3 +12/) });
  });

  it.each(['ws://host/', 'nowhere'])('to %s is refused, and the machine goes on', async (url) => {
    const child = await harbour.start('work');
    const { status, stderr } = await migrate(url);
    expect([status, stderr]).toEqual([125, expect.stringContaining('migrate')]);
    child.stdin!.end('a tall ship\n');
    expect(await harbour.end(child)).toMatchObject({ status: 0, stdout: expect.stringMatching(/1 +3 +12/) });
  });

  it(`runs once, wherever the connection breaks (${CUTS} times)`, { timeout: 60_000 + CUTS * 60_000 }, async () => {
    const whole = await harbour.run('run', fixture('counter'), ...ARGS);
    const moved = async (name: string, most: number) => {
      const child = await harbour.startOf('work', [], [fixture('counter'), ...ARGS]);
      const outcome = await migrate(`exec:'${process.execPath}' '${RELAY}' '${at(name)}' ${most}`);
      const end = await harbour.end(child);
      expect({ most, status: end.status, stdout: end.stdout }).toEqual({ most, status: 0, stdout: whole.stdout });
      return outcome.status;
    };
    expect(await moved('whole', Number.POSITIVE_INFINITY)).toBe(0);
    const total = Number(readFileSync(at('whole'), 'utf8'));
    const statuses = new Set<number | null>();
    for (let i = 0; i < CUTS; i++) {
      // One near the end, where it is decided; the others anywhere.
      const most = i === 0 ? total - 100 : Math.floor(Math.random() * total) + 1;
      statuses.add(await moved(`cut${i}`, most));
      rmSync(at(`cut${i}`));
    }
    expect(statuses.size).toBeGreaterThan(0);
  });
});
