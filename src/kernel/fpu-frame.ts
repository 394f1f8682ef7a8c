/** The x87, MMX and SSE state as FSAVE and FXSAVE lay it out: for signal frames, cores and ptrace-like notes. */
import { STATE } from '../cpu/state.ts';
import { USER_CS, USER_DS } from './registers.ts';

export const FSAVE_SIZE = 108;
export const FXSAVE_SIZE = 512;
/** What MXCSR can hold (FXSAVE's mxcsr_mask), denormals-are-zero included. */
const MXCSR_MASK = 0xffff;

function statusWord(state: DataView): number {
  return (state.getUint32(STATE.fpuStatus, true) & ~0x3800) | ((state.getUint32(STATE.fpuTop, true) & 7) << 11);
}

/** Copies ST(i), 10 bytes, between the register file and a frame. */
function copyRegister(from: DataView, at: number, to: DataView, into: number): void {
  to.setBigUint64(into, from.getBigUint64(at, true), true);
  to.setUint16(into + 8, from.getUint16(at + 8, true), true);
}

/** Two bits for each physical register: 0 valid, 1 zero, 2 special, 3 empty (SDM Vol. 1, 8.1.7). */
function tagWord(state: DataView): number {
  let tags = 0;
  for (let i = 0; i < 8; i++) tags |= tagOf(state, i) << (2 * i);
  return tags;
}

function tagOf(state: DataView, physical: number): number {
  if (state.getUint8(STATE.fpuEmpty + physical) !== 0) return 3;
  const significand = state.getBigUint64(STATE.fpr + 16 * physical, true);
  const exponent = state.getUint16(STATE.fpr + 16 * physical + 8, true) & 0x7fff;
  if (exponent === 0) return significand === 0n ? 1 : 2;
  return exponent === 0x7fff || significand >> 63n === 0n ? 2 : 0;
}

/** Writes an FSAVE image (32-bit protected mode). */
export function writeFsave(state: DataView, to: DataView, at: number): void {
  const top = state.getUint32(STATE.fpuTop, true) & 7;
  to.setUint32(at, state.getUint32(STATE.fpuControl, true) | 0xffff0000, true);
  to.setUint32(at + 4, statusWord(state) | 0xffff0000, true);
  to.setUint32(at + 8, tagWord(state) | 0xffff0000, true);
  to.setUint32(at + 12, state.getUint32(STATE.fpuIp, true), true);
  to.setUint32(at + 16, USER_CS | ((state.getUint32(STATE.fpuOpcode, true) & 0x7ff) << 16), true);
  to.setUint32(at + 20, state.getUint32(STATE.fpuDataPointer, true), true);
  to.setUint32(at + 24, USER_DS | 0xffff0000, true);
  for (let i = 0; i < 8; i++) copyRegister(state, STATE.fpr + 16 * ((top + i) & 7), to, at + 28 + 10 * i);
}

/** Writes an FXSAVE image. */
export function writeFxsave(state: DataView, to: DataView, at: number): void {
  const top = state.getUint32(STATE.fpuTop, true) & 7;
  for (let i = 0; i < FXSAVE_SIZE; i += 4) to.setUint32(at + i, 0, true);
  to.setUint16(at, state.getUint32(STATE.fpuControl, true), true);
  to.setUint16(at + 2, statusWord(state), true);
  let valid = 0;
  for (let i = 0; i < 8; i++) if (state.getUint8(STATE.fpuEmpty + i) === 0) valid |= 1 << i;
  to.setUint8(at + 4, valid);
  to.setUint16(at + 6, state.getUint32(STATE.fpuOpcode, true) & 0x7ff, true);
  to.setUint32(at + 8, state.getUint32(STATE.fpuIp, true), true);
  to.setUint16(at + 12, USER_CS, true);
  to.setUint32(at + 16, state.getUint32(STATE.fpuDataPointer, true), true);
  to.setUint16(at + 20, USER_DS, true);
  to.setUint32(at + 24, state.getUint32(STATE.mxcsr, true), true);
  to.setUint32(at + 28, MXCSR_MASK, true);
  for (let i = 0; i < 8; i++) {
    copyRegister(state, STATE.fpr + 16 * ((top + i) & 7), to, at + 32 + 16 * i);
    for (let half = 0; half < 16; half += 8) {
      to.setBigUint64(at + 160 + 16 * i + half, state.getBigUint64(STATE.xmm + 16 * i + half, true), true);
    }
  }
}

function loadStatus(state: DataView, control: number, status: number): number {
  state.setUint32(STATE.fpuControl, (control & 0x1f3f) | 0x40, true);
  state.setUint32(STATE.fpuStatus, status & 0xc7ff, true);
  const top = (status >> 11) & 7;
  state.setUint32(STATE.fpuTop, top, true);
  return top;
}

/** Takes the x87 state from an FSAVE image. */
export function readFsave(state: DataView, from: DataView, at: number): void {
  const top = loadStatus(state, from.getUint16(at, true), from.getUint16(at + 4, true));
  const tags = from.getUint16(at + 8, true);
  for (let i = 0; i < 8; i++) {
    state.setUint8(STATE.fpuEmpty + i, ((tags >> (2 * i)) & 3) === 3 ? 1 : 0);
    copyRegister(from, at + 28 + 10 * i, state, STATE.fpr + 16 * ((top + i) & 7));
  }
  state.setUint32(STATE.fpuIp, from.getUint32(at + 12, true), true);
  state.setUint32(STATE.fpuOpcode, from.getUint16(at + 18, true) & 0x7ff, true);
  state.setUint32(STATE.fpuDataPointer, from.getUint32(at + 20, true), true);
}

/** Takes x87 and SSE state from an FXSAVE image; false when MXCSR has reserved bits (#GP). */
export function readFxsave(state: DataView, from: DataView, at: number): boolean {
  const mxcsr = from.getUint32(at + 24, true);
  if ((mxcsr & ~MXCSR_MASK) !== 0) return false;
  const top = loadStatus(state, from.getUint16(at, true), from.getUint16(at + 2, true));
  const valid = from.getUint8(at + 4);
  state.setUint32(STATE.fpuOpcode, from.getUint16(at + 6, true) & 0x7ff, true);
  state.setUint32(STATE.fpuIp, from.getUint32(at + 8, true), true);
  state.setUint32(STATE.fpuDataPointer, from.getUint32(at + 16, true), true);
  state.setUint32(STATE.mxcsr, mxcsr, true);
  for (let i = 0; i < 8; i++) {
    state.setUint8(STATE.fpuEmpty + i, (valid >> i) & 1 ? 0 : 1);
    copyRegister(from, at + 32 + 16 * i, state, STATE.fpr + 16 * ((top + i) & 7));
    for (let half = 0; half < 16; half += 8) {
      state.setBigUint64(STATE.xmm + 16 * i + half, from.getBigUint64(at + 160 + 16 * i + half, true), true);
    }
  }
  return true;
}
