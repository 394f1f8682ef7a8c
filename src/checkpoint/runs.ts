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

/** Words of the whole address space, by which pages are compared. */
const wordsOf = (mm: Mm): Int32Array => new Int32Array(mm.memory.buffer);

/** The VMA's pages in order, saved ones and others. */
export function runsOf(mm: Mm, vma: Vma, files: FilesMode, words = wordsOf(mm)): Run[] {
  if (vma.shared || (vma.object !== null && files === 'reference' && !vma.copied && mm.protection === 'hardware')) {
    return [{ start: vma.start, end: vma.end, saved: false }];
  }
  if (vma.object !== null && files === 'content') fillPages(mm.guest, vma, vma.start, vma.end);
  const runs: Run[] = [];
  const add = (start: number, end: number, saved: boolean) => {
    const last = runs.at(-1);
    if (last?.saved === saved) runs[runs.length - 1] = { start: last.start, end, saved };
    else runs.push({ start, end, saved });
  };
  forEachRun(mm.guest.permissions, vma.start, vma.end, PRESENT, (start, end, present) => {
    if (present === 0) return add(start, end, false);
    const needed = vma.object === null ? nonZero(mm, words, start, end) : changed(mm, vma, words, start, end, files);
    uncovered(mm, vma, start, end, () => {
      for (let page = start; page < end; page += PAGE_SIZE)
        add(page, page + PAGE_SIZE, needed((page - start) / PAGE_SIZE, page));
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

type Test = (index: number, page: number) => boolean;

/** Anonymous memory: pages that the host holds something for, and that are not zero. */
function nonZero(mm: Mm, words: Int32Array, start: number, end: number): Test {
  const resident = mm.guest.resident(start, end);
  return (index, page) => (resident === null || (resident[index] & 1) !== 0) && !isZero(words, page);
}

function isZero(words: Int32Array, page: number): boolean {
  for (let i = page / 4; i < page / 4 + PAGE_SIZE / 4; i++) if (words[i] !== 0) return false;
  return true;
}

/** Private pages of a file: those that differ from it. */
function changed(mm: Mm, vma: Vma, words: Int32Array, start: number, end: number, files: FilesMode): Test {
  if (files === 'content') return (_, page) => !isZero(words, page);
  const copied = mm.guest.copied?.(start, end) ?? null;
  const bytes = new Uint8Array(PAGE_SIZE);
  const original = new Int32Array(bytes.buffer);
  return (index, page) => {
    if (copied !== null && copied[index] === 0) return false;
    bytes.fill(0);
    vma.object!.read(vma.offset + (page - vma.start), bytes);
    for (let i = 0; i < original.length; i++) if (original[i] !== words[page / 4 + i]) return true;
    return false;
  };
}
