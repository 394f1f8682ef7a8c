import { allow, fillsLazily, mapObject } from './fill.ts';
import { forEachRun } from './guest-memory.ts';
import type { Mm } from './mm.ts';
import { allowed, PAGE_SIZE, PRESENT, PROT_READ, PROT_WRITE } from './page.ts';
import type { Vma } from './vma.ts';

/** Gives a fresh address space the mappings and the touched pages of its parent. Answers 0 or a negative errno. */
export function copyInto(parent: Mm, child: Mm): number {
  copyFields(parent, child);
  for (const vma of parent.vmas) {
    if (vma.dontFork) continue;
    const failed = vma.shared ? copyShared(parent, child, vma) : copyPrivate(parent, child, vma);
    if (failed < 0) return failed;
    // Locks are not inherited (mlock(2)).
    const lazy = vma.lazy || fillsLazily(child.guest, vma.object, vma.shared, vma.end - vma.start);
    child.vmas.insert({ ...vma, locked: false, lazy });
  }
  child.settle();
  return 0;
}

function copyFields(parent: Mm, child: Mm): void {
  child.layout = parent.layout;
  child.readImpliesExec = parent.readImpliesExec;
  child.startCode = parent.startCode;
  child.endCode = parent.endCode;
  child.startData = parent.startData;
  child.endData = parent.endData;
  child.startBrk = parent.startBrk;
  child.brkEnd = parent.brkEnd;
  child.startStack = parent.startStack;
  child.argStart = parent.argStart;
  child.argEnd = parent.argEnd;
  child.envStart = parent.envStart;
  child.envEnd = parent.envEnd;
  child.vdso = parent.vdso;
  child.auxv = parent.auxv;
  child.ldt = parent.ldt?.slice() ?? null;
  child.exe = parent.exe;
}

function copyShared(parent: Mm, child: Mm, vma: Vma): number {
  if (child.guest.mapFile === undefined) {
    vma.object!.owner?.flush(vma.object!);
    return 0; // pages come from the store on use
  }
  const failed = mapObject(child.guest, vma);
  return failed < 0 ? failed : eachPresent(parent, vma, (from, to) => allow(child.guest, from, to, vma.prot));
}

function copyPrivate(parent: Mm, child: Mm, vma: Vma): number {
  if (vma.wipeOnFork) return allow(child.guest, vma.start, vma.end, vma.prot);
  const copies = (from: number, to: number) => copyPages(parent, child, vma, from, to);
  if (vma.object === null || child.guest.mapFile === undefined) return eachPresent(parent, vma, copies);
  const failed = mapObject(child.guest, vma);
  if (failed < 0) return failed;
  if (vma.copied) return eachPresent(parent, vma, copies);
  return eachPresent(parent, vma, (from, to) => allow(child.guest, from, to, vma.prot));
}

/** Calls `work` for the ranges of the VMA whose pages are in place, until it fails. */
function eachPresent(parent: Mm, vma: Vma, work: (from: number, to: number) => number): number {
  let result = 0;
  forEachRun(parent.guest.permissions, vma.start, vma.end, PRESENT, (from, to, present) => {
    if (present && result === 0) result = work(from, to);
  });
  return result;
}

function copyPages(parent: Mm, child: Mm, vma: Vma, start: number, end: number): number {
  const runs = changedRuns(parent, child, vma, start, end);
  if (runs.length === 0) return allow(child.guest, start, end, vma.prot);
  const hidden = allowed(vma.prot) === 0;
  const failed =
    child.guest.protect(start, end, PROT_READ | PROT_WRITE) ||
    (hidden ? parent.guest.protect(start, end, PROT_READ) : 0);
  if (failed < 0) return failed;
  for (const [from, to] of runs) child.guest.copyFrom(parent.guest, from, to);
  if (hidden) parent.guest.protect(start, end, vma.prot);
  if ((vma.prot & PROT_WRITE) === 0) return allow(child.guest, start, end, vma.prot);
  child.guest.permissions.fill(allowed(vma.prot) | PRESENT, start / PAGE_SIZE, end / PAGE_SIZE);
  return 0;
}

/** The ranges whose content the child does not have by itself: touched pages, and of files what the parent changed. */
function changedRuns(parent: Mm, child: Mm, vma: Vma, start: number, end: number): [from: number, to: number][] {
  const { guest } = parent;
  const ofFile = vma.object !== null && child.guest.mapFile !== undefined;
  const changed = ofFile ? guest.copied?.(start, end) : guest.resident(start, end);
  if (changed === null || changed === undefined) return [[start, end]];
  const runs: [number, number][] = [];
  for (let first = 0; first < changed.length; first++) {
    if (!(changed[first] & 1)) continue;
    let next = first + 1;
    while (next < changed.length && changed[next] & 1) next++;
    runs.push([start + first * PAGE_SIZE, start + next * PAGE_SIZE]);
    first = next;
  }
  return runs;
}
