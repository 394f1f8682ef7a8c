/** Operands: ModRM, SIB, displacement, immediates (SDM Vol. 2, 2.1.3 to 2.1.5). */
import { registerOffset } from '../emit/base-emitter.ts';
import type { Operand, Size } from '../emit/emitter.ts';
import { CS, EBP, ESP, GS, STATE } from '../state.ts';
import type { Address, DecodedOperand } from './decoded.ts';
import type { Cursor } from './decoder.ts';
import type { OperandSpec, Row, Width } from './rows.ts';

export interface Shape {
  readonly row: Row;
  readonly cursor: Cursor;
  readonly opcode: number;
  readonly modrm: number;
  readonly operandSize: 2 | 4;
}

/** Written out, as all that follows: an operand is made for each instruction decoded. */
function valueOperand(kind: Operand['kind'], size: Size, value: number, selector = 0): DecodedOperand {
  return { kind, size, offset: 0, value, selector, address: undefined };
}
const gpr = (number: number): number => STATE.gpr + number * 4;

function sizeOf(width: Width, operandSize: 2 | 4): Size {
  switch (width) {
    case 'b':
      return 1;
    case 'w':
      return 2;
    case 'v':
    case 'z':
    case 'bs':
      return operandSize;
    case 'q':
    case 'sd':
      return 8;
    case 't':
      return 10;
    case 'dq':
      return 16;
    default:
      return 4;
  }
}

const segmentOffset = (segment: number): number => (segment >= 4 ? STATE.segmentBase + segment * 4 : STATE.zero);

/** Base and index registers of 16-bit addressing, by r/m: bx+si bx+di bp+si bp+di si di bp bx. */
const NARROW: readonly (readonly [number, number])[] = [
  [3, 6],
  [3, 7],
  [5, 6],
  [5, 7],
  [6, -1],
  [7, -1],
  [5, -1],
  [3, -1],
];

function narrowAddress(cursor: Cursor, mod: number, rm: number): Address {
  const isAbsolute = mod === 0 && rm === 6;
  const [base, index] = isAbsolute ? [-1, -1] : NARROW[rm];
  const displacement = isAbsolute || mod === 2 ? cursor.u16() : mod === 1 ? cursor.s8() : 0;
  return {
    base: base < 0 ? STATE.zero : gpr(base),
    index: index < 0 ? STATE.zero : gpr(index),
    shift: 0,
    displacement,
    segment: segmentOffset(cursor.segment),
    narrow: true,
  };
}

function wideAddress(cursor: Cursor, mod: number, rm: number): Address {
  let base = rm;
  let index: number = STATE.zero;
  let shift = 0;
  if (rm === ESP) {
    const sib = cursor.u8();
    base = sib & 7;
    if (((sib >> 3) & 7) !== ESP) {
      index = gpr((sib >> 3) & 7);
      shift = sib >> 6;
    }
  }
  const hasNoBase = mod === 0 && base === EBP;
  const displacement = hasNoBase || mod === 2 ? cursor.s32() : mod === 1 ? cursor.s8() : 0;
  return {
    base: hasNoBase ? STATE.zero : gpr(base),
    index,
    shift,
    displacement,
    segment: segmentOffset(cursor.segment),
    narrow: false,
  };
}

function memoryOperand(shape: Shape, size: Size): DecodedOperand {
  const { cursor, modrm, row } = shape;
  const mod = modrm >> 6;
  const rm = modrm & 7;
  let address = cursor.isNarrow ? narrowAddress(cursor, mod, rm) : wideAddress(cursor, mod, rm);
  // POP computes its destination's address with ESP already incremented (SDM Vol. 2, POP).
  if (row.insn.options.popsFirst && address.base === gpr(ESP) && !address.narrow) {
    address = { ...address, displacement: address.displacement + shape.operandSize };
  }
  return { kind: 'memory', size, offset: 0, value: 0, selector: 0, address };
}

/** The operands that registers make never change: one of each. */
const registers = new Map<number, DecodedOperand>();

function fileOperand(kind: Operand['kind'], size: Size, offset: number): DecodedOperand {
  const key = (offset << 5) | size;
  let known = registers.get(key);
  if (known?.kind !== kind) {
    known = { kind, size, offset, value: 0, selector: 0, address: undefined };
    registers.set(key, known);
  }
  return known;
}

function registerOperand(letter: OperandSpec['letter'], number: number, size: Size): DecodedOperand {
  switch (letter) {
    case 'P':
    case 'Q':
    case 'N':
      return fileOperand('mmx', 8, STATE.fpr + number * 16);
    case 'V':
    case 'W':
    case 'U':
      return fileOperand('xmm', 16, STATE.xmm + number * 16);
    default:
      return fileOperand('register', size, registerOffset(number, size));
  }
}

const zeroExtend = (value: number, size: Size): number =>
  size === 1 ? value & 0xff : size === 2 ? value & 0xffff : value;

function immediateOperand(cursor: Cursor, width: Width, size: Size): DecodedOperand {
  const isByte = width === 'b' || width === 'bs';
  const value = isByte ? cursor.s8() : size === 2 ? cursor.u16() : cursor.s32();
  return valueOperand('immediate', size, zeroExtend(value, size));
}

function absoluteOperand(cursor: Cursor, size: Size): DecodedOperand {
  const displacement = cursor.isNarrow ? cursor.u16() : cursor.s32();
  const { zero } = STATE;
  const segment = segmentOffset(cursor.segment);
  return {
    kind: 'memory',
    size,
    offset: 0,
    value: 0,
    selector: 0,
    address: { base: zero, index: zero, shift: 0, displacement, segment, narrow: false },
  };
}

const BYTE_REGISTERS = ['AL', 'CL', 'DL', 'BL', 'AH', 'CH', 'DH', 'BH'];
const WORD_REGISTERS = ['AX', 'CX', 'DX', 'BX', 'SP', 'BP', 'SI', 'DI'];
const SEGMENTS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];

/** A register or constant that the row names: AL, DX, eAX (operand-sized), GS, 1. */
function fixedOperand(name: string, operandSize: 2 | 4): DecodedOperand {
  if (name === 'ST0') return valueOperand('x87', 10, 0);
  if (name === '1' || name === '3') return valueOperand('immediate', 1, Number(name));
  if (SEGMENTS.includes(name)) return fileOperand('segment', 2, STATE.selector + SEGMENTS.indexOf(name) * 4);
  const byte = BYTE_REGISTERS.indexOf(name);
  if (byte >= 0) return registerOperand('fixed', byte, 1);
  const word = WORD_REGISTERS.indexOf(name.slice(-2));
  const size = name.length === 2 ? 2 : name[0] === 'e' ? operandSize : 4;
  return registerOperand('fixed', word, size);
}

/** Kinds and sizes that an operand can have. */
export function operandForms(row: Row, spec: OperandSpec, operandSize: 2 | 4): Pick<Operand, 'kind' | 'size'>[] {
  const size = sizeOf(spec.width, operandSize);
  const kinds: Partial<Record<OperandSpec['letter'], Operand['kind']>> = {
    I: 'immediate',
    J: 'relative',
    A: 'far',
    O: 'memory',
    S: 'segment',
  };
  const kind = kinds[spec.letter];
  if (kind === 'segment') return [{ kind, size: 2 }];
  if (kind) return [{ kind, size: kind === 'relative' || kind === 'far' ? operandSize : size }];
  if (spec.letter === 'STi') return [{ kind: 'x87', size: 10 }];
  if (spec.letter === 'fixed') return [fixedOperand(spec.name, operandSize)];
  const register = registerOperand(spec.letter, 0, size);
  const memory = { kind: 'memory', size } as const;
  if (!'EMQW'.includes(spec.letter)) return [register];
  if (row.form === 'memory') return [memory];
  return row.form === 'register' ? [register] : [register, memory];
}

/**
 * Where a branch leads whose displacement ends at `next`: a displacement is always the last of an instruction. A 16-bit
 * operand size cuts the target to IP (SDM Vol. 2, JMP).
 */
function relativeTarget(displacement: number, next: number, operandSize: 2 | 4): number {
  const target = next + displacement;
  return operandSize === 2 ? target & 0xffff : target >>> 0;
}

export function decodeOperand(shape: Shape, index: number): DecodedOperand {
  const { cursor, modrm, operandSize } = shape;
  const { letter, width, name } = shape.row.operands[index];
  const size = sizeOf(width, operandSize);
  switch (letter) {
    case 'fixed':
      return fixedOperand(name, operandSize);
    case 'STi':
      return valueOperand('x87', 10, modrm & 7);
    case 'I':
      return immediateOperand(cursor, width, size);
    case 'J': {
      const value = width === 'b' ? cursor.s8() : operandSize === 2 ? (cursor.u16() << 16) >> 16 : cursor.s32();
      return valueOperand('relative', operandSize, relativeTarget(value, cursor.position, operandSize));
    }
    case 'A': {
      const value = operandSize === 2 ? cursor.u16() : cursor.s32();
      return valueOperand('far', operandSize, value, cursor.u16());
    }
    case 'O':
      return absoluteOperand(cursor, size);
    case 'S': {
      // There are six; and CS as a destination is none.
      const number = (modrm >> 3) & 7;
      cursor.isUndefined ||= number > GS || (number === CS && index === 0);
      return fileOperand('segment', 2, STATE.selector + number * 4);
    }
    // The mode bits mean nothing.
    case 'R':
      return registerOperand(letter, modrm & 7, size);
    case 'Z':
      return registerOperand(letter, shape.opcode & 7, size);
    case 'G':
    case 'P':
    case 'V':
      return registerOperand(letter, (modrm >> 3) & 7, size);
    default:
      return modrm >= 0xc0 ? registerOperand(letter, modrm & 7, size) : memoryOperand(shape, size);
  }
}
