import { checkLimits } from './map.ts';
import type { Mm } from './mm.ts';
import { PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE, pageUp, TASK_SIZE } from './page.ts';
import { gapStart, PLAIN, place } from './vma.ts';

/** brk(2): answers the break that holds afterwards. */
export function brk(mm: Mm, wanted: number): number {
  const now = mm.brkEnd;
  if (wanted < mm.startBrk || wanted > TASK_SIZE) return now;
  if (wanted - mm.startBrk + (mm.endData - mm.startData) > mm.limits.data) return now;
  const oldEnd = pageUp(now);
  const newEnd = pageUp(wanted);
  if (newEnd < oldEnd && mm.drop(newEnd, oldEnd) < 0) return now;
  if (newEnd > oldEnd && grow(mm, oldEnd, newEnd) < 0) return now;
  mm.brkEnd = wanted;
  return wanted;
}

function grow(mm: Mm, start: number, end: number): number {
  const next = mm.vmas.findOrNext(start);
  if (next !== undefined && gapStart(next) < end + PAGE_SIZE) return -1;
  const prot = PROT_READ | PROT_WRITE | (mm.readImpliesExec ? PROT_EXEC : 0);
  const kind = { ...PLAIN, prot, locked: mm.lockFuture };
  const failed = checkLimits(mm, kind, end - start);
  return failed < 0 ? failed : mm.add(place(kind, start, end, 0));
}
