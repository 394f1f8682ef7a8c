import { describe, expect, it } from 'vitest';
import { findProgram } from '../../loader/interp.ts';
import { isUnloadable } from '../../loader/program-file.ts';
import { parseScript } from '../../loader/script.ts';
import { BytesFile } from '../support/bytes-file.ts';
import { elfFile, nowhere } from './programs.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('the #! line', () => {
  it.each([
    ['#!/bin/sh\n', '/bin/sh', null],
    ['#!/bin/sh', '/bin/sh', null],
    ['#!  \t/bin/sh  \n', '/bin/sh', null],
    ['#!/bin/sh -e\n', '/bin/sh', '-e'],
    ['#!/usr/bin/env  node --x  --y \t\nrest', '/usr/bin/env', 'node --x  --y'],
    ['#!/bin/sh\r\n', '/bin/sh\r', null],
    [`#!/bin/${'x'.repeat(240)} a\n`, `/bin/${'x'.repeat(240)}`, 'a'],
    [`#!/bin/sh ${'y'.repeat(300)}\n`, '/bin/sh', 'y'.repeat(245)],
  ])('%j', (line, interpreter, argument) => {
    expect(parseScript(bytes(line))).toEqual({ interpreter, argument });
  });

  it.each(['#!\n', '#! \t \n', '#!', `#!/${'x'.repeat(300)}\n`])('%j is refused with ENOEXEC', (line) => {
    expect(parseScript(bytes(line))).toMatchObject({ errno: 8 });
  });
});

describe('scripts', () => {
  const program = new BytesFile(elfFile([{ vaddr: 0x8048000, filesz: 52 }]), '/bin/sh');
  const script = (path: string, line: string) => new BytesFile(bytes(line), path);

  it('run their interpreter with its argument, their path and the rest of argv', () => {
    const found = findProgram(script('/x/s', '#!/bin/sh -e\n'), ['s', 'a', 'b'], () => program);
    expect(isUnloadable(found)).toBe(false);
    expect(found).toMatchObject({ file: program, argv: ['/bin/sh', '-e', '/x/s', 'a', 'b'] });
  });

  it('may be nested five deep', () => {
    const chain = (depth: number) => (path: string) => {
      const level = Number(path.slice(1));
      return level < depth ? script(path, `#!/${level + 1}\n`) : program;
    };
    expect(findProgram(script('/1', '#!/2\n'), ['x'], chain(6))).toHaveProperty('elf');
    expect(findProgram(script('/1', '#!/2\n'), ['x'], chain(7))).toMatchObject({ errno: 40 });
  });

  it('say which interpreter is missing', () => {
    expect(findProgram(script('/s', '#!/bin/none\n'), ['s'], nowhere)).toEqual({
      errno: 2,
      reason: 'its interpreter /bin/none does not exist',
    });
  });
});
