import type { ProgramFile } from '../../loader/program-file.ts';
import type { Backing, SharedPages } from '../../src/memory/backing.ts';

let inodes = 0;

/** A file that is an array: a Backing, and a program for the loader. */
export class BytesFile implements Backing, ProgramFile {
  readonly path: string;
  readonly key: string;
  readonly device = 1;
  readonly inode = ++inodes;
  bytes: Uint8Array;
  reads = 0;
  writes: number[] = [];
  pages: SharedPages | null = null;

  constructor(bytes: Uint8Array, path = '/bin/program') {
    this.bytes = bytes;
    this.path = path;
    this.key = `bytes:${this.inode}`;
  }

  size(): number {
    return this.bytes.length;
  }

  read(offset: number, into: Uint8Array): number {
    this.reads++;
    const part = this.bytes.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  }

  write(offset: number, from: Uint8Array): number {
    this.writes.push(offset);
    this.bytes.set(from, offset);
    return from.length;
  }

  mapped(pages: SharedPages): void {
    this.pages = pages;
  }

  unmapped(): void {
    this.pages = null;
  }

  backing(): Backing {
    return this;
  }

  /** As ftruncate(2), telling the mappings. */
  truncate(size: number): void {
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes.subarray(0, size));
    this.bytes = bytes;
    this.pages?.truncate(size);
  }
}
