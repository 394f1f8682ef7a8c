/**
 * The segments of a 32-bit program under a 64-bit Linux (arch/x86/include/asm/segment.h): GDT entries 4 and 5 are its flat
 * code and data, 6 the code of 64-bit programs, 12 to 14 the task's TLS. There is no LDT.
 */
import { STATE } from '../state.ts';
import type { Emitter } from './emitter.ts';

export const USER32_CS = 0x23;
export const USER_DS = 0x2b;
export const USER_CS = 0x33;
/** GDT entry of the first of three TLS segments. */
export const TLS_FIRST = 12;

export interface SelectorValues<V> {
  /** A flat segment that user code may load. */
  isUser: V;
  isData: V;
  isTls: V;
  /** The TLS segment's base, or 0. */
  base: V;
}

/** Conditions on a selector of 16 bits; its privilege level does not matter to them. */
export function describeSelector<V>(e: Emitter<V>, selector: V): SelectorValues<V> {
  const entry = e.or(selector, e.const(3));
  const isData = e.eq(entry, e.const(USER_DS));
  const isCode = e.or(e.eq(entry, e.const(USER32_CS)), e.eq(entry, e.const(USER_CS)));
  const slot = e.sub(e.shrU(selector, e.const(3)), e.const(TLS_FIRST));
  const isInRange = e.and(e.ltU(slot, e.const(3)), e.eqz(e.and(selector, e.const(4))));
  const position = e.select(isInRange, slot, e.const(0));
  const isTls = e.and(isInRange, e.shrU(e.state(STATE.tlsPresent), position));
  const tlsBase = e.state(STATE.tlsBase, 'i32', e.shl(position, e.const(2)));
  return { isUser: e.or(isData, isCode), isData, isTls, base: e.select(isTls, tlsBase, e.const(0)) };
}
