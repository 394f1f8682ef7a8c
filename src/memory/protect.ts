import { EACCES, EINVAL, ENOMEM } from '../abi/errno.ts';
import { reprotect } from './fill.ts';
import { PROT_GROWSDOWN, PROT_GROWSUP, PROT_SEM } from './flags.ts';
import { mayAddMapping, splits } from './map.ts';
import type { Mm } from './mm.ts';
import { PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE, pageUp } from './page.ts';
import type { Vma } from './vma.ts';

const KNOWN = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP;

/** mprotect(2): as Linux, it changes what comes before a hole and then answers -ENOMEM. */
export function mprotect(mm: Mm, address: number, size: number, wanted: number): number {
  if (wanted & PROT_GROWSDOWN && wanted & PROT_GROWSUP) return -EINVAL;
  if (address % PAGE_SIZE !== 0) return -EINVAL;
  if (size === 0) return 0;
  const end = address + pageUp(size);
  if (end > 2 ** 32) return -ENOMEM;
  if (wanted & ~KNOWN) return -EINVAL;
  const first = mm.vmas.findOrNext(address);
  if (first === undefined || first.start >= end) return -ENOMEM;
  let start = address;
  if (wanted & PROT_GROWSDOWN) {
    if (!first.growsDown) return -EINVAL;
    start = first.start;
  } else if (first.start > address || wanted & PROT_GROWSUP) return wanted & PROT_GROWSUP ? -EINVAL : -ENOMEM;
  return change(mm, start, end, wanted & 7);
}

function change(mm: Mm, start: number, end: number, wanted: number): number {
  let at = start;
  let result = 0;
  for (const part of mm.vmas.within(start, end)) {
    if (part.start > at) break;
    const implied = mm.readImpliesExec && wanted & PROT_READ && part.maxProt & PROT_EXEC ? PROT_EXEC : 0;
    const prot = wanted | implied;
    if (part.shared && prot & ~part.maxProt) result = -EACCES;
    else if (part.prot !== prot && splits(mm, part.start, part.end) && !mayAddMapping(mm)) result = -ENOMEM;
    else if (part.prot !== prot) {
      if (part.prot & PROT_EXEC) mm.invalidateExecutable(part.start, part.end);
      result = reprotect(mm.guest, part.start, part.end, prot);
      if (result === 0) mm.vmas.update(part.start, part.end, (vma) => withProt(vma, prot));
    }
    if (result < 0) break;
    at = part.end;
  }
  mm.settle();
  if (result < 0) return result;
  return at < end ? -ENOMEM : 0;
}

function withProt(vma: Vma, prot: number): Vma {
  const copied = vma.copied || (vma.object !== null && !vma.shared && (prot & PROT_WRITE) !== 0);
  return { ...vma, prot, copied };
}
