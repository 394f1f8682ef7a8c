/** Reading and changing a task's register file (cpu/state.ts) from the kernel: segments, frames, program start. */
import { resetState } from '../cpu/eflags.ts';
import { TLS_FIRST } from '../cpu/segment/descriptor.ts';
import { Segments } from '../cpu/segment/segments.ts';
import { CS, DS, ES, ESP, FS, GS, SS, STATE, STATE_SIZE } from '../cpu/state.ts';
import type { Task } from './task.ts';
import { descriptorOf } from './user-desc.ts';

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

function segmentsOf(task: Task, state: DataView): Segments {
  return new Segments(new Int32Array(state.buffer, state.byteOffset, STATE_SIZE / 4), () => task.mm.ldt);
}

/** Loads a segment register; data segments that cannot be loaded become null (ex_handler_clear_fs() and its like). */
export function loadSegment(task: Task, state: DataView, segment: number, value: number): void {
  const selector = value & 0xffff;
  const isData = segment !== CS && segment !== SS;
  const isRefused = isData && segmentsOf(task, state).loadFault(segment, selector) !== undefined;
  state.setUint32(STATE.selector + 4 * segment, isRefused ? 0 : selector, true);
}

/** After a descriptor has changed: a selector that is loaded follows it (do_set_thread_area(), refresh_ldt_segments()). */
export function reloadSegments(task: Task, state: DataView, changed: readonly number[]): void {
  for (const segment of changed) loadSegment(task, state, segment, selector(state, segment));
  task.processor.cpu.reloadSegments();
}

/** Publishes the TLS entries to the CPU, which looks there when the guest loads a segment register. */
export function publishTls(task: Task, state: DataView): void {
  task.tls.forEach((entry, i) => {
    const { low, high } = entry ? descriptorOf(entry) : { low: 0, high: 0 };
    state.setInt32(STATE.tls + 8 * i, low, true);
    state.setInt32(STATE.tls + 8 * i + 4, high, true);
  });
  reloadSegments(task, state, [ES, DS, FS, GS]);
}

/** The registers of a program that starts. */
export function startRegisters(task: Task, eip: number, esp: number): void {
  const state = stateOf(task);
  resetState(new Uint8Array(state.buffer, state.byteOffset, STATE_SIZE));
  state.setUint32(STATE.eip, eip, true);
  state.setUint32(STATE.gpr + 4 * ESP, esp, true);
}
