/** Processor identification, hints, and what user code may not do (SDM Vol. 1, 7.3.17; Vol. 3A, 5.9). */
import type { Emitter } from '../emit/emitter.ts';
import { Exit } from '../exit.ts';
import { RIGHTS } from '../segment/descriptor.ts';
import { EAX, EBX, ECX, EDX, STATE } from '../state.ts';
import {
  BRAND,
  CPU_MODELS,
  DEFAULT_FEATURES,
  FEATURE_BITS,
  featureWord,
  LEAF_1_EBX,
  MODEL_SHIFT,
  VENDOR,
} from './cpuid.ts';
import { setWholeImage } from './flag-control.ts';
import type { InsnOptions } from './insn.ts';
import { insn } from './insn.ts';
import { drop, stackTop } from './stack.ts';

/** Four characters as a register holds them. */
const word = (text: string, at: number): number =>
  [0, 1, 2, 3].reduce((value, i) => value | ((text.charCodeAt(at + i) || 0) << (i * 8)), 0);

/** eax, ebx, ecx, edx of the leaves that exist. */
const LEAVES: readonly (readonly [number, readonly number[]])[] = [
  [0, [2, word(VENDOR, 0), word(VENDOR, 8), word(VENDOR, 4)]],
  // The model and its features follow.
  [1, [0, LEAF_1_EBX, 0, 0]],
  // One descriptor: 64-byte prefetching.
  [2, [0x01, 0, 0, 0xf0]],
  [0x8000_0000, [0x8000_0004 | 0, 0, 0, 0]],
  ...[0, 1, 2].map((n) => [0x8000_0002 + n, [0, 4, 8, 12].map((at) => word(BRAND, n * 16 + at))] as const),
];

/** The feature word of leaf 1 without what this processor lacks. */
function presentFeatures<V>(e: Emitter<V>, register: 'edx' | 'ecx'): V {
  const absent = e.state(STATE.processor);
  let word = e.const(featureWord(register));
  for (const [i, feature] of DEFAULT_FEATURES.entries()) {
    const at = FEATURE_BITS[feature];
    if (at?.register !== register) continue;
    const isAbsent = e.and(e.shrU(absent, e.const(i)), e.const(1));
    word = e.xor(word, e.shl(isAbsent, e.const(at.bit)));
  }
  return word;
}

/** Family, model and stepping. */
function signature<V>(e: Emitter<V>): V {
  const number = e.shrU(e.state(STATE.processor), e.const(MODEL_SHIFT));
  return Object.values(CPU_MODELS)
    .map(({ signature: value }) => e.const(value))
    .reduce((before, value, i) => e.select(e.eq(number, e.const(i)), value, before));
}

/** SDM Vol. 2A, CPUID. */
export const cpuid = insn('cpuid', {}, ['0F A2'], (e) => {
  const leaf = e.register(EAX, 4);
  const set = (values: readonly number[]): void => {
    for (const [i, number] of [EAX, EBX, ECX, EDX].entries()) e.setRegister(number, e.const(values[i]), 4);
  };
  set([0, 0, 0, 0]);
  for (const [number, values] of LEAVES) e.if(e.eq(leaf, e.const(number)), () => set(values));
  e.if(e.eq(leaf, e.const(1)), () => {
    e.setRegister(EAX, signature(e), 4);
    e.setRegister(EDX, presentFeatures(e, 'edx'), 4);
    e.setRegister(ECX, presentFeatures(e, 'ecx'), 4);
  });
});

/** SDM Vol. 2B, RDTSC: the kernel answers. */
export const rdtsc = insn('rdtsc', { feature: 'tsc', branch: true, ends: true }, ['0F 31'], (e) => e.fault(Exit.rdtsc));

const nothing = (): void => {};
/** SDM Vol. 2B, NOP, PAUSE and the hint opcodes (ENDBR32 is one of them). */
export const nop = insn(
  'nop',
  {},
  [
    '90',
    'F3 90',
    ...['19', '1A', '1B', '1C', '1D', '1E', '1F'].map((op) => `0F ${op} /r Ev`),
    '0F 18 /r Ev',
    '0F 0D /r Ev',
  ],
  nothing,
);

/** SDM Vol. 2D, UD. */
export const ud = insn('ud', { branch: true, ends: true }, ['0F 0B', '0F B9 /r Gv,Ev', '0F FF /r Gv,Ev'], (e) =>
  e.fault(Exit.undefinedOpcode),
);

/** Undocumented: AL from CF. */
export const salc = insn('salc', {}, ['D6'], (e) => e.setRegister(EAX, e.sub(e.const(0), e.flags.get('cf')), 1));

/** Privileged instructions, I/O and interrupt flag at I/O privilege 0, and what UMIP keeps from user code: #GP(0). */
export const privileged = insn(
  'privileged',
  { branch: true, ends: true },
  [
    'F4',
    'FA',
    'FB',
    'E4 AL,Ib',
    'E5 eAX,Ib',
    'E6 Ib,AL',
    'E7 Ib,eAX',
    'EC',
    'ED',
    'EE',
    'EF',
    '6C',
    '6D',
    '6E',
    '6F',
    '0F 06',
    '0F 08',
    '0F 09',
    // CR1, CR5 to CR7 do not exist. The mode bits of ModRM mean nothing here.
    ...['0F 20', '0F 22'].flatMap((opcode) => [0, 2, 3, 4].map((n) => `${opcode} /${n} Rd`)),
    '0F 21 /r Rd',
    '0F 23 /r Rd',
    '0F 30',
    '0F 32',
    '0F 33',
    '0F 35',
    '0F 00 /2 Ew',
    '0F 00 /3 Ew',

    '0F 01 /2m M',
    '0F 01 /3m M',

    '0F 01 /6 Ew',
    '0F 01 /7m M',
  ],
  (e) => e.fault(Exit.generalProtection, e.const(0)),
);

/** SLDT, STR and SMSW as Linux answers them for user code (arch/x86/kernel/umip.c): a register is written whole. */
function describeSystem(name: string, options: InsnOptions, row: string, value: <V>(e: Emitter<V>) => V) {
  return insn(name, options, [row], (e, dst) => {
    if (e.isMemory(dst)) e.storeLow(dst, value(e), 2);
    else e.store(dst, value(e));
  });
}
export const sldt = describeSystem('sldt', { evaluated: true }, '0F 00 /0 Ev', (e) => e.localTable());
export const str = describeSystem('str', {}, '0F 00 /1 Ev', (e) => e.const(0x40));
export const smsw = describeSystem('smsw', {}, '0F 01 /4 Ev', (e) => e.const(0x8005_0033 | 0));

/** SGDT and SIDT, likewise: limit 0 and a base in the kernel's half. */
function describeTable(name: string, row: string, base: number) {
  return insn(name, {}, [row], (e, dst) => {
    const address = e.operandAddress(dst);
    e.probeWrite(address, 6);
    e.write(address, e.const(0), 2);
    e.write(e.add(address, e.const(2)), e.const(base), 4);
  });
}
export const sgdt = describeTable('sgdt', '0F 01 /0m M', 0xfffe_0000 | 0);
export const sidt = describeTable('sidt', '0F 01 /1m M', 0xffff_0000 | 0);

/** Privilege 3, or conforming code: what user code may ask about (SDM Vol. 3A, 5.10). */
function isVisible<V>(e: Emitter<V>, high: V): V {
  const has = (mask: number, bits: number): V => e.eq(e.and(high, e.const(mask)), e.const(bits));
  return e.or(has(0x7000, 0x7000), has(0x1c00, 0x1c00));
}

/** SDM Vol. 2D, VERR and VERW: data, or code that may be read; data that may be written. */
function verify(name: string, digit: number, can: <V>(e: Emitter<V>, high: V) => V) {
  return insn(name, { evaluated: true }, [`0F 00 /${digit} Ew`], (e, src) => {
    const [high] = e.descriptor(e.load(src));
    e.flags.set({ zf: e.and(isVisible(e, high), can(e, high)) });
  });
}
export const verr = verify('verr', 4, (e, high) => e.ne(e.and(high, e.const(0xa00)), e.const(0x800)));
export const verw = verify('verw', 5, (e, high) => e.eq(e.and(high, e.const(0xa00)), e.const(0x200)));

/** SDM Vol. 2A, LAR and LSL. */
function describe(name: string, opcode: string, value: <V>(e: Emitter<V>, high: V, limit: V) => V) {
  return insn(name, { evaluated: true }, [`${opcode} /r Gv,Ew`], (e, dst, src) => {
    const [high, limit] = e.descriptor(e.load(src));
    const zf = isVisible(e, high);
    e.if(zf, () => e.store(dst, value(e, high, limit)));
    e.flags.set({ zf });
  });
}
export const lar = describe('lar', '0F 02', (e, high) => e.and(high, e.const(RIGHTS)));
export const lsl = describe('lsl', '0F 03', (_, __, limit) => limit);

/** SDM Vol. 2A, ARPL. */
export const arpl = insn('arpl', {}, ['63 /r Ew,Gw'], (e, dst, src) => {
  const old = e.load(dst);
  const wanted = e.and(e.load(src), e.const(3));
  const zf = e.ltU(e.and(old, e.const(3)), wanted);
  e.if(zf, () => e.store(dst, e.or(e.and(old, e.const(0xfffc)), wanted)));
  e.flags.set({ zf });
});

/** EFLAGS.NT and RF. */
const NESTED_TASK = 0x4000;
const RESUME = 0x1_0000;

/** SDM Vol. 2A, IRET to the same privilege. */
export const iret = insn('iret', { branch: true, ends: true, evaluated: true }, ['CF'], (e) => {
  const size = e.operandSize;
  // A return to a task there is none of.
  e.if(e.and(e.state(STATE.flagSystem), e.const(NESTED_TASK)), () => e.fault(Exit.generalProtection, e.const(0)));
  const image = stackTop(e, size, 2 * size);
  const selector = stackTop(e, 2, size);
  const target = stackTop(e, size);
  e.requireCode(selector, true);
  drop(e, 3 * size);
  setWholeImage(e, image, size);
  if (size === 4) {
    const kept = e.and(e.state(STATE.flagSystem), e.const(~RESUME));
    e.setState(STATE.flagSystem, e.or(kept, e.and(image, e.const(RESUME))));
  }
  e.jumpFar(selector, target);
});

export const system = [
  nop,
  cpuid,
  rdtsc,
  ud,
  salc,
  privileged,
  sldt,
  str,
  smsw,
  sgdt,
  sidt,
  verr,
  verw,
  lar,
  lsl,
  arpl,
  iret,
];
