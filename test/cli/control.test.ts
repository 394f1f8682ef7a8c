import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixture } from '../support/machine.ts';
import { Harbour } from '../support/running.ts';

let harbour: Harbour;
beforeEach(() => {
  harbour = new Harbour();
});
afterEach(() => harbour.close());

const directory = () => harbour.runtime;
const files = () => readdirSync(directory()).sort();

describe('running machines', () => {
  it('are listed with their processes, for their user alone, and are gone when they end', async () => {
    const child = await harbour.start('count');
    const [machine] = JSON.parse((await harbour.run('ps', '--json')).stdout);
    expect(machine).toMatchObject({ pid: child.pid, name: 'count', command: [fixture('wordcount')] });
    expect(machine.processes).toMatchObject([{ pid: 2, parent: 0, state: 'S', name: 'wordcount' }]);
    const { stdout } = await harbour.run('ps');
    expect(stdout.split('\n')[1]).toMatch(new RegExp(`^${child.pid} .* count +\\S*wordcount$`));
    expect(lstatSync(directory()).mode & 0o777).toBe(0o700);
    expect(files().map((name) => lstatSync(join(directory(), name)).mode & 0o777)).toEqual([0o600, 0o600]);
    child.stdin!.end('one two\n');
    expect(await harbour.end(child)).toMatchObject({ status: 0, stderr: '' });
    expect(files()).toEqual([]);
  });

  it('are killed by name or PID, with any signal', async () => {
    const [a, b] = [await harbour.start('a'), await harbour.start('b')];
    expect(await harbour.run('kill', 'a')).toMatchObject({ status: 0, stderr: '' });
    expect(await harbour.end(a)).toMatchObject({ signal: 'SIGTERM' });
    expect(await harbour.run('kill', '-s', 'usr1', '-p', '2', String(b.pid))).toMatchObject({ status: 0, stderr: '' });
    expect(await harbour.end(b)).toMatchObject({ signal: 'SIGUSR1' });
    expect(files()).toEqual([]);
  });

  it('of one name are told apart by PID', async () => {
    const children = [await harbour.start('twin'), await harbour.start('twin')];
    while ((await harbour.names()).length < 2);
    const { status, stderr } = await harbour.run('kill', 'twin');
    expect([status, stderr]).toEqual([
      125,
      expect.stringContaining(`give a PID: ${children[0].pid}, ${children[1].pid}`),
    ]);
    await harbour.run('kill', String(children[0].pid));
    await harbour.run('kill', 'twin', '-s', 'KILL');
    const ends = await Promise.all(children.map((child) => harbour.end(child)));
    expect(ends.map(({ signal }) => signal)).toEqual(['SIGTERM', 'SIGKILL']);
    expect(await harbour.names()).toEqual([]);
  });

  it('that were killed from outside leave entries that the next look removes', async () => {
    const child = await harbour.start('lost');
    child.kill('SIGKILL');
    await harbour.end(child);
    expect(files()).toHaveLength(2);
    expect(await harbour.names()).toEqual([]);
    expect(files()).toEqual([]);
  });

  it('are not taken for another process that got their number', async () => {
    const child = await harbour.start('reused');
    const [json, sock] = files();
    // The same number, another start.
    const other = (name: string) => join(directory(), name.replace(/\.\d+\./, '.1.'));
    renameSync(join(directory(), json), other(json));
    rmSync(join(directory(), sock));
    writeFileSync(other(sock), '');
    expect((await harbour.run('kill', '-s', 'KILL', 'reused')).stderr).toContain('no such machine');
    expect(child.exitCode).toBeNull();
  });

  it('that are stopped can be killed all the same', async () => {
    const child = await harbour.start('asleep');
    child.kill('SIGSTOP');
    const [term, list] = await Promise.all([harbour.run('kill', 'asleep'), harbour.run('ps')]);
    expect(term.stderr).toContain('does not answer; is it stopped?');
    expect(list.stdout).toContain('silent');
    const killed = await harbour.run('kill', '-s', '9', 'asleep');
    expect([killed.status, (await harbour.end(child)).signal]).toEqual([0, 'SIGKILL']);
  }, 30_000);

  it.each([
    ['a link', (path: string) => symlinkSync('/tmp', path)],
    ['open to others', (path: string) => mkdirSync(path, { mode: 0o755 })],
    ['a file', (path: string) => writeFileSync(path, '')],
  ])('do not use a directory that is %s', async (_what, make) => {
    const path = join(harbour.runtime, 'tallship');
    make(path);
    harbour.env = { XDG_RUNTIME_DIR: harbour.runtime };
    const name = `elsewhere-${process.pid}`;
    await harbour.start(name);
    if (lstatSync(path).isDirectory()) expect(readdirSync(path)).toEqual([]);
    expect((await harbour.run('kill', name)).status).toBe(0);
  });
});

describe('layers of a running machine', () => {
  const layer = (name: string, answer: number) =>
    `import { layer } from 'tallship';
    export default (argument = '') =>
      layer('${name}', { read: { enter(call) { if (call.fd === 0 && argument === 'now') return ${answer}; } } });`;

  it('are added, listed, moved and removed', async () => {
    const child = await harbour.start('work', '--layer', 'limit:files=100');
    const change = async (...args: string[]) => (await harbour.run('layer', ...args, '--pid', 'work')).stdout;
    expect(await change('list')).toBe('0  limit\n');
    expect(await change('add', 'trace:calls.txt', '--at', '0')).toBe('0  trace\n1  limit\n');
    expect(await change('add', 'stats:counts.txt')).toBe('0  trace\n1  limit\n2  stats\n');
    expect(await change('move', 'trace', '--at', '1')).toBe('0  limit\n1  trace\n2  stats\n');
    const refused = await harbour.run('layer', 'move', 'trace', '--at', '99', '--pid', 'work');
    expect(refused.stderr).toContain('there is no place 99: places are 0 (outermost) to 2');
    // The read that the program sleeps in has entered none of them.
    child.stdin!.write('one two\n');
    await new Promise((resolve) => setTimeout(resolve, 100));
    child.stdin!.write('three\n');
    const calls = join(harbour.runtime, 'calls.txt');
    while (readFileSync(calls, 'utf8') === '') await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await change('remove', 'stats')).toBe('0  limit\n1  trace\n');
    expect(readFileSync(join(harbour.runtime, 'counts.txt'), 'utf8')).toContain('read');
    child.stdin!.end('four\n');
    expect(await harbour.end(child)).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(calls, 'utf8').split('\n')[0]).toMatch(/^2 read\(0, "three\\n", \d+\) += 6$/);
  });

  it('come from files, which are loaded anew when they have changed', async () => {
    const child = await harbour.start('work');
    const file = join(harbour.runtime, 'answer.ts');
    writeFileSync(file, layer('answer', -5));
    expect(await harbour.run('layer', 'add', './answer.ts', '--pid', 'work')).toMatchObject({ stdout: '0  answer\n' });
    const twice = await harbour.run('layer', 'add', './answer.ts', '--pid', 'work');
    expect([twice.status, twice.stderr]).toEqual([125, 'tallship: layer answer is installed already\n']);
    await harbour.run('layer', 'remove', 'answer', '--pid', 'work');
    writeFileSync(file, layer('end-of-file', 0));
    utimesSync(file, 1, 1);
    const added = await harbour.run('layer', 'add', `${file}:now`, '--pid', 'work');
    expect(added.stdout).toBe('0  end-of-file\n');
    child.stdin!.write('one two\n');
    expect(await harbour.end(child)).toMatchObject({ status: 0, stdout: expect.stringMatching(/1\s+2\s+8/) });
  });

  it.each([
    [['add', 'trac'], 'did you mean trace?'],
    [['add', './none.ts'], 'there is no such file'],
    [['remove', 'guard'], 'there is no layer guard; there are none'],
    [['move', 'guard'], 'there is no layer guard'],
    [['add'], 'which layer?'],
  ])('layer %s: %s', async (args, message) => {
    await harbour.start('work');
    const { status, stderr } = await harbour.run('layer', ...args, '--pid', 'work');
    expect([status, stderr]).toEqual([125, expect.stringContaining(message)]);
    expect((await harbour.run('layer', 'list', '--pid', 'work')).stdout).toBe('');
  });
});

describe('the control protocol', () => {
  async function talk(...lines: string[]): Promise<unknown[]> {
    const socket = createConnection(join(directory(), files().find((name) => name.endsWith('.sock'))!));
    let text = '';
    socket.on('data', (data) => (text += data));
    for (const line of lines) socket.write(`${line}\n`);
    while (text.split('\n').length < lines.length + 2) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.destroy();
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  }

  it('greets with its version, answers in order, and survives nonsense', async () => {
    const child = await harbour.start('polite');
    const replies = await talk('{"command":"ps"}', '{"command":"sail"}', 'x', '{"command":"toString"}', '[]', '{}');
    expect(replies.slice(0, 3)).toEqual([
      { tallship: 1, pid: child.pid },
      { result: [expect.objectContaining({ name: 'wordcount' })] },
      { error: "this machine's Tallship knows no command sail" },
    ]);
    for (const reply of replies.slice(3)) expect(reply).toEqual({ error: expect.any(String) });
    child.stdin!.end('still there\n');
    expect(await harbour.end(child)).toMatchObject({ status: 0, stdout: expect.stringContaining('2') });
  });

  it('of another version is said so', async () => {
    const base = join(directory(), `${process.pid}.77`);
    writeFileSync(
      `${base}.json`,
      JSON.stringify({ version: 1, pid: process.pid, name: 'future', command: ['x'], started: 0, cwd: '/' }),
    );
    const server = createServer((socket) => socket.write('{"tallship":9,"pid":1}\n')).listen(`${base}.sock`);
    const { status, stderr } = await harbour.run('kill', 'future');
    server.close();
    expect([status, stderr]).toEqual([125, expect.stringContaining('version 9 of the control protocol')]);
  });
});
