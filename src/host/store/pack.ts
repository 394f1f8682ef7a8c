/**
 * Packs: files of a store that hold objects, each once, found by the SHA-256 of what they are (docs/IMAGE.md). A pack is
 * written once and never changed.
 *
 *     magic, frames, a table of frames, an index in the order of the hashes, footer
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ImageFileError } from '../image/staging.ts';
import { CODECS, type Codec, unpack } from './codec.ts';

export const MAGIC = 'TSPACK1\n';
export const HASH_SIZE = 32;
/** Offset in the file (8 bytes), bytes there, bytes unpacked, codec. */
export const FRAME_ENTRY = 20;
/** Hash, number of the frame, offset in it, length. */
export const INDEX_ENTRY = HASH_SIZE + 12;
/** Counts of frames and objects, where their tables begin, SHA-256 of both, magic. */
export const FOOTER_SIZE = 4 + 4 + 8 + HASH_SIZE + MAGIC.length;
/** Of one object, and of one frame. */
export const OBJECT_MAX = 64 << 20;

export const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** Where an object is in a pack. */
export interface Entry {
  readonly frame: number;
  readonly at: number;
  readonly length: number;
}

export class Pack {
  readonly path: string;
  readonly count: number;
  readonly #fd: number;
  readonly #frames: DataView;
  /** INDEX_ENTRY bytes for each object. */
  readonly #index: Buffer;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, 'r');
    try {
      const { size } = fstatSync(this.#fd);
      const footer = this.#read(size - FOOTER_SIZE, FOOTER_SIZE);
      const [frames, tables] = [footer.readUInt32LE(0), Number(footer.readBigUInt64LE(8))];
      this.count = footer.readUInt32LE(4);
      const length = frames * FRAME_ENTRY + this.count * INDEX_ENTRY;
      if (footer.toString('latin1', 16 + HASH_SIZE) !== MAGIC || tables + length !== size - FOOTER_SIZE) {
        throw this.#damaged();
      }
      const bytes = this.#read(tables, length);
      if (!sha256(bytes).equals(footer.subarray(16, 16 + HASH_SIZE))) throw this.#damaged();
      this.#frames = new DataView(bytes.buffer, bytes.byteOffset, frames * FRAME_ENTRY);
      this.#index = bytes.subarray(frames * FRAME_ENTRY);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Of its first frame. */
  get codec(): Codec {
    return CODECS[this.#frames.getUint32(16, true)] ?? 'none';
  }

  get size(): number {
    return fstatSync(this.#fd).size;
  }

  /** In the order in which the objects stand in it: those of one file are near each other. */
  hashes(): Buffer[] {
    const order = Array.from({ length: this.count }, (_, i) => ({ i, ...this.entry(i) }));
    order.sort((a, b) => a.frame - b.frame || a.at - b.at);
    return order.map(({ i }) => this.hash(i));
  }

  hash(i: number): Buffer {
    return this.#index.subarray(i * INDEX_ENTRY, i * INDEX_ENTRY + HASH_SIZE);
  }

  entry(i: number): Entry {
    const at = i * INDEX_ENTRY + HASH_SIZE;
    const index = this.#index;
    return { frame: index.readUInt32LE(at), at: index.readUInt32LE(at + 4), length: index.readUInt32LE(at + 8) };
  }

  /** A frame's bytes, unpacked. */
  frame(number: number): Buffer {
    const at = number * FRAME_ENTRY;
    if (at + FRAME_ENTRY > this.#frames.byteLength) throw this.#damaged();
    const offset = Number(this.#frames.getBigUint64(at, true));
    const [stored, length, code] = [8, 12, 16].map((member) => this.#frames.getUint32(at + member, true));
    const codec: Codec | undefined = CODECS[code];
    if (codec === undefined || length > OBJECT_MAX || stored > OBJECT_MAX) throw this.#damaged();
    const bytes = this.#read(offset, stored);
    return codec === 'none' ? bytes : unpack(codec, bytes, length);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      const count = offset < 0 ? 0 : readSync(this.#fd, bytes, done, length - done, offset + done);
      if (count <= 0) throw this.#damaged();
      done += count;
    }
    return bytes;
  }

  #damaged(): ImageFileError {
    return new ImageFileError(`the store's ${this.path} is damaged or incomplete`);
  }
}
