import { HOST, libc } from '../host/libc.ts';
import { hardwareAvailable } from './guest-memory.ts';
import { PAGE_SIZE } from './page.ts';

/** Where the pages of a shared object live. Sparse; what was never written is zero. */
export interface PageStore {
  /** The memory file that guests can map, in hardware mode, and where in it this store begins. */
  readonly file?: { readonly fd: number; readonly base: number };
  read(offset: number, into: Uint8Array): void;
  write(offset: number, from: Uint8Array): void;
  /** Offsets of pages that may hold something, in order, below `size`. */
  pages(size: number): Iterable<number>;
  /** Everything beyond `size` becomes zero. */
  truncate(size: number): void;
  close(): void;
}

/** The largest object whose pages can be mapped. */
export const STORE_MAX = 2 ** 37;

export function createStore(): PageStore {
  const base = hardwareAvailable() ? takeExtent() : undefined;
  return base === undefined ? new PageMap() : new Extent(arena!, base);
}

/**
 * All stores are extents of one sparse memory file: descriptors are few (often 1024), objects are many. Its length is
 * never cut, as a mapped page beyond the end would be SIGBUS in Node itself.
 */
const ARENA_SIZE = 2 ** 52;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const FREE_PAGES = 3; // FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
let arena: number | undefined;
let nextExtent = 0;
const freeExtents: number[] = [];

function takeExtent(): number | undefined {
  if (arena === undefined) {
    const host = libc()!;
    arena = host.memfd_create('tallship', HOST.MFD_CLOEXEC);
    if (arena >= 0 && host.ftruncate(arena, ARENA_SIZE) < 0) arena = -1;
  }
  if (arena < 0) return undefined;
  const free = freeExtents.pop();
  if (free !== undefined) return free;
  if (nextExtent >= ARENA_SIZE) return undefined;
  nextExtent += STORE_MAX;
  return nextExtent - STORE_MAX;
}

class Extent implements PageStore {
  readonly file: { readonly fd: number; readonly base: number };

  constructor(fd: number, base: number) {
    this.file = { fd, base };
  }

  read(offset: number, into: Uint8Array): void {
    libc()!.pread(this.file.fd, into, into.length, this.file.base + offset);
  }

  write(offset: number, from: Uint8Array): void {
    libc()!.pwrite(this.file.fd, from, from.length, this.file.base + offset);
  }

  *pages(size: number): Iterable<number> {
    const host = libc()!;
    const end = Math.min(size, STORE_MAX);
    for (let at = 0; at < end; ) {
      const data = host.lseek(this.file.fd, this.file.base + at, SEEK_DATA) - this.file.base;
      if (data < 0 || data >= end) return;
      const hole = Math.min(end, host.lseek(this.file.fd, this.file.base + data, SEEK_HOLE) - this.file.base);
      for (at = data; at < hole; at += PAGE_SIZE) yield at;
    }
  }

  truncate(size: number): void {
    if (size < STORE_MAX) libc()!.fallocate(this.file.fd, FREE_PAGES, this.file.base + size, STORE_MAX - size);
  }

  close(): void {
    this.truncate(0);
    freeExtents.push(this.file.base);
  }
}

class PageMap implements PageStore {
  readonly #pages = new Map<number, Uint8Array>();

  read(offset: number, into: Uint8Array): void {
    this.#each(offset, into, (page, at, part) => {
      const bytes = this.#pages.get(page);
      if (bytes === undefined) part.fill(0);
      else part.set(bytes.subarray(at, at + part.length));
    });
  }

  write(offset: number, from: Uint8Array): void {
    this.#each(offset, from, (page, at, part) => {
      let bytes = this.#pages.get(page);
      if (bytes === undefined) this.#pages.set(page, (bytes = new Uint8Array(PAGE_SIZE)));
      bytes.set(part, at);
    });
  }

  pages(size: number): Iterable<number> {
    return [...this.#pages.keys()]
      .map((page) => page * PAGE_SIZE)
      .filter((at) => at < size)
      .sort((a, b) => a - b);
  }

  truncate(size: number): void {
    for (const [page, bytes] of this.#pages) {
      if (page * PAGE_SIZE >= size) this.#pages.delete(page);
      else if ((page + 1) * PAGE_SIZE > size) bytes.fill(0, size - page * PAGE_SIZE);
    }
  }

  close(): void {
    this.#pages.clear();
  }

  #each(offset: number, bytes: Uint8Array, visit: (page: number, at: number, part: Uint8Array) => void): void {
    for (let done = 0; done < bytes.length; ) {
      const at = (offset + done) % PAGE_SIZE;
      const length = Math.min(PAGE_SIZE - at, bytes.length - done);
      visit(Math.floor((offset + done) / PAGE_SIZE), at, bytes.subarray(done, done + length));
      done += length;
    }
  }
}
