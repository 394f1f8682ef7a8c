/** SSE4.2 and what came with it: string comparison, CRC32, POPCNT, MOVBE (SDM Vol. 1, section 12.12). */
import type { Emitter, Operand } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import { EAX, ECX, EDX, STATE } from '../state.ts';
import type { Insn } from './insn.ts';
import { insn } from './insn.ts';
import { packedXmm } from './mmx-int.ts';
import { fromHalves } from './simd.ts';
import { compareStrings, implicitLength } from './sse42-string.ts';

const sse42 = { feature: 'sse4.2' } as const;

/** |register|, at most the number of elements. */
function explicitLength<V>(e: Emitter<V>, register: number, elements: V): V {
  const value = e.register(register, 4);
  const size = e.select(e.ltS(value, e.const(0)), e.sub(e.const(0), value), value);
  return e.select(e.ltU(size, elements), size, elements);
}

/** ECX: the first or last set bit, or the number of elements. */
function storeIndex<V>(e: Emitter<V>, bits: V, imm: V, elements: V): void {
  const last = e.sub(e.const(31), e.clz(bits));
  const found = e.select(e.and(imm, e.const(0x40)), last, e.ctz(bits));
  e.setRegister(ECX, e.select(bits, found, elements), 4);
}

/** XMM0: the bits themselves, or each as wide as an element. */
function storeMask<V>(e: Emitter<V>, bits: V, imm: V): void {
  const { i8x16Eq, i16x8Eq, i16x8Splat, i8x16Splat, and, shuffle } = e.v128;
  const each = (i: number): number => 1 << (i % 8);
  const byteBits = e.constV128(Array.from({ length: 16 }, (_, i) => each(i)));
  const wordBits = e.constV128(Array.from({ length: 16 }, (_, i) => (i % 2 ? 0 : each(i / 2))));
  const halves = shuffle(
    i8x16Splat(bits),
    i8x16Splat(e.shrU(bits, e.const(8))),
    [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31],
  );
  const bytes = i8x16Eq(and(halves, byteBits), byteBits);
  const words = i16x8Eq(and(i16x8Splat(bits), wordBits), wordBits);
  const wide = e.select(e.and(imm, e.const(1)), words, bytes);
  const plain = fromHalves(e, e.i64.extendU(bits), e.const64(0n));
  e.setState(STATE.xmm, e.select(e.and(imm, e.const(0x40)), wide, plain), 'v128');
}

function stringInsn(name: string, opcode: string, explicit: boolean, output: 'index' | 'mask'): Insn {
  return insn(name, sse42, [`66 0F 3A ${opcode} /r Vdq,Wdq,Ib`], (e, first: Operand, second, immediate) => {
    const b = e.load(second),
      a = e.load(first);
    const imm = e.load(immediate);
    const elements = e.shrU(e.const(16), e.and(imm, e.const(1)));
    const lengthA = explicit ? explicitLength(e, EAX, elements) : implicitLength(e, a, imm);
    const lengthB = explicit ? explicitLength(e, EDX, elements) : implicitLength(e, b, imm);
    const [bits] = e.call(compareStrings, a, b, lengthA, lengthB, imm);
    if (output === 'index') storeIndex(e, bits, imm, elements);
    else storeMask(e, bits, imm);
    e.flags.set({
      cf: e.ne(bits, e.const(0)),
      zf: e.ltU(lengthB, elements),
      sf: e.ltU(lengthA, elements),
      of: e.and(bits, e.const(1)),
      af: e.const(0),
      pf: e.const(0),
    });
  });
}

/** (crc, data, bits of data) -> [crc]: CRC-32C, bits reflected. */
const crc32c = routine('crc32c', ['i32', 'i32', 'i32'], ['i32'], (e, crc, data, bits) => {
  const rest = e.variable('i32', e.xor(crc, data));
  const left = e.variable('i32', bits);
  e.while(
    () => left.get(),
    () => {
      const value = rest.get();
      const feedback = e.select(e.and(value, e.const(1)), e.const(0x82f6_3b78 | 0), e.const(0));
      rest.set(e.xor(e.shrU(value, e.const(1)), feedback));
      left.set(e.sub(left.get(), e.const(1)));
    },
  );
  return [rest.get()];
});

export const sse42Insns: readonly Insn[] = [
  packedXmm('pcmpgtq', '38 37', (e, a, b) => e.v128.i64x2GtS(a, b), 'sse4.2'),
  stringInsn('pcmpestrm', '60', true, 'mask'),
  stringInsn('pcmpestri', '61', true, 'index'),
  stringInsn('pcmpistrm', '62', false, 'mask'),
  stringInsn('pcmpistri', '63', false, 'index'),
  insn('crc32', sse42, ['F2 0F 38 F0 /r Gd,Eb', 'F2 0F 38 F1 /r Gd,Ev'], (e, dst, src) =>
    e.store(dst, e.call(crc32c, e.load(dst), e.load(src), e.const(src.size * 8))[0]),
  ),
  insn('popcnt', { feature: 'popcnt' }, ['F3 0F B8 /r Gv,Ev'], (e, dst, src) => {
    const value = e.load(src);
    const zero = e.const(0);
    e.store(dst, e.popcnt(value));
    e.flags.set({ zf: e.eqz(value), cf: zero, pf: zero, af: zero, sf: zero, of: zero });
  }),
];
