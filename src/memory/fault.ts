import { type Access, BUS_ADRERR, type FaultAnswer, SEGV_ACCERR, SEGV_MAPERR } from './access.ts';
import { allow, fillPages, windowAround } from './fill.ts';
import { checkLimits } from './map.ts';
import type { Mm } from './mm.ts';
import { PAGE_SIZE, PRESENT, PROT_EXEC, PROT_WRITE, pageDown, R, STACK_GUARD_GAP, TASK_SIZE, W, X } from './page.ts';
import type { Vma } from './vma.ts';

const NEEDED: Record<Access, number> = { read: R, write: W, fetch: X };

/** do_user_addr_fault(): makes the pages of the access accessible, or says which signal the guest gets. */
export function resolveFault(mm: Mm, address: number, access: Access, length: number): FaultAnswer {
  for (let at = address; at < address + length; at = pageDown(at) + PAGE_SIZE) {
    const answer = resolvePage(mm, at, access);
    if (answer !== 'retry') return answer;
  }
  return 'retry';
}

function resolvePage(mm: Mm, address: number, access: Access): FaultAnswer {
  if (address >= TASK_SIZE) return { signal: 'SEGV', code: SEGV_MAPERR, address };
  if ((mm.guest.permissions[Math.floor(address / PAGE_SIZE)] & NEEDED[access]) !== 0) return 'retry';
  const vma = mm.vmas.find(address) ?? growStack(mm, address);
  if (vma === undefined) return { signal: 'SEGV', code: SEGV_MAPERR, address };
  if (!permits(vma, access)) return { signal: 'SEGV', code: SEGV_ACCERR, address };
  if (mm.guest.permissions[Math.floor(address / PAGE_SIZE)] & PRESENT) return 'retry';
  return fillAround(mm, vma, address) ? 'retry' : { signal: 'BUS', code: BUS_ADRERR, address };
}

function permits(vma: Vma, access: Access): boolean {
  if (access === 'read') return vma.prot !== 0;
  return (vma.prot & (access === 'write' ? PROT_WRITE : PROT_EXEC)) !== 0;
}

function fillAround(mm: Mm, vma: Vma, address: number): boolean {
  if (vma.object === null) return false;
  if (vma.shared) mm.own(vma.object);
  // Mapped here a second time: the other pages may be newer than the store's.
  if (vma.shared && (mm.vmas.objects.get(vma.object) ?? 0) > 1) mm.flush(vma.object);
  const page = pageDown(address);
  if (fillPages(mm.guest, vma, page, page + PAGE_SIZE) < 1) return false;
  mm.fills++;
  const [start, end] = windowAround(vma, address);
  fillPages(mm.guest, vma, start, end);
  return true;
}

/** expand_stack(): the stack above grows down to the address when its limit and the gap below allow. */
function growStack(mm: Mm, address: number): Vma | undefined {
  const vma = mm.vmas.findOrNext(address);
  if (vma?.growsDown !== true) return undefined;
  const start = pageDown(address);
  const below = mm.vmas.before(vma.start);
  if (below !== undefined && below.prot !== 0 && start - below.end < STACK_GUARD_GAP) return undefined;
  if (below !== undefined && below.end > start) return undefined;
  if (vma.end - start > mm.limits.stack) return undefined;
  if (checkLimits(mm, vma, vma.start - start) < 0) return undefined;
  if (allow(mm.guest, start, vma.start, vma.prot) < 0) return undefined;
  mm.vmas.insert({ ...vma, start, end: vma.start });
  mm.settle();
  return mm.vmas.find(address);
}
