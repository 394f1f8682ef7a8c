/** Values in memory and registers that single instructions need to do something interesting. */
import type { Step } from './program.ts';
import type { Random } from './random.ts';
import type { Slots } from './slot.ts';
import { DATA, LDT_SELECTORS, SLOT, SLOT_SIZE, windowOffset } from './slot.ts';
import type { Origins } from './state.ts';
import { addressOf, originOf, putAt } from './state.ts';
import type { Element } from './values.ts';
import { family, generalValue, stack } from './values.ts';

/** Selectors that name something, that are null, and that name nothing. */
const SELECTORS = [
  ...[0x23, 0x2b, 0x2b, 0x20, 0x28, 0x29, 0x33, 0x73, 0, 1, 3, 0x7, 0x08, 0x10, 0x18, 0x7b, 0x83, 0x1234, 0xfff8],
  ...[0x60, 0x63, 0x6b, 0, 0x2b, 0x2b],
  ...LDT_SELECTORS,
];
const bytes4 = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);

/** Sets and reads words of the windows by linear address. */
function put32(slots: Slots, i: number, address: number, value: number): void {
  putAt(slots, i, address, bytes4(value));
}
function get32(slots: Slots, i: number, address: number): number | undefined {
  let value = 0;
  for (let k = 0; k < 4; k++) {
    const offset = windowOffset(address + k - DATA);
    if (offset < 0) return undefined;
    value |= slots.u8[i * SLOT_SIZE + SLOT.windows + offset] << (8 * k);
  }
  return value >>> 0;
}

interface Context {
  readonly step: Step;
  readonly random: Random;
  readonly slots: Slots;
  readonly i: number;
  /** Index of eax in slots.u32. */
  readonly word: number;
  readonly address: number | undefined;
  readonly element: Element;
  readonly origins: Origins;
}

const flagsImage = (random: Random): number => {
  const image = random.u32();
  // Trap and alignment-check flags end or slow what follows.
  return image & (random.chance(85) ? ~0x100 : -1) & (random.chance(97) ? ~0x4_0000 : -1);
};

/** A selector, with the privilege level that it should have or any. */
function selectorOf(random: Random): number {
  const selector = random.pick(SELECTORS);
  return random.chance(90) ? selector : (selector & ~3) | random.below(4);
}

/** For a far transfer; the segment of 64-bit programs would lead into another mode. */
function codeSelector(random: Random): number {
  const selector = selectorOf(random);
  return (selector | 3) === 0x33 ? 0x23 : selector;
}

/** Sets the register or memory that E stands for. */
function setE({ step, slots, i, word, address }: Context, value: number): void {
  if (address !== undefined) put32(slots, i, address, value);
  else if (step.rm >= 0) slots.u32[word + step.rm] = value;
}

/** A destination for an indirect branch: after the instruction, or anywhere. */
function codePointer({ step, random, slots, word }: Context): number {
  const start = slots.u32[word + (SLOT.eip >> 2)];
  return random.chance(80) ? start + step.at + step.length : generalValue(random);
}

const stackOf = ({ slots, word, origins }: Context): number => slots.u32[word + 4] + origins.stack;

/** A pointer into a segment of code, mostly the flat one. */
function putFar(c: Context, offsetAt: number, selectorAt: number, flatChance: number): void {
  const { random, slots, i, origins } = c;
  const selector = random.chance(flatChance) ? 0x23 : codeSelector(random);
  put32(slots, i, offsetAt, codePointer(c) + origins.code - originOf(selector));
  put32(slots, i, selectorAt, selector);
}

const byName: Record<string, (c: Context) => void> = {
  cmpxchg(c) {
    const { random, slots, i, word, address, step } = c;
    if (random.chance(50)) return;
    const value = address === undefined ? (step.rm >= 0 ? slots.u32[word + step.rm] : 0) : get32(slots, i, address);
    if (value !== undefined) slots.u32[word] = value;
  },
  cmpxchg8b({ random, slots, i, word, address }) {
    if (address === undefined || random.chance(40)) return;
    slots.u32[word] = get32(slots, i, address) ?? 0;
    slots.u32[word + 2] = get32(slots, i, address + 4) ?? 0;
  },
  div({ random, slots, word }) {
    if (random.chance(70)) slots.u32[word + 2] = random.pick([0, 0, 1, 3, -1]);
  },
  bound({ random, slots, i, word, address, step }) {
    if (address === undefined || random.chance(30)) return;
    const value = slots.u32[word + step.reg] | 0;
    put32(slots, i, address, value - random.below(3));
    put32(slots, i, address + 4, value + random.below(3) - 1);
  },
  ldmxcsr({ random, slots, i, address }) {
    if (address !== undefined && random.chance(90)) put32(slots, i, address, random.u32() & 0xffff);
  },
  fxrstor({ random, slots, i, address }) {
    if (address === undefined || random.chance(10)) return;
    putAt(slots, i, address, slots.bytes(i, SLOT.fx, 28));
    putAt(slots, i, address + 32, stack(random));
  },
  popf({ random, slots, i, word, origins }) {
    put32(slots, i, slots.u32[word + 4] + origins.stack, flagsImage(random));
  },
  iret(c) {
    const { random, slots, i } = c;
    const top = stackOf(c);
    putFar(c, top, top + 4, 85);
    put32(slots, i, top + 8, flagsImage(random));
  },
  ret(c) {
    put32(c.slots, c.i, stackOf(c), codePointer(c));
  },
  'ret far'(c) {
    const top = stackOf(c);
    putFar(c, top, top + 4, 80);
  },
  jmp: (c) => setE(c, codePointer(c)),
  call: (c) => setE(c, codePointer(c)),
  'jmp far'(c) {
    if (c.address !== undefined) putFar(c, c.address, c.address + 4, 80);
  },
  'mov sreg': (c) => setE(c, selectorOf(c.random)),
  'pop sreg'({ random, slots, i, word, origins }) {
    put32(slots, i, slots.u32[word + 4] + origins.stack, selectorOf(random));
  },
  lss({ random, slots, i, address, step }) {
    if (address === undefined) return;
    // The selector follows an offset of 2 or 4 bytes.
    put32(slots, i, address + 2, (selectorOf(random) << 16) | random.below(0x1_0000));
    if (!step.isNarrow) put32(slots, i, address + 4, selectorOf(random));
  },
};
byName.idiv = byName.div;
byName['call far'] = byName['jmp far'];
for (const name of ['les', 'lds', 'lfs', 'lgs']) byName[name] = byName.lss;
for (const name of ['lar', 'lsl', 'verr', 'verw']) byName[name] = (c) => setE(c, selectorOf(c.random));

/** Repeated string instructions: a count that ends, letters that match. */
function prepareString({ random, slots, i, word }: Context): void {
  if (random.chance(92)) slots.u32[word + 1] = random.chance(85) ? random.below(12) : random.below(400);
  if (random.chance(40)) slots.bytes(i, SLOT.windows, 512).fill(random.pick([0, 0x41, 0xff]));
  if (random.chance(40)) slots.u32[word] = random.pick([0, 0x41414141, 0xffffffff]);
}

/** Few letters, and lengths around a vector's. */
function prepareStringCompare({ random, slots, i, word }: Context): void {
  const letters = random.pick([
    [0, 1, 2, 3],
    [1, 2, 3, 4, 0x80],
    [0, 0xff, 1, 0x7f, 0x80, 2, 2, 2],
  ]);
  for (const part of [slots.bytes(i, SLOT.xmm, 128), slots.bytes(i, SLOT.windows, 512)])
    for (let k = 0; k < part.length; k++) part[k] = letters[(part[k] ^ k) % letters.length];
  if (random.chance(50)) slots.u32[word] = random.below(40) - 20;
  if (random.chance(50)) slots.u32[word + 2] = random.below(40) - 20;
}

/** Shift counts: most within range. */
function prepareShift({ random, slots, i, word, address }: Context): void {
  if (random.chance(30)) return;
  const count = Uint8Array.of(random.below(70), 0, 0, 0, 0, 0, 0, 0);
  if (address !== undefined) putAt(slots, i, address, count);
  for (let n = 1; n < 8; n += 2) slots.u8.set(count, word * 4 + SLOT.xmm + n * 16);
  for (let n = 1; n < 8; n += 2) slots.u8.set(count, word * 4 + SLOT.st + n * 16);
}

const scratch = new Uint8Array(16);
const scratchView = new DataView(scratch.buffer);

/** An operand of the width that an x87 instruction reads. */
function x87Memory(random: Random, opcode: number, digit: number): Uint8Array | undefined {
  const kinds: Record<number, string> = {
    216: 'ssssssss',
    217: 's.ss....',
    218: 'iiiiiiii',
    219: 'iiii.x.x',
    220: 'dddddddd',
    221: 'dqdd....',
    222: 'iiiiiiii',
    223: 'iiiibqbq',
  };
  const kind = kinds[opcode]?.[digit] ?? '.';
  switch (kind) {
    case 's':
      return family(random, 4).subarray(0, 4);
    case 'd':
      return family(random, 8).subarray(0, 8);
    case 'x':
      return stack(random).subarray(0, 10);
    case 'i':
    case 'q':
      scratchView.setUint32(0, generalValue(random), true);
      scratchView.setInt32(4, random.chance(50) ? generalValue(random) : 0, true);
      return scratch.subarray(0, 8);
    case 'b':
      for (let k = 0; k < 9; k++) scratch[k] = random.below(10) | (random.below(10) << 4);
      scratch[9] = random.chance(50) ? 0x80 : 0;
      return scratch.subarray(0, 10);
    default:
      return undefined;
  }
}

/** Sets what the step's instruction reads. Steps see the registers as they are at the start. */
export function prepareOperands(
  step: Step,
  random: Random,
  slots: Slots,
  i: number,
  element: Element,
  origins: Origins,
): void {
  const word = (i * SLOT_SIZE) >> 2;
  const { insn, opcode, digit, operands } = step.row;
  const origin = step.memory?.segmentBase === 0 ? origins.data : 0;
  const address = step.memory && (addressOf(step.memory, slots.u32, word) + origin) >>> 0;
  const context: Context = { step, random, slots, i, word, address, element, origins };
  if (address !== undefined) {
    if (operands.some((o) => 'WQ'.includes(o.letter)) || /V|P/.test(operands.map((o) => o.letter).join('')))
      putAt(slots, i, address, family(random, element).subarray(0, 16));
    else if (insn.options.feature === 'x87' && random.chance(85)) {
      const value = x87Memory(random, opcode, digit ?? 0);
      if (value) putAt(slots, i, address, value);
    }
  }
  if (insn.options.rep) prepareString(context);
  if (/^pcmp[ei]str/.test(insn.name)) prepareStringCompare(context);
  if (/^(ps[rl]l|psra)/.test(insn.name)) prepareShift(context);
  byName[insn.name]?.(context);
}
