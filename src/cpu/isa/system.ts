/** Processor identification, hints, and what user code may not do (SDM Vol. 1, 7.3.17; Vol. 3A, 5.9). */
import type { Emitter } from '../emit/emitter.ts';
import { describeSelector, USER_DS, USER32_CS } from '../emit/segments.ts';
import { Exit } from '../exit.ts';
import { CS, EAX, EBX, ECX, EDX, STATE } from '../state.ts';
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
function describeSystem(name: string, row: string, value: number) {
  return insn(name, {}, [row], (e, dst) => {
    if (e.isMemory(dst)) e.storeLow(dst, e.const(value), 2);
    else e.store(dst, e.const(value));
  });
}
export const sldt = describeSystem('sldt', '0F 00 /0 Ev', 0);
export const str = describeSystem('str', '0F 00 /1 Ev', 0x40);
export const smsw = describeSystem('smsw', '0F 01 /4 Ev', 0x8005_0033 | 0);

/** SGDT and SIDT, likewise: limit 0 and a base in the kernel's half. */
function describeTable(name: string, row: string, base: number) {
  return insn(name, {}, [row], (e, dst) => {
    const address = e.linearAddress(dst);
    e.probeWrite(address, 6);
    e.write(address, e.const(0), 2);
    e.write(e.add(address, e.const(2)), e.const(base), 4);
  });
}
export const sgdt = describeTable('sgdt', '0F 01 /0m M', 0xfffe_0000 | 0);
export const sidt = describeTable('sidt', '0F 01 /1m M', 0xffff_0000 | 0);

/** Flat segments are of privilege 3: what selector asks for it does not matter. */
function isReadable<V>(e: Emitter<V>, selector: V): V {
  const { isUser, isTls } = describeSelector(e, selector);
  return e.and(e.or(isUser, isTls), e.const(1));
}
export const verr = insn('verr', {}, ['0F 00 /4 Ew'], (e, src) => e.flags.set({ zf: isReadable(e, e.load(src)) }));
export const verw = insn('verw', {}, ['0F 00 /5 Ew'], (e, src) => {
  const { isData, isTls } = describeSelector(e, e.load(src));
  e.flags.set({ zf: e.and(e.or(isData, isTls), e.const(1)) });
});

/** Access rights of the user segments: present, privilege 3, 4 GiB; 64-bit code; TLS with the bit for software set. */
const RIGHTS = { code32: 0x00cf_fb00, code64: 0x00af_fb00, data: 0x00cf_f300, tls: 0x00df_f300 };

/** SDM Vol. 2A, LAR and LSL. */
function describe(name: string, opcode: string, value: <V>(e: Emitter<V>, selector: V, isTls: V) => V) {
  return insn(name, {}, [`${opcode} /r Gv,Ew`], (e, dst, src) => {
    const selector = e.load(src);
    const zf = isReadable(e, selector);
    const { isTls } = describeSelector(e, selector);
    e.store(dst, e.select(zf, value(e, selector, isTls), e.load(dst)));
    e.flags.set({ zf });
  });
}
export const lar = describe('lar', '0F 02', (e, selector, isTls) => {
  const entry = e.or(selector, e.const(3));
  const is = (number: number) => e.eq(entry, e.const(number));
  const code = e.select(is(USER32_CS), e.const(RIGHTS.code32), e.const(RIGHTS.code64));
  return e.select(isTls, e.const(RIGHTS.tls), e.select(is(USER_DS), e.const(RIGHTS.data), code));
});
export const lsl = describe('lsl', '0F 03', (e) => e.const(-1));

/** SDM Vol. 2A, ARPL. */
export const arpl = insn('arpl', {}, ['63 /r Ew,Gw'], (e, dst, src) => {
  const old = e.load(dst);
  const wanted = e.and(e.load(src), e.const(3));
  const zf = e.ltU(e.and(old, e.const(3)), wanted);
  e.if(zf, () => e.store(dst, e.or(e.and(old, e.const(0xfffc)), wanted)));
  e.flags.set({ zf });
});

/** EFLAGS.NT. */
const NESTED_TASK = 0x4000;

/** SDM Vol. 2A, IRET to the same privilege. */
export const iret = insn('iret', { branch: true, ends: true }, ['CF'], (e) => {
  const size = e.operandSize;
  // A return to a task there is none of.
  e.if(e.and(e.state(STATE.flagSystem), e.const(NESTED_TASK)), () => e.fault(Exit.generalProtection, e.const(0)));
  const image = stackTop(e, size, 2 * size);
  const selector = stackTop(e, 2, size);
  const target = stackTop(e, size);
  e.if(e.ne(selector, e.state(STATE.selector + CS * 4)), () =>
    e.fault(Exit.generalProtection, e.and(selector, e.const(0xfffc))),
  );
  drop(e, 3 * size);
  setWholeImage(e, image, size);
  e.jumpIndirect(target);
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
