/** Images in directories of their own: written beside their place and moved there whole. */
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AT_FDCWD, libc } from '../libc.ts';
import { digestOfPieces, PIECE } from './digest.ts';
import { isReplaceable, MANIFEST, type ManifestEntry, PREVIOUS, sealed } from './manifest.ts';
import { CALLS, type FileCalls, ImageFileError, Staging, syncDirectory } from './staging.ts';

const RENAME_EXCHANGE = 2;

/**
 * An image that is there stays until the new one is complete. Files are only written at first, which is what a machine
 * stands still for; checksums and fsync come when the image is committed.
 */
export class DirectorySink {
  readonly #path: string;
  readonly #staging: Staging;
  readonly #isOwn: boolean;

  /** @param isOwn this user's Tallship has made what is in it: it gets the seal. */
  constructor(path: string, calls: FileCalls = CALLS, isOwn = true) {
    this.#path = path;
    this.#isOwn = isOwn;
    if (existsSync(path) && !isReplaceable(path)) {
      throw new ImageFileError(`${path} exists and is no image: it is not replaced`);
    }
    this.#staging = new Staging(path, calls);
  }

  create(name: string) {
    const staging = this.#staging;
    const file = staging.create(name);
    return {
      write: (bytes: Uint8Array) => staging.append(file, bytes),
      put: (offset: number, bytes: Uint8Array) => staging.put(file, offset, bytes),
      drop: () => staging.drop(file),
    };
  }

  /** The machine runs on meanwhile. */
  async commit<T extends object>(manifest: T): Promise<T & { files: ManifestEntry[] }> {
    const { files, calls } = this.#staging;
    const entries: ManifestEntry[] = [];
    for (const file of files.values()) {
      entries.push({ name: file.name, size: file.size, sha256: await digestOfPieces(file), piece: PIECE });
      await calls.sync(file.fd);
    }
    const complete = { ...manifest, files: entries };
    await placeImage(this.#staging, this.#path, complete, this.#isOwn);
    return complete;
  }

  abort(): void {
    this.#staging.abort();
  }
}

/** The staged files and this manifest become the image at a path. */
export async function placeImage(staging: Staging, path: string, manifest: object, isOwn = true): Promise<void> {
  const { calls } = staging;
  const file = staging.create(MANIFEST);
  staging.append(file, sealed(manifest, isOwn));
  if (!isOwn) chmodSync(staging.path, 0o750); // without a key, privacy is the seal (key.ts)
  await calls.sync(file.fd);
  staging.close();
  await syncDirectory(staging.path, calls);
  await replace(staging.path, path, calls);
  await syncDirectory(dirname(path), calls);
}

/** In one step where the host can exchange names; else in two, and readers know the name in between. */
async function replace(from: string, to: string, { rename }: FileCalls): Promise<void> {
  const previous = `${to}${PREVIOUS}`;
  if (!existsSync(to)) {
    rename(from, to);
    return rm(previous, { recursive: true, force: true });
  }
  const exchanged = libc()?.renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) ?? -1;
  // Removing a large image takes a while: the machine runs on.
  if (exchanged >= 0) return rm(from, { recursive: true, force: true });
  rmSync(previous, { recursive: true, force: true });
  rename(to, previous);
  rename(from, to);
  return rm(previous, { recursive: true, force: true });
}
