/** Where instructions may be fetched from. */
import { PERMISSION_EXECUTE, VM_PERMISSIONS } from '../../memory/vm-layout.ts';
import type { CpuMemory } from '../memory.ts';

const PAGE_SHIFT = 12;
const PAGE_SIZE = 1 << PAGE_SHIFT;
/** Page-fault error code of an instruction fetch by user code (SDM Vol. 3A, 4.7). */
const FETCH_ERROR = 0x14;
/** More than the longest instruction. */
const LONGEST = 16;

export const permissionsOf = ({ vm }: CpuMemory, address: number): number =>
  vm[VM_PERMISSIONS + (address >>> PAGE_SHIFT)];

export function isExecutable(memory: CpuMemory, address: number): boolean {
  if (!(permissionsOf(memory, address) & PERMISSION_EXECUTE)) return false;
  return memory.accessible(address & -PAGE_SIZE, PAGE_SIZE, false);
}

/** End of the executable bytes from an address on: an instruction reaches at most into the next page. */
export function codeLimit(memory: CpuMemory, address: number): number {
  if (!isExecutable(memory, address)) return address;
  const next = (address >>> PAGE_SHIFT) * PAGE_SIZE + PAGE_SIZE;
  if (next - address >= LONGEST) return next;
  return isExecutable(memory, next) ? next + PAGE_SIZE : next;
}

/** A fetch's #PF says whether its page is there. */
export const fetchError = (memory: CpuMemory, address: number): number =>
  FETCH_ERROR | Number(permissionsOf(memory, address) !== 0);
