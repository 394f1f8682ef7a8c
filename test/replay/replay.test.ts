/** tallship run --record and tallship replay, on programs that come with the tree. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandLine, ENVIRONMENT, type RunOptions, tallship } from '../support/run.ts';
import { sysroot } from '../support/sysroot.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/bin/${name}`, import.meta.url));
const HELLO = fixture('hello');
const WORDCOUNT = fixture('wordcount');

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tallship-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

let recordings = 0;
const fresh = () => join(directory, `recording-${recordings++}`);
const count = (stderr: string): number => JSON.parse(/^\{.*\}$/m.exec(stderr)![0]).instructions;

/** What a user sees of a run, and of a replay. */
async function counted(args: readonly string[], options?: RunOptions) {
  const [command, ...rest] = args;
  const { status, stdout, stderr } = await tallship([command, '--stats', '--json', ...rest], options);
  return { status, stdout, instructions: count(stderr) };
}
const record = (to: string, args: readonly string[], options?: RunOptions) =>
  counted(['run', '--record', to, '-q', ...args], options);
const replay = (from: string, ...options: string[]) => counted(['replay', ...options, from]);

async function expectReplays(from: string, recorded: unknown): Promise<void> {
  for (const protection of ['hardware', 'software']) {
    expect(await replay(from, '--protection', protection)).toEqual(recorded);
  }
}

describe('a recording', () => {
  it('is run again without what the program read', async () => {
    const home = join(directory, 'home');
    mkdirSync(home);
    writeFileSync(join(home, 'text'), 'one two\nthree\n');
    const to = fresh();
    const recorded = await record(to, [WORDCOUNT, 'text', '/dev/stdin'], { cwd: home, stdin: 'a b c\n' });
    expect(recorded).toMatchObject({ status: 0, stdout: expect.stringContaining('14 text\n') });
    rmSync(home, { recursive: true });
    await expectReplays(to, recorded);
  });

  it.each(['threads', 'timers', 'processes', 'signals', 'files'])('of %s gives the same again', async (name) => {
    const to = fresh();
    await expectReplays(to, await record(to, [fixture(name)]));
  });

  it('stops where the run did', async () => {
    const to = fresh();
    const recorded = await record(to, ['--max-insns', '60000', fixture('busy')]);
    expect(recorded).toMatchObject({ status: 124, instructions: 60_000 });
    await expectReplays(to, recorded);
  });

  it('lists what came from outside', async () => {
    const to = fresh();
    await record(to, [HELLO, 'x']);
    const { stdout } = await tallship(['replay', '--events', to]);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.at(-1)).toMatchObject({ kind: 'end', end: { status: 0, stopped: false } });
    expect(events).toContainEqual(expect.objectContaining({ kind: 'syscall', name: 'write', answer: 5 }));
    expect(events).toContainEqual(expect.objectContaining({ port: 'descriptor 1', method: 'write', answer: 5 }));
  });

  it('goes into a new directory', async () => {
    const { status, stderr } = await tallship(['run', '--record', directory, HELLO]);
    expect(status).toBe(125);
    expect(stderr).toMatch(/^tallship: --record .*: the directory is not empty; name a new one\n$/);
  });
});

describe('a recording of a shell', () => {
  const { path, missing } = { path: undefined, missing: undefined, ...sysroot() };
  const busybox = (script: string) => ['-L', path!, '/bin/busybox', 'sh', '-c', script];

  it('has its pipelines, time and chance', async () => {
    expect(missing).toBeUndefined();
    const to = fresh();
    const script =
      'for i in 1 2 3; do echo $i | busybox cat; done; busybox date +%N; echo $RANDOM $$; busybox cat /proc/self/smaps /proc/meminfo; exit 7';
    const recorded = await record(to, busybox(script));
    expect(recorded.status).toBe(7);
    await expectReplays(to, recorded);
  });

  it('has signals from outside and input that came slowly, and still has when it was killed', async () => {
    const to = fresh();
    const script = 'trap "echo usr1" USR1; echo ready; while :; do read line && echo "got $line"; done';
    const args = commandLine(['run', '--record', to, '-q', ...busybox(script)]);
    const child = spawn(process.execPath, args, { env: ENVIRONMENT, stdio: ['pipe', 'pipe', 'inherit'] });
    let seen = '';
    const expectOutput = async (text: string) => {
      while (!seen.endsWith(text)) seen += String((await once(child.stdout, 'data'))[0]);
    };
    await expectOutput('ready\n');
    child.kill('SIGUSR1');
    await expectOutput('usr1\n');
    child.stdin.write('one\n');
    await expectOutput('got one\n');
    // It sleeps: what it did is on disk.
    child.stdin.write('two\n');
    await expectOutput('got two\n');
    await new Promise((resolve) => setTimeout(resolve, 200));
    child.kill('SIGKILL');
    await once(child, 'close');
    const { status, stdout, stderr } = await tallship(['replay', to]);
    expect(stdout).toBe(seen);
    expect(status).toBe(125);
    expect(stderr).toMatch(/^tallship: .*: the recording ends here, after \d+ instructions: it was cut off\n$/);
  });
});

describe('what is wrong with a recording is told in one line', () => {
  const recorded = async () => {
    const to = fresh();
    await record(to, [HELLO, 'world']);
    return to;
  };
  const complaint = async (from: string) => {
    const { status, stderr } = await tallship(['replay', from]);
    expect(status).toBe(125);
    return stderr;
  };

  it('another program', async () => {
    const from = await recorded();
    const file = join(from, 'run.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"world"', '"moon"'));
    expect(await complaint(from)).toMatch(
      /^tallship: the replay diverges after \d+ instructions, in thread 2 \(hello\).*: recorded was .*; now it is .*\n$/,
    );
  });

  it('damage', async () => {
    const from = await recorded();
    const file = join(from, 'events');
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1] ^= 1;
    writeFileSync(file, bytes);
    expect(await complaint(from)).toMatch(/^tallship: .*: it is damaged at byte \d+ of its events\n$/);
  });

  it('a missing end', async () => {
    const from = await recorded();
    truncateSync(join(from, 'events'), 100);
    expect(await complaint(from)).toMatch(/^tallship: .*: the recording ends here, .*: it was cut off\n$/);
  });

  it('no recording at all', async () => {
    expect(await complaint(directory)).toMatch(/: there is no recording in this directory\n$/);
  });
});
