import { libc } from './libc.ts';

const PAGE_SIZE = 4096;
const ENTRY = 8;
/** In the high word of an entry of /proc/pid/pagemap: present, swapped, page of a file or of shared memory. */
const PRESENT = 1 << 31;
const SWAPPED = 1 << 30;
const FILE = 1 << 29;

let descriptor: number | undefined;

/**
 * One byte per page of a private file mapping: 1 where the process has its own copy because it wrote. null where the host
 * does not say.
 */
export function copiedPages(address: number, length: number): Uint8Array | null {
  const host = libc();
  descriptor ??= host?.openat(-100, '/proc/self/pagemap', 0x80000 /* O_CLOEXEC */, 0) ?? -1;
  if (host === null || descriptor < 0) return null;
  const count = length / PAGE_SIZE;
  const entries = new Uint8Array(count * ENTRY);
  const got = host.pread(descriptor, entries, entries.length, (address / PAGE_SIZE) * ENTRY);
  if (got !== entries.length) return null;
  const view = new DataView(entries.buffer);
  return Uint8Array.from({ length: count }, (_, i) => {
    const high = view.getInt32(i * ENTRY + 4, true);
    return (high & (PRESENT | SWAPPED)) !== 0 && (high & FILE) === 0 ? 1 : 0;
  });
}
