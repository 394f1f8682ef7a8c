import { EACCES, EAGAIN, EEXIST, EINVAL, ENOMEM, EPERM } from '../abi/errno.ts';
import type { Backing } from './backing.ts';
import { fillPages, fillsLazily } from './fill.ts';
import * as F from './flags.ts';
import { hostMappings } from './guest-memory.ts';
import { UNMAPPED_BASE } from './layout.ts';
import type { Mm } from './mm.ts';
import { MMAP_MIN, PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE, pageUp, TASK_SIZE } from './page.ts';
import type { SharedObject } from './shared-object.ts';
import { isData, PLAIN, place, type Vma, type VmaKind } from './vma.ts';

/** What mmap maps when it is not anonymous memory. */
export interface MapSource {
  readonly object: Backing | SharedObject;
  /** Bytes, a multiple of the page size. */
  readonly offset: number;
  /** PROT bits that the descriptor allows: PROT_WRITE is missing for a shared mapping of a file not open for writing. */
  readonly maxProt: number;
}

/** mmap(2). Descriptor checks (EBADF, EACCES, ENODEV) are the caller's. Answers the address or a negative errno. */
export function mmap(
  mm: Mm,
  hint: number,
  size: number,
  prot: number,
  flags: number,
  source: MapSource | null,
): number {
  const length = pageUp(size);
  const type = flags & F.MAP_TYPE;
  if (type < F.MAP_SHARED || type > F.MAP_SHARED_VALIDATE || size === 0) return -EINVAL;
  if (length > TASK_SIZE) return -ENOMEM;
  const fixed = (flags & (F.MAP_FIXED | F.MAP_FIXED_NOREPLACE)) !== 0;
  const address = fixed ? fixedPlace(mm, hint, length, flags) : freePlace(mm, hint, length);
  if (address < 0) return address;
  const kind = kindOf(mm, type !== F.MAP_PRIVATE, prot & 7, flags, source, length);
  if (typeof kind === 'number') return kind;
  const replaced = fixed ? mm.vmas.within(address, address + length) : [];
  const failed = checkLimits(mm, kind, length, replaced);
  if (failed < 0) return failed;
  if (replaced.length > 0) mm.drop(address, address + length);
  const vma = place(kind, address, address + length, source?.offset ?? 0);
  const result = mm.add(vma);
  if (result < 0) return result;
  if (flags & F.MAP_POPULATE && vma.object !== null) fillPages(mm.guest, vma, vma.start, vma.end);
  return address;
}

function fixedPlace(mm: Mm, address: number, length: number, flags: number): number {
  if (address % PAGE_SIZE !== 0) return -EINVAL;
  if (address > TASK_SIZE - length) return -ENOMEM;
  if (address < MMAP_MIN) return -EPERM;
  const taken = mm.vmas.overlapping(address, address + length).length > 0;
  return flags & F.MAP_FIXED_NOREPLACE && taken ? -EEXIST : address;
}

/** get_unmapped_area(): the hint if it is free, else the highest free place below mmap_base. */
export function freePlace(mm: Mm, hint: number, length: number): number {
  const wanted = hint === 0 ? 0 : Math.max(pageUp(hint), MMAP_MIN);
  if (wanted !== 0 && wanted <= TASK_SIZE - length) {
    if (mm.vmas.findFreeAbove(wanted, wanted + length, length) === wanted) return wanted;
  }
  if (!mm.layout.bottomUp) {
    const place = mm.vmas.findFreeBelow(MMAP_MIN, mm.layout.base, length);
    if (place >= 0) return place;
  }
  const place = mm.vmas.findFreeAbove(UNMAPPED_BASE, TASK_SIZE, length);
  return place >= 0 ? place : -ENOMEM;
}

function kindOf(
  mm: Mm,
  shared: boolean,
  wanted: number,
  flags: number,
  source: MapSource | null,
  length: number,
): VmaKind | number {
  if (flags & F.MAP_HUGETLB) return -ENOMEM; // no huge pages are reserved
  if (flags & F.MAP_GROWSDOWN && shared) return -EINVAL;
  const maxProt = source?.maxProt ?? 7;
  const prot = mm.readImpliesExec && wanted & PROT_READ && maxProt & PROT_EXEC ? wanted | PROT_EXEC : wanted;
  if (shared && prot & ~maxProt) return -EACCES;
  const object = objectOf(mm, shared, source, length);
  if (shared && maxProt & PROT_WRITE) object?.allowWrites();
  const growsDown = (flags & F.MAP_GROWSDOWN) !== 0;
  return {
    ...PLAIN,
    prot,
    shared,
    maxProt,
    object,
    growsDown,
    lazy: growsDown || fillsLazily(mm.guest, object, shared, length),
    copied: !shared && object !== null && (prot & PROT_WRITE) !== 0,
    locked: (flags & F.MAP_LOCKED) !== 0 || mm.lockFuture,
    noReserve: (flags & F.MAP_NORESERVE) !== 0,
  };
}

function objectOf(mm: Mm, shared: boolean, source: MapSource | null, length: number): SharedObject | null {
  if (source === null) return shared ? mm.objects.anonymous(length) : null;
  return 'retain' in source.object ? source.object : mm.objects.file(source.object);
}

/** may_expand_vm() and RLIMIT_MEMLOCK. `replaced` is what the new mapping takes the place of. */
export function checkLimits(mm: Mm, kind: VmaKind, length: number, replaced: readonly Vma[] = []): number {
  const { vmas, limits } = mm;
  const bytes = (list: readonly Vma[]) => list.reduce((sum, vma) => sum + vma.end - vma.start, 0);
  if (vmas.total * PAGE_SIZE - bytes(replaced) + length > limits.as) return -ENOMEM;
  if (isData(kind) && vmas.data * PAGE_SIZE - bytes(replaced.filter(isData)) + length > limits.data) return -ENOMEM;
  if (kind.locked && vmas.locked * PAGE_SIZE + length > limits.memlock) return -EAGAIN;
  return mayAddMapping(mm) ? 0 : -ENOMEM;
}

/** Linux's default vm.max_map_count. */
const MAX_MAP_COUNT = 65530;

/** One more mapping: within Linux's limit for the guest, and within the host's limit for all guests and Node. */
export function mayAddMapping(mm: Mm): boolean {
  if (mm.vmas.count >= MAX_MAP_COUNT) return false;
  return mm.protection === 'software' || hostMappings.used < hostMappings.budget;
}

/** True when [start, end) ends inside a mapping, so that it would be split. */
export function splits(mm: Mm, start: number, end: number): boolean {
  const first = mm.vmas.find(start);
  const last = mm.vmas.find(end);
  return (first !== undefined && first.start < start) || (last !== undefined && last.start < end);
}

/** munmap(2). */
export function munmap(mm: Mm, address: number, size: number): number {
  const length = pageUp(size);
  if (address % PAGE_SIZE !== 0 || address > TASK_SIZE || length > TASK_SIZE - address || length === 0) return -EINVAL;
  if (splits(mm, address, address + length) && !mayAddMapping(mm)) return -ENOMEM;
  return mm.drop(address, address + length);
}
