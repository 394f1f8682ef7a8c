/** The local descriptor table of an address space (arch/x86/kernel/ldt.c). */
import type { Descriptor } from '../cpu/segment/descriptor.ts';
import { DS, ES } from '../cpu/state.ts';
import { reloadSegments, stateOf } from './registers.ts';
import type { Task } from './task.ts';

export const LDT_ENTRIES = 8192;
export const LDT_ENTRY_SIZE = 8;

/** For all threads of the address space; the table never shrinks. */
export function setLdtEntry(task: Task, entry: number, { low, high }: Descriptor): void {
  const old = task.mm.ldt ?? new Uint8Array(0);
  const ldt = new Uint8Array(Math.max(old.length, (entry + 1) * LDT_ENTRY_SIZE));
  ldt.set(old);
  const view = new DataView(ldt.buffer);
  view.setInt32(entry * LDT_ENTRY_SIZE, low, true);
  view.setInt32(entry * LDT_ENTRY_SIZE + 4, high, true);
  task.mm.ldt = ldt;
  reloadSegments(task, stateOf(task), [ES, DS]);
}
