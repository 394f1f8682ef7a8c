/** Reading and changing a task's register file (cpu/state.ts) from the kernel: segments, frames, program start. */
import { resetState } from '../cpu/eflags.ts';
import { TLS_FIRST } from '../cpu/emit/segments.ts';
import { ESP, STATE, STATE_SIZE } from '../cpu/state.ts';
import type { Task } from './task.ts';

export { TLS_FIRST };

/** Index of EIP in task.regs, after the eight general registers. */
export const EIP = STATE.eip / 4;

/** Selectors of a 32-bit program under a 64-bit kernel. */
export const USER_CS = 0x23;
export const USER_DS = 0x2b;

/** EFLAGS that sigreturn takes from the frame: AC OF DF TF SF ZF AF PF CF and RF (FIX_EFLAGS). */
export const FIX_EFLAGS = 0x50dd5;

/** The register file where it is now: on the processor, or with the sleeping task. */
export function stateOf(task: Task): DataView {
  return task.processor.current === task ? task.processor.state : new DataView(task.registers.buffer);
}

export function selector(state: DataView, segment: number): number {
  return state.getUint32(STATE.selector + 4 * segment, true);
}

/** Loads a segment register: the base comes from the task's TLS entry, or is 0. */
export function loadSegment(task: Task, state: DataView, segment: number, value: number): void {
  const index = value >> 3;
  const entry = index >= TLS_FIRST && index < TLS_FIRST + 3 ? task.tls[index - TLS_FIRST] : null;
  state.setUint32(STATE.selector + 4 * segment, value & 0xffff, true);
  state.setUint32(STATE.segmentBase + 4 * segment, entry?.base ?? 0, true);
}

/**
 * Publishes the TLS entries to the CPU, which looks there when the guest loads a segment register. A selector that is
 * loaded already follows its entry (Linux: do_set_thread_area, and every task switch).
 */
export function publishTls(task: Task, state: DataView): void {
  let present = 0;
  for (let i = 0; i < 3; i++) {
    const entry = task.tls[i];
    state.setUint32(STATE.tlsBase + 4 * i, entry?.base ?? 0, true);
    if (entry !== null) present |= 1 << i;
  }
  state.setUint32(STATE.tlsPresent, present, true);
  for (let segment = 0; segment < 6; segment++) {
    const loaded = selector(state, segment);
    if (loaded >> 3 >= TLS_FIRST) loadSegment(task, state, segment, loaded);
  }
}

/** The registers of a program that starts. */
export function startRegisters(task: Task, eip: number, esp: number): void {
  const state = stateOf(task);
  resetState(new Uint8Array(state.buffer, state.byteOffset, STATE_SIZE));
  state.setUint32(STATE.eip, eip, true);
  state.setUint32(STATE.gpr + 4 * ESP, esp, true);
}
