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
export const physical = <V>(e: Emitter<V>, i: V): V => e.and(e.add(e.state(STATE.fpuTop), i), e.const(7));

export const isEmpty = <V>(e: Emitter<V>, register: V): V => e.state(STATE.fpuEmpty, 'u8', register);
export const setEmpty = <V>(e: Emitter<V>, register: V, empty: 0 | 1): void =>
  e.setState(STATE.fpuEmpty, e.const(empty), 'u8', register);

const slot = <V>(e: Emitter<V>, register: V): V => e.shl(register, e.const(4));
export const readRegister = <V>(e: Emitter<V>, register: V): [V, V] => [
  e.state(STATE.fpr, 'i64', slot(e, register)),
  e.state(STATE.fpr + 8, 'i32', slot(e, register)),
];
/** Also marks it as in use. */
export function writeRegister<V>(e: Emitter<V>, register: V, sig: V, word: V): void {
  e.setState(STATE.fpr, sig, 'i64', slot(e, register));
  e.setState(STATE.fpr + 8, e.and(word, e.const(0xffff)), 'i32', slot(e, register));
  setEmpty(e, register, 0);
}

/** Pops 0, 1 or 2 registers, as the i32 says. */
export function pop<V>(e: Emitter<V>, count: V): void {
  e.if(count, () => {
    const top = e.state(STATE.fpuTop);
    const last = e.and(e.add(top, e.sub(count, e.const(1))), e.const(7));
    setEmpty(e, top, 1);
    setEmpty(e, last, 1);
    e.setState(STATE.fpuTop, e.and(e.add(top, count), e.const(7)));
  });
}

/** Exceptions that, unmasked, leave operands and stack as they were. */
export const BEFORE = IE | DE | ZE;

/** Replaces C1 (and what else `clear` names) and adds status bits. Answers the exceptions among them that are unmasked. */
export function raise<V>(e: Emitter<V>, flags: V, clear: number | V = C1): V {
  const mask = typeof clear === 'number' ? e.const(~clear) : e.xor(clear, e.const(-1));
  const kept = e.and(e.state(STATE.fpuStatus), mask);
  const unmasked = e.and(e.and(flags, e.const(0x3f)), e.xor(e.state(STATE.fpuControl), e.const(0x3f)));
  const summary = e.select(unmasked, e.const(ES | BUSY), e.const(0));
  // What is not computed is not rounded either.
  const uncomputed = e.select(e.and(unmasked, e.const(BEFORE)), e.const(OE | UE | PE | C1), e.const(0));
  const lost = e.select(e.and(flags, e.const(SF)), e.const(0), uncomputed);
  e.setState(STATE.fpuStatus, e.or(e.or(kept, e.and(flags, e.xor(lost, e.const(-1)))), summary));
  return unmasked;
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
export function finish<V>(e: Emitter<V>, register: V, [sig, word]: readonly V[], pops: V, clear: number = C1): void {
  const unmasked = clear === C1 ? raise(e, flagsOf(e, word)) : raiseCodes(e, word, clear);
  e.if(e.eqz(e.and(unmasked, e.const(BEFORE))), () => {
    writeRegister(e, register, sig, word);
    pop(e, pops);
  });
}

/** Pushes a value, or reports that the stack is full, unless the value comes with a stack fault of its own. */
export function push<V>(e: Emitter<V>, [sig, word]: readonly V[]): void {
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
    e.setState(STATE.fpuTop, register);
    writeRegister(e, register, pushed, pushedWord);
  });
}
export const x87Push = routine('x87_push', ['i64', 'i32'], [], (e, sig, word) => {
  push(e, [sig, word]);
  return [];
});

/** `compute` of ST(0), or the answer to an empty register; committed to ST(0). */
export function unary<V>(e: Emitter<V>, compute: (sig: V, se: V) => readonly V[], clear: number = C1): void {
  const register = e.state(STATE.fpuTop);
  const out = outcome(e);
  choose(e, [[isEmpty(e, register), () => out.set(indefinite(e, IE | SF))]], () =>
    out.set(compute(...readRegister(e, register))),
  );
  finish(e, register, out.get(), e.const(0), clear);
}

/** ST(0) and ST(1) -> ST(0), or -> ST(1) and pop. */
export function binary<V>(
  e: Emitter<V>,
  compute: (operands: [V, V, V, V]) => readonly V[],
  into: 0 | 1,
  clear: number = C1,
): void {
  const st0 = e.state(STATE.fpuTop),
    st1 = physical(e, e.const(1));
  const out = outcome(e);
  e.if(
    e.or(isEmpty(e, st0), isEmpty(e, st1)),
    () => out.set(indefinite(e, IE | SF)),
    () => out.set(compute([...readRegister(e, st0), ...readRegister(e, st1)])),
  );
  finish(e, into ? st1 : st0, out.get(), e.const(into), clear);
}

/** An x87 instruction that waits for pending exceptions and leaves its address as the last instruction pointer. */
export function x87Insn(name: string, rows: readonly string[], body: Body, options: InsnOptions = {}): Insn {
  return insn(name, { feature: 'x87', waits: true, ...options }, rows, (e, ...operands) => {
    body(e, ...operands);
    e.setState(STATE.fpuIp, e.currentEip());
  });
}
