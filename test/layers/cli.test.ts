import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fixture } from '../support/machine.ts';
import { tallship } from '../support/run.ts';

const directory = mkdtempSync(join(tmpdir(), 'layers-'));
afterAll(() => rmSync(directory, { recursive: true }));
const run = (...args: string[]) => tallship(args, { cwd: directory });

describe('layers on the command line', () => {
  it('a TypeScript file, with its argument', async () => {
    writeFileSync(join(directory, 'word.ts'), 'export const word: string = "ahoy";\n');
    writeFileSync(
      join(directory, 'shout.ts'),
      `import { layer } from 'tallship';
import { word } from './word.ts';
export default (argument: string = word) =>
  layer('shout', { write: { enter: (call) => call.with({ buf: new TextEncoder().encode(argument) }) } });
`,
    );
    expect((await run('run', '--layer', './shout.ts', fixture('hello'))).stdout).toContain('ahoy');
    expect((await run('run', '--layer', './shout.ts:a:b', fixture('hello'))).stdout).toContain('a:b');
  });

  it('tallship layer new writes one that runs; list names those that are there', async () => {
    expect((await run('layer', 'new', 'guard')).stdout).toContain('guard.ts written');
    const { status, stderr } = await run('run', '--layer', './guard.ts', fixture('hello'), 'x');
    expect([status, stderr]).toEqual([0, '']);
    expect((await run('layer', 'new', 'guard')).stderr).toContain('exists already');
    const { stdout } = await run('layer', 'list');
    for (const name of ['trace', 'inject', 'policy', 'map', 'stats', 'limit', 'time']) expect(stdout).toContain(name);
  });

  it('--strace and --inject together', async () => {
    const { stdout } = await run(
      'run',
      '--strace',
      '-o',
      'out.txt',
      '--inject',
      'write:error=EPIPE:when=2+',
      fixture('hello'),
      'x',
    );
    expect(stdout).toBe('hello');
    const lines = readFileSync(join(directory, 'out.txt'), 'utf8').split('\n');
    expect(lines[0]).toMatch(/^execve\(".*hello", \[".*"(\.\.\.)?, "x"\], 0x[0-9a-f]+ \/\* \d+ vars \*\/\) = 0$/);
    expect(lines[2]).toMatch(/^write\(1, " ", 1\) += -1 EPIPE \(Broken pipe\)/);
  });

  it.each([
    ['--layer', 'trac', 'did you mean trace?'],
    ['--layer', './none.ts', 'there is no such file'],
    ['--layer', 'limit:x', 'NAME=NUMBER'],
    ['--inject', 'opne:error=EIO', 'there is no system call opne'],
  ])('%s %s is refused in one line', async (option, value, message) => {
    const { status, stderr } = await run('run', option, value, fixture('hello'));
    expect(status).toBe(125);
    expect(stderr.split('\n')).toHaveLength(2);
    expect(stderr).toContain(message);
  });
});
