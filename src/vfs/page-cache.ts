/** What mmap shares of a regular file: one Mapping per inode while it is mapped, kept coherent with read and write. */
import { EIO } from '../abi/errno.ts';
import { O_RDONLY } from '../abi/fs.ts';
import type { Backing, SharedPages } from '../memory/backing.ts';
import { failed, type Plain, type Sleeper } from '../wait/wait.ts';
import { Background } from './background.ts';
import type { Inode } from './inode.ts';

/** Bytes fetched at a time from file systems that sleep. */
const CHUNK = 1 << 16;

/** Page faults and write-back cannot sleep: what would is an I/O error. */
class Unsleeping implements Sleeper {
  readonly serial = 0;
  progress = 0;
  readonly #clock: Sleeper;
  constructor(clock: Sleeper) {
    this.#clock = clock;
  }
  block(): number {
    return -EIO;
  }
  once<T extends Plain>(step: () => T): T {
    return step();
  }
  now(): number {
    return this.#clock.now();
  }
  realtime(): bigint {
    return this.#clock.realtime();
  }
}

/** One per inode: every description of the file gives the same one out. */
export class Mapping implements Backing {
  readonly key: string;
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  /** Resident pages; null while nothing maps the file shared. */
  pages: SharedPages | null = null;
  readonly node: Inode;
  readonly #sleeper: Sleeper;
  #size: number;
  /** Contents fetched ahead, where the file system sleeps. */
  readonly #fetched = new Map<number, Uint8Array>();
  readonly #behind: Background;
  #isHeld = false;

  constructor(node: Inode, ino: number, size: number, path: string, clock: Sleeper) {
    this.key = `${node.fs.device}:${ino}`;
    this.path = path;
    this.device = node.fs.device;
    this.inode = ino;
    this.node = node;
    this.#size = size;
    this.#sleeper = new Unsleeping(clock);
    this.#behind = new Background(clock);
  }

  get sleeps(): boolean {
    return this.node.fs.sleeps === true;
  }

  size(): number {
    if (this.node.fs.sleeps === true) return this.#size;
    const attributes = this.node.attributes(this.#sleeper);
    return failed(attributes) ? this.#size : attributes.size;
  }

  read(offset: number, into: Uint8Array): number {
    if (this.node.fs.sleeps !== true) return this.node.read(this.#sleeper, offset, into);
    const chunk = this.#fetched.get(Math.floor(offset / CHUNK));
    if (chunk === undefined) return this.node.read(this.#sleeper, offset, into);
    const part = chunk.subarray(offset % CHUNK, (offset % CHUNK) + into.length);
    into.set(part);
    return part.length;
  }

  /** Where the file system sleeps, the bytes are written behind, in order; write() and fsync() wait for them. */
  write(offset: number, from: Uint8Array): number {
    if (this.node.fs.sleeps !== true) return this.node.write(this.#sleeper, offset, from);
    const bytes = Uint8Array.from(from);
    this.#update(offset, bytes);
    this.#behind.add(() => this.node.write(this.#behind, offset, bytes));
    return from.length;
  }

  /** Bytes are being written behind. */
  get busy(): boolean {
    return this.#behind.busy;
  }

  /** 0 when everything is written; else the caller sleeps, or learns of an error. */
  settle(s: Sleeper): number {
    return this.#behind.busy ? s.block(this.#behind.idle) : this.#behind.takeFailure();
  }

  /** A file that is mapped stays when its last name and its last descriptor have gone (sem_open(3) works like that). */
  mapped(pages: SharedPages): void {
    this.pages = pages;
    this.#isHeld = this.node.fs.sleeps !== true && this.node.opened(this.#sleeper, O_RDONLY) >= 0;
  }

  unmapped(): void {
    this.pages = null;
    if (this.#isHeld) this.node.closed(O_RDONLY);
    this.#isHeld = false;
    this.#fetched.clear();
    if (this.node.mapping === this && !this.#behind.busy) this.node.mapping = null;
  }

  truncate(size: number): void {
    this.#size = size;
    for (const [index, chunk] of this.#fetched) {
      const kept = Math.max(0, Math.min(CHUNK, size - index * CHUNK));
      if (kept < chunk.length) this.#fetched.set(index, chunk.subarray(0, kept));
    }
    this.pages?.truncate(size);
  }

  /** What write(2) wrote, for those who map the file. */
  poke(offset: number, from: Uint8Array): void {
    this.#size = Math.max(this.#size, offset + from.length);
    if (this.#fetched.size > 0) this.#update(offset, from);
    this.pages?.poke(offset, from);
  }

  #update(offset: number, from: Uint8Array): void {
    for (const [index, chunk] of this.#fetched) {
      const at = offset - index * CHUNK;
      const end = Math.min(CHUNK, at + from.length);
      if (at >= CHUNK || end <= 0) continue;
      const whole = new Uint8Array(Math.max(chunk.length, end));
      whole.set(chunk);
      whole.set(from.subarray(Math.max(0, -at), end - at), Math.max(0, at));
      this.#fetched.set(index, whole);
    }
  }

  /** Fetches a range ahead, so that read() need not sleep: mmap does this while its call can still block. */
  prefetch(s: Sleeper, offset: number, length: number): number {
    if (this.node.fs.sleeps !== true) return 0;
    const end = Math.min(offset + length, this.#size);
    this.node.willNeed?.(s, offset, end - offset);
    // From its end: when that is here, the rest is, and one wait was enough.
    for (let index = Math.ceil(end / CHUNK) - 1; index >= Math.floor(offset / CHUNK); index--) {
      if (this.#fetched.has(index)) continue;
      const chunk = new Uint8Array(CHUNK);
      const count = this.node.read(s, index * CHUNK, chunk);
      if (count < 0) return count;
      this.#fetched.set(index, chunk.subarray(0, count));
    }
    return 0;
  }
}

/** The mapping of an inode, made on first use. */
export function mappingOf(s: Sleeper, inode: Inode, path: string): Mapping | number {
  if (inode.mapping !== null) return inode.mapping;
  const attributes = inode.attributes(s);
  if (failed(attributes)) return attributes;
  inode.mapping = new Mapping(inode, attributes.ino, attributes.size, path, s);
  return inode.mapping;
}

/** Makes a program's contents readable without sleeping, before anything of it is opened. */
export function prefetchProgram(s: Sleeper, inode: Inode, path: string): number {
  if (inode.fs.sleeps !== true) return 0;
  const mapping = mappingOf(s, inode, path);
  return failed(mapping) ? mapping : mapping.prefetch(s, 0, mapping.size());
}

/** deny_write_access(): a program runs from the file (execve). False where it is open for writing: -ETXTBSY. */
export function denyWrite(inode: Inode): boolean {
  if (inode.writers > 0) return false;
  inode.writers--;
  return true;
}

/** The program has ended. */
export function allowWrite(inode: Inode): void {
  inode.writers++;
}
