/** All objects of a store: which pack has which. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ImageFileError } from '../image/staging.ts';
import { HASH_SIZE, Pack, sha256 } from './pack.ts';

const EMPTY = 0xffffffff;
/** Unpacked frames that are kept: objects of one are read one after the other. */
const FRAMES_KEPT = 16;

export class Objects {
  readonly #root: string;
  readonly packs: Pack[] = [];
  /** Number of the pack's first object among all. */
  readonly #firsts: number[] = [];
  #count = 0;
  /** Open addressing: numbers of objects. */
  #table = new Uint32Array(1024).fill(EMPTY);
  readonly #frames = new Map<string, Buffer>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Looks for packs that have come or gone since. */
  refresh(): void {
    const found = readdirSync(join(this.#root, 'packs'))
      .filter((name) => name.endsWith('.pack'))
      .map((name) => join(this.#root, 'packs', name));
    if (this.packs.some(({ path }) => !found.includes(path))) this.close();
    const known = new Set(this.packs.map(({ path }) => path));
    for (const path of found) if (!known.has(path)) this.#enter(new Pack(path));
  }

  has(hash: Uint8Array): boolean {
    return this.#find(hash) !== EMPTY;
  }

  /** The object, whose hash has been compared. The bytes are not the caller's to change. */
  read(hash: Uint8Array): Buffer {
    const found = this.#find(hash);
    if (found === EMPTY) throw new ImageFileError(`it is incomplete: the store has no object ${hex(hash)}`);
    const [pack, i] = this.#place(found);
    const { frame, at, length } = pack.entry(i);
    const bytes = this.#frame(pack, frame).subarray(at, at + length);
    if (!sha256(bytes).equals(hash))
      throw new ImageFileError(`it is damaged: object ${hex(hash)} differs from its checksum`);
    return bytes;
  }

  close(): void {
    for (const pack of this.packs) pack.close();
    this.packs.length = 0;
    this.#firsts.length = 0;
    this.#count = 0;
    this.#table.fill(EMPTY);
    this.#frames.clear();
  }

  #frame(pack: Pack, number: number): Buffer {
    const key = `${pack.path} ${number}`;
    const known = this.#frames.get(key);
    if (known !== undefined) return known;
    const bytes = pack.frame(number);
    this.#frames.set(key, bytes);
    if (this.#frames.size > FRAMES_KEPT) this.#frames.delete(this.#frames.keys().next().value!);
    return bytes;
  }

  #enter(pack: Pack): void {
    this.packs.push(pack);
    this.#firsts.push(this.#count);
    this.#count += pack.count;
    if (this.#count * 2 > this.#table.length) return this.#rebuild();
    for (let i = 0; i < pack.count; i++) this.#insert(pack.hash(i), this.#count - pack.count + i);
  }

  #rebuild(): void {
    let size = this.#table.length;
    while (size < this.#count * 3) size *= 2;
    this.#table = new Uint32Array(size).fill(EMPTY);
    for (const [p, pack] of this.packs.entries()) {
      for (let i = 0; i < pack.count; i++) this.#insert(pack.hash(i), this.#firsts[p] + i);
    }
  }

  #insert(hash: Buffer, number: number): void {
    const mask = this.#table.length - 1;
    let slot = hash.readUInt32LE(0) & mask;
    while (this.#table[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.#table[slot] = number;
  }

  #find(hash: Uint8Array): number {
    const mask = this.#table.length - 1;
    const wanted = Buffer.from(hash.buffer, hash.byteOffset, HASH_SIZE);
    for (let slot = wanted.readUInt32LE(0) & mask; ; slot = (slot + 1) & mask) {
      const number = this.#table[slot];
      if (number === EMPTY) return EMPTY;
      const [pack, i] = this.#place(number);
      if (pack.hash(i).equals(wanted)) return number;
    }
  }

  #place(number: number): readonly [Pack, number] {
    let [low, high] = [0, this.packs.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#firsts[middle] <= number) low = middle;
      else high = middle - 1;
    }
    return [this.packs[low], number - this.#firsts[low]];
  }
}

export const hex = (hash: Uint8Array): string => Buffer.from(hash).toString('hex');
