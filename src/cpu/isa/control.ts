/** Control transfer (SDM Vol. 1, 7.3.8). */
import type { Emitter } from '../emit/emitter.ts';
import { Exit } from '../exit.ts';
import { CS, ECX, ESP, STATE } from '../state.ts';
import { insn } from './insn.ts';
import { drop, push, stackTop } from './stack.ts';

/** SDM Vol. 2A, JMP near. */
export const jmp = insn('jmp', { branch: true, ends: true }, ['EB Jb', 'E9 Jz'], (e, target) => e.jump(target));
export const jmpIndirect = insn('jmp', { branch: true, ends: true }, ['FF /4 Ev'], (e, target) =>
  e.jumpIndirect(e.load(target)),
);

/** SDM Vol. 2A, Jcc. */
export const jcc = Array.from({ length: 16 }, (_, code) => {
  const digit = code.toString(16).toUpperCase();
  return insn('j', { branch: true }, [`7${digit} Jb`, `0F 8${digit} Jz`], (e, target) =>
    e.jumpIf(e.condition(code), target),
  );
});

/** SDM Vol. 2A, CALL near. */
export const call = insn('call', { branch: true }, ['E8 Jz'], (e, target) => {
  push(e, e.nextEip(), e.operandSize);
  e.jump(target);
});
export const callIndirect = insn('call', { branch: true }, ['FF /2 Ev'], (e, target) => {
  const address = e.load(target);
  push(e, e.nextEip(), target.size as 2 | 4);
  e.jumpIndirect(address);
});

/** SDM Vol. 2B, RET near. */
export const ret = insn('ret', { branch: true, ends: true }, ['C3'], (e) => {
  const size = e.operandSize;
  const address = stackTop(e, size);
  drop(e, size);
  e.jumpIndirect(address);
});
export const retPop = insn('ret', { branch: true, ends: true }, ['C2 Iw'], (e, bytes) => {
  const size = e.operandSize;
  const address = stackTop(e, size);
  const top = e.add(e.register(ESP, 4), e.const(size));
  e.setRegister(ESP, e.add(top, e.load(bytes)), 4);
  e.jumpIndirect(address);
});

/** eCX by address size. */
function counter<V>(e: Emitter<V>): { value: V; set: (value: V) => void } {
  const size = e.addressSize;
  return { value: e.register(ECX, size), set: (value) => e.setRegister(ECX, value, size) };
}

/** SDM Vol. 2A, LOOP, LOOPE, LOOPNE; and JECXZ. */
const loopWhile = (opcode: string, goesOn: <V>(e: Emitter<V>) => V | undefined) =>
  insn('loop', { branch: true }, [`${opcode} Jb`], (e, target) => {
    const { value, set } = counter(e);
    const left = e.zext(e.sub(value, e.const(1)), e.addressSize);
    set(left);
    const isLeft = e.ne(left, e.const(0));
    const condition = goesOn(e);
    e.jumpIf(condition === undefined ? isLeft : e.and(isLeft, condition), target);
  });
export const loops = [
  loopWhile('E2', () => undefined),
  loopWhile('E1', (e) => e.flags.get('zf')),
  loopWhile('E0', (e) => e.eqz(e.flags.get('zf'))),
];
export const jecxz = insn('jecxz', { branch: true }, ['E3 Jb'], (e, target) =>
  e.jumpIf(e.eqz(counter(e).value), target),
);

/** Far transfers: only the flat user code segment, 0x23, exists. Its privilege level may be asked for as a higher one. */
function requireFlatCode<V>(e: Emitter<V>, selector: V, ignored: 0 | 3): void {
  const isFlat = e.eq(e.or(e.and(selector, e.const(0xffff)), e.const(ignored)), e.const(0x23));
  e.if(e.eqz(isFlat), () => e.fault(Exit.generalProtection, e.and(selector, e.const(0xfffc))));
}
function pushFar<V>(e: Emitter<V>, size: 2 | 4): void {
  const top = e.sub(e.register(ESP, 4), e.const(2 * size));
  e.write(e.add(top, e.const(size)), e.state(STATE.selector + CS * 4), size);
  e.write(top, e.nextEip(), size);
  e.setRegister(ESP, top, 4);
}

export const jmpFar = insn('jmp far', { branch: true, ends: true }, ['EA Ap'], (e, target) => {
  requireFlatCode(e, e.farSelector(target), 3);
  e.jumpIndirect(e.load(target));
});
export const callFar = insn('call far', { branch: true, ends: true }, ['9A Ap'], (e, target) => {
  requireFlatCode(e, e.farSelector(target), 3);
  pushFar(e, e.operandSize);
  e.jumpIndirect(e.load(target));
});
export const jmpFarMemory = insn('jmp far', { branch: true, ends: true }, ['FF /5m Mp'], (e, target) => {
  const size = e.operandSize;
  const offset = e.read(e.linearAddress(target), size);
  requireFlatCode(e, e.read(e.partAddress(target, size), 2), 3);
  e.jumpIndirect(offset);
});
export const callFarMemory = insn('call far', { branch: true, ends: true }, ['FF /3m Mp'], (e, target) => {
  const size = e.operandSize;
  const offset = e.read(e.linearAddress(target), size);
  requireFlatCode(e, e.read(e.partAddress(target, size), 2), 3);
  pushFar(e, size);
  e.jumpIndirect(offset);
});
export const retFar = insn('ret far', { branch: true, ends: true }, ['CB', 'CA Iw'], (e, bytes) => {
  const size = e.operandSize;
  const selector = stackTop(e, 2, size);
  const offset = stackTop(e, size);
  requireFlatCode(e, selector, 0);
  const top = e.add(e.register(ESP, 4), e.const(2 * size));
  e.setRegister(ESP, bytes ? e.add(top, e.load(bytes)) : top, 4);
  e.jumpIndirect(offset);
});

/** SDM Vol. 2A, INT n. Linux has gates for user code at 3, 4 and 0x80. */
export const int = insn('int', { branch: true, ends: true }, ['CD Ib'], (e, vector) => {
  const number = e.load(vector);
  e.if(e.eq(number, e.const(0x80)), () => e.trap(Exit.syscall));
  e.if(e.eq(number, e.const(3)), () => e.trap(Exit.breakpoint));
  e.if(e.eq(number, e.const(4)), () => e.trap(Exit.overflow));
  e.fault(Exit.interrupt, number);
});
export const int3 = insn('int3', { branch: true, ends: true }, ['CC'], (e) => e.trap(Exit.breakpoint));
export const into = insn('into', { branch: true }, ['CE'], (e) => e.if(e.flags.get('of'), () => e.trap(Exit.overflow)));
export const int1 = insn('int1', { branch: true, ends: true }, ['F1'], (e) => e.trap(Exit.debug, e.const(0)));

/** SDM Vol. 2A, BOUND. */
export const bound = insn('bound', {}, ['62 /rm Gv,Ma'], (e, index, bounds) => {
  const size = index.size as 2 | 4;
  const lower = e.sext(e.read(e.linearAddress(bounds), size), size);
  const value = e.loadSigned(index);
  e.if(e.ltS(value, lower), () => e.fault(Exit.bound));
  const upper = e.sext(e.read(e.partAddress(bounds, size), size), size);
  e.if(e.gtS(value, upper), () => e.fault(Exit.bound));
});

export const control = [
  ...jcc,
  jmp,
  call,
  ret,
  jmpIndirect,
  callIndirect,
  retPop,
  jecxz,
  ...loops,
  int,
  int3,
  into,
  int1,
  bound,
  jmpFar,
  callFar,
  jmpFarMemory,
  callFarMemory,
  retFar,
];
