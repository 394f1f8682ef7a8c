/** The declaration language: types that do not fit do not compile, words are counted, values are shown as strace does. */
import { describe, expect, expectTypeOf, test } from 'vitest';
import { CALL_NAMES } from '../../src/abi/numbers.ts';
import { timespec32Layout } from '../../src/abi/time.ts';
import { quote } from '../../src/syscall/arg.ts';
import {
  fd,
  file,
  flags,
  inBuf,
  inStruct,
  int,
  loff,
  outBuf,
  path,
  showFlags,
  size,
  syscall,
} from '../../src/syscall/index.ts';
import { SyscallTable } from '../../src/syscall/table.ts';
import type { OpenFile } from '../../src/vfs/open-file.ts';
import { DECLARATIONS } from '../../syscalls/index.ts';

test('the handler gets what the tuple declares', () => {
  syscall(900, 'example', [file(), outBuf('buf', 2), path(), loff('offset')], (task, opened, buf, name, offset) => {
    expectTypeOf(opened).toEqualTypeOf<OpenFile>();
    expectTypeOf(buf).toEqualTypeOf<Uint8Array>();
    expectTypeOf(name).toEqualTypeOf<string>();
    expectTypeOf(offset).toEqualTypeOf<number>();
    expectTypeOf(task.tid).toEqualTypeOf<number>();
    return 0;
  });
  // @ts-expect-error a handler with more parameters than the call has
  syscall(901, 'example', [fd()], (_task, _fd: number, _more: number) => 0);
  // @ts-expect-error a handler that wants another type
  syscall(902, 'example', [path()], (_task, name: number) => name);
  // @ts-expect-error an answer that is no number
  syscall(903, 'example', [], () => 'done');
  expect(true).toBe(true);
});

test('arguments are counted in words, and six are all', () => {
  const read = syscall(904, 'pread', [file(), outBuf('buf', 2), size('count'), loff('offset')], () => 0);
  expect(read.at).toEqual([0, 1, 2, 3]);
  expect(() => syscall(905, 'many', [loff('a'), loff('b'), loff('c'), int('d')], () => 0)).toThrow(/7 argument words/);
});

describe('the table', () => {
  test('has every number once, under its name in asm/unistd_32.h', () => {
    expect(() => new SyscallTable(DECLARATIONS)).not.toThrow();
    for (const { nr, name } of DECLARATIONS) {
      if (CALL_NAMES.has(nr)) expect(`${nr} ${name}`).toBe(`${nr} ${CALL_NAMES.get(nr)}`);
    }
  });

  test('what is not full says what is missing', () => {
    for (const { name, level, note } of DECLARATIONS) {
      if (level !== 'full') expect(note, name).not.toBe('');
    }
  });

  test('a number that is taken cannot be declared again', () => {
    const table = new SyscallTable(DECLARATIONS);
    expect(() => table.define(syscall(3, 'mine', [], () => 0))).toThrow(/declared twice: read and mine/);
    expect(() => table.define(syscall(5000, 'mine', [], () => 0))).toThrow(/out of range/);
  });

  test('words that count others are words of the call', () => {
    for (const { name, args } of DECLARATIONS) {
      const words = args.reduce((sum, arg) => sum + arg.words, 0);
      for (const arg of args) {
        if (arg.extent !== undefined && 'word' in arg.extent)
          expect(arg.extent.word, name).toBeLessThan(Math.max(words, 6));
      }
    }
  });
});

describe('texts', () => {
  const shown = { task: null as never, words: new Int32Array(6).fill(0x1000), result: 3 };

  test('flags by name, the rest as a number', () => {
    const names = { A: 1, B: 2, NONE: 0 };
    expect(showFlags(3, names)).toBe('A|B');
    expect(showFlags(6, names)).toBe('B|0x4');
    expect(showFlags(0, names)).toBe('NONE');
    expect(flags('f', { X: 8 }).show(8, shown, 0)).toBe('X');
  });

  test('bytes quoted and shortened', () => {
    expect(quote('a"\n\\\u0001')).toBe('"a\\"\\n\\\\\\1"');
    expect(quote('x'.repeat(40))).toBe(`"${'x'.repeat(32)}"...`);
  });

  test('outputs once there is a result', () => {
    const bytes = new TextEncoder().encode('hello');
    expect(outBuf('b', 2).show(bytes, shown, 1)).toBe('"hel"');
    expect(outBuf('b', 2).show(bytes, { ...shown, result: undefined }, 1)).toBe('0x1000');
    expect(inBuf('b', 2).show(bytes, shown, 1)).toBe('"hello"');
    expect(inStruct('t', 'struct timespec', timespec32Layout).show({ sec: 1, nsec: 2 }, shown, 0)).toBe(
      '{sec=1, nsec=2}',
    );
  });
});
