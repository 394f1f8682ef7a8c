/**
 * What the decoder finds out about an encoding, as numbers: its handlers, and where each operand comes from and goes to. They
 * are made by decoding every opcode once, when Tallship is built, so that interp/fast-decoder.ts need not do all of it again
 * for each instruction. Encodings without a template are left to decoder.ts.
 */

import { ALL_OPEN, isEvaluated } from '../segment/evaluated.ts';
import { FS } from '../state.ts';
import type { Decoded, DecodedOperand } from './decoded.ts';
import { decode, isFault } from './decoder.ts';
import type { OperandSpec, RowTable } from './rows.ts';

/** A template's words: handlers by the shape of the memory operand (the first: or where there is none), flags, operands. */
export const TEMPLATE = { handler: 0, indexed: 1, segmented: 2, flags: 3, operands: 4, words: 7 } as const;
/** The record before computes the address. */
export const NO_HANDLER = -1;

export const FLAG = {
  /** The memory operand goes into the record; else only its bytes are skipped. */
  memory: 1,
  /** Its address is 32 bits behind the opcode. */
  absolute: 2,
  /** Only its address counts, without the segment. */
  addressOnly: 4,
  /** Neither read nor written: any segment will do. */
  skips: 8,
  /** LOCK is allowed. */
  lockable: 16,
  /** Control never reaches the next instruction. */
  ends: 32,
  /** It may return there. */
  call: 64,
  /** With fs or gs, the evaluator runs it. */
  flat: 128,
} as const;
/** Above the flags: bytes of the memory operand. */
export const SIZE_SHIFT = 8;

/** An operand's word: source, its argument, and the place in the record, in bytes. */
export const SOURCE_MASK = 0xf;
export const ARGUMENT_SHIFT = 4;
export const ARGUMENT_MASK = 0xfff;
export const PLACE_SHIFT = 16;
export const SOURCE = {
  /** None, or the memory operand. */
  none: 0,
  /** The register that ModRM's reg or r/m names; the argument is its class (REGISTER_CLASSES). */
  reg: 1,
  rm: 2,
  /** A place in the register file. */
  file: 3,
  /** The argument itself. */
  value: 4,
  /** i of ST(i). */
  stack: 5,
  /** A byte, sign-extended to the argument, the operand's size. */
  imm8: 6,
  imm16: 7,
  imm32: 8,
  /** Branch targets; they go where RECORD.displacement is. */
  rel8: 9,
  rel32: 10,
} as const;

/** Bytes, larger general registers, MMX, XMM, segment registers: eight of each. */
export const REGISTER_CLASSES = 5;

/**
 * First an entry for each prefix (none, 66, F3, F2), map and opcode: 0 where there is no template, the place of one, or ~place
 * of a table of entries by ModRM.reg and whether it names a register (reg * 2 + 1); entries there may lead on, by r/m.
 */
export type Templates = Int32Array;
export const OPCODES = 0x400;
const PREFIXES = [[], [0x66], [0xf3], [0xf2]] as const;
const MAPS = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]] as const;
const MAX_OPERANDS = TEMPLATE.words - TEMPLATE.operands;

/** What the interpreter has for an instruction whose memory operand has this shape, and the places of its operands. */
export interface HandlerFinder {
  handler(decoded: Decoded, shape: 'm' | 'x' | 's'): number | undefined;
  places(decoded: Decoded): readonly number[];
}

export function buildTemplates(table: RowTable, find: HandlerFinder): Templates {
  const words: number[] = new Array(PREFIXES.length * OPCODES).fill(0);
  const known = new Map<string, number>();
  /** The same words are there once. */
  const place = (content: readonly number[]): number => {
    const key = content.join();
    let at = known.get(key);
    if (at === undefined) {
      at = words.length;
      words.push(...content);
      known.set(key, at);
    }
    return at;
  };
  const entry = (prefix: number, opcode: number, modrm: number): number => {
    const bytes = [...PREFIXES[prefix], ...MAPS[opcode >> 8], opcode & 0xff, modrm];
    const code = new Uint8Array(16);
    code.set(bytes);
    const decoded = decode(table, { bytes: code, limit: 16 }, 0);
    const template = isFault(decoded) ? undefined : templateOf(decoded, find);
    return template === undefined ? 0 : place(template);
  };
  for (let prefix = 0; prefix < PREFIXES.length; prefix++) {
    for (let opcode = 0; opcode < OPCODES; opcode++) {
      const rows = table[opcode];
      if (rows.length === 0) continue;
      const at = prefix * OPCODES + opcode;
      if (!rows[0].hasModrm) {
        words[at] = entry(prefix, opcode, 0);
        continue;
      }
      const isFixed = rows.some((row) => row.fixedModrm !== undefined);
      const entries = Array.from({ length: 16 }, (_, i) => {
        const modrm = (i >> 1) << 3;
        if ((i & 1) === 0) return entry(prefix, opcode, modrm);
        if (!isFixed) return entry(prefix, opcode, modrm | 0xc0);
        return ~place(Array.from({ length: 8 }, (_, rm) => entry(prefix, opcode, modrm | 0xc0 | rm)));
      });
      words[at] = ~place(entries);
    }
  }
  return Int32Array.from(words);
}

function templateOf(decoded: Decoded, find: HandlerFinder): number[] | undefined {
  const { insn, row, operands } = decoded;
  const { popsFirst, lock, ends } = insn.options;
  const handler = find.handler(decoded, 'm');
  const hasMemory = operands.some(({ kind }) => kind === 'memory');
  if ((popsFirst && hasMemory) || operands.length > MAX_OPERANDS || handler === undefined) return undefined;
  if (insn.options.evaluated) {
    if (!operands.every(({ kind }) => kind === 'register' || kind === 'segment')) return undefined;
    const flags = FLAG.flat | (ends ? FLAG.ends : 0);
    return [handler, NO_HANDLER, NO_HANDLER, flags, ...new Array<number>(MAX_OPERANDS).fill(SOURCE.none)];
  }
  const places = find.places(decoded);
  const sources = operands.map((operand, i) => sourceOf(row.operands[i], operand, decoded.operandSize));
  const words = sources.map((source, i) => (source ? source | (places[i] << PLACE_SHIFT) : source));
  if (words.includes(undefined)) return undefined;
  const isAbsolute = row.operands.some(({ letter }) => letter === 'O');
  const flags =
    (hasMemory ? FLAG.memory : 0) |
    (isAbsolute ? FLAG.absolute : 0) |
    (insn.name === 'lea' ? FLAG.addressOnly : 0) |
    (row.skipsAddress ? FLAG.skips : 0) |
    (lock && operands[0]?.kind === 'memory' ? FLAG.lockable : 0) |
    (ends ? FLAG.ends : 0) |
    (insn.name === 'call' ? FLAG.call : 0) |
    (isEvaluated({ ...decoded, segment: FS }, ALL_OPEN) ? FLAG.flat : 0) |
    ((operands.find(({ kind }) => kind === 'memory')?.size ?? 0) << SIZE_SHIFT);
  const indexed = (hasMemory ? find.handler(decoded, 'x') : undefined) ?? NO_HANDLER;
  const segmented = (hasMemory ? find.handler(decoded, 's') : undefined) ?? NO_HANDLER;
  const rest = new Array<number>(MAX_OPERANDS - operands.length).fill(SOURCE.none);
  return [handler, indexed, segmented, flags, ...(words as number[]), ...rest];
}

function sourceOf(spec: OperandSpec, operand: DecodedOperand, operandSize: number): number | undefined {
  const { letter, width } = spec;
  const { kind, size } = operand;
  switch (kind) {
    case 'memory':
      return SOURCE.none;
    case 'far':
      return undefined;
    case 'relative':
      if (operandSize !== 4) return undefined;
      return width === 'b' ? SOURCE.rel8 : SOURCE.rel32;
    case 'immediate':
      if (letter !== 'I') return SOURCE.value | (operand.value << ARGUMENT_SHIFT);
      if (width === 'b' || width === 'bs') return SOURCE.imm8 | (size << ARGUMENT_SHIFT);
      return size === 2 ? SOURCE.imm16 : SOURCE.imm32;
    case 'x87':
      return letter === 'STi' ? SOURCE.stack : SOURCE.value;
  }
  // It has no address whatever its mode bits say.
  if (letter === 'R') return undefined;
  if (letter === 'Z' || letter === 'fixed') return SOURCE.file | (operand.offset << ARGUMENT_SHIFT);
  const registers = { register: size === 1 ? 0 : 1, mmx: 2, xmm: 3, segment: 4 }[kind];
  return ('GPVS'.includes(letter) ? SOURCE.reg : SOURCE.rm) | (registers << ARGUMENT_SHIFT);
}
