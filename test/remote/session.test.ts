/** --io session: the program's changes go home when it has ended; what keeps them from it is told, and nothing is lost. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { commandLine, ENVIRONMENT } from '../support/run.ts';
import { serve } from '../support/served-work.ts';
import { MAIN, sysroot } from '../support/sysroot.ts';

const there = sysroot();
const root = 'path' in there ? there.path : '';
const directory = mkdtempSync(join(tmpdir(), 'tallship-session-'));
const home = join(directory, 'home');
const socket = join(directory, 'socket');
const cache = join(directory, 'cache');
mkdirSync(home);
const server = await serve(socket, home);
afterAll(() => {
  server.kill();
  rmSync(directory, { recursive: true, force: true });
});

const bin = join(directory, 'bin');
mkdirSync(bin);
writeFileSync(join(bin, 'tallship'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
chmodSync(join(bin, 'tallship'), 0o755);
const crew = `env -i TALLSHIP_CACHE=${cache} PATH=${bin}:${dirname(process.execPath)}:/usr/bin:/bin`;

const WAYS: readonly [string, readonly string[], string][] = [
  ['-M', ['-M', `/w=unix:${socket}`, '-C', '/w'], `unix:${socket}`],
  ['--on', ['--on', `exec:${crew}`, '-v', `${home}:/w`, '-C', '/w'], home],
];

/** Runs a shell script on home's files at /w; `meanwhile` is called when it says ready, and it goes on after that. */
function session(options: readonly string[], script: string, meanwhile = () => {}) {
  const sh = ['-L', root, '--', '/bin/busybox', 'sh', '-c', `${script}\necho ready; read line`];
  const child = spawn(process.execPath, commandLine(['run', '-q', '--io', 'session', ...options, ...sh]), {
    env: { ...ENVIRONMENT, TALLSHIP_CACHE: cache },
  });
  let errors = '';
  child.stderr.on('data', (data) => {
    errors += data;
  });
  child.stdout.once('data', () => {
    meanwhile();
    child.stdin.end('\n');
  });
  return new Promise<{ status: number | null; errors: string[] }>((resolve) => {
    child.on('close', (status) => resolve({ status, errors: errors.split('\n').slice(0, -1) }));
  });
}

const read = (name: string) => readFileSync(join(home, name), 'utf8');

describe.skipIf(root === '').each(WAYS)('%s', (_name, options, source) => {
  beforeEach(() => {
    for (const name of readdirSync(home)) rmSync(join(home, name), { recursive: true });
    writeFileSync(join(home, 'old'), 'old\n');
    writeFileSync(join(home, 'gone'), 'gone\n');
    mkdirSync(join(home, 'sub'));
    writeFileSync(join(home, 'sub/file'), 'file\n');
  });

  it('changes are seen by the program at once, and at home at the end', async () => {
    const script = 'echo new > new; echo more >> old; rm gone; mv sub moved; ln new link; cat old moved/file >&2';
    let meanwhile: string[] = [];
    const outcome = await session(options, script, () => {
      meanwhile = readdirSync(home).sort();
    });
    expect(outcome).toEqual({ status: 0, errors: ['old', 'more', 'file'] });
    expect(meanwhile).toEqual(['gone', 'old', 'sub']);
    expect(readdirSync(home).sort()).toEqual(['link', 'moved', 'new', 'old']);
    expect([read('old'), read('new'), read('link'), read('moved/file')]).toEqual([
      'old\nmore\n',
      'new\n',
      'new\n',
      'file\n',
    ]);
  });

  it('what others have changed meanwhile is left alone, and all is kept here', async () => {
    const outcome = await session(options, 'echo more >> old; rm gone; echo new > new', () =>
      writeFileSync(join(home, 'old'), 'by others\n'),
    );
    expect(outcome.status).toBe(125);
    const [reason, nothing, kept] = outcome.errors;
    expect(reason).toBe(`tallship: ${source}: /old was changed there meanwhile`);
    expect(nothing).toBe(`tallship: ${source}: nothing of this session was changed there`);
    expect(readdirSync(home).sort()).toEqual(['gone', 'old', 'sub']);
    expect(read('old')).toBe('by others\n');
    const place = /in (\/.*)$/.exec(kept)![1];
    expect(place.startsWith(join(cache, 'kept'))).toBe(true);
    expect(readFileSync(join(place, 'files/old'), 'utf8')).toBe('old\nmore\n');
    expect(readFileSync(join(place, 'files/new'), 'utf8')).toBe('new\n');
    expect(readFileSync(join(place, 'CHANGES'), 'utf8')).toBe('deleted /gone\n');
  });
});
