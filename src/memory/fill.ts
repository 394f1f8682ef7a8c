import { ENOMEM } from '../abi/errno.ts';
import type { GuestMemory } from './guest-memory.ts';
import { forEachRun } from './guest-memory.ts';
import { allowed, PAGE_SIZE, PRESENT, PROT_READ, PROT_WRITE, pageDown, pageUp } from './page.ts';
import { STORE_MAX } from './page-store.ts';
import type { SharedObject } from './shared-object.ts';
import { clip, type Vma } from './vma.ts';

/**
 * A file mapping up to this size is filled when it is made; a larger one on use, in windows. Where the host maps memory
 * files, filling is once per file, not once per mapping, and saves the guest slower code (Mm.resumable).
 */
const FILL_AT_ONCE = { hardware: 16 << 20, software: 256 << 10 };
const FILL_WINDOW = 128 << 10;

/** How a new VMA's pages get their content: `lazy` means on use. */
export function fillsLazily(guest: GuestMemory, object: SharedObject | null, shared: boolean, length: number): boolean {
  if (object === null) return false;
  if (shared && guest.mapFile === undefined) return true; // only touched pages are copied at switches
  return object.backing !== null && length > FILL_AT_ONCE[guest.protection];
}

/**
 * Puts the pages of a new VMA in place: private anonymous memory at once, file pages at once or on use. The range must
 * be reset. Answers 0 or a negative errno.
 */
export function establish(guest: GuestMemory, vma: Vma): number {
  if (vma.object === null) return allow(guest, vma.start, vma.end, vma.prot);
  if (guest.mapFile !== undefined) {
    const failed = mapObject(guest, vma);
    if (failed < 0) return failed;
  }
  // A file that cannot be read now gives SIGBUS on use, as on Linux, not an error here.
  if (!vma.lazy) fillPages(guest, vma, vma.start, vma.end);
  return 0;
}

/** Maps the object's memory file, inaccessible still. */
export function mapObject(guest: GuestMemory, vma: Vma): number {
  const { file } = vma.object!.store;
  if (file === undefined || vma.offset + (vma.end - vma.start) > STORE_MAX) return -ENOMEM;
  return guest.mapFile!(vma.start, vma.end, file.fd, file.base + vma.offset, vma.shared);
}

/**
 * Fills the absent pages of the VMA within [start, end), up to the end of the file. Answers the number of pages in place
 * there, or a negative errno.
 */
export function fillPages(guest: GuestMemory, vma: Vma, start: number, end: number): number {
  const object = vma.object!;
  const limit = vma.start + (pageUp(object.size()) - vma.offset);
  const last = Math.min(end, limit);
  let result = 0;
  forEachRun(guest.permissions, start, Math.max(start, last), PRESENT, (from, to, present) => {
    if (result < 0) return;
    const failed = present ? 0 : fillRun(guest, clip(vma, from, to));
    result = failed < 0 ? failed : result + (to - from) / PAGE_SIZE;
  });
  return result;
}

function fillRun(guest: GuestMemory, part: Vma): number {
  const object = part.object!;
  if (part.shared || guest.mapFile !== undefined) {
    const failed = object.fill(part.offset, part.offset + (part.end - part.start));
    if (failed < 0) return failed;
  }
  if (guest.mapFile !== undefined) return allow(guest, part.start, part.end, part.prot);
  const opened = guest.protect(part.start, part.end, PROT_READ | PROT_WRITE);
  if (opened < 0) return opened;
  const view = guest.u8.subarray(part.start, part.end);
  if (part.shared) object.store.read(part.offset, view);
  else {
    const answer = object.read(part.offset, view);
    if (answer < 0) {
      guest.reset(part.start, part.end);
      return answer;
    }
  }
  return allow(guest, part.start, part.end, part.prot);
}

/** The window of absent pages that is filled around a fault. */
export function windowAround(vma: Vma, address: number): [number, number] {
  const window = Math.floor(address / FILL_WINDOW) * FILL_WINDOW;
  return [Math.max(vma.start, pageDown(window)), Math.min(vma.end, window + FILL_WINDOW)];
}

/** The content is in place: gives the pages the protection of their VMA. */
export function allow(guest: GuestMemory, start: number, end: number, prot: number): number {
  const failed = guest.protect(start, end, prot);
  if (failed < 0) return failed;
  guest.permissions.fill(allowed(prot) | PRESENT, start / PAGE_SIZE, end / PAGE_SIZE);
  return 0;
}

/** Changes the protection of pages that are in place; absent ones stay absent. */
export function reprotect(guest: GuestMemory, start: number, end: number, prot: number): number {
  let result = 0;
  forEachRun(guest.permissions, start, end, PRESENT, (from, to, present) => {
    if (present && result === 0) result = allow(guest, from, to, prot);
  });
  return result;
}

/** Takes the pages away: zeros, inaccessible. */
export function clear(guest: GuestMemory, start: number, end: number): number {
  guest.permissions.fill(0, start / PAGE_SIZE, end / PAGE_SIZE);
  return guest.reset(start, end);
}
