/** Addition, subtraction, comparison, negation (SDM Vol. 1, 7.3.2). */
import type { Emitter, Operand } from '../emit/emitter.ts';
import { insn } from './insn.ts';

/** The encodings that ADD, OR, ADC, SBB, AND, SUB, XOR and CMP share; `n` is their number in that order. */
export function arithmeticRows(n: number): string[] {
  const op = (low: number): string => (n * 8 + low).toString(16).toUpperCase().padStart(2, '0');
  return [
    `${op(3)} /r Gv,Ev`,
    `${op(1)} /r Ev,Gv`,
    `83 /${n} Ev,Ibs`,
    `81 /${n} Ev,Iz`,
    `${op(5)} eAX,Iz`,
    `${op(2)} /r Gb,Eb`,
    `${op(0)} /r Eb,Gb`,
    `80 /${n} Eb,Ib`,
    `82 /${n} Eb,Ib`,
    `${op(4)} AL,Ib`,
  ];
}

/** SDM Vol. 2A, ADD. */
export const add = insn('add', { lock: true }, arithmeticRows(0), (e, dst, src) => {
  const a = e.load(dst);
  const b = e.load(src);
  const sum = e.add(a, b);
  e.store(dst, sum);
  e.flags.add(a, b, sum, dst.size);
});

/** SDM Vol. 2A, ADC. */
export const adc = insn('adc', { lock: true }, arithmeticRows(2), (e, dst, src) => {
  const a = e.load(dst);
  const b = e.load(src);
  const sum = e.add(e.add(a, b), e.flags.get('cf'));
  e.store(dst, sum);
  e.flags.add(a, b, sum, dst.size);
});

/** SDM Vol. 2B, SUB. */
export const sub = insn('sub', { lock: true }, arithmeticRows(5), (e, dst, src) => {
  const a = e.load(dst);
  const b = e.load(src);
  const difference = e.sub(a, b);
  e.store(dst, difference);
  e.flags.sub(a, b, difference, dst.size);
});

/** SDM Vol. 2B, SBB. */
export const sbb = insn('sbb', { lock: true }, arithmeticRows(3), (e, dst, src) => {
  const a = e.load(dst);
  const b = e.load(src);
  const difference = e.sub(e.sub(a, b), e.flags.get('cf'));
  e.store(dst, difference);
  e.flags.sub(a, b, difference, dst.size);
});

/** SDM Vol. 2A, CMP. */
export const cmp = insn('cmp', {}, arithmeticRows(7), (e, dst, src) => {
  const a = e.load(dst);
  const b = e.load(src);
  e.flags.sub(a, b, e.sub(a, b), dst.size);
});

/** SDM Vol. 2A, INC. */
export const inc = insn('inc', { lock: true }, ['40+r Zv', 'FF /0 Ev', 'FE /0 Eb'], (e, dst) => {
  const a = e.load(dst);
  const sum = e.add(a, e.const(1));
  e.store(dst, sum);
  e.flags.inc(a, sum, dst.size);
});

/** SDM Vol. 2A, DEC. */
export const dec = insn('dec', { lock: true }, ['48+r Zv', 'FF /1 Ev', 'FE /1 Eb'], (e, dst) => {
  const a = e.load(dst);
  const difference = e.sub(a, e.const(1));
  e.store(dst, difference);
  e.flags.dec(a, difference, dst.size);
});

/** SDM Vol. 2B, NEG. */
export const neg = insn('neg', { lock: true }, ['F7 /3 Ev', 'F6 /3 Eb'], (e, dst) => {
  const zero = e.const(0);
  const b = e.load(dst);
  const difference = e.sub(zero, b);
  e.store(dst, difference);
  e.flags.sub(zero, b, difference, dst.size);
});

/** SDM Vol. 2D, XADD: the source gets the old value. */
export const xadd = insn('xadd', { lock: true }, ['0F C1 /r Ev,Gv', '0F C0 /r Eb,Gb'], (e, dst, src) => {
  const a = e.load(dst);
  const b = e.load(src);
  const sum = e.add(a, b);
  if (e.isMemory(dst)) e.store(dst, sum);
  e.store(src, a);
  if (!e.isMemory(dst)) e.store(dst, sum);
  e.flags.add(a, b, sum, dst.size);
});

/** SDM Vol. 2A, CMPXCHG: the destination is written in any case. */
export const cmpxchg = insn('cmpxchg', { lock: true }, ['0F B1 /r Ev,Gv', '0F B0 /r Eb,Gb'], (e, dst, src) => {
  const size = generalSize(dst);
  const accumulator = e.register(0, size);
  const old = e.load(dst);
  const equal = e.eq(accumulator, old);
  const value = e.load(src);
  e.store(dst, e.select(equal, value, old));
  // Where they differ the accumulator takes the old value: not written otherwise, as dst may be the accumulator.
  e.if(e.eqz(equal), () => e.setRegister(0, old, size));
  e.flags.sub(accumulator, old, e.sub(accumulator, old), size);
});

/** SDM Vol. 2A, CMPXCHG8B: only ZF changes. */
export const cmpxchg8b = insn('cmpxchg8b', { lock: true, feature: 'cx8' }, ['0F C7 /1m Mq'], (e, dst) => {
  const old = e.load(dst);
  const pair = <V>(one: Emitter<V>, high: number, low: number): V =>
    one.i64.or(
      one.i64.shl(one.i64.extendU(one.register(high, 4)), one.const64(32n)),
      one.i64.extendU(one.register(low, 4)),
    );
  const equal = e.i64.eq(pair(e, 2, 0), old);
  e.store(dst, e.select(equal, pair(e, 1, 3), old));
  e.if(e.eqz(equal), () => {
    e.setRegister(0, e.i64.wrap(old), 4);
    e.setRegister(2, e.i64.wrap(e.i64.shrU(old, e.const64(32n))), 4);
  });
  e.flags.set({ zf: equal });
});

/** Size of an operand that can only be a general register's. */
export function generalSize(operand: Operand): 1 | 2 | 4 {
  return operand.size as 1 | 2 | 4;
}

export const arith = [add, sub, cmp, inc, dec, adc, sbb, neg, xadd, cmpxchg, cmpxchg8b];
