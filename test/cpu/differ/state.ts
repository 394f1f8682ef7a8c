/** What a program starts from: a slot filled with registers, flags and data that matter to its instructions. */

import { prepareOperands } from './operands.ts';
import type { Program, Reference, Step } from './program.ts';
import { targetOffset } from './program.ts';
import type { Random } from './random.ts';
import { storesPointers } from './rows.ts';
import type { Slots } from './slot.ts';
import {
  DATA,
  LDT,
  LDT_SELECTORS,
  SLOT,
  SLOT_SIZE,
  TLS_BASES,
  TLS_SELECTORS,
  USER_CS,
  USER_DS,
  windowOffset,
} from './slot.ts';
import type { Element } from './values.ts';
import { controlWord, family, generalValue, mxcsr, noiseBytes, stack } from './values.ts';

/** CF PF AF ZF SF OF, and DF. */
const ARITHMETIC = 0x8d5;
const DF = 0x400;
const TF = 0x100;
const AC = 0x4_0000;

/** How an instruction reads its vectors: 4 singles, 8 doubles, 0 integers. */
export function elementOf(random: Random, name: string): Element {
  if (/^cvt/.test(name)) return /^cvtt?s?[sp]s/.test(name) ? 4 : /^cvtt?[sp]d/.test(name) ? 8 : 0;
  if (/(ps|ss)$/.test(name) && !/^pack|^pabs|^psub|^padd/.test(name)) return 4;
  if (/(pd|sd)$/.test(name)) return 8;
  return random.pick([0, 0, 0, 4, 8] as const);
}

const isX87 = (step: Step): boolean => step.row.insn.options.feature === 'x87' || /^(fx|emms)/.test(step.row.insn.name);
const isMmx = (step: Step): boolean => step.row.operands.some((o) => 'PQN'.includes(o.letter));
const isSimd = (step: Step): boolean =>
  step.row.operands.some((o) => 'VWU'.includes(o.letter)) || /mxcsr|^fx/.test(step.row.insn.name);

/** What the program's instructions touch besides general registers, flags and memory. */
interface Needs {
  readonly x87: boolean;
  readonly simd: boolean;
  readonly element: Element;
  /** Shows FOP and FDP, which an unmasked exception before it would have set: docs/ISA.md. */
  readonly storesPointers: boolean;
}
const needs = new WeakMap<Program, Needs>();

function needsOf(program: Program, random: Random): Needs {
  let found = needs.get(program);
  if (!found) {
    const { steps } = program;
    const vector = steps.find((step) => isSimd(step) || isMmx(step));
    found = {
      x87: steps.some((step) => isX87(step) || isMmx(step)),
      simd: steps.some((step) => isSimd(step) || isMmx(step)),
      storesPointers: steps.length > 1 && steps.some(({ row }) => storesPointers(row)),
      element: vector ? elementOf(random, vector.row.insn.name) : 0,
    };
    needs.set(program, found);
  }
  return found;
}

function fillGeneral(program: Program, random: Random, slots: Slots, word: number): void {
  const { u32 } = slots;
  for (let n = 0; n < 8; n++) u32[word + n] = generalValue(random);
  const kind = random.u32() & 15;
  u32[word + 4] = kind < 13 ? DATA + 0x1fa0 + (random.u32() & 0x7c) : DATA + targetOffset(random);
  for (const { register, value, isPointer } of program.pins) {
    const variation = random.u32() & 31;
    let shift = 0;
    if (isPointer && variation < 8) shift = ((random.u32() & 7) - 3) * 16;
    else if (isPointer && variation < 12) shift = random.below(41) - 20;
    u32[word + register] = isPointer && variation === 31 ? generalValue(random) : value + shift;
  }
}

function fillX87(random: Random, slots: Slots, i: number, isUsed: boolean, isMasked: boolean): void {
  const half = (i * SLOT_SIZE + SLOT.fx) >> 1;
  const { u16, u32 } = slots;
  const control = (isUsed ? controlWord(random) : 0x37f) | (isMasked ? 0x3f : 0);
  const bits = random.u32();
  // Exceptions that are pending are the exception.
  const flags = bits & 0x3f & (random.chance(97) ? control : 0x3f);
  const stackFault = flags & 1 && bits & 0x40 ? 0x40 : 0;
  u16[half] = control;
  u16[half + 1] = isUsed ? flags | stackFault | (bits & 0x7f00) : 0;
  const fullness = (bits >>> 16) & 7;
  u16[half + 2] = !isUsed ? 0 : fullness < 4 ? 0xff : fullness < 5 ? 0 : random.u32() & 0xff;
  const hasPointers = isUsed && random.chance(10);
  u16[half + 3] = hasPointers ? random.u32() & 0x7ff : 0;
  u32[(half >> 1) + 2] = hasPointers ? random.u32() : 0;
  u32[(half >> 1) + 4] = hasPointers ? random.u32() : 0;
  if (isUsed) slots.u8.set(stack(random), i * SLOT_SIZE + SLOT.st);
}

/** Linear address of a memory operand, given the general registers from `word` on. */
export function addressOf(reference: Reference, u32: Uint32Array, word: number): number {
  const { base, index, shift, displacement, segmentBase, isNarrow } = reference;
  const sum = (base < 0 ? 0 : u32[word + base]) + ((index < 0 ? 0 : u32[word + index]) << shift) + displacement;
  return ((isNarrow ? sum & 0xffff : sum) + segmentBase) >>> 0;
}

/** Where code, stack and data segments begin. */
export interface Origins {
  readonly code: number;
  readonly stack: number;
  readonly data: number;
}
const FLAT: Origins = { code: 0, stack: 0, data: 0 };

export function originOf(selector: number): number {
  const local = LDT_SELECTORS.indexOf(selector | 3);
  if (local >= 0) return LDT[local][0];
  const tls = (TLS_SELECTORS as readonly number[]).indexOf(selector | 3);
  return tls < 0 ? 0 : TLS_BASES[tls];
}

const CODE_TYPE = 4;
const ABSENT = 0x20;
const EXECUTE_ONLY = 8;
const usable = LDT_SELECTORS.filter((_, i) => !(LDT[i][2] & ABSENT));
const isCode = (selector: number): boolean => (LDT[LDT_SELECTORS.indexOf(selector)][2] & CODE_TYPE) !== 0;
const CODES = usable.filter(isCode);
const STACKS = usable.filter(
  (selector) => !isCode(selector) && !(LDT[LDT_SELECTORS.indexOf(selector)][2] & EXECUTE_ONLY),
);
const READABLE = [
  0,
  USER_CS,
  0x7b,
  ...TLS_SELECTORS,
  ...usable.filter((one) => LDT[LDT_SELECTORS.indexOf(one)][2] !== 0x4d),
];

/** Other segments than the flat ones. */
function drawSegments(random: Random, selectors: number[]): Origins {
  for (const segment of [0, 3, 4, 5]) if (random.chance(50)) selectors[segment] = random.pick(READABLE);
  if (random.chance(40)) selectors[1] = random.pick(CODES);
  if (random.chance(40)) selectors[2] = random.pick(STACKS);
  const [, code, stack, data] = selectors;
  return { code: originOf(code), stack: originOf(stack), data: originOf(data) };
}

/** Fills slot `i` for the program; the code is in place when it `isSame`. */
export function fill(program: Program, random: Random, slots: Slots, i: number, isSame: boolean): void {
  const at = i * SLOT_SIZE;
  const word = at >> 2;
  const { u8, u16, u32 } = slots;
  const need = needsOf(program, random);
  fillGeneral(program, random, slots, word);
  u32[word + (SLOT.eflags >> 2)] =
    (random.u32() & ARITHMETIC) |
    0x202 |
    (random.chance(15) ? DF : 0) |
    (random.u32() % 200 === 0 ? TF : 0) |
    (random.u32() % 100 === 0 ? AC : 0);
  u32[word + (SLOT.eip >> 2)] = program.address;
  const selectors = [USER_DS, USER_CS, USER_DS, USER_DS, TLS_SELECTORS[0], TLS_SELECTORS[1]];
  const origins = random.chance(4) ? drawSegments(random, selectors) : FLAT;
  for (let n = 0; n < 6; n++) u16[(at + SLOT.selectors) / 2 + n] = selectors[n];
  u32[word + (SLOT.eip >> 2)] -= origins.code;
  u32[word + 4] -= origins.stack;
  for (const { register, isPointer } of program.pins)
    if (isPointer && register !== 4) u32[word + register] -= origins.data;
  u32[word + (SLOT.codeAddress >> 2)] = program.address;
  u32[word + (SLOT.codeLength >> 2)] = program.code.length;
  u32[word + (SLOT.isSameCode >> 2)] = isSame ? 1 : 0;
  if (!isSame) u8.set(program.code, at + SLOT.code);
  else u8.copyWithin(at + SLOT.code, at - SLOT_SIZE + SLOT.code, at - SLOT_SIZE + SLOT.code + 64);
  fillX87(random, slots, i, need.x87, need.storesPointers);
  u32[word + ((SLOT.fx + 24) >> 2)] = need.simd ? mxcsr(random) : 0x1f80;
  u32[word + ((SLOT.fx + 28) >> 2)] = 0;
  u8.set(noiseBytes(random), at + SLOT.windows);
  if (need.simd) {
    const vectors = family(random, need.element);
    u8.set(vectors, at + SLOT.xmm);
    if (need.x87) for (let n = 0; n < 8; n++) u8.set(vectors.subarray(n * 16, n * 16 + 8), at + SLOT.st + n * 16);
  }
  for (const step of program.steps) prepareOperands(step, random, slots, i, need.element, origins);
}

/** Puts bytes where a linear address says, if that is in the windows. */
export function putAt(slots: Slots, i: number, address: number, bytes: Uint8Array): void {
  const start = address - DATA;
  for (let k = 0; k < bytes.length; k++) {
    const offset = windowOffset(start + k);
    if (offset >= 0) slots.u8[i * SLOT_SIZE + SLOT.windows + offset] = bytes[k];
  }
}
