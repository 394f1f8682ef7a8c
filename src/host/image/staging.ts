/** Files of an image while it is made: beside its place, under a name that nobody takes for an image. */
import { randomBytes } from 'node:crypto';
import { closeSync, constants, fsync, mkdirSync, openSync, renameSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Why an image cannot be written or read; src/checkpoint makes its own errors of it. */
export class ImageFileError extends Error {
  override name = 'ImageError';
}

/** Calls that write, so that tests can make any of them fail. */
export interface FileCalls {
  /** At the end of what has been written, or at a place. */
  write(fd: number, bytes: Uint8Array, position: number): number;
  sync(fd: number): Promise<void>;
  rename(from: string, to: string): void;
}

export const CALLS: FileCalls = {
  write: (fd, bytes, position) => writeSync(fd, bytes, 0, bytes.length, position),
  sync: promisify(fsync),
  rename: renameSync,
};

export interface StagedFile {
  readonly name: string;
  readonly fd: number;
  size: number;
}

export class Staging {
  readonly path: string;
  readonly calls: FileCalls;
  readonly files = new Map<string, StagedFile>();

  /** @param beside where the image will be. */
  constructor(beside: string, calls: FileCalls) {
    this.calls = calls;
    this.path = `${beside}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
    mkdirSync(this.path, { mode: 0o700 });
  }

  create(name: string): StagedFile {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
    const file = { name, fd: openSync(join(this.path, name), flags, 0o600), size: 0 };
    this.files.set(name, file);
    return file;
  }

  append(file: StagedFile, bytes: Uint8Array): void {
    this.put(file, file.size, bytes);
    file.size += bytes.length;
  }

  put(file: StagedFile, offset: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const count = this.calls.write(file.fd, bytes.subarray(done), offset + done);
      if (count <= 0) throw new ImageFileError('the image cannot be written: no progress');
      done += count;
    }
  }

  drop({ name, fd }: StagedFile): void {
    closeSync(fd);
    unlinkSync(join(this.path, name));
    this.files.delete(name);
  }

  close(): void {
    for (const { fd } of this.files.values()) closeSync(fd);
    this.files.clear();
  }

  abort(): void {
    this.close();
    rmSync(this.path, { recursive: true, force: true });
  }
}

export async function syncDirectory(path: string, calls: FileCalls): Promise<void> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await calls.sync(fd);
  } finally {
    closeSync(fd);
  }
}
