/** The register stack, and how results and exceptions are committed (SDM Vol. 1, sections 8.1 and 8.4 to 8.7). */

import type { Emitter } from '../emit/emitter.ts';
import { routine } from '../emit/routine.ts';
import {
  BUSY,
  C1,
  C2,
  choose,
  DE,
  ES,
  IE,
  indefinite,
  isInfinite,
  OE,
  outcome,
  PE,
  SF,
  UE,
  ZE,
} from '../f80/format.ts';
import { STATE } from '../state.ts';
import type { Body, Insn, InsnOptions } from './insn.ts';
import { insn } from './insn.ts';

/** Number of the physical register that is ST(i). */
export const physical = <V>(e: Emitter<V>, i: V): V => e.fpu.physical(i);
export const topRegister = <V>(e: Emitter<V>): V => e.fpu.physical(e.const(0));

export const isEmpty = <V>(e: Emitter<V>, register: V): V => e.fpu.isEmpty(register);
export const setEmpty = <V>(e: Emitter<V>, register: V, empty: 0 | 1): void => e.fpu.setEmpty(register, empty);

export const readRegister = <V>(e: Emitter<V>, register: V): [V, V] => e.fpu.read(register);
/** Also marks it as in use. */
export function writeRegister<V>(e: Emitter<V>, register: V, sig: V, word: V, isNormal?: V): void {
  e.fpu.write(register, sig, e.and(word, e.const(0xffff)), isNormal);
  setEmpty(e, register, 0);
}

/** Pops registers, none to two. */
export function pop<V>(e: Emitter<V>, count: number): void {
  for (let i = 0; i < count; i++) setEmpty(e, physical(e, e.const(i)), 1);
  if (count) e.fpu.turn(count);
}

/** Exceptions that, unmasked, leave operands and stack as they were. */
export const BEFORE = IE | DE | ZE;

/** (status bits, what to clear first, unmasked exceptions): the status word where there are some of these. */
const raiseUnmasked = routine('x87_unmasked', ['i32', 'i32', 'i32'], [], (e, flags, clear, unmasked) => {
  // What is not computed is not rounded either.
  const uncomputed = e.select(e.and(unmasked, e.const(BEFORE)), e.const(OE | UE | PE | C1), e.const(0));
  const lost = e.select(e.and(flags, e.const(SF)), e.const(0), uncomputed);
  const kept = e.and(e.state(STATE.fpuStatus), e.xor(clear, e.const(-1)));
  const told = e.and(flags, e.xor(lost, e.const(-1)));
  e.setState(STATE.fpuStatus, e.or(e.or(kept, told), e.const(ES | BUSY)));
  return [];
});

/** Replaces C1 (and what else `clear` names) and adds status bits. Answers the exceptions among them that are unmasked. */
export function raise<V>(e: Emitter<V>, flags: V, clear: V = e.const(C1)): V {
  const masked = e.xor(e.state(STATE.fpuControl), e.const(0x3f));
  const unmasked = e.and(e.and(flags, masked), e.const(0x3f));
  e.if(
    unmasked,
    () => void e.call(raiseUnmasked, flags, clear, unmasked),
    () => addFlags(e, flags, clear),
  );
  return unmasked;
}

/** The same where no exception can be unmasked. */
export function addFlags<V>(e: Emitter<V>, flags: V, clear: V = e.const(C1)): void {
  const kept = e.and(e.state(STATE.fpuStatus), e.xor(clear, e.const(-1)));
  e.setState(STATE.fpuStatus, e.or(kept, flags));
}

/** For results that come with condition codes: a NaN or an unmasked exception leaves C0 and C3 as they were. */
function raiseCodes<V>(e: Emitter<V>, word: V, codes: number): V {
  const flags = flagsOf(e, word);
  const denormal = e.and(e.and(flags, e.const(DE)), e.xor(e.state(STATE.fpuControl), e.const(DE)));
  const failed = e.or(isInfinite(e, word), denormal);
  const clear = e.select(failed, e.const(codes & (C1 | C2)), e.const(codes));
  const answer = e.select(failed, e.const(~codes), e.const(-1));
  return raise(e, e.and(flags, answer), clear);
}

/** Status bits of a result's word. */
export const flagsOf = <V>(e: Emitter<V>, word: V): V => e.shrU(word, e.const(16));

/** Commits a result to a physical register and pops, unless an unmasked exception forbids it. */
export function finish<V>(e: Emitter<V>, register: V, [sig, word]: readonly V[], pops: number, clear = C1): void {
  const unmasked = clear === C1 ? raise(e, flagsOf(e, word)) : raiseCodes(e, word, clear);
  e.if(e.eqz(e.and(unmasked, e.const(BEFORE))), () => {
    writeRegister(e, register, sig, word);
    pop(e, pops);
  });
}

/** Pushes a value, or reports that the stack is full, unless the value comes with a stack fault of its own. */
const pushSlow = routine('x87_push_slow', ['i64', 'i32'], [], (e, sig, word) => {
  const register = physical(e, e.const(7));
  const out = outcome(e);
  e.if(
    e.or(isEmpty(e, register), e.and(word, e.const(SF << 16))),
    () => out.set([sig, word]),
    () => out.set(indefinite(e, IE | SF | C1)),
  );
  const [pushed, pushedWord] = out.get();
  const unmasked = raise(e, flagsOf(e, pushedWord));
  // Loading a denormal sets DE but goes on.
  e.if(e.eqz(e.and(unmasked, e.const(IE))), () => {
    writeRegister(e, register, pushed, pushedWord);
    e.fpu.turn(-1);
  });
  return [];
});

/** Pushes a value without flags where `sure` holds and there is room, else does `otherwise`. */
export function pushIf<V>(e: Emitter<V>, sure: V, [sig, se]: readonly V[], otherwise: () => void, isNormal?: V): void {
  const register = physical(e, e.const(7));
  e.if(
    e.and(sure, isEmpty(e, register)),
    () => {
      e.fpu.write(register, sig, se, isNormal);
      setEmpty(e, register, 0);
      e.fpu.turn(-1);
      e.fpu.clearRoundUp();
    },
    otherwise,
  );
}

/** Pushes a value with its flags. */
export const push = <V>(e: Emitter<V>, value: readonly V[]): void =>
  pushIf(e, e.eqz(flagsOf(e, value[1])), value, () => void e.call(pushSlow, value[0], value[1]));
export const x87Push = routine('x87_push', ['i64', 'i32'], [], (e, sig, word) => {
  push(e, [sig, word]);
  return [];
});

/** `compute` of ST(0), or the answer to an empty register; committed to ST(0). */
export function unary<V>(e: Emitter<V>, compute: (sig: V, se: V) => readonly V[], clear = C1): void {
  const register = topRegister(e);
  const out = outcome(e);
  choose(e, [[isEmpty(e, register), () => out.set(indefinite(e, IE | SF))]], () =>
    out.set(compute(...readRegister(e, register))),
  );
  finish(e, register, out.get(), 0, clear);
}

/** ST(0) and ST(1) -> ST(0), or -> ST(1) and pop. */
export function binary<V>(
  e: Emitter<V>,
  compute: (operands: [V, V, V, V]) => readonly V[],
  into: 0 | 1,
  clear = C1,
): void {
  const st0 = topRegister(e),
    st1 = physical(e, e.const(1));
  const out = outcome(e);
  e.if(
    e.or(isEmpty(e, st0), isEmpty(e, st1)),
    () => out.set(indefinite(e, IE | SF)),
    () => out.set(compute([...readRegister(e, st0), ...readRegister(e, st1)])),
  );
  finish(e, into ? st1 : st0, out.get(), into, clear);
}

/** For x87 instructions that compiled code may keep in locals (insn.ts). */
export const DEFERRABLE: InsnOptions = { deferrable: true };

/** An x87 instruction that waits for pending exceptions and leaves its address as the last instruction pointer. */
export function x87Insn(name: string, rows: readonly string[], body: Body, options: InsnOptions = {}): Insn {
  return insn(name, { feature: 'x87', waits: true, ...options }, rows, (e, ...operands) => {
    body(e, ...operands);
    e.fpu.finish();
  });
}
