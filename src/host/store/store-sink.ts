import { readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { placeImage } from '../image/directory-sink.ts';
import { MANIFEST, type ManifestEntry } from '../image/manifest.ts';
import { CALLS, type FileCalls, ImageFileError, type StagedFile, Staging } from '../image/staging.ts';
import { type Codec, isAvailable } from './codec.ts';
import { Objects } from './objects.ts';
import { HASH_SIZE, sha256 } from './pack.ts';
import { newId, PackWriter, packPath } from './pack-writer.ts';
import { createStore, imagesOf, STORE_VERSION, Store, temporaryOf } from './store.ts';
import { BLOCK, nodesOf } from './tree.ts';

/** Blocks that are hashed before the machine has its turn. */
const BATCH = 256;

/** The images of one machine in a store: each begins with the one before. */
export class StoreWriter {
  readonly root: string;
  readonly codec: Codec;
  readonly calls: FileCalls;
  readonly #objects: Objects;
  #last: { readonly manifest: string; readonly text: string } | undefined;
  /** Hashes of the blocks of the last image's files. */
  before: ReadonlyMap<string, Buffer> = new Map();

  constructor(root: string, codec: Codec = 'none', calls: FileCalls = CALLS) {
    if (!isAvailable(codec)) throw new ImageFileError(`this release of Node does not have ${codec}`);
    this.root = root;
    this.codec = codec;
    this.calls = calls;
    createStore(root);
    this.#objects = new Objects(root);
  }

  /** Where the image of this name is. */
  path(name: string): string {
    if (!/^[^/.\0][^/\0]*$/.test(name)) throw new ImageFileError(`${name} is no name for an image in a store`);
    return join(imagesOf(this.root), name);
  }

  /** What the last image has may be gone, when that is. */
  async sink(name: string): Promise<StoreSink> {
    const path = this.path(name);
    const store = await Store.open(this.root, 'write', this.#objects);
    if (this.#last !== undefined && textOf(this.#last.manifest) !== this.#last.text) this.forget();
    return new StoreSink(this, path, store);
  }

  /** The next image begins with this one. */
  remember(path: string, hashes: ReadonlyMap<string, Buffer>): void {
    const manifest = join(path, MANIFEST);
    this.#last = { manifest, text: textOf(manifest) };
    this.before = hashes;
  }

  forget(): void {
    this.#last = undefined;
    this.before = new Map();
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** A range of a staged file that is a hole: the image before has it. */
interface Reused {
  readonly block: number;
  readonly hashes: Buffer;
}

/** Files are staged as they are while the machine stands still; what is new of them goes into a pack after that. */
export class StoreSink {
  readonly #writer: StoreWriter;
  readonly #path: string;
  readonly #store: Store;
  readonly #staging: Staging;
  readonly #reused = new Map<string, Reused[]>();
  readonly #pack: PackWriter;

  constructor(writer: StoreWriter, path: string, store: Store) {
    this.#writer = writer;
    this.#path = path;
    this.#store = store;
    this.#staging = new Staging(join(temporaryOf(store.root), 'image'), writer.calls);
    this.#pack = new PackWriter(packPath(store.root, newId()), writer.codec, writer.calls);
  }

  create(name: string) {
    const staging = this.#staging;
    const file = staging.create(name);
    const reused: Reused[] = [];
    this.#reused.set(name, reused);
    return {
      write: (bytes: Uint8Array) => staging.append(file, bytes),
      put: (offset: number, bytes: Uint8Array) => staging.put(file, offset, bytes),
      reuse: (from: string, offset: number, length: number) => {
        const hashes = this.#writer.before.get(from)?.subarray(hashAt(offset), hashAt(offset + length));
        if (hashes?.length !== hashAt(length)) throw new ImageFileError(`the image before has no such part of ${from}`);
        reused.push({ block: file.size / BLOCK, hashes });
        file.size += length;
      },
      drop: () => {
        staging.drop(file);
        this.#reused.delete(name);
      },
    };
  }

  async commit<T extends object>(manifest: T): Promise<T & { files: ManifestEntry[]; store: number }> {
    const files: ManifestEntry[] = [];
    const hashes = new Map<string, Buffer>();
    for (const file of [...this.#staging.files.values()]) {
      const { name, size } = file;
      const list = await this.#blocks(file);
      hashes.set(name, list);
      files.push({ name, size, sha256: (await this.#tree(list)).toString('hex') });
      this.#staging.drop(file);
    }
    await this.#pack.finish();
    const complete = { ...manifest, store: STORE_VERSION, files };
    await placeImage(this.#staging, this.#path, complete);
    this.#writer.remember(this.#path, hashes);
    this.#store.unlock();
    return complete;
  }

  abort(): void {
    this.#writer.forget();
    this.#pack.abort();
    this.#staging.abort();
    this.#store.unlock();
  }

  /** The hashes of a file's blocks; those that the store does not have go into the pack. */
  async #blocks(file: StagedFile): Promise<Buffer> {
    const count = Math.ceil(file.size / BLOCK);
    const hashes = Buffer.alloc(count * HASH_SIZE);
    let block = 0;
    for (const { block: at, hashes: known } of this.#reused.get(file.name)!) {
      await this.#newBlocks(file, block, at, hashes);
      known.copy(hashes, at * HASH_SIZE);
      block = at + known.length / HASH_SIZE;
    }
    await this.#newBlocks(file, block, count, hashes);
    return hashes;
  }

  async #newBlocks({ name, fd, size }: StagedFile, first: number, end: number, hashes: Buffer): Promise<void> {
    const batch = Buffer.allocUnsafe(BATCH * BLOCK);
    for (let block = first; block < end; block += BATCH) {
      const length = Math.min(Math.min(block + BATCH, end) * BLOCK, size) - block * BLOCK;
      if (readSync(fd, batch, 0, length, block * BLOCK) !== length)
        throw new ImageFileError(`its file ${name} is incomplete`);
      for (let at = 0; at < length; at += BLOCK) {
        const bytes = batch.subarray(at, Math.min(at + BLOCK, length));
        const hash = await this.#add(bytes);
        hash.copy(hashes, (block + at / BLOCK) * HASH_SIZE);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #tree(hashes: Buffer): Promise<Buffer> {
    const nodes: Buffer[] = [];
    for (const node of nodesOf(hashes)) nodes.push(await this.#add(node));
    return this.#add(Buffer.concat(nodes));
  }

  async #add(bytes: Uint8Array): Promise<Buffer> {
    const hash = sha256(bytes);
    if (!this.#pack.has(hash) && !this.#store.objects.has(hash)) await this.#pack.add(hash, bytes);
    return hash;
  }
}

const hashAt = (offset: number): number => (offset / BLOCK) * HASH_SIZE;
