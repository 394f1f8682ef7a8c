import { EINVAL, ENOMEM, EPERM } from '../abi/errno.ts';
import { MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT } from './flags.ts';
import type { Mm } from './mm.ts';
import { PAGE_SIZE, pageDown, pageUp, TASK_SIZE } from './page.ts';
import type { Vma } from './vma.ts';

/** mlock(2) and munlock(2): bookkeeping and limits; the host may still swap. */
export function lockRange(mm: Mm, address: number, size: number, lock: boolean): number {
  const start = pageDown(address);
  const end = start + pageUp(size + (address - start));
  if (size === 0) return 0;
  if (end > 2 ** 32) return -EINVAL;
  if (lock && mm.limits.memlock === 0) return -EPERM;
  // What comes before a hole is locked; then the hole is noticed (apply_vma_lock_flags).
  let at = start;
  const parts: Vma[] = [];
  for (const part of mm.vmas.within(start, end)) {
    if (part.start > at) break;
    parts.push(part);
    at = part.end;
  }
  const fresh = parts.filter((part) => !part.locked).reduce((sum, part) => sum + part.end - part.start, 0);
  if (lock && mm.vmas.locked * PAGE_SIZE + fresh > mm.limits.memlock) return -ENOMEM;
  setLocked(mm, start, at, lock);
  if (at < end) return -ENOMEM;
  // Locking brings pages in, which fails where nobody may look at them and beyond the end of a file.
  const absent = (part: Vma) => part.prot === 0 || mm.firstBad(part.start, part.end - part.start, 'read') < part.end;
  return lock && parts.some(absent) ? -ENOMEM : 0;
}

/** mlockall(2); flags 0 is munlockall(2). */
export function lockAll(mm: Mm, flags: number): number {
  if (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || flags === MCL_ONFAULT) return -EINVAL;
  if (flags !== 0 && mm.limits.memlock === 0) return -EPERM;
  if (flags & MCL_CURRENT && mm.vmas.total * PAGE_SIZE > mm.limits.memlock) return -ENOMEM;
  mm.lockFuture = (flags & MCL_FUTURE) !== 0;
  if (flags === 0 || flags & MCL_CURRENT) setLocked(mm, 0, TASK_SIZE, flags !== 0);
  return 0;
}

function setLocked(mm: Mm, start: number, end: number, locked: boolean): void {
  mm.vmas.update(start, end, (vma) => (vma.locked === locked ? vma : { ...vma, locked }));
  mm.settle();
}
