import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type FileCalls, ImageFileError, syncDirectory } from '../image/staging.ts';
import { CODECS, type Codec, pack } from './codec.ts';
import { type Entry, FOOTER_SIZE, FRAME_ENTRY, HASH_SIZE, INDEX_ENTRY, MAGIC, sha256 } from './pack.ts';

/** Objects are packed together up to this size. */
const FRAME = 256 << 10;
/** Frames that are packed at the same time. */
const LANES = 4;

/** One pack that is being written. Nobody sees it before finish(). */
export class PackWriter {
  readonly #path: string;
  readonly #codec: Codec;
  readonly #calls: FileCalls;
  #fd: number | undefined;
  #size = 0;
  #frame: Uint8Array[] = [];
  #frameSize = 0;
  #frames = 0;
  readonly #table: Buffer[] = [];
  readonly #packing: { readonly packed: Promise<Uint8Array>; readonly plain: Buffer }[] = [];
  /** By hash, as latin1 text. */
  readonly #entries = new Map<string, Entry>();

  constructor(path: string, codec: Codec, calls: FileCalls) {
    this.#path = path;
    this.#codec = codec;
    this.#calls = calls;
  }

  /** Bytes written. */
  get size(): number {
    return this.#size;
  }

  has(hash: Buffer): boolean {
    return this.#entries.has(hash.toString('latin1'));
  }

  /** Keeps a copy of the bytes. */
  async add(hash: Buffer, bytes: Uint8Array): Promise<void> {
    this.#entries.set(hash.toString('latin1'), { frame: this.#frames, at: this.#frameSize, length: bytes.length });
    this.#frame.push(Uint8Array.prototype.slice.call(bytes));
    this.#frameSize += bytes.length;
    if (this.#frameSize >= FRAME) await this.#closeFrame();
  }

  /** The pack is on the disk under its name; false: it would have been empty. */
  async finish(): Promise<boolean> {
    if (this.#entries.size === 0) return false;
    await this.#closeFrame();
    while (this.#packing.length > 0) await this.#writeFrame();
    const tables = this.#size;
    const entries = [...this.#entries].sort(([a], [b]) => (a < b ? -1 : 1));
    const index = Buffer.alloc(entries.length * INDEX_ENTRY);
    for (const [i, [hash, { frame, at, length }]] of entries.entries()) {
      index.write(hash, i * INDEX_ENTRY, 'latin1');
      for (const [word, value] of [frame, at, length].entries()) {
        index.writeUInt32LE(value, i * INDEX_ENTRY + HASH_SIZE + 4 * word);
      }
    }
    const bytes = Buffer.concat([...this.#table, index]);
    const footer = Buffer.alloc(FOOTER_SIZE);
    footer.writeUInt32LE(this.#table.length, 0);
    footer.writeUInt32LE(entries.length, 4);
    footer.writeBigUInt64LE(BigInt(tables), 8);
    sha256(bytes).copy(footer, 16);
    footer.write(MAGIC, 16 + HASH_SIZE, 'latin1');
    this.#write(bytes);
    this.#write(footer);
    await this.#calls.sync(this.#fd!);
    this.#close();
    this.#calls.rename(this.#temporary, this.#path);
    await syncDirectory(dirname(this.#path), this.#calls);
    return true;
  }

  abort(): void {
    this.#close();
    rmSync(this.#temporary, { force: true });
  }

  get #temporary(): string {
    return `${this.#path}.tmp`;
  }

  async #closeFrame(): Promise<void> {
    if (this.#frame.length === 0) return;
    const plain = Buffer.concat(this.#frame);
    const packed = pack(this.#codec, plain);
    packed.catch(() => {}); // told where it is awaited
    this.#packing.push({ packed, plain });
    this.#frame = [];
    this.#frameSize = 0;
    this.#frames++;
    if (this.#packing.length >= LANES) await this.#writeFrame();
  }

  async #writeFrame(): Promise<void> {
    const { packed, plain } = this.#packing.shift()!;
    const bytes = await packed;
    const gains = bytes.length < plain.length;
    const entry = Buffer.alloc(FRAME_ENTRY);
    if (this.#size === 0) this.#write(Buffer.from(MAGIC, 'latin1'));
    entry.writeBigUInt64LE(BigInt(this.#size), 0);
    entry.writeUInt32LE(gains ? bytes.length : plain.length, 8);
    entry.writeUInt32LE(plain.length, 12);
    entry.writeUInt32LE(gains ? CODECS.indexOf(this.#codec) : 0, 16);
    this.#table.push(entry);
    this.#write(gains ? bytes : plain);
  }

  #write(bytes: Uint8Array): void {
    this.#fd ??= openSync(this.#temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    for (let done = 0; done < bytes.length; ) {
      const count = this.#calls.write(this.#fd, bytes.subarray(done), this.#size + done);
      if (count <= 0) throw new ImageFileError('the store cannot be written: no progress');
      done += count;
    }
    this.#size += bytes.length;
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** In the order in which packs were made. */
export const newId = (): string => `${Date.now().toString(36)}-${randomBytes(6).toString('hex')}`;

export const packPath = (root: string, id: string): string => join(root, 'packs', `${id}.pack`);
