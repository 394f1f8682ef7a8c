import { EFAULT, EINVAL, ENOMEM } from '../abi/errno.ts';
import { allow, clear, mapObject } from './fill.ts';
import { MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE } from './flags.ts';
import { forEachRun, type GuestMemory } from './guest-memory.ts';
import { checkLimits, freePlace } from './map.ts';
import type { Mm } from './mm.ts';
import { MMAP_MIN, PAGE_SIZE, PRESENT, PROT_READ, PROT_WRITE, pageUp, TASK_SIZE } from './page.ts';
import { clip, gapStart, type Vma } from './vma.ts';

/** Below this, copying is cheaper than moving page tables. */
const MOVE_AT_LEAST = 64 << 10;

/** mremap(2). Answers the new address or a negative errno. */
export function mremap(
  mm: Mm,
  address: number,
  oldSize: number,
  newSize: number,
  flags: number,
  newAddress: number,
): number {
  let oldLength = pageUp(oldSize);
  const newLength = pageUp(newSize);
  const fixed = (flags & MREMAP_FIXED) !== 0;
  const keep = (flags & MREMAP_DONTUNMAP) !== 0;
  if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) return -EINVAL;
  if ((fixed || keep) && !(flags & MREMAP_MAYMOVE)) return -EINVAL;
  if (keep && oldLength !== newLength) return -EINVAL;
  if (address % PAGE_SIZE !== 0 || newLength === 0) return -EINVAL;
  const bad = fixed ? checkTarget(address, oldLength, newAddress, newLength) : 0;
  if (bad < 0) return bad;
  const vma = mm.vmas.find(address);
  if (vma === undefined) return -EFAULT;
  if (oldLength === 0 && !vma.shared) return -EINVAL;
  const shrinks = oldLength > newLength;
  // Several mappings may only be moved as they are (since Linux 6.17).
  const several = fixed && oldLength === newLength;
  const stays = !fixed && !keep && oldLength >= newLength;
  if (!several && !stays && (shrinks ? newLength : oldLength) > vma.end - address) return -EFAULT;
  if (several) return moveAll(mm, address, newLength, newAddress, keep);
  if (fixed) {
    const unmapped = mm.drop(newAddress, newAddress + newLength);
    if (unmapped < 0) return unmapped;
  }
  if (shrinks) {
    const shrunk = mm.drop(address + newLength, address + oldLength);
    if (shrunk < 0) return shrunk;
    oldLength = newLength;
  }
  if (!fixed && !keep) {
    if (oldLength === newLength) return address;
    const grown = oldLength > 0 && growInPlace(mm, vma, address + oldLength, newLength - oldLength);
    if (grown) return address;
    if (!(flags & MREMAP_MAYMOVE)) return -ENOMEM;
  }
  const failed = checkLimits(mm, vma, keep || oldLength === 0 ? newLength : newLength - oldLength);
  if (failed < 0) return failed;
  const target = fixed ? newAddress : freePlace(mm, 0, newLength);
  return target < 0 ? target : move(mm, clip(vma, address, address + oldLength), vma, target, newLength, keep);
}

function checkTarget(address: number, oldLength: number, target: number, length: number): number {
  if (target % PAGE_SIZE !== 0 || length > TASK_SIZE || target > TASK_SIZE - length) return -EINVAL;
  if (target < MMAP_MIN) return -EINVAL;
  return address < target + length && target < address + oldLength ? -EINVAL : 0;
}

function growInPlace(mm: Mm, vma: Vma, end: number, length: number): boolean {
  if (vma.end !== end || end + length > TASK_SIZE) return false;
  const next = mm.vmas.findOrNext(end);
  if (next !== undefined && gapStart(next) < end + length) return false;
  if (checkLimits(mm, vma, length) < 0) return false;
  return mm.add({ ...vma, start: end, end: end + length, offset: vma.offset + (end - vma.start) }) === 0;
}

function moveAll(mm: Mm, address: number, size: number, target: number, keep: boolean): number {
  for (const part of mm.vmas.within(address, address + size)) {
    const to = target + (part.start - address);
    const length = part.end - part.start;
    // What lies at the target of a gap stays.
    const failed = mm.drop(to, to + length) || checkLimits(mm, part, keep ? length : 0);
    if (failed < 0) return failed;
    const answer = move(mm, part, part, to, length, keep);
    if (answer < 0) return answer;
  }
  return target;
}

/** Moves `old` (empty for a second mapping of a shared object) to `target` and extends it to `length`. */
function move(mm: Mm, old: Vma, vma: Vma, target: number, length: number, keep: boolean): number {
  const bytes = old.end - old.start;
  const moved: Vma = { ...vma, start: target, end: target + bytes, offset: old.offset };
  if (bytes > 0) {
    const failed = movePages(mm, old, moved);
    if (failed < 0) {
      clear(mm.guest, moved.start, moved.end);
      return failed;
    }
    mm.vmas.insert(moved);
  }
  const rest: Vma = { ...moved, start: moved.end, end: target + length, offset: old.offset + bytes };
  const failed = rest.end > rest.start ? mm.add(rest) : 0;
  if (failed < 0) return failed;
  if (bytes > 0) mm.drop(old.start, old.end);
  if (keep) mm.add({ ...vma, start: old.start, end: old.end, offset: old.offset, locked: false });
  mm.settle();
  return target;
}

function movePages(mm: Mm, old: Vma, moved: Vma): number {
  const guest = mm.guest;
  const shift = moved.start - old.start;
  if (old.object !== null && guest.mapFile !== undefined) {
    const failed = mapObject(guest, moved);
    if (failed < 0) return failed;
  }
  let result = 0;
  forEachRun(guest.permissions, old.start, old.end, PRESENT, (from, to, present) => {
    if (!present || result < 0) return;
    if (!old.shared || guest.mapFile === undefined) result = moveRun(guest, from, to, shift);
    if (result === 0) result = allow(guest, from + shift, to + shift, old.prot);
  });
  return result;
}

function moveRun(guest: GuestMemory, start: number, end: number, shift: number): number {
  if (end - start >= MOVE_AT_LEAST && guest.move?.(start, end, start + shift) === 0) return 0;
  const failed =
    guest.protect(start, end, PROT_READ) || guest.protect(start + shift, end + shift, PROT_READ | PROT_WRITE);
  if (failed === 0) guest.copyFrom(guest, start, end, start + shift);
  return failed;
}
