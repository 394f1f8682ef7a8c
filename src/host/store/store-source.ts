import type { ReadManifest } from '../image/manifest.ts';
import { ImageFileError } from '../image/staging.ts';
import { HASH_SIZE } from './pack.ts';
import { STORE_VERSION, Store, storeOf } from './store.ts';
import { BLOCK, readTree } from './tree.ts';

/** An image in a store. Every object is compared with its hash when it is read. */
export class StoreSource {
  readonly manifest: ReadManifest['manifest'];
  readonly isOwn: boolean;
  readonly #store: Store;
  readonly #files = new Map<string, { size: number; hashes: Buffer }>();

  private constructor({ manifest, isOwn }: ReadManifest, store: Store) {
    this.manifest = manifest;
    this.isOwn = isOwn;
    this.#store = store;
    for (const { name, size, sha256 } of manifest.files) {
      this.#files.set(name, { size, hashes: readTree(store.objects, Buffer.from(sha256, 'hex'), size) });
    }
  }

  static async open(read: ReadManifest): Promise<StoreSource> {
    if (read.manifest.store !== STORE_VERSION) throw new ImageFileError('it is in a store of a later version');
    const store = await Store.open(storeOf(read.place), 'read');
    try {
      return new StoreSource(read, store);
    } catch (error) {
      store.close();
      throw error;
    }
  }

  open(name: string): { size: number; read(offset: number, into: Uint8Array): void } {
    const file = this.#files.get(name);
    if (file === undefined) throw new ImageFileError(`it has no file ${name}`);
    const { size, hashes } = file;
    const { objects } = this.#store;
    return {
      size,
      read(offset, into) {
        if (offset + into.length > size) throw new ImageFileError(`${name} is too short`);
        for (let done = 0; done < into.length; ) {
          const [block, within] = [Math.floor((offset + done) / BLOCK), (offset + done) % BLOCK];
          const bytes = objects.read(hashes.subarray(block * HASH_SIZE, (block + 1) * HASH_SIZE));
          const length = Math.min(BLOCK - within, into.length - done);
          if (bytes.length < within + length)
            throw new ImageFileError(`it is damaged: a block of ${name} is too short`);
          into.set(bytes.subarray(within, within + length), done);
          done += length;
        }
      },
    };
  }

  /** Reads everything: each object is compared with its hash. */
  verify(): void {
    const bytes = new Uint8Array(BLOCK);
    for (const name of this.#files.keys()) {
      const { size, read } = this.open(name);
      for (let at = 0; at < size; at += BLOCK) read(at, bytes.subarray(0, Math.min(BLOCK, size - at)));
    }
  }

  close(): void {
    this.#store.close();
  }
}
