import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isUnloadable } from '../../loader/program-file.ts';
import { Mm } from '../../src/memory/mm.ts';
import { modes } from '../memory/modes.ts';
import { BytesFile } from '../support/bytes-file.ts';
import { run } from './programs.ts';

const fixture = (name: string) => new URL(`../../fixtures/${name}`, import.meta.url);
/** AT_RSEQ_FEATURE_SIZE and AT_RSEQ_ALIGN: only a kernel with rseq(2) has them. */
const RSEQ = new Set(['auxv 27', 'auxv 28']);

/** The same lines as fixtures/native/initial-stack.c prints. */
function describeStack(mm: Mm, esp: number): string[] {
  const word = (address: number) => mm.readU32(address);
  const length = (address: number) => (mm.readCBytes(address) as Uint8Array).length + 1;
  const lines: string[] = [];
  const show = (name: string, value: number | boolean) => lines.push(`${name} ${Number(value)}`);
  const argc = word(esp);
  const argv = Array.from({ length: argc }, (_, i) => word(esp + 4 + 4 * i));
  const envp: number[] = [];
  let at = esp + 4 * (argc + 2);
  for (; word(at) !== 0; at += 4) envp.push(word(at));
  show('aligned', esp % 16);
  show('argc', argc);
  show('envc', envp.length);
  const auxv = new Map<number, number>();
  for (at += 4; word(at) !== 0; at += 8) {
    auxv.set(word(at), word(at + 4));
    show('auxv', word(at));
  }
  const [random, platform, execfn] = [25, 15, 31].map((type) => auxv.get(type)!);
  const follows = (name: string, list: number[]) => {
    for (let i = 1; i < list.length; i++) show(name, list[i] - list[i - 1] - length(list[i - 1]));
  };
  follows('argv follows', argv);
  show('env follows argv', envp[0] - argv[argc - 1] - length(argv[argc - 1]));
  follows('env follows', envp);
  show('execfn follows env', execfn - envp[envp.length - 1] - length(envp[envp.length - 1]));
  show('null word after execfn', word(execfn + length(execfn)));
  show('platform length', length(platform));
  show('platform end aligned', (platform + length(platform)) % 16);
  show('random before platform', platform - random);
  show('random above the vector', random > at);
  show('gap below random is small', random - (at + 8) < 64);
  return lines;
}

describe.each(modes)('the initial stack, %s', (protection) => {
  it('is laid out as Linux does it', () => {
    const mm = new Mm({ protection });
    const file = new BytesFile(readFileSync(fixture('bin/initial-stack')), './initial-stack');
    const loaded = run(mm, file, ['./initial-stack', 'one', 'two'], ['A=1', 'BC=2']);
    if (isUnloadable(loaded)) throw new Error(loaded.reason);
    const golden = readFileSync(fixture('golden/initial-stack.txt'), 'utf8').trim().split('\n');
    expect(describeStack(mm, loaded.esp)).toEqual(golden.filter((line) => !RSEQ.has(line)));
    expect(mm.readCString(mm.argStart)).toBe('./initial-stack');
    expect(mm.readCString(mm.envStart)).toBe('A=1');
    mm.release();
  });

  it('refuses what execve(2) refuses with E2BIG', () => {
    const file = new BytesFile(readFileSync(fixture('bin/initial-stack')));
    const tooLong = 'x'.repeat(128 << 10);
    const mm = new Mm({ protection });
    expect(run(mm, file, ['a', tooLong])).toMatchObject({ errno: 7 });
    const many = Array.from({ length: 30 }, () => 'x'.repeat(100000));
    expect(run(new Mm({ protection }), file, many)).toMatchObject({ errno: 7 });
    expect(run(new Mm({ protection }), file, many.slice(0, 15))).toHaveProperty('esp');
  });
});
