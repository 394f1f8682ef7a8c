/** Local descriptor tables (arch/x86/kernel/ldt.c). */
import { EFAULT, EINVAL, ENOSYS } from '../src/abi/errno.ts';
import { userDescLayout } from '../src/abi/process.ts';
import { DS, ES } from '../src/cpu/state.ts';
import { reloadSegments, stateOf } from '../src/kernel/registers.ts';
import type { Task } from '../src/kernel/task.ts';
import { contentsOf, descriptorOf, isEmptyLdt, SEG_NOT_PRESENT, USEABLE } from '../src/kernel/user-desc.ts';
import { int, pointer, readValue, size, syscall } from '../src/syscall/index.ts';

const ENTRIES = 8192;
const ENTRY_SIZE = 8;
const USER_DESC_SIZE = 16;
/** What Linux answers about the default table that there is none of. */
const DEFAULT_SIZE = 128;
const CONFORMING = 3;

const READ = 0;
/** The interface of old: base 0 and limit 0 clear the entry, and there is no `useable`. */
const WRITE_OLD = 1;
const READ_DEFAULT = 2;
const WRITE = 0x11;

function writeZeroes(task: Task, address: number, count: number): number {
  return task.mm.copyOut(address, new Uint8Array(count)) < 0 ? -EFAULT : count;
}

function readTable(task: Task, address: number, count: number): number {
  const { ldt } = task.mm;
  if (ldt === null) return 0;
  const image = new Uint8Array(Math.min(count, ENTRIES * ENTRY_SIZE));
  image.set(ldt.subarray(0, image.length));
  return task.mm.copyOut(address, image) < 0 ? -EFAULT : image.length;
}

/** All threads of the address space see the new table; its size never shrinks. */
function setEntry(task: Task, entry: number, low: number, high: number): void {
  const old = task.mm.ldt ?? new Uint8Array(0);
  const ldt = new Uint8Array(Math.max(old.length, (entry + 1) * ENTRY_SIZE));
  ldt.set(old);
  const view = new DataView(ldt.buffer);
  view.setInt32(entry * ENTRY_SIZE, low, true);
  view.setInt32(entry * ENTRY_SIZE + 4, high, true);
  task.mm.ldt = ldt;
  reloadSegments(task, stateOf(task), [ES, DS]);
}

function writeEntry(task: Task, address: number, count: number, isOld: boolean): number {
  if (count !== USER_DESC_SIZE) return -EINVAL;
  const desc = readValue(task.mm, address, userDescLayout);
  if (desc === undefined) return -EFAULT;
  if (desc.entry >= ENTRIES) return -EINVAL;
  if (contentsOf(desc) === CONFORMING && (isOld || (desc.flags & SEG_NOT_PRESENT) === 0)) return -EINVAL;
  if ((isOld && desc.base === 0 && desc.limit === 0) || isEmptyLdt(desc)) setEntry(task, desc.entry, 0, 0);
  else {
    const { low, high } = descriptorOf(isOld ? { ...desc, flags: desc.flags & ~USEABLE } : desc);
    setEntry(task, desc.entry, low, high);
  }
  return 0;
}

export const modify_ldt = syscall(
  123,
  'modify_ldt',
  [int('func'), pointer('ptr'), size('bytecount')],
  (task, func, address, count) => {
    switch (func) {
      case READ:
        return readTable(task, address, count);
      case READ_DEFAULT:
        return writeZeroes(task, address, Math.min(count, DEFAULT_SIZE));
      case WRITE_OLD:
      case WRITE:
        return writeEntry(task, address, count, func === WRITE_OLD);
      default:
        return -ENOSYS;
    }
  },
  { class: 'process' },
);
