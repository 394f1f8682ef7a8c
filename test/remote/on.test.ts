/** run --on: programs elsewhere behave as programs here, down to signals and the end. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandLine, ENVIRONMENT, type RunOptions, tallship } from '../support/run.ts';
import { Sshd, sshMissing } from '../support/sshd.ts';
import { MAIN, sysroot } from '../support/sysroot.ts';
import { Terminal, tallshipCommand } from '../support/terminal.ts';

const there = sysroot();
const root = 'path' in there ? there.path : '';
const directory = mkdtempSync(join(tmpdir(), 'tallship-on-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A machine with Tallship and Node in its PATH, and one with Node alone. */
const node = dirname(process.execPath);
const bin = join(directory, 'bin');
mkdirSync(bin);
writeFileSync(join(bin, 'tallship'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
chmodSync(join(bin, 'tallship'), 0o755);
const nodeOnly = join(directory, 'node');
mkdirSync(nodeOnly);
writeFileSync(join(nodeOnly, 'node'), `#!/bin/sh\nexec '${process.execPath}' "$@"\n`);
chmodSync(join(nodeOnly, 'node'), 0o755);
const WITH = `exec:env -i HOME=${directory} PATH=${bin}:/usr/bin:/bin`;
const WITHOUT = `exec:env -i HOME=${directory}/home PATH=${nodeOnly}:/usr/bin:/bin`;

const busybox = (script: string) => ['-L', root, '--', '/bin/busybox', 'sh', '-c', `bb=/bin/busybox\n${script}`];
const on = (url: string, script: string, options?: RunOptions) =>
  tallship(['run', '--on', url, ...busybox(script)], options);

describe.skipIf(root === '')('run --on exec:', () => {
  it('status, output in its order, input, environment and directory', async () => {
    const stdin = Array.from({ length: 20000 }, (_, i) => `${i}\n`).join('');
    const outcome = await on(WITH, '$bb wc -c; echo "$HOME $0 $PWD"; echo out; echo err >&2; exit 7', {
      stdin,
      cwd: directory,
    });
    expect(outcome).toEqual({
      status: 7,
      signal: null,
      stdout: `${stdin.length}\n/root sh ${directory}\nout\n`,
      stderr: 'err\n',
    });
  });

  it('files are those of home, written through or dropped as they are here', async () => {
    const work = join(directory, 'work');
    mkdirSync(work);
    writeFileSync(join(work, 'in'), 'from home\n');
    const script = '$bb cat in; $bb cp $bb copy; $bb cmp $bb copy && echo same; echo x > out; $bb rm copy';
    const dropped = await tallship(['run', '--on', WITH, ...busybox(script)], { cwd: work });
    expect(dropped.stdout).toBe('from home\nsame\n');
    expect(dropped.stderr).toMatch(/^tallship: 1 changed file is dropped \(.*\/out\); -w .* keeps them\n$/);
    expect(readdirSync(work)).toEqual(['in']);
    const kept = await tallship(['run', '--on', WITH, '-w', '.', ...busybox(script)], { cwd: work });
    expect(kept.stderr).toBe('');
    expect(readFileSync(join(work, 'out'), 'utf8')).toBe('x\n');
  });

  it('a reader that leaves is SIGPIPE there; a signal that kills there kills here', async () => {
    const outcome = await on(WITH, 'kill -USR1 $$');
    expect(outcome.signal).toBe('SIGUSR1');
    const args = commandLine(['run', '--on', WITH, ...busybox('while echo y; do :; done 2> /dev/null; echo $? >&2')]);
    const child = spawn(process.execPath, args, { env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.once('data', () => child.stdout.destroy());
    const status = await new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)));
    expect(['SIGPIPE', 0, 1]).toContain(status);
  });

  it('signals for us are for the program', async () => {
    const args = commandLine([
      'run',
      '--on',
      WITH,
      ...busybox('trap "echo caught; exit 9" TERM; echo up; while :; do $bb sleep 0.1; done'),
    ]);
    const child = spawn(process.execPath, args, { env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
      if (text === 'up\n') child.kill('SIGTERM');
    });
    expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(9);
    expect(text).toBe('up\ncaught\n');
  });

  it('a terminal: modes, size, the keyboard, being stopped and going on', async () => {
    const terminal = new Terminal('exec bash --norc -i', directory);
    await terminal.see('$ ');
    terminal.type('stty rows 31 cols 77\n');
    await terminal.see('$ ');
    const command = tallshipCommand(['run', '--on', WITH, '-L', root, '/bin/busybox', 'sh']);
    terminal.type(`PS1='there> ' ${command}\n`);
    await terminal.see('there> ');
    terminal.type('/bin/busybox stty size; /bin/busybox tty\n');
    await terminal.see('31 77\r\n/dev/pts/0\r\n');
    terminal.type('/bin/busybox sleep 100\n');
    await terminal.see('sleep 100\r\n');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    terminal.type('\x03');
    await terminal.see('there> ');
    terminal.type('echo status $?\n');
    await terminal.see('status 130');
    terminal.type('kill -STOP $$\n');
    await terminal.see('Stopped');
    await terminal.see('$ ');
    terminal.type('fg\n');
    terminal.type('echo on again\n');
    await terminal.see('\r\non again');
    terminal.type('exit 3\n');
    await terminal.see('$ ');
    terminal.type('echo status $?; stty -a | grep -ow -e -icanon -e icanon\n');
    await terminal.see('status 3\r\nicanon\r\n');
    terminal.type('exit\n');
    expect(await terminal.end()).toBe(0);
  });

  it('what fails is one line', async () => {
    const missing = await on(WITHOUT, 'echo ran');
    expect(missing).toMatchObject({ status: 125, stdout: '' });
    expect(missing.stderr).toMatch(/there is no tallship at .*; --install copies it there\n$/);
    const nothing = await on(
      'exec:env -i PATH=/usr/bin:/bin HOME=/nonexistent sh -c "PATH=/nonexistent; export PATH; exec /bin/sh" #',
      'echo ran',
    );
    expect(nothing.stderr).toContain('there is no Node.js at');
    const refused = await on('exec:echo go away >&2; exit 1; #', 'echo ran');
    expect(refused.stderr).toMatch(/^tallship: --on exec:.*: go away\n$/);
    const program = await tallship(['run', '--on', WITH, '-L', root, 'nonesuch']);
    expect(program).toMatchObject({ status: 127, stdout: '' });
    const local = await tallship(['run', '--record', 'x', '--on', WITH, ...busybox('echo ran')]);
    expect(local.stderr).toMatch(/^tallship: --record does not go with --on: .+\n$/);
  });

  it('traces, layers and limits work there, and write here', async () => {
    const options = { cwd: directory };
    const script = '$bb cat /etc/hostname';
    const run = (...asked: string[]) => tallship(['run', '--on', WITH, ...asked, ...busybox(script)], options);
    const traced = await run('--strace', '-e', 'trace=openat', '-f', '-o', 'trace');
    expect(traced).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(join(directory, 'trace'), 'utf8')).toMatch(
      /^\d+ +openat\(AT_FDCWD, "\/etc\/hostname", .*= 3$/m,
    );
    writeFileSync(
      join(directory, 'guard.ts'),
      "export default { name: 'guard', calls: { openat: { enter: (call) => (call.path === '/etc/hostname' ? -13 : undefined) } } };\n",
    );
    const guarded = await run('--layer', './guard.ts', '--stats', '--json');
    expect(guarded.status).toBe(1);
    const [denied, stats] = guarded.stderr.split('\n');
    expect(denied).toMatch(/Permission denied$/);
    expect(JSON.parse(stats).calls.openat).toBeGreaterThan(0);
    expect((await run('--max-insns', '1000')).status).toBe(124);
  });

  it('--install copies Tallship there, once', async () => {
    mkdirSync(join(directory, 'home'));
    const first = await tallship(['run', '--install', '--on', WITHOUT, ...busybox('echo ran')]);
    expect(first).toMatchObject({ status: 0, stdout: 'ran\n' });
    expect(first.stderr).toMatch(/^tallship: copying Tallship to .*\n$/);
    const second = await tallship(['run', '--on', WITHOUT, ...busybox('echo again')]);
    expect(second).toMatchObject({ status: 0, stdout: 'again\n', stderr: '' });
  });
});

const noSsh = sshMissing();
describe.skipIf(root === '' || noSsh !== null)(`over ssh${noSsh === null ? '' : ` (skipped: ${noSsh})`}`, () => {
  let sshd: Sshd;
  let env: Record<string, string>;
  beforeAll(async () => {
    sshd = await Sshd.start({ PATH: `${bin}:${node}:/usr/bin:/bin` });
    env = { PATH: `${sshd.client}:${ENVIRONMENT.PATH}` };
  });
  afterAll(() => sshd.stop());

  it('run --on ssh://', async () => {
    const outcome = await on(`ssh://127.0.0.1:${sshd.port}`, 'read line; echo "$line"; exit 4', {
      stdin: 'ahoy\n',
      env,
    });
    expect(outcome).toMatchObject({ status: 4, stdout: 'ahoy\n', stderr: '' });
  });

  it('run --remote ssh://', async () => {
    const url = `ssh://127.0.0.1:${sshd.port}${root}`;
    const outcome = await tallship(['run', '--remote', url, '/bin/busybox', 'echo', 'ahoy'], { env, cwd: directory });
    if (process.getuid?.() !== 0) expect(outcome).toMatchObject({ status: 0, stdout: 'ahoy\n', stderr: '' });
    else
      expect(outcome).toMatchObject({ status: 125, stderr: expect.stringContaining('serve: as root, clients could') });
  });

  it('a host that does not let us in is one line', async () => {
    const outcome = await on(`ssh://nobody-there@127.0.0.1:${sshd.port}`, 'echo ran', { env });
    expect(outcome).toMatchObject({ status: 125, stdout: '' });
    expect(outcome.stderr).toMatch(/^tallship: --on ssh:.* cannot be reached: .*Permission denied.*\n$/);
  });
});
