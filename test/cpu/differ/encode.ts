/** Random encodings of a row: every operand form, addressing form, operand size and prefix that it allows. */
import type { Row } from '../../../src/cpu/decode/rows.ts';
import type { Builder, Reference } from './program.ts';
import { targetOffset } from './program.ts';
import type { Random } from './random.ts';
import { takesOperandSize } from './rows.ts';
import { DATA, TLS_BASES } from './slot.ts';
import { CORNERS } from './values.ts';

/** What is wanted of an encoding; what is not said is drawn. */
export interface Form {
  readonly isRegister?: boolean;
  readonly isNarrow?: boolean;
  readonly isNarrowAddress?: boolean;
  readonly mod?: number;
  readonly rm?: number;
  readonly segment?: number;
  readonly repeat?: 0 | 0xf2 | 0xf3;
  readonly lock?: boolean;
  /** Prefixes that have no business there. */
  readonly extra?: readonly number[];
}

const SEGMENT_PREFIX = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const NARROW_REGISTERS = [[3, 6], [3, 7], [5, 6], [5, 7], [6], [7], [5], [3]];
const segmentBase = (segment: number): number => (segment < 4 ? 0 : TLS_BASES[segment - 4]);

const push = (bytes: number[], value: number, count: number): void => {
  for (let i = 0; i < count; i++) bytes.push((value >>> (8 * i)) & 0xff);
};

interface Mode {
  readonly random: Random;
  readonly row: Row;
  readonly operandSize: 2 | 4;
  readonly isNarrowAddress: boolean;
  readonly segment: number;
}

/** Rows whose memory operand must be aligned, as a rule. */
const wantsAlignment = (row: Row): boolean => /dq|ps|pd|x$/.test(row.operands.map((o) => o.name).join());

function wanted(mode: Mode): number {
  const target = (DATA + targetOffset(mode.random)) | 0;
  return wantsAlignment(mode.row) && mode.random.chance(75) ? target & ~15 : target;
}

function narrowMemory(builder: Builder, mode: Mode, mod: number, rm: number, bytes: number[]): Reference {
  const base = segmentBase(mode.segment);
  const isAbsolute = mod === 0 && rm === 6;
  const registers = isAbsolute ? [] : NARROW_REGISTERS[rm];
  const sum = registers.reduce((total, register) => total + builder.pointer(register), 0);
  const exact = mode.random.chance(3) ? mode.random.u32() : wanted(mode) - base - sum;
  const displacement = isAbsolute || mod === 2 ? exact & 0xffff : mod === 1 ? mode.random.below(32) - 16 : 0;
  push(bytes, displacement, isAbsolute ? 2 : mod);
  const [first = -1, second = -1] = registers;
  return { base: first, index: second, shift: 0, displacement, segmentBase: base, isNarrow: true };
}

function wideMemory(builder: Builder, mode: Mode, mod: number, rm: number, bytes: number[]): Reference {
  const { random } = mode;
  let base = rm;
  let index = -1;
  let shift = 0;
  if (rm === 4) {
    const sib = random.u32() & 0xff;
    bytes.push(sib);
    base = sib & 7;
    index = ((sib >> 3) & 7) === 4 ? -1 : (sib >> 3) & 7;
    shift = index < 0 ? 0 : sib >> 6;
  }
  if (mod === 0 && base === 5) base = -1;
  const start = base < 0 ? 0 : builder.pointer(base);
  const far = index < 0 ? 0 : (index === base ? start : builder.small(index)) << shift;
  const origin = segmentBase(mode.segment);
  const exact = random.chance(3) ? random.u32() | 0 : (wanted(mode) - origin - start - far) | 0;
  const isWide = base < 0 || mod === 2;
  const displacement = isWide ? exact : mod === 1 ? random.below(64) - 32 : 0;
  push(bytes, displacement, isWide ? 4 : mod);
  return { base, index, shift, displacement, segmentBase: origin, isNarrow: false };
}

function modrm(builder: Builder, mode: Mode, form: Form, bytes: number[]) {
  const { row, random } = mode;
  const reg = row.digit ?? random.below(8);
  let isRegister = form.isRegister ?? random.chance(45);
  if (row.form) isRegister = row.form === 'register';
  const mod = isRegister ? 3 : (form.mod ?? random.below(3));
  const rm = form.rm ?? random.below(8);
  bytes.push((mod << 6) | (reg << 3) | rm);
  if (isRegister) return { reg, rm, memory: undefined };
  const address = mode.isNarrowAddress ? narrowMemory : wideMemory;
  return { reg, rm: -1, memory: address(builder, mode, mod, rm, bytes) };
}

const hasAddressRegisters = /^(movs|cmps|stos|scas|lods|xlat|enter|leave|maskmov)/;

/** Registers that an instruction addresses memory with though its operands do not say so. */
function pinImplied(builder: Builder, row: Row): void {
  const { name } = row.insn;
  if (!hasAddressRegisters.test(name)) return;
  const registers = name === 'xlat' ? [3] : name === 'enter' || name === 'leave' ? [5] : [6, 7];
  for (const register of registers) builder.pointer(register);
}

function immediates(builder: Builder, mode: Mode, at: number, bytes: number[]): void {
  const { random, row, operandSize, segment } = mode;
  const value = (): number => (random.chance(40) ? random.pick(CORNERS) : random.u32());
  for (const { letter, width } of row.operands) {
    if (letter === 'I') {
      let one = value();
      if (row.insn.name === 'int' && (one & 0xff) === 0x80) one = 0x81;
      if (row.insn.name === 'enter' && width === 'w') one = random.below(64);
      if (row.insn.name === 'enter' && width === 'b' && random.chance(80)) one = random.below(4);
      push(bytes, one, width === 'b' || width === 'bs' ? 1 : width === 'w' ? 2 : operandSize);
    } else if (letter === 'J') {
      const size = width === 'b' ? 1 : operandSize;
      builder.branches.push({ at: at + bytes.length, size, end: at + bytes.length + size });
      push(bytes, 0, size);
    } else if (letter === 'O') {
      push(bytes, wanted(mode) - segmentBase(segment), mode.isNarrowAddress ? 2 : 4);
    } else if (letter === 'A') {
      builder.codePointers.push({ at: at + bytes.length, size: operandSize });
      push(bytes, 0, operandSize);
      push(
        bytes,
        random.chance(70) ? 0x23 : random.pick([0x20, 0x22, 0x2b, 0, 3, 0x08, 0x63, 0x7b, 0xfff7, 0x67, 0x64, 0x4f]),
        2,
      );
    }
  }
}

function prefixes(mode: Mode, form: Form, hasMemory: boolean): number[] {
  const { row, random } = mode;
  const out: number[] = [...(form.extra ?? [])];
  const { lock, rep } = row.insn.options;
  if (mode.isNarrowAddress) out.push(0x67);
  if (mode.segment >= 0) out.push(SEGMENT_PREFIX[mode.segment]);
  if (row.prefix === 0x66 || (takesOperandSize(row) && mode.operandSize === 2)) out.push(0x66);
  const repeat = form.repeat ?? (rep ? random.pick([0, 0xf2, 0xf3]) : 0);
  if (rep && repeat) out.push(repeat);
  if (form.lock ?? (random.chance(lock ? 15 : 1) && (hasMemory || random.chance(20)))) out.push(0xf0);
  // In any order: only the last of F2 and F3 counts, and 66 has no place.
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [out[i], out[j]] = [out[j], out[i]];
  }
  if (row.prefix === 0xf2 || row.prefix === 0xf3) out.push(row.prefix);
  return out;
}

const ESCAPES = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];

/** Adds an encoding of the row; answers false where there is no more room. */
export function encode(builder: Builder, row: Row, form: Form = {}): boolean {
  const { random } = builder;
  const isNarrow = takesOperandSize(row) && (form.isNarrow ?? random.chance(20));
  const isNarrowAddress = form.isNarrowAddress ?? random.chance(6);
  const segment =
    form.segment ??
    (random.chance(isNarrowAddress ? 85 : 8) ? 4 + random.below(2) : random.chance(3) ? random.below(4) : -1);
  const mode: Mode = { random, row, operandSize: isNarrow ? 2 : 4, isNarrowAddress, segment };
  const tail: number[] = [];
  let operands: { reg: number; rm: number; memory: Reference | undefined } = { reg: -1, rm: -1, memory: undefined };
  const opcode = row.opcode + (row.plusRegister ? random.below(8) : 0);
  tail.push(...ESCAPES[row.map], opcode);
  if (row.fixedModrm) tail.push(row.fixedModrm[0] + random.below(row.fixedModrm[1]));
  else if (row.hasModrm) operands = modrm(builder, mode, form, tail);
  pinImplied(builder, row);
  const head = prefixes(mode, form, operands.memory !== undefined);
  const at = builder.bytes.length;
  const bytes = [...head, ...tail];
  const { branches, codePointers } = builder;
  const kept = [branches.length, codePointers.length];
  immediates(builder, mode, at, bytes);
  if (builder.add({ row, at, length: bytes.length, isNarrow, ...operands }, bytes)) return true;
  branches.length = kept[0];
  codePointers.length = kept[1];
  return false;
}
