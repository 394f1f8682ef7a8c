import { EACCES, EINVAL, ENOMEM } from '../abi/errno.ts';
import { clear, establish, fillPages } from './fill.ts';
import { MADV } from './flags.ts';
import type { Mm } from './mm.ts';
import { PAGE_SIZE, PROT_WRITE, pageUp } from './page.ts';
import type { Vma } from './vma.ts';

const KNOWN = new Set<number>(Object.values(MADV));

/** What an advice does to the part of a VMA: nothing, a new VMA, or a negative errno. Advice not listed has no effect. */
const EFFECTS: Record<number, (mm: Mm, part: Vma) => Vma | number> = {
  [MADV.DONTNEED]: (mm, part) => (part.locked ? -EINVAL : forget(mm, part)),
  [MADV.FREE]: (mm, part) => (part.object !== null || part.locked ? -EINVAL : forget(mm, part)),
  [MADV.REMOVE]: (mm, part) => punch(mm, part),
  [MADV.DONTFORK]: (_mm, part) => ({ ...part, dontFork: true }),
  [MADV.DOFORK]: (_mm, part) => ({ ...part, dontFork: false }),
  [MADV.DONTDUMP]: (_mm, part) => ({ ...part, dontDump: true }),
  [MADV.DODUMP]: (_mm, part) => ({ ...part, dontDump: false }),
  [MADV.WIPEONFORK]: (_mm, part) => (part.object !== null ? -EINVAL : { ...part, wipeOnFork: true }),
  [MADV.KEEPONFORK]: (_mm, part) => ({ ...part, wipeOnFork: false }),
  [MADV.POPULATE_READ]: (mm, part) => populate(mm, part),
  [MADV.POPULATE_WRITE]: (mm, part) => populate(mm, part),
};

/** madvise(2). Holes do not stop it; they make the answer -ENOMEM. */
export function madvise(mm: Mm, address: number, size: number, advice: number): number {
  const length = pageUp(size);
  if (!KNOWN.has(advice) || address % PAGE_SIZE !== 0 || address + length > 2 ** 32) return -EINVAL;
  if (length === 0) return 0;
  const effect = EFFECTS[advice];
  for (const part of mm.vmas.within(address, address + length)) {
    const answer = effect?.(mm, part) ?? 0;
    if (typeof answer !== 'number') mm.vmas.update(part.start, part.end, () => answer);
    else if (answer < 0) return answer;
  }
  mm.settle();
  return mm.vmas.covers(address, address + length) ? 0 : -ENOMEM;
}

/** Private memory reads as zeros, or as the file, afterwards; shared pages stay in their object. */
function forget(mm: Mm, part: Vma): number {
  if (part.shared) return 0;
  mm.invalidateExecutable(part.start, part.end);
  if (part.object === null || mm.guest.mapFile !== undefined) return mm.guest.discard(part.start, part.end);
  const failed = clear(mm.guest, part.start, part.end);
  return failed < 0 ? failed : establish(mm.guest, part);
}

function punch(mm: Mm, part: Vma): number {
  if (part.locked || part.object === null) return -EINVAL;
  if (!part.shared || !(part.maxProt & PROT_WRITE)) return -EACCES;
  const zeros = new Uint8Array(part.end - part.start);
  mm.own(part.object);
  part.object.store.write(part.offset, zeros);
  mm.refresh(part.object, part.offset, zeros.length);
  return part.object.backing?.write?.(part.offset, zeros) ?? 0;
}

function populate(mm: Mm, part: Vma): number {
  if (part.object !== null) fillPages(mm.guest, part, part.start, part.end);
  return 0;
}
