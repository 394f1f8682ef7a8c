/** The contents of a served file as far as they are here: blocks that were read, ahead too, and writes on their way. */
import type { Attributes } from '../../vfs/inode.ts';
import { failed, type Sleeper } from '../../wait/wait.ts';
import { LARGEST_DATA } from '../frames.ts';
import { BLOCK, type Block } from './data-cache.ts';
import type { Pending } from './pending.ts';
import type { RemoteObject } from './remote-object.ts';
import { WriteBehind } from './write-behind.ts';

/** Blocks in one request. */
const MOST_BLOCKS = LARGEST_DATA / BLOCK;
/** Bytes read ahead: at first, and at most. */
const FIRST_AHEAD = 256 << 10;
const MOST_AHEAD = 8 << 20;
/** What one read(2) moves at most where nothing is cached. */
const MOST_DIRECT = 64 << 20;

export class FileData {
  readonly #inode: RemoteObject;
  readonly #blocks = new Map<number, Block>();
  readonly #fetching = new Map<number, Pending>();
  readonly writes: WriteBehind;
  /** Modification time and size that the blocks belong to. */
  #mtime = -1n;
  #size = -1;
  /** Counts how often everything was dropped: what was asked before is not kept. */
  #generation = 0;
  #failure: { status: number; tick: number } | null = null;
  #expected = 0;
  #ahead = FIRST_AHEAD;

  constructor(inode: RemoteObject) {
    this.#inode = inode;
    this.writes = new WriteBehind(inode, this);
  }

  /** Attributes have come: if others have changed the file, what we have is worth nothing. */
  learn(attributes: Attributes, own: boolean): void {
    const { mtime, size } = attributes;
    if (mtime === this.#mtime && size === this.#size) return;
    if (!own && !this.writes.busy && this.#size >= 0) this.drop();
    this.#mtime = mtime;
    this.#size = size;
  }

  /** A small file has come whole. */
  learnAll(contents: Uint8Array): void {
    if (!this.writes.busy && contents.length > 0 && contents.length <= BLOCK) this.#keep(0, contents);
  }

  drop(): void {
    this.#generation++;
    for (const block of this.#blocks.values()) this.#inode.fs.data.remove(block);
    this.#blocks.clear();
    this.#fetching.clear();
  }

  /** The file ends here now. */
  cut(size: number): void {
    this.#generation++;
    this.#fetching.clear();
    for (const [index, block] of this.#blocks) {
      const kept = Math.max(0, size - index * BLOCK);
      if (kept < block.bytes.length) block.bytes = block.bytes.slice(0, kept);
    }
  }

  #keep(index: number, bytes: Uint8Array): void {
    const { data } = this.#inode.fs;
    const known = this.#blocks.get(index);
    if (known !== undefined) {
      known.bytes = bytes;
      return data.use(known);
    }
    const block = { bytes, forget: () => this.#blocks.delete(index) };
    this.#blocks.set(index, block);
    data.add(block);
  }

  read(s: Sleeper, position: number, into: Uint8Array): number {
    if (!this.#inode.fs.cached) return this.#readDirect(s, position, into);
    const attributes = this.#inode.attributes(s);
    if (failed(attributes)) return attributes;
    const length = Math.min(into.length, attributes.size - position);
    if (length <= 0) return 0;
    const there = this.#require(s, position, position + length);
    if (there < 0) return there;
    this.#copy(position, into.subarray(0, length));
    this.writes.overlay(position, into.subarray(0, length));
    this.#readAhead(position, position + length);
    return length;
  }

  /** All blocks of a range are here: 0; or the caller sleeps. */
  #require(s: Sleeper, from: number, to: number): number {
    const { fs } = this.#inode;
    const end = Math.min(to, this.#inode.known!.size);
    let waitFor: Pending | undefined;
    for (let index = Math.floor(from / BLOCK); index * BLOCK < end; index++) {
      const block = this.#blocks.get(index);
      if (block !== undefined) {
        fs.data.use(block);
        continue;
      }
      if (this.#failure !== null && this.#failure.tick >= fs.freshness.start(s)) return this.#failure.status;
      if (!this.#fetching.has(index)) this.#fetch(index, Math.ceil((end - index * BLOCK) / BLOCK));
      waitFor = this.#fetching.get(index);
    }
    return waitFor === undefined ? 0 : fs.link.wait(s, waitFor);
  }

  /** Asks for blocks that are not here, at most so many as go into one request. */
  #fetch(first: number, most: number): void {
    let count = 1;
    while (
      count < Math.min(most, MOST_BLOCKS) &&
      !this.#blocks.has(first + count) &&
      !this.#fetching.has(first + count)
    ) {
      count++;
    }
    const generation = this.#generation;
    const { fs } = this.#inode;
    const stamp = fs.freshness.stamp();
    const pending = fs.link.send('read', this.#inode, [first * BLOCK, count * BLOCK], (answered) => {
      for (let i = 0; i < count; i++) {
        if (this.#fetching.get(first + i) === answered) this.#fetching.delete(first + i);
      }
      if (answered.status < 0) {
        this.#failure = { status: answered.status, tick: stamp.tick };
        return;
      }
      if (answered.attributes !== null) this.#inode.learn(answered.attributes, stamp);
      if (generation === this.#generation) this.#learnBlocks(first, count, answered.answer as Uint8Array);
    });
    if (!pending.done) for (let i = 0; i < count; i++) this.#fetching.set(first + i, pending);
  }

  #learnBlocks(first: number, count: number, bytes: Uint8Array): void {
    for (let i = 0; i < count; i++) {
      if (i > 0 && i * BLOCK >= bytes.length) return;
      const block = bytes.subarray(i * BLOCK, (i + 1) * BLOCK);
      // A single one must not keep what else has come with it.
      this.#keep(first + i, count === 1 ? block.slice() : block);
    }
  }

  #copy(position: number, into: Uint8Array): void {
    for (let at = 0; at < into.length; ) {
      const index = Math.floor((position + at) / BLOCK);
      const offset = (position + at) % BLOCK;
      const count = Math.min(BLOCK - offset, into.length - at);
      const bytes = this.#blocks.get(index)?.bytes;
      const have = bytes === undefined ? 0 : Math.max(0, Math.min(count, bytes.length - offset));
      if (have > 0) into.set(bytes!.subarray(offset, offset + have), at);
      if (have < count) into.fill(0, at + have, at + count);
      at += count;
    }
  }

  /** Who reads on gets what follows without asking, more each time. */
  #readAhead(from: number, to: number): void {
    const sequential = from === this.#expected;
    this.#expected = to;
    if (!sequential) {
      this.#ahead = FIRST_AHEAD;
      return;
    }
    this.want(to, this.#ahead, true);
    this.#ahead = Math.min(this.#ahead * 2, MOST_AHEAD);
  }

  /**
   * Asks for a range that will be read soon.
   * @param patient what is missing at its far end may wait until there is more of it: not in small pieces.
   */
  want(from: number, length: number, patient = false): void {
    const end = Math.min(from + length, this.#inode.known?.size ?? 0);
    for (let index = Math.floor(from / BLOCK); index * BLOCK < end; index++) {
      if (this.#blocks.has(index) || this.#fetching.has(index)) continue;
      const missing = Math.ceil((end - index * BLOCK) / BLOCK);
      if (patient && missing < MOST_BLOCKS && end < (this.#inode.known?.size ?? 0)) return;
      this.#fetch(index, missing);
    }
  }

  #readDirect(s: Sleeper, position: number, into: Uint8Array): number {
    const { fs, node } = this.#inode;
    const length = Math.min(into.length, MOST_DIRECT);
    const pieces: (Pending | number)[] = [];
    for (let at = 0; at < length; at += LARGEST_DATA) {
      const count = Math.min(LARGEST_DATA, length - at);
      const key = `${node} read ${position + at} ${count}`;
      pieces.push(fs.look(s, key, 'read', this.#inode, [position + at, count]));
    }
    let done = 0;
    for (const piece of pieces) {
      if (failed(piece)) return piece;
      const bytes = piece.answer as Uint8Array;
      into.set(bytes, done);
      done += bytes.length;
      if (bytes.length < LARGEST_DATA) break;
    }
    return done;
  }

  /** A write has come home: blocks that are here follow, and what is written whole need not be read. */
  wrote(start: number, from: Uint8Array): void {
    for (let at = 0; at < from.length; ) {
      const index = Math.floor((start + at) / BLOCK);
      const offset = (start + at) % BLOCK;
      const count = Math.min(BLOCK - offset, from.length - at);
      const known = this.#blocks.get(index);
      if (known !== undefined || offset === 0) {
        const old = known?.bytes ?? new Uint8Array();
        if (count === BLOCK) this.#keep(index, from.subarray(at, at + count));
        else if (known !== undefined || start + from.length >= this.#size) {
          const bytes = new Uint8Array(Math.max(old.length, offset + count));
          bytes.set(old);
          bytes.set(from.subarray(at, at + count), offset);
          this.#keep(index, bytes);
        }
      }
      this.#fetching.delete(index);
      at += count;
    }
  }
}
