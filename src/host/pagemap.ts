import { libc } from './libc.ts';

const PAGE_SIZE = 4096;
const ENTRY = 8;
/** In the high word of an entry of /proc/pid/pagemap: present, swapped, page of a file or of shared memory. */
const PRESENT = 1 << 31;
const SWAPPED = 1 << 30;
const FILE = 1 << 29;

let opened: number | undefined;

/** /proc/self/pagemap, which says what the kernel has for each page; negative where it cannot be read. */
export function pagemap(): number {
  opened ??= libc()?.openat(-100, '/proc/self/pagemap', 0x80000 /* O_CLOEXEC */, 0) ?? -1;
  return opened;
}

/**
 * One byte per page of a private file mapping: 1 where the process has its own copy because it wrote. null where the host
 * does not say.
 */
export function copiedPages(address: number, length: number): Uint8Array | null {
  return pagesWith(address, length, (high) => (high & (PRESENT | SWAPPED)) !== 0 && (high & FILE) === 0);
}

/** One byte per page: 1 where the host holds content, in memory or swapped (which mincore(2) would leave out). */
export function residentPages(address: number, length: number): Uint8Array | null {
  return pagesWith(address, length, (high) => (high & (PRESENT | SWAPPED)) !== 0);
}

function pagesWith(address: number, length: number, test: (high: number) => boolean): Uint8Array | null {
  const descriptor = pagemap();
  if (descriptor < 0) return null;
  const count = length / PAGE_SIZE;
  const entries = new Uint8Array(count * ENTRY);
  if (libc()!.pread(descriptor, entries, entries.length, (address / PAGE_SIZE) * ENTRY) !== entries.length) return null;
  const words = new Int32Array(entries.buffer);
  const pages = new Uint8Array(count);
  for (let i = 0; i < count; i++) if (test(words[2 * i + 1])) pages[i] = 1;
  return pages;
}
