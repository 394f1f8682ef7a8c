/** The trace layer beside the real strace's text (fixtures/golden/strace: strace 6.1, addresses replaced). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Outside } from '../../src/layers/outside.ts';
import { PLAIN, type StraceOptions, traceFor } from '../../src/layers/trace/index.ts';
import { parseExpressions } from '../../src/layers/trace/options.ts';
import { runGuest } from '../support/machine.ts';

const KNOWN = new Set(['open', 'read', 'write', 'fork', 'waitpid', 'exit', 'kill', 'fstat64', 'getdents64', 'pipe']);

async function traced(program: string, args: string[], options: Partial<StraceOptions> = {}): Promise<string> {
  let text = '';
  const outside = { error: (line: string) => (text += line), output: () => (line: string) => (text += line) };
  const { layer } = traceFor({ ...PLAIN, ...options }, outside as unknown as Outside, KNOWN);
  await runGuest(program, args, { layers: [layer] });
  return text;
}

const plain = (text: string) => text.replace(/0x[0-9a-f]{5,8}\b/g, 'ADDRESS').replace(/ += /g, ' = ');
/** Of IPC: whoever waits for another asks more or less often; strace misreads one call, and sees where another fails late. */
const withoutIds = (text: string) =>
  plain(text)
    .replace(/^(\w{3}(?:op|timedop|ctl|snd|rcv|at)\()\d+/gm, '$1ID')
    .replace(/(?<=^\w{3}get\(.* = |GETPID.* = |_[csadr]?time=|_[lc]s?r?pid=)\d+/gm, 'N')
    .replace(/^(semctl\(.*GETNCNT.*|msgrcv\(ID, 0x8,.*|shmat\(.*)\n/gm, '');
const golden = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../fixtures/golden/strace/${name}.txt`, import.meta.url)), 'utf8');

describe('trace', () => {
  it.each([
    ['hello', ['ahoy']],
    ['wordcount', ['ahoy']],
  ])('%s: every line as strace writes it', async (program, args) => {
    expect(plain(await traced(program, args))).toBe(golden(program));
  });

  it.each(['ipc', 'multiplexed'])('%s: each call of IPC as strace writes it, however it is made', async (program) => {
    const args = program === 'ipc' ? [] : ['ipc'];
    const expression = ['trace=%ipc', 'signal=none', 'quiet=exit'];
    expect(withoutIds(await traced(program, args, { expression }))).toBe(golden(program));
  });

  it('results stand in column 40', async () => {
    const lines = (await traced('hello', ['x'])).split('\n');
    expect(lines[0]).toBe('write(1, "hello", 5)                    = 5');
  });

  it('a call that sleeps is one line, or two where others come between', async () => {
    const alone = await traced('slow-read', [], { expression: ['trace=read', 'signal=none', 'quiet=exit'] });
    expect(alone.match(/read\(/g)).toHaveLength(1);
    expect(alone).toMatch(/^read\(3, .*"x", 1\) += 1\n/s);
    const both = await traced('slow-read', [], { follow: 1, output: 'file', expression: ['trace=read,write'] });
    expect(both).toMatch(/^2 read\(3, {2}<unfinished \.\.\.>$/m);
    expect(both).toMatch(/^2 <\.\.\. read resumed>"x", 1\) += 1$/m);
    expect(both).toMatch(/^3 \+\+\+ exited with 0 \+\+\+$/m);
    expect(both).toMatch(/^2 --- SIGCHLD \{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=3, si_uid=0, .*\} ---$/m);
    expect(both).toMatch(/^2 --- SIGSTOP \{si_signo=SIGSTOP, si_code=SI_USER, si_pid=3, si_uid=0\} ---$/m);
  });

  it('children are followed on request only', async () => {
    expect(await traced('slow-read', [], { follow: 1 })).toMatch(/^\[pid +3\] \+\+\+ exited with 0 \+\+\+$/m);
    expect(await traced('slow-read', [], { follow: 1 })).toMatch(/^\+\+\+ exited with 0 \+\+\+$/m);
    expect(await traced('slow-read', [])).not.toContain('exited with 0 +++\n+++');
    const { length } = (await traced('slow-read', [], { follow: 1 })).match(/exited with/g) ?? [];
    expect(length).toBe(2);
  });

  it('results are selected by status, times are shown, calls are summed up', async () => {
    const failed = await traced('wordcount', ['ahoy'], { expression: ['status=failed'] });
    expect(failed.split('\n')[0]).toMatch(/^open\("ahoy", O_RDONLY\) += -1 ENOENT/);
    expect(failed).not.toContain('write(');
    expect(await traced('hello', ['x'], { elapsed: true })).toMatch(/^write\(1, "hello", 5\) += 5 <\d\.\d{6}>$/m);
    expect(await traced('hello', ['x'], { relative: true })).toMatch(/^ +0\.\d{6} write\(/m);
    expect(await traced('hello', ['x'], { timestamps: 2 })).toMatch(/^\d\d:\d\d:\d\d\.\d{6} write\(/m);
    expect(await traced('hello', ['x'], { strings: 2 })).toContain('write(1, "he"..., 5)');
    const table = await traced('hello', ['x'], { summary: true });
    expect(table).toMatch(/^ *\d+\.\d\d +\d\.\d{6} +\d+ +4 {11}write$/m);
    expect(table).toContain('100.00');
  });

  it('descriptors by what they refer to, paths as a filter', async () => {
    expect(await traced('hello', ['x'], { paths: 1 })).toContain('write(1</output>, "hello", 5)');
    const only = await traced('slow-read', [], { only: ['/slow-read'], expression: ['signal=none', 'quiet=exit'] });
    expect(only.match(/^\w+\(/gm)).toEqual(['open(']);
  });

  it('-e abbrev= and verbose=: whole, in short, or only where it is', async () => {
    const show = (program: string, ...expression: string[]) => traced(program, [], { expression });
    expect(await show('files', 'trace=fstat64')).toMatch(/^fstat64\(\d, \{st_mode=[^{}]*, \.\.\.\}\) /m);
    const whole = /^fstat64\(\d, \{st_dev=.*, st_ino=\d+, .*st_ctime_nsec=\d+\}\) /m;
    expect(await show('files', 'trace=fstat64', 'abbrev=none')).toMatch(whole);
    expect(await show('files', 'trace=fstat64', 'abbrev=read')).toMatch(whole);
    expect(await show('files', 'trace=fstat64', 'abbrev=!fstat64')).toMatch(whole);
    expect(await show('files', 'trace=fstat64', 'abbrev=fstat64')).not.toMatch(whole);
    expect(await show('files', 'trace=fstat64', 'verbose=none')).toMatch(/^fstat64\(\d, 0x[0-9a-f]+\) /m);
    expect(await show('files', 'trace=fstat64', 'verbose=fstat64')).toMatch(/^fstat64\(\d, \{st_mode=/m);
    const listed = await traced('files', [], { follow: 1, expression: ['trace=getdents64', 'abbrev=none'] });
    expect(listed).toMatch(/getdents64\(\d, \[\{d_ino=\d+, d_off=\d+, d_reclen=24, d_type=DT_DIR, d_name="\."\}, \{/);
    expect(await show('slow-read', 'trace=pipe', 'verbose=none')).toMatch(/^pipe\(0x[0-9a-f]+\) /m);
  });

  it('as JSON, an object a line', async () => {
    const lines = (await traced('hello', ['x'], { json: true }))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ pid: 2, tid: 2, call: 'write', args: ['1', '"hello"', '5'], result: 5 });
    expect(lines.at(-1)).toEqual({ pid: 2, tid: 2, ended: 0 });
    const [failed] = (await traced('wordcount', ['ahoy'], { json: true })).split('\n');
    expect(JSON.parse(failed)).toMatchObject({
      call: 'open',
      args: ['"ahoy"', 'O_RDONLY'],
      result: -2,
      error: 'ENOENT',
    });
  });

  it('the stack is followed as far as it can be one', async () => {
    const text = await traced('hello', ['x'], { backtrace: true });
    const frames = text.split('\n').filter((line) => line.startsWith(' > '));
    expect(frames.length).toBeGreaterThan(0);
    // Each is a place in the program's own code: nothing else is mapped executable.
    for (const frame of frames) expect(frame).toMatch(/^ > \/hello\(\) \[0x[0-9a-f]+\]$/);
  });

  it('expressions that mean nothing are refused', () => {
    expect(() => parseExpressions(['trace=opne'], KNOWN)).toThrow('there is no system call opne');
    expect(() => parseExpressions(['trace=%fiel'], KNOWN)).toThrow('there is no class %fiel');
    expect(() => parseExpressions(['colour=red'], KNOWN)).toThrow('what is colour?');
    expect(() => parseExpressions(['trace=?opne,open'], KNOWN)).not.toThrow();
  });
});
