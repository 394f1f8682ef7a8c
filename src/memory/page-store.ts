import { HOST, libc } from '../host/libc.ts';
import { hardwareAvailable } from './guest-memory.ts';
import { PAGE_SIZE, pageUp } from './page.ts';

/** Where the pages of a shared object live. Sparse; what was never written is zero. */
export interface PageStore {
  /** Memory file that guests can map, in hardware mode. */
  readonly fd?: number;
  read(offset: number, into: Uint8Array): void;
  write(offset: number, from: Uint8Array): void;
  /** Everything beyond `size` becomes zero. */
  truncate(size: number): void;
  /** Makes [0, end) mappable. */
  reserve(end: number): void;
  close(): void;
}

export function createStore(): PageStore {
  const host = hardwareAvailable() ? libc() : null;
  const fd = host?.memfd_create('tallship', HOST.MFD_CLOEXEC) ?? -1;
  return fd >= 0 ? new MemoryFile(fd) : new PageMap();
}

class MemoryFile implements PageStore {
  readonly fd: number;
  #size = 0;

  constructor(fd: number) {
    this.fd = fd;
  }

  read(offset: number, into: Uint8Array): void {
    const count = Math.max(0, libc()!.pread(this.fd, into, into.length, offset));
    if (count < into.length) into.fill(0, count);
  }

  write(offset: number, from: Uint8Array): void {
    this.reserve(offset + from.length);
    libc()!.pwrite(this.fd, from, from.length, offset);
  }

  truncate(size: number): void {
    // The length stays: a mapped page beyond the end would be SIGBUS in Node itself.
    libc()!.ftruncate(this.fd, Math.min(size, this.#size));
    libc()!.ftruncate(this.fd, this.#size);
  }

  reserve(end: number): void {
    if (end <= this.#size) return;
    this.#size = pageUp(end);
    libc()!.ftruncate(this.fd, this.#size);
  }

  close(): void {
    libc()!.close(this.fd);
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

  truncate(size: number): void {
    for (const [page, bytes] of this.#pages) {
      if (page * PAGE_SIZE >= size) this.#pages.delete(page);
      else if ((page + 1) * PAGE_SIZE > size) bytes.fill(0, size - page * PAGE_SIZE);
    }
  }

  reserve(): void {}

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
