/** EFLAGS of a register file in plain bytes, for signal frames, core files and the like. Pair and bits: emit/flags.ts. */
import { STATE } from './state.ts';

const CF = 0x1;
const FIXED = 0x2;
const PF = 0x4;
const AF = 0x10;
const ZF = 0x40;
const SF = 0x80;
const IF = 0x200;
const DF = 0x400;
const OF = 0x800;
/** TF, NT, RF, AC, ID: what user code can change besides. */
export const SYSTEM_FLAGS = 0x0025_4100;

function hasEvenParity(byte: number): boolean {
  let folded = byte ^ (byte >> 4);
  folded ^= folded >> 2;
  return ((folded ^ (folded >> 1)) & 1) === 0;
}

export function readEflags(state: Uint8Array): number {
  const view = new DataView(state.buffer, state.byteOffset);
  const result = view.getInt32(STATE.flagResult, true);
  const aux = view.getInt32(STATE.flagAux, true);
  let image = FIXED | IF | (view.getInt32(STATE.flagSystem, true) & SYSTEM_FLAGS);
  if (aux < 0) image |= CF;
  if (hasEvenParity((result ^ (aux >> 8)) & 0xff)) image |= PF;
  if (aux & 8) image |= AF;
  if (result === 0) image |= ZF;
  if (result < 0 !== ((aux & 1) === 1)) image |= SF;
  if ((aux ^ (aux << 1)) < 0) image |= OF;
  if (view.getInt32(STATE.direction, true) < 0) image |= DF;
  return image;
}

export function writeEflags(state: Uint8Array, image: number): void {
  const view = new DataView(state.buffer, state.byteOffset);
  const bit = (mask: number): number => (image & mask ? 1 : 0);
  const aux = (bit(CF) << 31) | ((bit(CF) ^ bit(OF)) << 30) | ((bit(PF) ^ bit(ZF)) << 8) | (bit(AF) << 3) | bit(SF);
  view.setInt32(STATE.flagResult, bit(ZF) ^ 1, true);
  view.setInt32(STATE.flagAux, aux, true);
  view.setInt32(STATE.flagSystem, IF | (image & SYSTEM_FLAGS), true);
  view.setInt32(STATE.direction, bit(DF) ? -1 : 1, true);
}

/** Sets a register file to what execve gives a program: everything 0 but what must not be. */
export function resetState(state: Uint8Array): void {
  state.fill(0, 0);
  const view = new DataView(state.buffer, state.byteOffset);
  writeEflags(state, 0);
  // Flat segments of Linux/i386 under a 64-bit kernel: es cs ss ds; fs and gs null.
  for (const [i, selector] of [0x2b, 0x23, 0x2b, 0x2b, 0, 0].entries())
    view.setUint32(STATE.selector + i * 4, selector, true);
  view.setUint32(STATE.fpuControl, 0x37f, true);
  for (let i = 0; i < 8; i++) view.setUint8(STATE.fpuEmpty + i, 1);
  view.setUint32(STATE.mxcsr, 0x1f80, true);
}
