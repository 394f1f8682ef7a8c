/** Data transfer (SDM Vol. 1, 7.3.1). */
import { generalSize } from './arith.ts';
import { insn } from './insn.ts';

/** SDM Vol. 2B, MOV. */
export const mov = insn(
  'mov',
  {},
  [
    '8B /r Gv,Ev',
    '89 /r Ev,Gv',
    'B8+r Zv,Iv',
    'C7 /0 Ev,Iz',
    '8A /r Gb,Eb',
    '88 /r Eb,Gb',
    'B0+r Zb,Ib',
    'C6 /0 Eb,Ib',
    'A1 eAX,Ov',
    'A3 Ov,eAX',
    'A0 AL,Ob',
    'A2 Ob,AL',
  ],
  (e, dst, src) => e.store(dst, e.load(src)),
);

/** SDM Vol. 2B, MOV from a segment register: a general register is written whole, memory 16 bits. */
export const movFromSegment = insn('mov sreg', {}, ['8C /r Ev,Sw'], (e, dst, src) => {
  if (e.isMemory(dst)) e.storeLow(dst, e.load(src), 2);
  else e.store(dst, e.load(src));
});

/** SDM Vol. 2B, MOV to a segment register. */
export const movToSegment = insn('mov sreg', { evaluated: true }, ['8E /r Sw,Ew'], (e, dst, src) =>
  e.store(dst, e.load(src)),
);

/** SDM Vol. 2B, MOVZX. */
export const movzx = insn('movzx', {}, ['0F B6 /r Gv,Eb', '0F B7 /r Gv,Ew'], (e, dst, src) =>
  e.store(dst, e.load(src)),
);

/** SDM Vol. 2B, MOVSX. */
export const movsx = insn('movsx', {}, ['0F BE /r Gv,Eb', '0F BF /r Gv,Ew'], (e, dst, src) =>
  e.store(dst, e.loadSigned(src)),
);

/** SDM Vol. 2A, LEA. */
export const lea = insn('lea', {}, ['8D /r Gv,M'], (e, dst, src) => e.store(dst, e.effectiveAddress(src)));

/** SDM Vol. 2D, XCHG: locks by itself with memory. */
export const xchg = insn('xchg', { lock: true }, ['87 /r Ev,Gv', '86 /r Eb,Gb', '90+r Zv,eAX'], (e, dst, src) => {
  const a = e.load(dst);
  const b = e.load(src);
  e.store(dst, b);
  e.store(src, a);
});

/** SDM Vol. 2A, BSWAP. With a 16-bit register the result is undefined; processors clear it. */
export const bswap = insn('bswap', {}, ['0F C8+r Zv'], (e, dst) => {
  const value = e.load(dst);
  if (dst.size === 2) {
    e.store(dst, e.const(0));
    return;
  }
  const odd = e.and(e.rotl(value, e.const(8)), e.const(0x00ff_00ff));
  const even = e.and(e.rotr(value, e.const(8)), e.const(0xff00_ff00 | 0));
  e.store(dst, e.or(odd, even));
});

/** With F2 these opcodes are CRC32, with F3 nothing. */
const MOVBE_ROWS = ['NF 0F 38 F0 /r Gv,Mv', 'NF 0F 38 F1 /r Mv,Gv'];

/** SDM Vol. 2B, MOVBE. */
export const movbe = insn('movbe', { feature: 'movbe' }, MOVBE_ROWS, (e, dst, src) => {
  const value = e.load(src);
  const wide = e.shl(value, e.const(32 - dst.size * 8));
  const odd = e.and(e.rotl(wide, e.const(8)), e.const(0x00ff_00ff));
  const even = e.and(e.rotr(wide, e.const(8)), e.const(0xff00_ff00 | 0));
  e.store(dst, e.or(odd, even));
});

/** SDM Vol. 2A, CBW and CWDE. */
export const cbw = insn('cbw', {}, ['98'], (e) => {
  const half = e.operandSize === 2 ? 1 : 2;
  e.setRegister(0, e.sext(e.register(0, half), half), e.operandSize);
});

/** SDM Vol. 2A, CWD and CDQ. */
export const cwd = insn('cwd', {}, ['99'], (e) => {
  const size = e.operandSize;
  e.setRegister(2, e.shrS(e.sext(e.register(0, size), size), e.const(31)), size);
});

/** SDM Vol. 2A, CMOVcc: a memory operand is read in any case. */
export const cmov = Array.from({ length: 16 }, (_, code) =>
  insn('cmov', { feature: 'cmov' }, [`0F 4${code.toString(16).toUpperCase()} /r Gv,Ev`], (e, dst, src) => {
    const value = e.load(src);
    e.store(dst, e.select(e.condition(code), value, e.load(dst)));
  }),
);

/** SDM Vol. 2B, SETcc. */
export const setcc = Array.from({ length: 16 }, (_, code) =>
  insn('set', {}, [`0F 9${code.toString(16).toUpperCase()} /r Eb`], (e, dst) => e.store(dst, e.condition(code))),
);

/** SDM Vol. 2D, XLAT. */
export const xlat = insn('xlat', {}, ['D7'], (e) => {
  const sum = e.add(e.register(3, 4), e.register(0, 1));
  const offset = e.addressSize === 2 ? e.and(sum, e.const(0xffff)) : sum;
  e.setRegister(0, e.read(offset, 1), 1);
});

/** Far pointers into a segment register and a general one: SDM Vol. 2A, LDS/LES/LFS/LGS/LSS. */
export const loadFar = (
  [
    ['les', 'C4 /r', 'ES'],
    ['lds', 'C5 /r', 'DS'],
    ['lss', '0F B2 /r', 'SS'],
    ['lfs', '0F B4 /r', 'FS'],
    ['lgs', '0F B5 /r', 'GS'],
  ] as const
).map(([name, opcode, segment]) =>
  insn(name, { evaluated: true }, [`${opcode}m Gv,Mp,${segment}`], (e, dst, src, sreg) => {
    const size = generalSize(dst);
    const offset = e.read(e.operandAddress(src), size);
    e.store(sreg, e.read(e.partAddress(src, size), 2));
    e.store(dst, offset);
  }),
);

export const move = [
  mov,
  lea,
  movzx,
  movsx,
  ...cmov,
  ...setcc,
  xchg,
  cwd,
  cbw,
  bswap,
  movFromSegment,
  movToSegment,
  movbe,
  xlat,
  ...loadFar,
];
