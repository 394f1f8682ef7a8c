/** The command line, on programs that come with the tree: what a user and a shell see of it. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, tallship } from '../support/run.ts';
import { MAIN } from '../support/sysroot.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/bin/${name}`, import.meta.url));
const HELLO = fixture('hello');
const WORDCOUNT = fixture('wordcount');

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tallship-'));
  writeFileSync(join(directory, 'text'), 'one two\nthree\n');
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('run', () => {
  it('runs a program of the host that is named by path', async () => {
    expect(await tallship([HELLO, 'world'])).toMatchObject({ status: 0, stdout: 'hello world\n', stderr: '' });
  });

  it('leaves options after the program to it', async () => {
    expect((await tallship(['run', '--', HELLO, '--help', '-L', 'x'])).stdout).toBe('hello --help -L x\n');
  });

  it('shows the current directory to the program', async () => {
    const { stdout } = await tallship([WORDCOUNT, 'text'], { cwd: directory });
    expect(stdout).toBe('      2       3      14 text\n');
  });

  it('passes standard input on', async () => {
    expect((await tallship([WORDCOUNT], { stdin: 'a b c\n'.repeat(50_000) })).stdout).toBe('  50000  150000  300000\n');
  });

  it('reads no more from a shared file than the program did', () => {
    const script = `exec < text; ${JSON.stringify(process.execPath)} ${MAIN} ${WORDCOUNT} > counted; wc -l; cat counted`;
    const out = execFileSync('bash', ['-c', script], { cwd: directory, encoding: 'utf8' });
    expect(out.split('\n').map((line) => line.trim())).toEqual(['0', '2       3      14', '']);
  });

  it('inherits descriptors by number', () => {
    const script = `${JSON.stringify(process.execPath)} ${MAIN} ${WORDCOUNT} /dev/fd/5 5< text`;
    expect(execFileSync('bash', ['-c', script], { cwd: directory, encoding: 'utf8' })).toContain('14 /dev/fd/5');
  });

  it('grants volumes, read-only ones too', async () => {
    const { stdout, status } = await tallship(['-v', `${directory}:/data:ro`, WORDCOUNT, '/data/text']);
    expect([status, stdout]).toEqual([0, '      2       3      14 /data/text\n']);
  });

  it('shows nothing else of the host', async () => {
    const { stderr, status } = await tallship([WORDCOUNT, '/etc/passwd'], { cwd: directory });
    expect([status, stderr]).toEqual([1, 'wordcount: cannot open /etc/passwd\n']);
  });

  it('takes a tar file as the root', async () => {
    execFileSync('tar', ['cf', join(directory, 'root.tar'), '-C', fixture('..'), 'bin/hello']);
    expect((await tallship(['-L', 'root.tar', '/bin/hello', 'tar'], { cwd: directory })).stdout).toBe('hello tar\n');
    const { status, stderr } = await tallship(['-L', 'text', '/bin/hello'], { cwd: directory });
    expect([status, stderr]).toEqual([
      125,
      expect.stringContaining('text is no tar file that can be used: it is too short'),
    ]);
  });

  it('does not blame the program where -C names no directory', async () => {
    const { status, stderr } = await tallship(['-C', '/nope', fixture('hello')]);
    const told = 'tallship: -C /nope: the program would find no such directory (ENOENT)\n';
    expect([status, stderr]).toEqual([125, told]);
  });

  it('says what keeps changes, if anything does', async () => {
    const guest = join(directory, 'guest');
    mkdirSync(join(guest, 'bin'), { recursive: true });
    copyFileSync(fixture('files'), join(guest, 'bin', 'files'));
    chmodSync(join(guest, 'bin', 'files'), 0o755);
    execFileSync('tar', ['cf', join(directory, 'guest.tar'), '-C', guest, 'bin']);
    const from = async (...options: string[]) =>
      (await tallship([...options, '-C', '/', '/bin/files'], { cwd: directory })).stderr;
    expect(await from('-L', 'guest')).toMatch(/dropped \(.*\); -w guest keeps them\n$/);
    expect(await from('-L', 'guest.tar')).toMatch(/dropped \(.*\)\n$/);
    expect(await from('-L', 'guest.tar', '-w', 'guest.tar')).toMatch(/^tallship: -w guest.tar: nothing can be .*\n$/);
  });

  it('passes on that standard input is closed', async () => {
    // The last command keeps bash from becoming Node.
    const script = `${JSON.stringify(process.execPath)} ${MAIN} ${WORDCOUNT} <&-; echo $?`;
    const { stdout } = await run('bash', ['-c', script], {});
    expect(stdout).not.toBe((await run('bash', ['-c', script.replace('<&-', '</dev/null')], {})).stdout);
  });

  it('without enough address space says which limit to raise', async () => {
    const script = `ulimit -v 4000000; ${JSON.stringify(process.execPath)} ${MAIN} ${HELLO}`;
    const { status, stderr } = await run('bash', ['-c', script], {});
    expect([status, stderr]).toEqual([125, expect.stringMatching(/^tallship: cannot reserve .*\(ulimit -v\)\n$/)]);
  });

  it('prints statistics as JSON', async () => {
    const { stderr } = await tallship(['--stats', '--json', HELLO]);
    expect(JSON.parse(stderr)).toMatchObject({ systemCalls: 3, calls: { write: 2, exit: 1 }, processes: 1 });
  });
});

describe('what cannot be run', () => {
  it.each([
    ['a directory', () => directory, 126, 'it is a directory'],
    ['a file of another architecture', () => process.execPath, 126, 'x86-64'],
    ['nothing', () => './no-such-program', 127, 'not found'],
    ['a name that is nowhere', () => 'no-such-program', 127, 'not found in PATH'],
  ])('%s', async (_what, program, status, message) => {
    const outcome = await tallship([program()], { cwd: directory });
    expect(outcome.status).toBe(status);
    expect(outcome.stderr).toContain(message);
    expect(outcome.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('a text, whether it may be executed or not', async () => {
    const text = join(directory, 'text');
    expect(await tallship([text])).toMatchObject({ status: 126, stderr: expect.stringContaining('is it executable?') });
    chmodSync(text, 0o755);
    expect(await tallship([text])).toMatchObject({ status: 126, stderr: expect.stringContaining('neither an ELF') });
    chmodSync(text, 0o644);
  });

  it('a script names its missing interpreter', async () => {
    writeFileSync(join(directory, 'script'), '#!/no/such/interpreter\n', { mode: 0o755 });
    const { status, stderr } = await tallship(['./script'], { cwd: directory });
    expect(status).toBe(127);
    expect(stderr).toContain('/no/such/interpreter');
  });

  it.each([
    [['--sysrot', 'x', 'y'], 'did you mean --sysroot?'],
    [['-L', '/no/such', 'x'], 'there is no such directory or tar file'],
    [['-v', '/no/such:/x', 'x'], 'does not exist'],
    [['-w', '/', 'x'], 'needs --force'],
    [['-E', 'x', 'x'], 'give NAME=VALUE'],
    [['run'], 'which program?'],
    [['sysroot'], 'give a directory'],
  ])('options: %j', async (argv, message) => {
    const { status, stderr } = await tallship(argv);
    expect([status, stderr]).toEqual([125, expect.stringContaining(message)]);
    expect(stderr).not.toContain('bug');
  });
});

describe('the end', () => {
  it('dies of SIGPIPE when nobody reads', async () => {
    const script = `${JSON.stringify(process.execPath)} ${MAIN} ${fixture('integer-loop')} 1 | true; echo \${PIPESTATUS[0]}`;
    const slow = script.replace('| true', '| (exec <&-; sleep 3)');
    expect((await run('bash', ['-c', slow], {})).stdout).toBe('141\n');
  });

  it('ends at a timeout', async () => {
    const start = Date.now();
    const { status } = await tallship(['--timeout', '1', fixture('integer-loop'), '4000000000']);
    expect(status).toBe(124);
    expect(Date.now() - start).toBeLessThan(20_000);
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const)(
    'passes %s on to a busy program and dies of it',
    async (signal) => {
      const child = spawn(process.execPath, [MAIN, fixture('integer-loop'), '4000000000'], { stdio: 'ignore' });
      const ended = new Promise((resolve) => child.on('exit', (_status, by) => resolve(by)));
      await started(child.pid!);
      child.kill(signal);
      expect(await ended).toBe(signal);
    },
  );
});

/** Waits until a process has used so much time that it must be in the guest's loop. */
async function started(pid: number): Promise<void> {
  for (;;) {
    const [, fields] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ');
    if (Number(fields.split(' ')[11]) > 150) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('help', () => {
  it('lists commands, options and exit statuses', async () => {
    const { stdout, status } = await tallship(['--help'].slice(0), {});
    expect(status).toBe(0);
    for (const word of ['sysroot', 'completion', '--volume', '127']) expect(stdout).toContain(word);
  });

  it('completes', async () => {
    const script = `source <(${JSON.stringify(process.execPath)} ${MAIN} completion bash); COMP_WORDS=(tallship --sy); COMP_CWORD=1; _tallship; echo "$COMPREPLY"`;
    expect((await run('bash', ['-c', script], {})).stdout).toBe('--sysroot\n');
  });
});
