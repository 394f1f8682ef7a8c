/** Control transfer (SDM Vol. 1, 7.3.8). */
import type { Emitter, Operand } from '../emit/emitter.ts';
import { Exit } from '../exit.ts';
import { CS, ECX, SS, STATE } from '../state.ts';
import type { InsnOptions } from './insn.ts';
import { insn } from './insn.ts';
import { drop, dropMore, push, stackAddress, stackTop } from './stack.ts';

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
  dropMore(e, size, e.load(bytes));
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

/** Far transfers stay at privilege 3: no gates, no tasks (SDM Vol. 2A, JMP, CALL, RET). */
const FAR: InsnOptions = { branch: true, ends: true, evaluated: true };

function transfer<V>(e: Emitter<V>, selector: V, offset: V, isCall: boolean): void {
  e.requireCode(selector, false);
  if (isCall) {
    const size = e.operandSize;
    e.write(stackAddress(e, -size), e.state(STATE.selector + CS * 4), size, SS);
    e.write(stackAddress(e, -2 * size), e.nextEip(), size, SS);
    drop(e, -2 * size);
  }
  e.jumpFar(selector, offset);
}
function farMemory<V>(e: Emitter<V>, target: Operand): [V, V] {
  const size = e.operandSize;
  const offset = e.read(e.operandAddress(target), size);
  return [e.read(e.partAddress(target, size), 2), offset];
}
export const jmpFar = insn('jmp far', FAR, ['EA Ap'], (e, target) =>
  transfer(e, e.farSelector(target), e.load(target), false),
);
export const callFar = insn('call far', FAR, ['9A Ap'], (e, target) =>
  transfer(e, e.farSelector(target), e.load(target), true),
);
export const jmpFarMemory = insn('jmp far', FAR, ['FF /5m Mp'], (e, target) =>
  transfer(e, ...farMemory(e, target), false),
);
export const callFarMemory = insn('call far', FAR, ['FF /3m Mp'], (e, target) =>
  transfer(e, ...farMemory(e, target), true),
);
export const retFar = insn('ret far', FAR, ['CB', 'CA Iw'], (e, bytes) => {
  const size = e.operandSize;
  const selector = stackTop(e, 2, size);
  const offset = stackTop(e, size);
  e.requireCode(selector, true);
  dropMore(e, 2 * size, bytes ? e.load(bytes) : e.const(0));
  e.jumpFar(selector, offset);
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
  const lower = e.sext(e.read(e.operandAddress(bounds), size), size);
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
