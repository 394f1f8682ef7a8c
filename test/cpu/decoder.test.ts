import { Decoder, DecoderOptions, OpKind, Register } from 'iced-x86';
import { describe, expect, it } from 'vitest';
import type { Decoded } from '../../src/cpu/decode/decoded.ts';
import { decode, isFault } from '../../src/cpu/decode/decoder.ts';
import { rowTable } from '../../src/cpu/decode/rows.ts';
import { Exit } from '../../src/cpu/exit.ts';
import { isa } from '../../src/cpu/isa/index.ts';
import { insn } from '../../src/cpu/isa/insn.ts';
import { STATE } from '../../src/cpu/state.ts';
import { encode, Random, rowsOf } from './support/insn-generator.ts';

const table = rowTable(isa, new Set(isa.map((one) => one.options.feature ?? 'base')));

function ours(code: Uint8Array) {
  return decode(table, { bytes: code, limit: code.length }, 0);
}

/** Length, memory operand and immediates, as iced-x86 sees them. */
function theirs(code: Uint8Array) {
  const decoder = new Decoder(32, code, DecoderOptions.None);
  const instruction = decoder.decode();
  const { length, isInvalid } = instruction;
  const hasMemory = Array.from({ length: instruction.opCount }, (_, i) => instruction.opKind(i)).includes(
    OpKind.Memory,
  );
  const memory = hasMemory && {
    base: registerOffset(instruction.memoryBase),
    index: registerOffset(instruction.memoryIndex),
    scale: instruction.memoryIndex === Register.None ? 1 : instruction.memoryIndexScale,
    displacement: Number(instruction.memoryDisplacement & 0xffffffffn),
  };
  const result = { length, isInvalid, memory: memory || undefined };
  instruction.free();
  decoder.free();
  return result;
}

function registerOffset(register: number): number {
  if (register === Register.None) return STATE.zero;
  const number = register >= Register.EAX ? register - Register.EAX : register - Register.AX;
  return STATE.gpr + number * 4;
}

function memoryOf(decoded: Decoded) {
  const address = decoded.operands.find((operand) => operand.kind === 'memory')?.address;
  if (!address) return undefined;
  const mask = address.narrow ? 0xffff : 0xffff_ffff;
  return {
    base: address.base,
    index: address.index,
    scale: address.index === STATE.zero ? 1 : 1 << address.shift,
    displacement: (address.displacement & mask) >>> 0,
  };
}

describe('decoder', () => {
  it('agrees with iced-x86 on length and addresses, for every row', () => {
    const random = new Random(4711);
    let compared = 0;
    for (const row of rowsOf(isa)) {
      for (let i = 0; i < 30; i++) {
        const code = Uint8Array.from([...encode(random, row), ...Array.from({ length: 12 }, () => 0x90)]);
        const expected = theirs(code);
        const decoded = ours(code);
        if (expected.isInvalid || isFault(decoded)) continue;
        const what = `${row.text}: ${Buffer.from(code).toString('hex')}`;
        expect(decoded.length, what).toBe(expected.length);
        if (expected.memory && row.insn.name !== 'pop')
          expect(memoryOf(decoded) ?? expected.memory, what).toEqual(expected.memory);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(20_000);
  });

  it('knows the instructions that a processor of its features has', () => {
    const random = new Random(99);
    const missing = rowsOf(isa).filter((row) => {
      const plain = Array.from({ length: 40 }, () =>
        ours(Uint8Array.from([...encode(random, row), 0, 0, 0, 0, 0, 0, 0, 0])),
      );
      return plain.every(isFault);
    });
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
