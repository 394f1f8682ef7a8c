import { EBUSY, EINVAL, ENOMEM } from '../abi/errno.ts';
import { MS_ASYNC, MS_INVALIDATE, MS_SYNC } from './flags.ts';
import type { Mm } from './mm.ts';
import { PAGE_SIZE, PRESENT, pageUp, TASK_SIZE } from './page.ts';
import { pages, type Vma } from './vma.ts';

/** msync(2): writes shared pages of files back. */
export function msync(mm: Mm, address: number, size: number, flags: number): number {
  if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || address % PAGE_SIZE !== 0) return -EINVAL;
  if (flags & MS_ASYNC && flags & MS_SYNC) return -EINVAL;
  const end = address + pageUp(size);
  if (end > 2 ** 32) return -ENOMEM;
  for (const part of mm.vmas.within(address, end)) {
    if (flags & MS_INVALIDATE && part.locked) return -EBUSY;
    if (!part.shared || part.object === null) continue;
    const failed = part.object.writeBack(part.offset, part.offset + (part.end - part.start));
    if (failed < 0) return failed;
  }
  return mm.vmas.covers(address, end) ? 0 : -ENOMEM;
}

/** mincore(2): one byte per page, bit 0 set where the content is in memory. */
export function mincore(mm: Mm, address: number, size: number, vector: number): number {
  if (address % PAGE_SIZE !== 0) return -EINVAL;
  if (address + size > TASK_SIZE) return -ENOMEM;
  const end = address + pageUp(size);
  let at = address;
  for (const part of mm.vmas.within(address, end)) {
    if (part.start > at) return -ENOMEM;
    const failed = mm.copyOut(vector + (at - address) / PAGE_SIZE, residency(mm, part));
    if (failed < 0) return failed;
    at = part.end;
  }
  return at < end ? -ENOMEM : 0;
}

/** One byte per page of the part: 1 where the content is in memory. */
export function residency(mm: Mm, part: Vma): Uint8Array {
  if (mm.objects.assumeResident) return new Uint8Array(pages(part)).fill(1);
  const resident = part.object === null ? mm.guest.resident(part.start, part.end) : null;
  return Uint8Array.from({ length: pages(part) }, (_, i) => {
    const present = (mm.guest.permissions[part.start / PAGE_SIZE + i] & PRESENT) !== 0;
    return present && (resident === null || (resident[i] & 1) !== 0) ? 1 : 0;
  });
}
