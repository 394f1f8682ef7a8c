/** Which pages of an address space an image has to hold: not those that are zero, or as the file that is mapped has them. */
import { fillPages } from '../memory/fill.ts';
import { forEachRun } from '../memory/guest-memory.ts';
import type { Mm } from '../memory/mm.ts';
import { allowed, PAGE_SIZE, PRESENT, PROT_READ } from '../memory/page.ts';
import type { Vma } from '../memory/vma.ts';

/** What stands in an image of mapped files: nothing but their names where pages are unmodified, or all their pages. */
export type FilesMode = 'reference' | 'content';

/** A range of a VMA whose pages are in the image (or are not). */
export interface Run {
  readonly start: number;
  readonly end: number;
  readonly saved: boolean;
}

/**
 * The VMA's pages in order, saved ones and others.
 * @param keptUntil where pages end, from this one on, that an image has unchanged: they need not be looked at.
 */
export function runsOf(mm: Mm, vma: Vma, asked: FilesMode, keptUntil: (page: number, limit: number) => number): Run[] {
  // A machine that is being made cannot wait for other machines' files.
  const files = vma.object?.backing?.sleeps === true ? 'content' : asked;
  if (vma.shared || (vma.object !== null && files === 'reference' && !vma.copied && mm.protection === 'hardware')) {
    return [{ start: vma.start, end: vma.end, saved: false }];
  }
  if (vma.object !== null && files === 'content') fillPages(mm.guest, vma, vma.start, vma.end);
  // Of the whole address space: pages are compared by words.
  const words = new Int32Array(mm.memory.buffer);
  const runs: { start: number; end: number; saved: boolean }[] = [];
  const add = (start: number, end: number, saved: boolean) => {
    const last = runs.at(-1);
    if (last?.saved === saved) last.end = end;
    else runs.push({ start, end, saved });
  };
  const addHeld = (start: number, end: number, differs: Test) => {
    for (let page = start; page < end; ) {
      const kept = keptUntil(page, end);
      if (kept > page) add(page, kept, true);
      else add(page, page + PAGE_SIZE, differs(page));
      page = Math.max(kept, page + PAGE_SIZE);
    }
  };
  forEachRun(mm.guest.permissions, vma.start, vma.end, PRESENT, (start, end, present) => {
    if (present === 0) return add(start, end, false);
    const held = vma.object === null ? mm.guest.resident(start, end) : (mm.guest.copied?.(start, end) ?? null);
    // With their content, pages of files count that nobody has copied; zeros, too: the file may have something else there.
    const whole = vma.object !== null && files === 'content';
    const differs = vma.object === null ? isNotZero(words) : whole ? () => true : isChanged(vma, words);
    const all = held === null || whole;
    uncovered(mm, vma, start, end, () => {
      for (let page = start; page < end; ) {
        const next = all ? end : start + PAGE_SIZE * endOfSame(held, (page - start) / PAGE_SIZE);
        if (!all && held[(page - start) / PAGE_SIZE] === 0) add(page, next, false);
        else addHeld(page, next, differs);
        page = next;
      }
    });
  });
  return runs;
}

/** Does something while the pages can be read, whatever the guest may do with them. */
export function uncovered(mm: Mm, vma: Vma, start: number, end: number, work: () => void): void {
  const hidden = allowed(vma.prot) === 0;
  if (hidden) mm.guest.protect(start, end, PROT_READ);
  work();
  if (hidden) mm.guest.protect(start, end, vma.prot);
}

function endOfSame(bytes: Uint8Array, first: number): number {
  let next = first + 1;
  while (next < bytes.length && bytes[next] === bytes[first]) next++;
  return next;
}

type Test = (page: number) => boolean;

function isNotZero(words: Int32Array): Test {
  return (page) => {
    for (let i = page / 4; i < (page + PAGE_SIZE) / 4; i++) if (words[i] !== 0) return true;
    return false;
  };
}

/** Private pages of a file: those that differ from it. */
function isChanged(vma: Vma, words: Int32Array): Test {
  const bytes = new Uint8Array(PAGE_SIZE);
  const original = new Int32Array(bytes.buffer);
  return (page) => {
    bytes.fill(0);
    vma.object!.read(vma.offset + (page - vma.start), bytes);
    for (let i = 0; i < original.length; i++) if (original[i] !== words[page / 4 + i]) return true;
    return false;
  };
}
