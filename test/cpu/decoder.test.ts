import { describe, expect, it } from 'vitest';
import { decode, isFault } from '../../src/cpu/decode/decoder.ts';
import { rowTable } from '../../src/cpu/decode/rows.ts';
import { Exit } from '../../src/cpu/exit.ts';
import { isa } from '../../src/cpu/isa/index.ts';
import { insn } from '../../src/cpu/isa/insn.ts';
import { checkDecoder, compareOne } from './differ/decode-check.ts';
import { encode } from './differ/encode.ts';
import { Builder } from './differ/program.ts';
import { Random } from './differ/random.ts';
import { allRows } from './differ/rows.ts';

const table = rowTable(isa, new Set(isa.map((one) => one.options.feature ?? 'base')));

function ours(code: Uint8Array) {
  return decode(table, { bytes: code, limit: code.length }, 0);
}

/** An encoding of a row, and bytes behind it. */
function encodingOf(row: (typeof allRows)[number], random: Random): Uint8Array {
  const builder = new Builder(random);
  encode(builder, row, { lock: false });
  return Uint8Array.from([...builder.finish().code, ...Array.from({ length: 12 }, () => 0x90)]);
}

describe('decoder', () => {
  const seed = Math.trunc(Math.random() * 2 ** 31);

  it(`agrees with iced-x86 on random bytes (seed ${seed})`, () => {
    const { cases, found } = checkDecoder(new Random(seed), Number.POSITIVE_INFINITY, 2);
    expect([...found.values()].map((one) => one.example)).toEqual([]);
    expect(cases).toBeGreaterThan(10_000);
  });

  it(`agrees with iced-x86 on every row (seed ${seed})`, () => {
    const random = new Random(seed);
    const codes = allRows.flatMap((row) => Array.from({ length: 20 }, () => encodingOf(row, random)));
    expect(codes.flatMap(compareOne)).toEqual([]);
  });

  it('takes ENDBR32 for the NOP that it is without CET', () => {
    const bytes = Uint8Array.from([0xf3, 0x0f, 0x1e, 0xfb, ...Array(12).fill(0x90)]);
    expect(ours(bytes)).toMatchObject({ length: 4, insn: { name: 'nop' } });
    expect(compareOne(bytes)).toEqual([]);
  });

  it('knows the instructions that a processor of its features has', () => {
    const random = new Random(99);
    const missing = allRows.filter((row) =>
      Array.from({ length: 40 }, () => ours(encodingOf(row, random))).every(isFault),
    );
    expect(missing.map((row) => row.text)).toEqual([]);
  });

  it.each([
    ['an undefined opcode', [0x0f, 0x04], Exit.undefinedOpcode],
    ['LOCK on a register', [0xf0, 0x01, 0xc0], Exit.undefinedOpcode],
    ['LOCK on CMP', [0xf0, 0x39, 0x00], Exit.undefinedOpcode],
    ['more than 15 bytes', [...Array(15).fill(0x66), 0x90], Exit.generalProtection],
    ['bytes that are not there', [0x81, 0xc0, 1], Exit.pageFault],
  ])('raises an exception for %s', (_, bytes, vector) => {
    expect(ours(Uint8Array.from(bytes))).toMatchObject({ vector });
  });

  it('prefers the row that says more', () => {
    const nothing = (): void => {};
    const rows = [
      insn('any', {}, ['0F 10 /r'], nothing),
      insn('scalar', {}, ['F3 0F 10 /r'], nothing),
      insn('plain', {}, ['NP 0F 10 /r'], nothing),
    ];
    const small = rowTable(rows, new Set());
    const name = (bytes: number[]) => {
      const found = decode(small, { bytes: Uint8Array.from(bytes), limit: bytes.length }, 0);
      return isFault(found) ? found.vector : found.insn.name;
    };
    expect([name([0x0f, 0x10, 0xc0]), name([0xf3, 0x0f, 0x10, 0xc0]), name([0x66, 0x0f, 0x10, 0xc0])]).toEqual([
      'plain',
      'scalar',
      'any',
    ]);
  });
});
