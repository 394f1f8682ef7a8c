/** The decoder beside iced-x86, over random bytes: lengths, what is no instruction, and operands. */
import { Code, CpuidFeature, Decoder, DecoderOptions, type Instruction, Mnemonic, OpKind, Register } from 'iced-x86';
import type { Decoded, DecodedOperand } from '../../../src/cpu/decode/decoded.ts';
import { decode, isFault } from '../../../src/cpu/decode/decoder.ts';
import { rowTable } from '../../../src/cpu/decode/rows.ts';
import { isa } from '../../../src/cpu/isa/index.ts';
import { STATE } from '../../../src/cpu/state.ts';
import { ANNOUNCED } from './exceptions.ts';
import type { Random } from './random.ts';

const table = rowTable(isa, new Set(isa.map((one) => one.options.feature ?? 'base')));
const LENGTH = 16;
const PREFIXES = [0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

/** What both say of an instruction, as text: length, memory operand, immediates, registers. */
interface Reading {
  readonly length: number;
  readonly memory: string;
  readonly values: readonly string[];
  readonly registers: readonly string[];
}

/** Registers by class and number: r0..r7 whatever their size (b4 to b7 for ah to bh), m, x, s. */
function icedRegister(register: number): string | undefined {
  const inRange = (first: number, count: number): number =>
    register >= first && register < first + count ? register - first : -1;
  const classes: [string, number, number][] = [
    ['b', Register.AL, 8],
    ['r', Register.AX, 8],
    ['r', Register.EAX, 8],
    ['m', Register.MM0, 8],
    ['x', Register.XMM0, 8],
    ['s', Register.ES, 6],
  ];
  for (const [letter, first, count] of classes) {
    const number = inRange(first, count);
    if (number >= 0) return `${letter}${number}`;
  }
  return undefined;
}

const icedBase = (register: number): string => (register === Register.None ? '-' : icedRegister(register)!);

function icedMemory(one: Instruction): string {
  const mask =
    one.memoryDisplSize === 2 ||
    (one.memoryBase >= Register.AX && one.memoryBase <= Register.DI) ||
    (one.memoryIndex >= Register.AX && one.memoryIndex <= Register.DI)
      ? 0xffff
      : 0xffff_ffff;
  const index = icedBase(one.memoryIndex);
  const displacement = (Number(one.memoryDisplacement & 0xffff_ffffn) & mask) >>> 0;
  const segment = one.memorySegment >= Register.FS ? icedRegister(one.memorySegment) : 's';
  return `${segment} ${icedBase(one.memoryBase)} ${index}*${index === '-' ? 1 : one.memoryIndexScale} ${displacement.toString(16)}`;
}

const IMMEDIATE = new Set<number>([
  OpKind.Immediate8,
  OpKind.Immediate16,
  OpKind.Immediate32,
  OpKind.Immediate8to16,
  OpKind.Immediate8to32,
  OpKind.Immediate8_2nd,
]);

function icedReading(one: Instruction): Reading {
  const values: string[] = [];
  const registers: string[] = [];
  let memory = '';
  for (let i = 0; i < one.opCount; i++) {
    const kind = one.opKind(i);
    if (kind === OpKind.Register) {
      const register = icedRegister(one.opRegister(i));
      if (register) registers.push(register);
    } else if (kind === OpKind.Memory) memory = icedMemory(one);
    else if (IMMEDIATE.has(kind)) values.push(Number(one.immediate(i) & 0xffff_ffffn).toString(16));
    else if (kind === OpKind.NearBranch32 || kind === OpKind.NearBranch16)
      values.push(Number(one.nearBranchTarget).toString(16));
    else if (kind === OpKind.FarBranch32) values.push(one.farBranch32.toString(16), one.farBranchSelector.toString(16));
    else if (kind === OpKind.FarBranch16) values.push(one.farBranch16.toString(16), one.farBranchSelector.toString(16));
  }
  return { length: one.length, memory, values, registers };
}

function ourRegister({ kind, size, offset }: DecodedOperand): string {
  if (kind === 'mmx') return `m${(offset - STATE.fpr) / 16}`;
  if (kind === 'xmm') return `x${(offset - STATE.xmm) / 16}`;
  if (kind === 'segment') return `s${(offset - STATE.selector) / 4}`;
  if (size === 1) return `b${((offset & 3) << 2) | (offset >> 2)}`;
  return `r${(offset - STATE.gpr) / 4}`;
}

function ourMemory({ address }: DecodedOperand): string {
  const { base, index, shift, displacement, segment, narrow } = address!;
  const name = (offset: number): string => (offset === STATE.zero ? '-' : `r${offset / 4}`);
  const place = (displacement & (narrow ? 0xffff : -1)) >>> 0;
  const segmentName = segment === STATE.zero ? 's' : `s${(segment - STATE.segmentBase) / 4}`;
  return `${segmentName} ${name(base)} ${name(index)}*${index === STATE.zero ? 1 : 1 << shift} ${place.toString(16)}`;
}

function ourReading({ length, operands, row, insn }: Decoded): Reading {
  const values: string[] = [];
  const registers: string[] = [];
  let memory = '';
  operands.forEach((operand, i) => {
    const { letter } = row.operands[i];
    if (operand.kind === 'memory') memory = ourMemory(operand);
    else if (letter === 'I' || letter === 'J') values.push((operand.value >>> 0).toString(16));
    else if (letter === 'A') values.push((operand.value >>> 0).toString(16), operand.selector.toString(16));
    else if (letter !== 'fixed' && letter !== 'STi') registers.push(ourRegister(operand));
  });
  // POP m: its displacement counts the pop in already.
  return { length, memory: insn.options.popsFirst ? '' : memory, values, registers };
}

/** Immediates of both as the narrower one has them. */
const sameValue = (a: string, b: string): boolean => {
  const [x, y] = [Number.parseInt(a, 16), Number.parseInt(b, 16)];
  return x === y || [0xff, 0xffff].some((mask) => (x & mask) === (y & mask) && (x <= mask || y <= mask));
};

function disagreements(ours: Reading, theirs: Reading): string[] {
  const found: string[] = [];
  if (ours.length !== theirs.length) found.push(`length ${ours.length}, iced-x86 ${theirs.length}`);
  if (ours.memory && theirs.memory && ours.memory !== theirs.memory)
    found.push(`memory ${ours.memory}, iced-x86 ${theirs.memory}`);
  const isMissing = (value: string, list: readonly string[]): boolean => !list.some((one) => sameValue(one, value));
  for (const value of ours.values)
    if (isMissing(value, theirs.values)) found.push(`value ${value}, iced-x86 ${theirs.values}`);
  for (const register of ours.registers)
    if (!theirs.registers.includes(register)) found.push(`register ${register}, iced-x86 ${theirs.registers}`);
  return found;
}

export function compareOne(bytes: Uint8Array): string[] {
  const decoder = new Decoder(32, bytes, DecoderOptions.None);
  const instruction = decoder.decode();
  const decoded = decode(table, { bytes, limit: bytes.length }, 0);
  let found: string[] = [];
  const features = instruction.isInvalid ? [] : [...instruction.cpuidFeatures()].map((one) => CpuidFeature[one]);
  const isAnnounced = features.every((one) => ANNOUNCED.test(one));
  const name = Mnemonic[instruction.mnemonic];
  if (instruction.isInvalid) {
    if (!isFault(decoded)) found = [`${decoded.insn.name} (${decoded.row.text}), iced-x86: nothing`];
  } else if (isFault(decoded)) {
    if (isAnnounced) found = [`nothing, iced-x86: ${name} ${Code[instruction.code]} ${features}`];
  } else if (isAnnounced && !/^Endbr/.test(name))
    // ENDBR is a NOP with operands to a processor without CET.
    found = disagreements(ourReading(decoded), icedReading(instruction)).map(
      (one) => `${name}: ${decoded.insn.name} (${decoded.row.text}): ${one}`,
    );
  instruction.free();
  decoder.free();
  return found;
}

function randomBytes(random: Random): Uint8Array {
  const bytes = new Uint8Array(LENGTH);
  for (let i = 0; i < LENGTH; i += 4) {
    const word = random.u32();
    for (let k = 0; k < 4; k++) bytes[i + k] = word >>> (8 * k);
  }
  let at = 0;
  while (random.chance(30) && at < 4) bytes[at++] = random.pick(PREFIXES);
  if (random.chance(40)) bytes[at++] = 0x0f;
  if (bytes[at - 1] === 0x0f && random.chance(25)) bytes[at] = random.chance(50) ? 0x38 : 0x3a;
  return bytes;
}

export interface DecoderSummary {
  cases: number;
  readonly found: Map<string, { count: number; example: string }>;
}

/** Compares until `cases` or `seconds` are up. */
export function checkDecoder(random: Random, cases: number, seconds: number): DecoderSummary {
  const summary: DecoderSummary = { cases: 0, found: new Map() };
  const end = performance.now() + seconds * 1000;
  while (summary.cases < cases && (summary.cases % 1000 !== 0 || performance.now() < end)) {
    summary.cases++;
    const bytes = randomBytes(random);
    for (const text of compareOne(bytes)) {
      const key = text.replace(/ [0-9a-f]+,/g, ' X,').replace(/iced-x86 [0-9a-f,]+$/, 'iced-x86');
      const known = summary.found.get(key);
      if (known) known.count++;
      else summary.found.set(key, { count: 1, example: `${Buffer.from(bytes).toString('hex')}: ${text}` });
    }
  }
  return summary;
}
