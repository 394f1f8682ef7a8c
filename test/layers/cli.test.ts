import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fixture } from '../support/machine.ts';
import { tallship } from '../support/run.ts';

const directory = mkdtempSync(join(tmpdir(), 'layers-'));
afterAll(() => rmSync(directory, { recursive: true }));
const layerOf = (text: string) => `import { layer } from 'tallship';\nexport default layer(${text});\n`;
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
    expect((await run('layer', 'new', 'none/guard')).stderr).toBe('tallship: layer new: there is no directory none\n');
    const { stdout } = await run('layer', 'list');
    for (const name of ['trace', 'inject', 'policy', 'map', 'stats', 'limit', 'time']) expect(stdout).toContain(name);
  });

  it('a call that a layer defines can be named in traces, injections and other layers', async () => {
    writeFileSync(
      join(directory, 'ahoy.ts'),
      `import { language, layer } from 'tallship';
const ahoy = language.syscall(600, 'ahoy', [language.int('times')], (_task, times) => times * 2);
export default layer('ahoy', {}, { defines: [ahoy] });
`,
    );
    const options = ['--layer', 'inject:ahoy:retval=1', '--layer', './ahoy.ts', '--inject', 'ahoy:error=EIO'];
    const { status, stderr } = await run('run', '--strace', '-e', 'trace=ahoy', ...options, fixture('hello'), 'x');
    expect([status, stderr]).toEqual([0, '+++ exited with 0 +++\n']);
    expect((await run('run', '--inject', 'ahoy:error=EIO', fixture('hello'))).stderr).toContain('no system call ahoy');
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

  it('-P takes a path from where the program starts; -X raw shows numbers', async () => {
    mkdirSync(join(directory, 'd'));
    writeFileSync(join(directory, 'd/a.txt'), 'one two\n');
    const args = ['-v', directory, '--strace', '-P', 'd/a.txt', '-X', 'raw', '-e', 'trace=%file,!execve'];
    const { stderr } = await run('run', ...args, fixture('wordcount'), 'd/a.txt');
    expect(stderr).toMatch(/^open(at\(-100, |\()"d\/a\.txt", (0|0x8000)\) += 3\n\+\+\+ exited with 0 \+\+\+\n$/);
  });

  it.each([
    ['--layer', 'trac', 'did you mean trace?'],
    ['--layer', './none.ts', 'there is no such file'],
    ['--layer', 'limit:x', 'NAME=NUMBER'],
    ['--inject', 'opne:error=EIO', 'there is no system call opne'],
    ['--inject', 'write:error=EIO:when=0', 'counted from 1'],
    ['--inject', 'write:error=EIO:when=5..2', 'LAST is not before FIRST'],
    ['--inject', 'write:if=foo==1:error=EIO', 'there is no argument foo'],
    ['--inject', 'write:error=EIO:retval=3', 'not both'],
    ['-e', 'trace=/(/', '-e trace=/(/: Invalid regular expression'],
    ['-s', 'x', '-s needs a number'],
    ['-X', 'odd', '-X is one of raw'],
    ['-s', '5', '-s is about a trace: give --strace'],
    ['--layer', './hook.ts', 'there is no system call opennat: did you mean openat?'],
    ['--layer', './scope.ts', 'its scope says bogus'],
    ['--layer', './broken.ts', '--layer ./broken.ts: Unexpected token'],
    ['--layer', 'policy:nosuch.ts', 'there is no system call nosuch'],
    ['--layer', 'policy:key.json', '"actoin": a rule has calls, path'],
  ])('%s %s is refused in one line', async (option, value, message) => {
    writeFileSync(join(directory, 'hook.ts'), layerOf("'hk', { opennat: { enter() {} } }"));
    writeFileSync(join(directory, 'scope.ts'), layerOf("'sc', { openat: { enter() {} } }, { scope: { bogus: 1 } }"));
    writeFileSync(join(directory, 'broken.ts'), 'export default f({\n; /* no */\n');
    writeFileSync(join(directory, 'nosuch.ts'), 'export default { rules: [{ calls: "nosuch", action: "deny" }] };\n');
    writeFileSync(join(directory, 'key.json'), '{ "rules": [{ "calls": "open", "actoin": "deny" }] }');
    const { status, stderr } = await run('run', option, value, fixture('hello'));
    expect(status).toBe(125);
    expect(stderr.split('\n')).toHaveLength(2);
    expect(stderr).toContain(message);
  });
});
