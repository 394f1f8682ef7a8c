import { describe, expect, it } from 'vitest';
import { SYSROOT_OPTIONS } from '../../src/cli/commands.ts';
import { parse } from '../../src/cli/parse.ts';
import { RUN_OPTIONS } from '../../src/cli/run-options.ts';
import { nearest } from '../../src/cli/suggest.ts';

const run = (...argv: string[]) => parse(RUN_OPTIONS, argv, true);

describe('parse', () => {
  it("leaves the guest's arguments alone from the program on", () => {
    const { values, operands } = run('-L', 'root', 'ls', '-L', '--help', '--', '-v');
    expect(operands).toEqual(['ls', '-L', '--help', '--', '-v']);
    expect(values.sysroot).toBe('root');
    expect(values.volume).toEqual([]);
  });

  it('takes values in every usual form', () => {
    const { values } = run(
      '-Lroot',
      '--write=.',
      '-w',
      '/x',
      '--timeout=2.5',
      '-E',
      'A=b=c',
      '-E',
      'D=',
      '-0',
      'x',
      'p',
    );
    expect(values).toMatchObject({
      sysroot: 'root',
      write: ['.', '/x'],
      timeout: 2.5,
      env: ['A=b=c', 'D='],
      argv0: 'x',
    });
  });

  it('ends options at --', () => {
    expect(run('--stats', '--', '-strange-name', 'a').operands).toEqual(['-strange-name', 'a']);
  });

  it('takes operands among options where nothing is passed through', () => {
    const { values, operands } = parse(SYSROOT_OPTIONS, ['dir', '--recommends', 'bash'], false);
    expect(operands).toEqual(['dir', 'bash']);
    expect(values.recommends).toBe(true);
  });

  it('suggests what was meant', () => {
    expect(() => run('--sysrot', 'x')).toThrow('unknown option --sysrot: did you mean --sysroot?');
    expect(() => run('--tiemout=3', 'x')).toThrow('did you mean --timeout?');
    expect(() => run('--zzzzzz', 'x')).toThrow('see tallship --help');
  });

  it.each([
    [['--timeout', 'soon', 'x'], "--timeout needs a number, not 'soon'"],
    [['--protection=none', 'x'], "--protection is one of hardware, software, not 'none'"],
    [['-L'], '-L needs a value: DIR|TAR'],
    [['--stats=yes', 'x'], '--stats takes no value'],
  ])('refuses %j', (argv, message) => {
    expect(() => run(...argv)).toThrow(message);
  });

  it('sees --help before the program only', () => {
    expect(run('--help').help).toBe(true);
    expect(run('-h', 'x').help).toBe(true);
    expect(run('x', '--help').help).toBe(false);
  });
});

describe('nearest', () => {
  it('finds small slips and nothing else', () => {
    expect(nearest('sysrot', ['run', 'sysroot', 'completion'])).toBe('sysroot');
    expect(nearest('frobnicate', ['run', 'sysroot', 'completion'])).toBeUndefined();
  });
});
