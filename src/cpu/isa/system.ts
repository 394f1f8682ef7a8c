/** Processor identification, hints, and what user code may not do (SDM Vol. 1, 7.3.17; Vol. 3A, 5.9). */
import type { Emitter } from '../emit/emitter.ts';
import { Exit } from '../exit.ts';
import { CS, EAX, EBX, ECX, EDX, STATE } from '../state.ts';
import { BRAND, featureWord, LEAF_1_EBX, SIGNATURE, VENDOR } from './cpuid.ts';
import { setWholeImage } from './flag-control.ts';
import { insn } from './insn.ts';
import { drop, stackTop } from './stack.ts';

/** Four characters as a register holds them. */
const word = (text: string, at: number): number =>
  [0, 1, 2, 3].reduce((value, i) => value | ((text.charCodeAt(at + i) || 0) << (i * 8)), 0);

/** eax, ebx, ecx, edx of the leaves that exist. */
const LEAVES: readonly (readonly [number, readonly number[]])[] = [
  [0, [2, word(VENDOR, 0), word(VENDOR, 8), word(VENDOR, 4)]],
  [1, [SIGNATURE, LEAF_1_EBX, featureWord('ecx'), featureWord('edx')]],
  // One descriptor: 64-byte prefetching.
  [2, [0x01, 0, 0, 0xf0]],
  [0x8000_0000, [0x8000_0004 | 0, 0, 0, 0]],
  ...[0, 1, 2].map((n) => [0x8000_0002 + n, [0, 4, 8, 12].map((at) => word(BRAND, n * 16 + at))] as const),
];

/** SDM Vol. 2A, CPUID. */
export const cpuid = insn('cpuid', {}, ['0F A2'], (e) => {
  const leaf = e.register(EAX, 4);
  const set = (values: readonly number[]): void => {
    for (const [i, number] of [EAX, EBX, ECX, EDX].entries()) e.setRegister(number, e.const(values[i]), 4);
  };
  set([0, 0, 0, 0]);
  for (const [number, values] of LEAVES) e.if(e.eq(leaf, e.const(number)), () => set(values));
});

/** SDM Vol. 2B, RDTSC: the kernel answers. */
export const rdtsc = insn('rdtsc', { feature: 'tsc', branch: true, ends: true }, ['0F 31'], (e) => e.fault(Exit.rdtsc));

const nothing = (): void => {};
/** SDM Vol. 2B, NOP, PAUSE and the hint opcodes (ENDBR32 is one of them). */
export const nop = insn(
  'nop',
  {},
  ['90', 'F3 90', ...['19', '1A', '1B', '1C', '1D', '1E', '1F'].map((op) => `0F ${op} /r Ev`), '0F 18 /r Ev'],
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
    '0F 20 /r Rd',
    '0F 21 /r Rd',
    '0F 22 /r Rd',
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

/** Whether a selector names a segment that user code may read: the flat ones and present TLS entries. */
function isReadable<V>(e: Emitter<V>, selector: V): V {
  const flat = e.or(e.eq(e.or(selector, e.const(3)), e.const(0x23)), e.eq(e.or(selector, e.const(3)), e.const(0x2b)));
  const slot = e.sub(e.shrU(selector, e.const(3)), e.const(6));
  const isTls = e.and(e.ltU(slot, e.const(3)), e.eqz(e.and(selector, e.const(4))));
  const present = e.and(e.shrU(e.state(STATE.tlsPresent), e.select(isTls, slot, e.const(0))), e.const(1));
  return e.or(flat, e.and(isTls, present));
}
export const verr = insn('verr', {}, ['0F 00 /4 Ew'], (e, src) => e.flags.set({ zf: isReadable(e, e.load(src)) }));
export const verw = insn('verw', {}, ['0F 00 /5 Ew'], (e, src) => {
  const selector = e.load(src);
  const isCode = e.eq(e.or(selector, e.const(3)), e.const(0x23));
  e.flags.set({ zf: e.and(isReadable(e, selector), e.eqz(isCode)) });
});

/** Access rights and limit of a flat segment: present, DPL 3, 4 GiB; code reads and data writes. */
function describe(name: string, opcode: string, code: number, data: number) {
  return insn(name, {}, [`${opcode} /r Gv,Ew`], (e, dst, src) => {
    const selector = e.load(src);
    const isCode = e.eq(e.or(selector, e.const(3)), e.const(0x23));
    const zf = isReadable(e, selector);
    const value = e.select(isCode, e.const(code), e.const(data));
    e.store(dst, e.select(zf, value, e.load(dst)));
    e.flags.set({ zf });
  });
}
export const lar = describe('lar', '0F 02', 0x00cf_fb00, 0x00cf_f300);
export const lsl = describe('lsl', '0F 03', -1, -1);

/** SDM Vol. 2A, ARPL. */
export const arpl = insn('arpl', {}, ['63 /r Ew,Gw'], (e, dst, src) => {
  const old = e.load(dst);
  const wanted = e.and(e.load(src), e.const(3));
  const zf = e.ltU(e.and(old, e.const(3)), wanted);
  e.store(dst, e.select(zf, e.or(e.and(old, e.const(0xfffc)), wanted), old));
  e.flags.set({ zf });
});

/** SDM Vol. 2A, IRET to the same privilege. */
export const iret = insn('iret', { branch: true, ends: true }, ['CF'], (e) => {
  const size = e.operandSize;
  const target = stackTop(e, size);
  const selector = e.and(stackTop(e, size, size), e.const(0xffff));
  const image = stackTop(e, size, 2 * size);
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
