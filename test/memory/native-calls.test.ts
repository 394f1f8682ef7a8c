import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Mm } from '../../src/memory/mm.ts';
import { BytesFile } from '../support/bytes-file.ts';
import { modes } from './modes.ts';

/**
 * Random memory calls with good and bad arguments, as fixtures/native/memory-calls.c reads them. Linux's answers are in
 * the golden file (recorded as root by TALLSHIP_RECORD=1 on Linux 6.18).
 */
const GOLDEN = fileURLToPath(new URL('../../fixtures/golden/memory-calls.txt', import.meta.url));
const PROGRAM = fileURLToPath(new URL('../../fixtures/bin/memory-calls', import.meta.url));
const BASE = 0x20000000;
const PAGES = 24;
const PAGE = 4096;
const STEPS = 4000;

const content = () => Uint8Array.from({ length: 5 * PAGE + 100 }, (_, i) => (i >> 12) + 100);

/** xorshift32. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

type Call = [number: number, ...args: number[]];

/** The calls that are made: the same every time. */
function calls(): Call[] {
  const random = generator(20240607);
  const of = <T>(...choices: T[]): T => choices[random(choices.length)];
  const list: Call[] = [];
  while (list.length < STEPS) {
    const first = random(PAGES);
    const at = BASE + first * PAGE + (random(40) === 0 ? 1 + random(PAGE) : 0);
    const length = (1 + random(Math.min(6, PAGES - first))) * PAGE - (random(5) === 0 ? random(PAGE) : 0);
    const prot = of(0, 1, 3, 3, 3, 5, 7);
    const target = BASE + random(PAGES - 6) * PAGE;
    list.push(
      of<() => Call>(
        () => [0, BASE + random(PAGES) * PAGE],
        () => [0, BASE + random(PAGES) * PAGE],
        () => [9, BASE + random(PAGES) * PAGE, 1 + random(90)],
        () => [9, BASE + random(PAGES) * PAGE, 1 + random(90)],
        () => [192, at, length, prot, of(0x32, 0x32, 0x31, 0x100032, 0x4032), 0xffffffff, 0],
        () => [192, at, of(length, length, 0), prot, of(0x12, 0x12, 0x100012), 7, random(4)],
        () => [91, at, of(length, length, length, 0)],
        () => [125, at, of(length, length, 0), of(prot, prot, prot, prot, 0x20, 0x01000001, 0x03000001)],
        () => [163, at, length, of(length, length + PAGE, 2 * PAGE, 0), of(0, 3, 3, 2, 7, 8), target],
        () => [219, at, length, of(4, 4, 8, 9, 1, 14, 99)],
        () => [144, at, length, of(0, 1, 4, 5, 8)],
        () => [218, at, length, 0x10000],
        () => [150, at, length],
        () => [151, at, length],
      )(),
    );
  }
  return list;
}

function show(answer: number): string {
  if (answer < 0) return String(answer);
  return answer < 0x30000000 ? answer.toString(16) : 'ok';
}

function answer(mm: Mm, file: BytesFile, [number, ...args]: Call): string {
  const [a, b, c, d, e, f] = args;
  switch (number) {
    case 0: {
      const byte = mm.readU8(a);
      if (byte < 0) return 'unreadable';
      return `${byte}${mm.writeU8(a, byte) === 0 ? ' writable' : ''}`;
    }
    case 9:
      return mm.writeU8(a, b) === 0 ? 'stored' : 'unwritable';
    case 192:
      return show(mm.mmap(a, b, c, d, e === 7 ? { object: file, offset: f * PAGE, maxProt: 7 } : null));
    case 91:
      return show(mm.munmap(a, b));
    case 125:
      return show(mm.mprotect(a, b, c));
    case 163:
      return show(mm.mremap(a, b, c, d, e));
    case 219:
      return show(mm.madvise(a, b, c));
    case 144:
      return show(mm.msync(a, b, c));
    case 218:
      return show(mm.mincore(a, b, c));
    case 150:
      return show(mm.mlock(a, b));
    default:
      return show(mm.munlock(a, b));
  }
}

function record(): void {
  const directory = mkdtempSync(join(tmpdir(), 'tallship-'));
  writeFileSync(join(directory, 'file'), content());
  const input = calls().map(([number, ...args]) => `${[number, ...args.map((arg) => arg.toString(16))].join(' ')}\n`);
  const { stdout } = spawnSync(PROGRAM, [join(directory, 'file')], { input: input.join('') });
  writeFileSync(GOLDEN, stdout);
  rmSync(directory, { recursive: true });
}

if (process.env.TALLSHIP_RECORD && existsSync(PROGRAM)) record();

describe.each(modes)('memory calls, %s', (protection) => {
  it('are answered as Linux answers them', () => {
    const golden = readFileSync(GOLDEN, 'utf8').trim().split('\n');
    const limits = { as: 2 ** 40, data: 2 ** 40, stack: 8 << 20, memlock: 2 ** 40 };
    const mm = new Mm({ protection, limits });
    const file = new BytesFile(content());
    const wrong: string[] = [];
    calls().forEach((call, i) => {
      const said = answer(mm, file, call);
      if (said !== golden[i]) {
        const [number, ...args] = call;
        wrong.push(`${i}: ${number}(${args.map((arg) => arg.toString(16))}) = ${said}, Linux: ${golden[i]}`);
      }
    });
    mm.release();
    expect(wrong.slice(0, 20)).toEqual([]);
  });
});
