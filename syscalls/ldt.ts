/** Local descriptor tables (arch/x86/kernel/ldt.c). */
import { EFAULT, EINVAL, ENOSYS } from '../src/abi/errno.ts';
import { userDescLayout } from '../src/abi/process.ts';
import { LDT_ENTRIES, LDT_ENTRY_SIZE, setLdtEntry } from '../src/kernel/ldt.ts';
import type { Task } from '../src/kernel/task.ts';
import { contentsOf, descriptorOf, isEmptyLdt, SEG_NOT_PRESENT, USEABLE } from '../src/kernel/user-desc.ts';
import { int, pointer, readValue, size, syscall } from '../src/syscall/index.ts';

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
  const image = new Uint8Array(Math.min(count, LDT_ENTRIES * LDT_ENTRY_SIZE));
  image.set(ldt.subarray(0, image.length));
  return task.mm.copyOut(address, image) < 0 ? -EFAULT : image.length;
}

function writeEntry(task: Task, address: number, count: number, isOld: boolean): number {
  if (count !== USER_DESC_SIZE) return -EINVAL;
  const desc = readValue(task.mm, address, userDescLayout);
  if (desc === undefined) return -EFAULT;
  if (desc.entry >= LDT_ENTRIES) return -EINVAL;
  if (contentsOf(desc) === CONFORMING && (isOld || (desc.flags & SEG_NOT_PRESENT) === 0)) return -EINVAL;
  const isClear = (isOld && desc.base === 0 && desc.limit === 0) || isEmptyLdt(desc);
  const described = isOld ? { ...desc, flags: desc.flags & ~USEABLE } : desc;
  setLdtEntry(task, desc.entry, isClear ? { low: 0, high: 0 } : descriptorOf(described));
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
