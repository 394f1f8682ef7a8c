/** Logical instructions and bit tests that set flags like them (SDM Vol. 1, 7.3.3 and 7.3.5). */
import { arithmeticRows } from './arith.ts';
import { insn } from './insn.ts';

/** SDM Vol. 2A, AND. */
export const and = insn('and', { lock: true }, arithmeticRows(4), (e, dst, src) => {
  const result = e.and(e.load(dst), e.load(src));
  e.store(dst, result);
  e.flags.logic(result, dst.size);
});

/** SDM Vol. 2B, OR. */
export const or = insn('or', { lock: true }, arithmeticRows(1), (e, dst, src) => {
  const result = e.or(e.load(dst), e.load(src));
  e.store(dst, result);
  e.flags.logic(result, dst.size);
});

/** SDM Vol. 2D, XOR. */
export const xor = insn('xor', { lock: true }, arithmeticRows(6), (e, dst, src) => {
  const result = e.xor(e.load(dst), e.load(src));
  e.store(dst, result);
  e.flags.logic(result, dst.size);
});

/** SDM Vol. 2D, TEST. */
export const test = insn(
  'test',
  {},
  ['85 /r Ev,Gv', '84 /r Eb,Gb', 'A9 eAX,Iz', 'A8 AL,Ib', 'F7 /0 Ev,Iz', 'F6 /0 Eb,Ib', 'F7 /1 Ev,Iz', 'F6 /1 Eb,Ib'],
  (e, a, b) => e.flags.logic(e.and(e.load(a), e.load(b)), a.size),
);

/** SDM Vol. 2B, NOT: no flags. */
export const not = insn('not', { lock: true }, ['F7 /2 Ev', 'F6 /2 Eb'], (e, dst) =>
  e.store(dst, e.xor(e.load(dst), e.const(-1))),
);

export const logic = [test, and, xor, or, not];
