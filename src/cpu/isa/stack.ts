/** The stack (SDM Vol. 1, 6.2 and 7.3.1.3). */
import type { Emitter } from '../emit/emitter.ts';
import { EBP, ESP, SS } from '../state.ts';
import { insn } from './insn.ts';

/** SP or ESP, `depth` bytes up. */
export function stackAddress<V>(e: Emitter<V>, depth: number): V {
  const size = e.stackSize;
  return e.zext(e.add(e.register(ESP, size), e.const(depth)), size);
}

/** Pushes a word of the operand size, or only writes so much of it. */
export function push<V>(e: Emitter<V>, value: V, size: 2 | 4, written = size): void {
  const top = stackAddress(e, -size);
  e.write(top, value, written, SS);
  e.setRegister(ESP, top, e.stackSize);
}

/** What POP would pop; the caller moves ESP when nothing can fault any more. */
export function stackTop<V>(e: Emitter<V>, size: 2 | 4, depth = 0): V {
  return e.read(stackAddress(e, depth), size, SS);
}

export function drop<V>(e: Emitter<V>, bytes: number): void {
  e.setRegister(ESP, stackAddress(e, bytes), e.stackSize);
}

/** Drops as many bytes more as a value says. */
export function dropMore<V>(e: Emitter<V>, bytes: number, more: V): void {
  const size = e.stackSize;
  e.setRegister(ESP, e.add(stackAddress(e, bytes), more), size);
}

/** SDM Vol. 2B, PUSH. */
export const pushOperand = insn('push', {}, ['50+r Zv', 'FF /6 Ev', '68 Iz', '6A Ibs'], (e, src) =>
  push(e, e.load(src), src.size as 2 | 4),
);

/** SDM Vol. 2B, POP: `pop esp` leaves the popped value. */
export const pop = insn('pop', { popsFirst: true }, ['58+r Zv', '8F /0 Ev'], (e, dst) => {
  const size = dst.size as 2 | 4;
  const value = stackTop(e, size);
  if (e.isMemory(dst)) {
    e.store(dst, value);
    drop(e, size);
  } else {
    drop(e, size);
    e.store(dst, value);
  }
});

/** PUSH and POP of segment registers: the upper half of a 32-bit push is left alone by current processors. */
const segments = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];
const PUSH_SEGMENT = ['06', '0E', '16', '1E', '0F A0', '0F A8'];
const POP_SEGMENT = ['07', '', '17', '1F', '0F A1', '0F A9'];

export const pushSegment = insn(
  'push sreg',
  {},
  PUSH_SEGMENT.map((opcode, i) => `${opcode} ${segments[i]}`),
  (e, src) => push(e, e.load(src), e.operandSize, 2),
);

export const popSegment = insn(
  'pop sreg',
  { evaluated: true },
  POP_SEGMENT.flatMap((opcode, i) => (opcode ? [`${opcode} ${segments[i]}`] : [])),
  (e, dst) => {
    const size = e.operandSize;
    e.store(dst, stackTop(e, 2));
    drop(e, size);
  },
);

/** SDM Vol. 2B, PUSHA: ESP as it was before. */
export const pusha = insn('pusha', {}, ['60'], (e) => {
  const size = e.operandSize;
  for (let n = 0; n < 8; n++) e.write(stackAddress(e, -(n + 1) * size), e.register(n, size), size, SS);
  drop(e, -8 * size);
});

/** SDM Vol. 2B, POPA: ESP's image is skipped. Where a later word faults, processors have written the registers before it. */
export const popa = insn('popa', {}, ['61'], (e) => {
  const size = e.operandSize;
  for (let n = 0; n < 8; n++) {
    const value = stackTop(e, size, n * size);
    if (7 - n !== ESP) e.setRegister(7 - n, value, size);
  }
  drop(e, 8 * size);
});

/** SDM Vol. 2A, ENTER. The nesting level is taken modulo 32. */
export const enter = insn('enter', {}, ['C8 Iw,Ib'], (e, bytes, nesting) => {
  const size = e.operandSize;
  const width = e.stackSize;
  const level = e.and(e.load(nesting), e.const(31));
  const below = (place: ReturnType<typeof e.load>): typeof place => e.zext(e.sub(place, e.const(size)), width);
  const frame = stackAddress(e, -size);
  e.write(frame, e.register(EBP, size), size, SS);
  const top = e.variable('i32', frame);
  const link = e.variable('i32', e.register(EBP, width));
  const left = e.variable('i32', level);
  const pushNext = (value: ReturnType<typeof e.load>): void => {
    top.set(below(top.get()));
    e.write(top.get(), value, size, SS);
  };
  e.while(
    () => e.gtS(left.get(), e.const(1)),
    () => {
      link.set(below(link.get()));
      pushNext(e.read(link.get(), size, SS));
      left.set(e.sub(left.get(), e.const(1)));
    },
  );
  // All of ESP, however much of it addresses the stack.
  const pointer = width === 4 ? frame : e.or(e.and(e.register(ESP, 4), e.const(~0xffff)), frame);
  e.if(level, () => pushNext(pointer));
  const newTop = e.zext(e.sub(top.get(), e.load(bytes)), width);
  e.probeWrite(newTop, size, SS);
  e.setRegister(EBP, pointer, size);
  e.setRegister(ESP, newTop, width);
});

/** SDM Vol. 2A, LEAVE. */
export const leave = insn('leave', {}, ['C9'], (e) => {
  const size = e.operandSize;
  const width = e.stackSize;
  const frame = e.register(EBP, width);
  const saved = e.read(frame, size, SS);
  e.setRegister(ESP, e.add(frame, e.const(size)), width);
  e.setRegister(EBP, saved, size);
});

export const stack = [pushOperand, pop, leave, pushSegment, popSegment, pusha, popa, enter];
