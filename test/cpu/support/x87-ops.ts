/** Every x87 instruction that the oracle can run alone, by encoding; memory operands are at [EBX]. */
import type { MemoryKind } from './x87-cases.ts';

export interface Op {
  readonly name: string;
  readonly code: readonly number[];
  readonly memory: MemoryKind;
  /** Right within one unit in the last place, not to the bit. */
  readonly near?: true;
}

const EBX = 3;
const memory = (opcode: number, digit: number, kind: MemoryKind, name: string): Op => ({
  name,
  code: [opcode, digit * 8 + EBX],
  memory: kind,
});
const register = (opcode: number, modrm: number, name: string): Op => ({ name, code: [opcode, modrm], memory: 'none' });

const ARITHMETIC = ['fadd', 'fmul', 'fcom', 'fcomp', 'fsub', 'fsubr', 'fdiv', 'fdivr'];
/** The row of DE D8 holds FCOMPP only. */
const COMPP = 3;

const arithmetic = ARITHMETIC.flatMap((name, digit): Op[] => [
  memory(0xd8, digit, 'single', `${name} m32`),
  memory(0xdc, digit, 'double', `${name} m64`),
  memory(0xda, digit, 'integer', `${name} m32int`),
  memory(0xde, digit, 'integer', `${name} m16int`),
  register(0xd8, 0xc1 + digit * 8, `${name} st0,st1`),
  register(0xd8, 0xc3 + digit * 8, `${name} st0,st3`),
  register(0xd8, 0xc0 + digit * 8, `${name} st0,st0`),
  register(0xdc, 0xc2 + digit * 8, `DC ${digit} st2,st0`),
  register(0xde, 0xc1 + digit * 8, digit === COMPP ? 'fcompp' : `DE ${digit} st1,st0`),
]);

const loadsAndStores: Op[] = [
  memory(0xd9, 0, 'single', 'fld m32'),
  memory(0xdd, 0, 'double', 'fld m64'),
  memory(0xdb, 5, 'extended', 'fld m80'),
  register(0xd9, 0xc2, 'fld st2'),
  register(0xd9, 0xc7, 'fld st7'),
  memory(0xd9, 2, 'none', 'fst m32'),
  memory(0xd9, 3, 'none', 'fstp m32'),
  memory(0xdd, 2, 'none', 'fst m64'),
  memory(0xdd, 3, 'none', 'fstp m64'),
  memory(0xdb, 7, 'none', 'fstp m80'),
  register(0xdd, 0xd3, 'fst st3'),
  register(0xdd, 0xd8, 'fstp st0'),
  register(0xdd, 0xd9, 'fstp st1'),
  register(0xd9, 0xd9, 'D9 D9'),
  register(0xdf, 0xd1, 'DF D1'),
  register(0xdf, 0xd9, 'DF D9'),
  memory(0xdf, 0, 'integer', 'fild m16'),
  memory(0xdb, 0, 'integer', 'fild m32'),
  memory(0xdf, 5, 'integer', 'fild m64'),
  memory(0xdf, 4, 'decimal', 'fbld'),
  memory(0xdf, 2, 'none', 'fist m16'),
  memory(0xdb, 2, 'none', 'fist m32'),
  memory(0xdf, 3, 'none', 'fistp m16'),
  memory(0xdb, 3, 'none', 'fistp m32'),
  memory(0xdf, 7, 'none', 'fistp m64'),
  memory(0xdf, 6, 'none', 'fbstp'),
  memory(0xdf, 1, 'none', 'fisttp m16'),
  memory(0xdb, 1, 'none', 'fisttp m32'),
  memory(0xdd, 1, 'none', 'fisttp m64'),
  register(0xd9, 0xc9, 'fxch st1'),
  register(0xdd, 0xca, 'DD CA'),
  register(0xdf, 0xcb, 'DF CB'),
];

const conditions = ['b', 'e', 'be', 'u'].flatMap((name, i) => [
  register(0xda, 0xc1 + i * 8, `fcmov${name}`),
  register(0xdb, 0xc1 + i * 8, `fcmovn${name}`),
]);

const compares: Op[] = [
  register(0xdd, 0xe1, 'fucom'),
  register(0xdd, 0xe9, 'fucomp'),
  register(0xda, 0xe9, 'fucompp'),
  register(0xdb, 0xf1, 'fcomi'),
  register(0xdf, 0xf1, 'fcomip'),
  register(0xdb, 0xe9, 'fucomi'),
  register(0xdf, 0xe9, 'fucomip'),
  register(0xd9, 0xe4, 'ftst'),
  register(0xd9, 0xe5, 'fxam'),
];

const constants = ['fld1', 'fldl2t', 'fldl2e', 'fldpi', 'fldlg2', 'fldln2', 'fldz'].map((name, i) =>
  register(0xd9, 0xe8 + i, name),
);

const others: Op[] = [
  register(0xd9, 0xe0, 'fchs'),
  register(0xd9, 0xe1, 'fabs'),
  register(0xd9, 0xfa, 'fsqrt'),
  register(0xd9, 0xfc, 'frndint'),
  register(0xd9, 0xfd, 'fscale'),
  register(0xd9, 0xf8, 'fprem'),
  register(0xd9, 0xf5, 'fprem1'),
  register(0xd9, 0xf4, 'fxtract'),
];

const transcendental = (
  [
    [0xf0, 'f2xm1'],
    [0xf1, 'fyl2x'],
    [0xf2, 'fptan'],
    [0xf3, 'fpatan'],
    [0xf9, 'fyl2xp1'],
    [0xfb, 'fsincos'],
    [0xfe, 'fsin'],
    [0xff, 'fcos'],
  ] as const
).map(([modrm, name]): Op => ({ ...register(0xd9, modrm, name), near: true }));

const control: Op[] = [
  register(0xd9, 0xf7, 'fincstp'),
  register(0xd9, 0xf6, 'fdecstp'),
  register(0xd9, 0xd0, 'fnop'),
  register(0xdd, 0xc2, 'ffree'),
  register(0xdf, 0xc1, 'ffreep'),
  register(0xdb, 0xe2, 'fnclex'),
  register(0xdb, 0xe3, 'fninit'),
  register(0xdb, 0xe0, 'feni'),
  register(0xdb, 0xe4, 'fsetpm'),
  memory(0xd9, 5, 'integer', 'fldcw'),
  memory(0xd9, 7, 'none', 'fnstcw'),
  memory(0xdd, 7, 'none', 'fnstsw m16'),
  register(0xdf, 0xe0, 'fnstsw ax'),
  memory(0xd9, 6, 'none', 'fnstenv'),
  memory(0xd9, 4, 'environment', 'fldenv'),
  { name: 'fnstenv, 14 bytes', code: [0x66, 0xd9, 0x33], memory: 'none' },
  { name: 'fldenv, 14 bytes', code: [0x66, 0xd9, 0x23], memory: 'environment' },
  { name: 'fwait', code: [0x9b, 0x90], memory: 'none' },
];

export const OPS: readonly Op[] = [
  ...arithmetic,
  ...loadsAndStores,
  ...conditions,
  ...compares,
  ...constants,
  ...others,
  ...transcendental,
  ...control,
];
