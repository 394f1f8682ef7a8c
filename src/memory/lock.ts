import { EINVAL, ENOMEM, EPERM } from '../abi/errno.ts';
import { MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT } from './flags.ts';
import type { Mm } from './mm.ts';
import { PAGE_SIZE, pageDown, pageUp, TASK_SIZE } from './page.ts';

/** mlock(2) and munlock(2): bookkeeping and limits; the host may still swap. */
export function lockRange(mm: Mm, address: number, size: number, lock: boolean): number {
  const start = pageDown(address);
  const end = start + pageUp(size + (address - start));
  if (size === 0) return 0;
  if (end > 2 ** 32) return -EINVAL;
  const parts = mm.vmas.within(start, end);
  if (lock) {
    if (mm.limits.memlock === 0) return -EPERM;
    const fresh = parts.filter((part) => !part.locked).reduce((sum, part) => sum + part.end - part.start, 0);
    if (mm.vmas.locked * PAGE_SIZE + fresh > mm.limits.memlock) return -ENOMEM;
  }
  setLocked(mm, start, end, lock);
  return mm.vmas.covers(start, end) ? 0 : -ENOMEM;
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
