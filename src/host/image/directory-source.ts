/** Images in directories of their own, as they are read: every checksum is compared before anything of them is used. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { digestOfPieces, digestOfWhole } from './digest.ts';
import { type ManifestEntry, type ReadManifest, readManifest } from './manifest.ts';
import { ImageFileError } from './staging.ts';

interface OpenFile {
  readonly name: string;
  readonly fd: number;
  readonly size: number;
}

export class DirectorySource {
  readonly manifest: ReadManifest['manifest'];
  readonly isOwn: boolean;
  readonly #open = new Map<string, OpenFile>();

  private constructor({ manifest, isOwn }: ReadManifest) {
    this.manifest = manifest;
    this.isOwn = isOwn;
  }

  /** The manifest's members are the caller's to check, its files are checked here. */
  static async open(path: string, read: ReadManifest = readManifest(path)): Promise<DirectorySource> {
    const source = new DirectorySource(read);
    try {
      for (const entry of read.manifest.files) {
        const file = openEntry(read.place, entry);
        source.#open.set(entry.name, file);
        await verify(file, entry);
      }
      return source;
    } catch (error) {
      source.close();
      throw error;
    }
  }

  open(name: string): { size: number; read(offset: number, into: Uint8Array): void } {
    const file = this.#open.get(name);
    if (file === undefined) throw new ImageFileError(`it has no file ${name}`);
    const { fd, size } = file;
    return {
      size,
      read(offset, into) {
        for (let done = 0; done < into.length; ) {
          const count = readSync(fd, into, done, into.length - done, offset + done);
          if (count <= 0) throw new ImageFileError(`${name} is too short`);
          done += count;
        }
      },
    };
  }

  /** That was done when it was opened. */
  verify(): void {}

  close(): void {
    for (const { fd } of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }
}

function openEntry(place: string, { name, size }: ManifestEntry): OpenFile {
  let fd: number;
  try {
    fd = openSync(join(place, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    throw new ImageFileError(`its file ${name} is missing`);
  }
  const stat = fstatSync(fd);
  if (stat.isFile() && stat.size === size) return { name, fd, size };
  closeSync(fd);
  throw new ImageFileError(`its file ${name} is incomplete`);
}

async function verify(file: OpenFile, { name, sha256, piece }: ManifestEntry): Promise<void> {
  const digest = piece === undefined ? await digestOfWhole(file) : await digestOfPieces(file, piece);
  if (digest !== sha256) throw new ImageFileError(`its file ${name} is damaged: its checksum differs`);
}
