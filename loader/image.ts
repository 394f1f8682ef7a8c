import { EINVAL, ENOMEM } from '../src/abi/errno.ts';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_PRIVATE } from '../src/memory/flags.ts';
import type { Mm } from '../src/memory/mm.ts';
import {
  MMAP_MIN,
  PAGE_SIZE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  pageDown,
  pageUp,
  TASK_SIZE,
} from '../src/memory/page.ts';
import type { Elf, Segment } from './elf.ts';
import type { ProgramFile } from './program-file.ts';

/** Where a position-independent program goes when an interpreter loads it (ELF_ET_DYN_BASE of i386). */
export const DYN_BASE = 0x400000;

/** An ELF file in memory. */
export interface Image {
  /** What was added to the file's addresses. */
  readonly bias: number;
  readonly entry: number;
  /** Address of the program headers, 0 when no segment holds them. */
  readonly phdr: number;
  readonly startCode: number;
  readonly endCode: number;
  readonly startData: number;
  readonly endData: number;
  /** End of the last segment's memory. */
  readonly end: number;
}

/**
 * Maps the segments. `base` is where a movable file should go, 0: wherever mmap likes. Answers the image or a negative
 * errno; what is mapped by then is for the caller to throw away.
 */
export function mapImage(mm: Mm, file: ProgramFile, elf: Elf, base: number): Image | number {
  const loads = elf.segments.filter(({ type }) => type === 'load');
  if (loads.some((segment) => !fits(segment))) return -EINVAL;
  const bias = elf.movable ? placeMovable(mm, loads, base) : 0;
  if (bias < 0) return bias;
  for (const segment of loads) {
    // The stack must not be where a fixed program wants to be.
    const first = !elf.movable && segment === loads[0];
    const failed = mapSegment(mm, file, segment, bias, first ? MAP_FIXED_NOREPLACE : MAP_FIXED);
    if (failed < 0) return failed;
  }
  const entry = elf.entry + bias;
  if (entry >= TASK_SIZE) return -EINVAL;
  return { bias, entry, phdr: findHeaders(elf, loads, bias), ...extent(loads, bias) };
}

function fits(segment: Segment): boolean {
  const { vaddr, filesz, memsz } = segment;
  return filesz <= memsz && memsz <= TASK_SIZE && vaddr <= TASK_SIZE - memsz;
}

/** Finds the place of the whole file, so that its segments lie as far apart as in the file. */
function placeMovable(mm: Mm, loads: readonly Segment[], base: number): number {
  if (loads.length === 0) return -EINVAL;
  const low = pageDown(Math.min(...loads.map(({ vaddr }) => vaddr)));
  const high = pageUp(Math.max(...loads.map(({ vaddr, memsz }) => vaddr + memsz)));
  const length = high - low;
  if (length === 0) return -EINVAL;
  const align = Math.max(PAGE_SIZE, ...loads.map(({ align }) => align).filter(isPowerOfTwo));
  if (base !== 0) {
    const bias = Math.floor(base / align) * align;
    const start = bias + low;
    const free = start >= MMAP_MIN && mm.vmas.findFreeAbove(start, start + length, length) === start;
    return start + length > TASK_SIZE ? -ENOMEM : free ? bias : -EINVAL;
  }
  const place = mm.mmap(0, length + align - PAGE_SIZE, 0, MAP_PRIVATE | MAP_ANONYMOUS);
  if (place < 0) return place;
  const failed = mm.munmap(place, length + align - PAGE_SIZE);
  return failed < 0 ? failed : Math.ceil((place - low) / align) * align;
}

const isPowerOfTwo = (value: number) => value > 0 && (value & (value - 1)) === 0 && value <= TASK_SIZE;

/** elf_load(): the file's part, zeros to the end of its last page, and anonymous pages for the rest. */
function mapSegment(mm: Mm, file: ProgramFile, segment: Segment, bias: number, fixed: number): number {
  const vaddr = segment.vaddr + bias;
  const start = pageDown(vaddr);
  const fileEnd = vaddr + segment.filesz;
  const end = pageUp(vaddr + segment.memsz);
  const prot = protOf(segment);
  if (segment.filesz > 0) {
    const offset = segment.offset - (vaddr - start);
    if (offset < 0 || offset % PAGE_SIZE !== 0) return -EINVAL;
    const source = { object: file.backing(), offset, maxProt: 7 };
    const mapped = mm.mmap(start, fileEnd - start, prot, MAP_PRIVATE | fixed, source);
    if (mapped < 0) return mapped;
  }
  const zeroStart = segment.filesz > 0 ? pageUp(fileEnd) : start;
  if (segment.write && segment.filesz > 0 && segment.memsz > segment.filesz && fileEnd < zeroStart) {
    // A page beyond the end of a truncated file cannot be cleared; the guest gets SIGBUS when it uses it.
    mm.poke(fileEnd, new Uint8Array(zeroStart - fileEnd));
  }
  if (end <= zeroStart) return 0;
  const bss = PROT_READ | PROT_WRITE | (prot & PROT_EXEC);
  return Math.min(0, mm.mmap(zeroStart, end - zeroStart, bss, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED));
}

function protOf(segment: Segment): number {
  return (segment.read ? PROT_READ : 0) | (segment.write ? PROT_WRITE : 0) | (segment.execute ? PROT_EXEC : 0);
}

function findHeaders(elf: Elf, loads: readonly Segment[], bias: number): number {
  const holder = loads.find(({ offset, filesz }) => offset <= elf.phoff && elf.phoff < offset + filesz);
  return holder === undefined ? 0 : elf.phoff - holder.offset + holder.vaddr + bias;
}

function extent(loads: readonly Segment[], bias: number) {
  const code = loads.filter(({ execute }) => execute);
  const lowest = (list: readonly Segment[]) => Math.min(TASK_SIZE, ...list.map(({ vaddr }) => vaddr + bias));
  const highest = (list: readonly Segment[], size: 'filesz' | 'memsz') =>
    Math.max(0, ...list.map((segment) => segment.vaddr + segment[size] + bias));
  return {
    startCode: lowest(code),
    endCode: highest(code, 'filesz'),
    startData: Math.max(0, ...loads.map(({ vaddr }) => vaddr + bias)),
    endData: highest(loads, 'filesz'),
    end: highest(loads, 'memsz'),
  };
}
