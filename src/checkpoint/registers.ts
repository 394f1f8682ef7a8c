/** A task's register file (cpu/state.ts) as an image has it. */
import { STATE, STATE_SIZE } from '../cpu/state.ts';
import { ImageError } from './image.ts';

/** What only the processor that it ran on understands: words of its last slice. */
const TRANSIENT = [
  ...[STATE.exitReason, STATE.exitDetail, STATE.lastAccess, STATE.budget, STATE.record],
  ...[STATE.address, STATE.processor],
];
/** Filled from the task's own entries. */
const TLS_SIZE = 24;
/** Scratch of instruction bodies. */
const SCRATCH_SIZE = 64;

export function portableRegisters(registers: Uint8Array): Uint8Array {
  const copy = registers.slice();
  const view = new DataView(copy.buffer);
  for (const offset of TRANSIENT) view.setUint32(offset, 0, true);
  copy.fill(0, STATE.scratch, STATE.scratch + SCRATCH_SIZE);
  copy.fill(0, STATE.tls, STATE.tls + TLS_SIZE);
  return copy;
}

/** Registers from an image: those that the CPU takes as indices are within their bounds. */
export function soundRegisters(bytes: Uint8Array): Uint8Array {
  if (bytes.length !== STATE_SIZE) throw new ImageError('a register file is incomplete');
  const registers = portableRegisters(bytes);
  const view = new DataView(registers.buffer);
  view.setUint32(STATE.zero, 0, true);
  view.setInt32(STATE.direction, view.getInt32(STATE.direction, true) < 0 ? -1 : 1, true);
  view.setUint32(STATE.fpuTop, view.getUint32(STATE.fpuTop, true) & 7, true);
  for (let i = 0; i < 8; i++) registers[STATE.fpuEmpty + i] &= 1;
  for (let i = 0; i < 6; i++) {
    view.setUint32(STATE.selector + 4 * i, view.getUint32(STATE.selector + 4 * i, true) & 0xffff, true);
  }
  return registers;
}
