/** Instruction decoder (SDM Vol. 2, chapter 2), driven by the rows of the instructions. */
import { Exit } from '../exit.ts';
import type { Decoded, DecodedOperand } from './decoded.ts';
import { decodeOperand } from './operands.ts';
import type { Row, RowTable } from './rows.ts';
import { ADDRESS_ONLY } from './rows.ts';

/** An instruction that cannot run: an exception (exit.ts), and for a fetch its address. */
export interface DecodeFault {
  readonly vector: number;
  readonly address: number;
}

/** Executable bytes: `bytes[base + eip]` for eip < limit, in a code segment of 16 or 32 bits. */
export interface Code {
  readonly bytes: Uint8Array;
  readonly limit: number;
  readonly base?: number;
  readonly is16?: boolean;
}

const MAX_LENGTH = 15;
/** Thrown from inside; no Error, whose stack nobody reads. */
class Stop {
  readonly fault: DecodeFault;
  constructor(fault: DecodeFault) {
    this.fault = fault;
  }
}

/** Reads an instruction's bytes and collects its prefixes. */
export class Cursor {
  readonly #code: Code;
  readonly #base: number;
  readonly is16: boolean;
  readonly eip: number;
  position: number;
  operandOverride = false;
  /** 16-bit addressing. */
  isNarrow: boolean;
  repeat: 0 | 0xf2 | 0xf3 = 0;
  lock = false;
  /** Segment override 0..5, or -1. */
  segment = -1;

  constructor(code: Code, eip: number) {
    this.#code = code;
    this.#base = code.base ?? 0;
    this.is16 = code.is16 ?? false;
    this.isNarrow = this.is16;
    this.eip = eip;
    this.position = eip;
  }

  /** What follows the opcode makes no instruction: #UD when all its bytes have been read. */
  isUndefined = false;

  u8(): number {
    if (this.position - this.eip >= MAX_LENGTH) throw new Stop({ vector: Exit.generalProtection, address: this.eip });
    if (this.position >= this.#code.limit) throw new Stop({ vector: Exit.pageFault, address: this.position });
    return this.#code.bytes[this.#base + this.position++];
  }
  /** The next byte without moving on. */
  peek(): number {
    const byte = this.u8();
    this.position--;
    return byte;
  }
  s8(): number {
    return (this.u8() << 24) >> 24;
  }
  u16(): number {
    return this.u8() | (this.u8() << 8);
  }
  s32(): number {
    return this.u16() | (this.u16() << 16);
  }

  /** Consumes prefixes and returns the first opcode byte. */
  prefixes(): number {
    for (;;) {
      const byte = this.u8();
      switch (byte) {
        case 0x66:
          this.operandOverride = true;
          break;
        case 0x67:
          this.isNarrow = !this.is16;
          break;
        case 0xf0:
          this.lock = true;
          break;
        case 0xf2:
        case 0xf3:
          this.repeat = byte;
          break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
          this.segment = (byte >> 3) & 3;
          break;
        case 0x64:
        case 0x65:
          this.segment = byte - 0x60;
          break;
        default:
          return byte;
      }
    }
  }

  /** Index into the row table: opcode map and opcode. */
  opcode(): number {
    const first = this.prefixes();
    if (first !== 0x0f) return first;
    const second = this.u8();
    if (second === 0x38) return 0x200 + this.u8();
    return second === 0x3a ? 0x300 + this.u8() : 0x100 + second;
  }
}

function prefixMatches(row: Row, cursor: Cursor): boolean {
  switch (row.prefix) {
    case undefined:
      return true;
    case 'np':
      return cursor.repeat === 0 && !cursor.operandOverride;
    case 'nf':
      return cursor.repeat === 0;
    case 0x66:
      return cursor.repeat === 0 && cursor.operandOverride;
    default:
      return cursor.repeat === row.prefix;
  }
}

function modrmMatches(row: Row, modrm: number): boolean {
  if (row.fixedModrm) return modrm >= row.fixedModrm[0] && modrm < row.fixedModrm[0] + row.fixedModrm[1];
  if (row.digit !== undefined && ((modrm >> 3) & 7) !== row.digit) return false;
  return row.form === undefined || (row.form === 'register') === modrm >= 0xc0;
}

function findRow(rows: readonly Row[], cursor: Cursor): Row | undefined {
  for (const row of rows) {
    if (prefixMatches(row, cursor) && (!row.hasModrm || modrmMatches(row, cursor.peek()))) return row;
  }
  return undefined;
}

/** Processors look for the end of what is no instruction, too: it may be too long, or not all there. */
function readUndefined(rows: readonly Row[], cursor: Cursor, opcode: number): void {
  const row = rows[0];
  if (!row) return;
  const shape = { row, cursor, opcode, modrm: row.hasModrm ? cursor.u8() : 0, operandSize: 4 } as const;
  if (row.hasModrm && shape.modrm < 0xc0) decodeOperand({ ...shape, row: { ...row, operands: [ADDRESS_ONLY] } }, 0);
  row.operands.forEach(({ letter }, i) => {
    if ('IJAO'.includes(letter)) decodeOperand(shape, i);
  });
}

function decodeAt(table: RowTable, cursor: Cursor): Decoded {
  const undefinedOpcode = { vector: Exit.undefinedOpcode, address: cursor.eip };
  const opcode = cursor.opcode();
  const row = findRow(table[opcode], cursor);
  if (!row) {
    readUndefined(table[opcode], cursor, opcode);
    throw new Stop(undefinedOpcode);
  }
  const operandSize = (cursor.operandOverride && row.prefix !== 0x66) !== cursor.is16 ? 2 : 4;
  const modrm = row.hasModrm ? cursor.u8() : 0;
  const shape = { row, cursor, opcode, modrm, operandSize } as const;
  const operands: DecodedOperand[] = [];
  for (let i = 0; i < row.operands.length; i++) operands.push(decodeOperand(shape, i));
  if (row.skipsAddress) decodeOperand({ ...shape, row: { ...row, operands: [ADDRESS_ONLY] } }, 0);
  const isLockable = row.insn.options.lock && operands[0]?.kind === 'memory';
  if (cursor.isUndefined || (cursor.lock && !isLockable)) throw new Stop(undefinedOpcode);
  return {
    insn: row.insn,
    eip: cursor.eip,
    length: cursor.position - cursor.eip,
    operandSize,
    addressSize: cursor.isNarrow ? 2 : 4,
    repeat: row.insn.options.rep ? cursor.repeat : 0,
    segment: cursor.segment,
    operands,
    modrm,
    row,
  };
}

export function decode(table: RowTable, code: Code, eip: number): Decoded | DecodeFault {
  try {
    return decodeAt(table, new Cursor(code, eip));
  } catch (error) {
    if (error instanceof Stop) return error.fault;
    throw error;
  }
}

export function isFault(result: Decoded | DecodeFault): result is DecodeFault {
  return 'vector' in result;
}
