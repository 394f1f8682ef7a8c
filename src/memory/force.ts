import { EFAULT } from '../abi/errno.ts';
import { fillPages } from './fill.ts';
import { forEachRun } from './guest-memory.ts';
import type { Mm } from './mm.ts';
import { PRESENT, PROT_READ, PROT_WRITE, pageDown, pageUp } from './page.ts';

/** Does something to mapped bytes regardless of their protection (FOLL_FORCE). 0, or -EFAULT where a page is missing. */
export function force(mm: Mm, address: number, length: number, access: () => void): number {
  const { guest, vmas } = mm;
  const start = pageDown(address);
  const end = pageUp(address + length);
  if (!vmas.covers(start, end)) return -EFAULT;
  for (const part of vmas.within(start, end)) {
    if (part.object === null) continue;
    if (part.shared) mm.own(part.object);
    fillPages(guest, part, part.start, part.end);
  }
  let absent = false;
  forEachRun(guest.permissions, start, end, PRESENT, (from, to, present) => {
    if (present) guest.protect(from, to, PROT_READ | PROT_WRITE);
    else absent = true;
  });
  if (!absent) access();
  forEachRun(guest.permissions, start, end, 0xff, (from, to, bits) => guest.protect(from, to, bits & 7));
  return absent ? -EFAULT : 0;
}
