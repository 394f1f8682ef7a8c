import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readElf } from '../../loader/elf.ts';
import type { Loaded } from '../../loader/load.ts';
import { isUnloadable } from '../../loader/program-file.ts';
import { Mm } from '../../src/memory/mm.ts';
import { modes } from '../memory/modes.ts';
import { BytesFile } from '../support/bytes-file.ts';
import { elfFile, GNU_STACK, run } from './programs.ts';

const sample = readFileSync(new URL('../../fixtures/bin/initial-stack', import.meta.url));
const patched = (offset: number, ...bytes: number[]) => {
  const copy = new Uint8Array(sample);
  copy.set(bytes, offset);
  return new BytesFile(copy);
};

describe('ELF headers', () => {
  it.each([
    [patched(18, 62, 0), 'not an i386 ELF: x86-64'],
    [patched(18, 40, 0), 'not an i386 ELF: ARM'],
    [patched(18, 77, 1), 'not an i386 ELF: machine 333'],
    [patched(5, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 8), 'not an i386 ELF: MIPS'],
    [patched(16, 1, 0), 'not a program: an object file (not linked)'],
    [patched(16, 4, 0), 'not a program: a core file'],
    [patched(44, 0, 0), 'malformed: bad program header table'],
    [new BytesFile(sample.subarray(0, 40)), 'truncated: it ends within its ELF header'],
    [new BytesFile(sample.subarray(0, 60)), 'truncated: its program headers lie beyond its end'],
    [new BytesFile(new Uint8Array(0)), 'it is empty'],
    [
      new BytesFile(new TextEncoder().encode('echo hello, no #! line\n'.repeat(9))),
      'neither an ELF program nor a script',
    ],
  ])('are refused with a reason (%#)', (file, reason) => {
    expect(readElf(file)).toEqual({ errno: 8, reason });
  });

  it('may have any class and byte order in their identification: the kernel does not look', () => {
    expect(readElf(patched(4, 0, 0))).toEqual(readElf(new BytesFile(sample)));
  });

  it('do not need sections, and sections do not matter', () => {
    const whole = readElf(new BytesFile(sample));
    expect(isUnloadable(whole)).toBe(false);
    expect(readElf(patched(46, 0, 0, 0, 0, 0, 0))).toEqual(whole);
    expect(readElf(patched(32, 255, 255, 255, 255))).toEqual(whole);
  });
});

describe.each(modes)('segments, %s', (protection) => {
  const load = (bytes: Uint8Array): [Mm, Loaded] => {
    const mm = new Mm({ protection });
    const loaded = run(mm, new BytesFile(bytes));
    if (isUnloadable(loaded)) throw new Error(loaded.reason);
    return [mm, loaded];
  };

  it('have zeros from the end of the file part on, across pages', () => {
    const content = new Uint8Array(0x2000).fill(0xaa);
    const [mm] = load(
      elfFile([{ vaddr: 0x8049000, offset: 0x1000, filesz: 0x123, memsz: 0x5000, flags: 6 }, GNU_STACK], { content }),
    );
    expect(mm.readU8(0x8049122)).toBe(0xaa);
    const rest = mm.view(0x8049123, 0x5000 - 0x123, true) as Uint8Array;
    expect(rest.every((byte) => byte === 0)).toBe(true);
    expect(mm.brkEnd).toBe(0x804e000);
    mm.release();
  });

  it('of a PIE without interpreter go where mmap puts things, with one bias', () => {
    const content = new Uint8Array(0x3000);
    const [mm, loaded] = load(
      elfFile(
        [
          { vaddr: 0, filesz: 0x1000, align: 0x4000 },
          { vaddr: 0x3000, offset: 0x2000, filesz: 0x10, memsz: 0x2000, flags: 6 },
          GNU_STACK,
        ],
        { type: 3, entry: 0x40, content },
      ),
    );
    expect(loaded.program.bias % 0x4000).toBe(0);
    expect(loaded.entry).toBe(loaded.program.bias + 0x40);
    expect(mm.accessible(loaded.program.bias + 0x4fff, 1, true)).toBe(true);
    expect(mm.startBrk).toBe(0x400000);
    expect(mm.readImpliesExec).toBe(false);
    mm.release();
  });

  it('without PT_GNU_STACK make everything readable executable, as for old programs', () => {
    const [mm, loaded] = load(elfFile([{ vaddr: 0x8048000, filesz: 0x1000, flags: 4 }]));
    expect(mm.executable(0x8048000, 16)).toBe(true);
    expect(mm.executable(loaded.esp, 16)).toBe(true);
    expect(mm.executable(mm.mmap(0, 4096, 3, 0x22), 1)).toBe(true);
    mm.release();
    const [strict, other] = load(elfFile([{ vaddr: 0x8048000, filesz: 0x1000, flags: 4 }, GNU_STACK]));
    expect(strict.executable(0x8048000, 16)).toBe(false);
    expect(strict.executable(other.esp, 16)).toBe(false);
    strict.release();
  });

  it('that Linux refuses are refused', () => {
    const refused = (bytes: Uint8Array) => run(new Mm({ protection }), new BytesFile(bytes));
    expect(refused(elfFile([{ vaddr: 0x8048000, filesz: 0x2000, memsz: 0x1000 }]))).toMatchObject({ errno: 22 });
    expect(refused(elfFile([{ vaddr: 0xbffff000, filesz: 0x1000, memsz: 0x2000 }]))).toMatchObject({ errno: 22 });
    expect(refused(elfFile([{ vaddr: 0x8048100, offset: 0, filesz: 0x1000 }]))).toMatchObject({ errno: 22 });
    expect(refused(elfFile([{ vaddr: 0x1000, filesz: 0x1000 }]))).toMatchObject({ errno: 1 });
    expect(refused(elfFile([GNU_STACK], { type: 3 }))).toMatchObject({ errno: 22 });
    expect(refused(elfFile([{ vaddr: 0x8048000, filesz: 0x1000 }], { entry: 0xc0000000 }))).toMatchObject({
      errno: 22,
    });
  });

  it('mutated at random give an image or an error, nothing else', () => {
    const random = generator(1234);
    let images = 0;
    const size = 10000;
    for (let i = 0; i < size; i++) {
      const bytes = mutate(i % 2 === 0 ? sample.subarray() : PIE, random);
      const mm = new Mm({ protection });
      const loaded = run(mm, new BytesFile(bytes));
      if (isUnloadable(loaded)) expect(loaded.reason).toMatch(/./);
      else {
        images++;
        expect(loaded.entry).toBeLessThan(0xc0000000);
        expect(mm.readU32(loaded.esp)).toBe(1);
      }
      mm.release();
    }
    expect(images).toBeGreaterThan(size / 20);
    expect(images).toBeLessThan(size);
  }, 120000);
});

const PIE = elfFile(
  [{ vaddr: 0, filesz: 0x1000 }, { vaddr: 0x3000, offset: 0x2000, filesz: 0x10, memsz: 0x2000, flags: 6 }, GNU_STACK],
  { type: 3, entry: 0x40, content: new Uint8Array(0x2000) },
);

/** xorshift32: the same mutations every time. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Changes one to four bytes, words or lengths of the headers. */
function mutate(original: Uint8Array, random: () => number): Uint8Array {
  const bytes = new Uint8Array(original);
  const view = new DataView(bytes.buffer);
  const headers = 52 + 32 * view.getUint16(44, true);
  for (let count = 1 + (random() % 4); count > 0; count--) {
    const at = random() % (headers - 4);
    const edges = [0, 1, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff, 0x1000, 0xc0000000, random()];
    if (random() % 3 === 0) bytes[at] = random();
    else view.setUint32(at & ~3, edges[random() % edges.length], true);
  }
  return random() % 16 === 0 ? bytes.subarray(0, random() % bytes.length) : bytes;
}
