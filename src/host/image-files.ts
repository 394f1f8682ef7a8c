/** Images in directories: written beside their place and moved there whole, read with every checksum verified. */
import { createHash, type Hash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { AT_FDCWD, libc } from './libc.ts';

const MANIFEST = 'manifest.json';
const MANIFEST_MAX = 16 << 20;
const RENAME_EXCHANGE = 2;
/** What hashing and writing take at a time. */
const CHUNK = 4 << 20;
/** Where the image before is while it is replaced by two renames. */
const PREVIOUS = '.previous';

/** Why an image cannot be written or read; src/checkpoint makes its own errors of it. */
export class ImageFileError extends Error {
  override name = 'ImageError';
}

interface File {
  name: string;
  size: number;
  sha256: string;
}

/** Calls that write, so that tests can make any of them fail. */
export interface FileCalls {
  write(fd: number, bytes: Uint8Array): number;
  sync(fd: number): void;
  rename(from: string, to: string): void;
}

const CALLS: FileCalls = { write: (fd, bytes) => writeSync(fd, bytes), sync: fsyncSync, rename: renameSync };

/** Writes an image into a directory. An image that is there stays until the new one is complete. */
export class DirectorySink {
  readonly #path: string;
  readonly #temporary: string;
  readonly #calls: FileCalls;
  readonly #files: File[] = [];
  #open: { fd: number; hash: Hash; file: File } | null = null;

  constructor(path: string, calls: FileCalls = CALLS) {
    this.#path = path;
    this.#calls = calls;
    if (existsSync(path) && !isReplaceable(path)) {
      throw new ImageFileError(`${path} exists and is no image: it is not replaced`);
    }
    this.#temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
    mkdirSync(this.#temporary, { mode: 0o700 });
  }

  create(name: string): { write(bytes: Uint8Array): void } {
    this.#finish();
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
    const fd = openSync(join(this.#temporary, name), flags, 0o600);
    const file = { name, size: 0, sha256: '' };
    const open = { fd, hash: createHash('sha256'), file };
    this.#open = open;
    return {
      write: (bytes) => {
        for (let at = 0; at < bytes.length; at += CHUNK) this.#put(open, bytes.subarray(at, at + CHUNK));
      },
    };
  }

  #put({ fd, hash, file }: { fd: number; hash: Hash; file: File }, bytes: Uint8Array): void {
    hash.update(bytes);
    for (let done = 0; done < bytes.length; ) {
      const count = this.#calls.write(fd, bytes.subarray(done));
      if (count <= 0) throw new ImageFileError('the image cannot be written: no progress');
      done += count;
    }
    file.size += bytes.length;
  }

  #finish(): void {
    const open = this.#open;
    if (open === null) return;
    this.#open = null;
    try {
      this.#calls.sync(open.fd);
    } finally {
      closeSync(open.fd);
    }
    open.file.sha256 = open.hash.digest('hex');
    this.#files.push(open.file);
  }

  commit<T extends object>(manifest: T): T & { files: File[] } {
    this.#finish();
    const complete = { ...manifest, files: [...this.#files] };
    this.create(MANIFEST).write(new TextEncoder().encode(`${JSON.stringify(complete, null, 1)}\n`));
    this.#finish();
    syncDirectory(this.#temporary, this.#calls);
    this.#replace();
    syncDirectory(dirname(this.#path), this.#calls);
    return complete;
  }

  /** In one step where the host can exchange names; else in two, and readers know the name in between. */
  #replace(): void {
    const { rename } = this.#calls;
    if (!existsSync(this.#path)) {
      rename(this.#temporary, this.#path);
      rmSync(`${this.#path}${PREVIOUS}`, { recursive: true, force: true });
      return;
    }
    const exchanged = libc()?.renameat2(AT_FDCWD, this.#temporary, AT_FDCWD, this.#path, RENAME_EXCHANGE) ?? -1;
    if (exchanged >= 0) return rmSync(this.#temporary, { recursive: true, force: true });
    const previous = `${this.#path}${PREVIOUS}`;
    rmSync(previous, { recursive: true, force: true });
    rename(this.#path, previous);
    rename(this.#temporary, this.#path);
    rmSync(previous, { recursive: true, force: true });
  }

  abort(): void {
    if (this.#open !== null) closeSync(this.#open.fd);
    this.#open = null;
    rmSync(this.#temporary, { recursive: true, force: true });
  }
}

/** An image, or an empty directory. */
function isReplaceable(path: string): boolean {
  try {
    const names = readdirSync(path);
    return names.length === 0 || names.includes(MANIFEST);
  } catch {
    return false;
  }
}

function syncDirectory(path: string, calls: FileCalls): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    calls.sync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Files that an image may have: a manifest cannot name others. */
const NAME = /^(machine|pages|core\.[1-9][0-9]{0,6})$/;

/** Reads an image from a directory. The manifest's members are the caller's to check, its files are checked here. */
export class DirectorySource {
  readonly manifest: { readonly files: readonly File[] };
  readonly #open = new Map<string, { fd: number; size: number }>();

  constructor(path: string) {
    const place = existsSync(join(path, MANIFEST)) ? path : `${path}${PREVIOUS}`;
    this.manifest = readManifest(place, path);
    try {
      for (const file of this.manifest.files) this.#open.set(file.name, openVerified(place, file));
    } catch (error) {
      this.close();
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
          const count = readSync(fd, into, done, Math.min(into.length - done, CHUNK), offset + done);
          if (count <= 0) throw new ImageFileError(`${name} is too short`);
          done += count;
        }
      },
    };
  }

  close(): void {
    for (const { fd } of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }
}

function readManifest(place: string, path: string): { files: File[] } {
  let text: string;
  try {
    const fd = openSync(join(place, MANIFEST), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.size > MANIFEST_MAX) throw new ImageFileError(`${path}: its manifest is no file`);
      text = readFileSync(fd, 'utf8');
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof ImageFileError) throw error;
    throw new ImageFileError(`${path} is no image: it has no ${MANIFEST}`);
  }
  let manifest: { files?: unknown } | null;
  try {
    manifest = JSON.parse(text);
  } catch {
    throw new ImageFileError(`${path}: its manifest is damaged`);
  }
  const files = manifest?.files;
  if (!Array.isArray(files) || !files.every(isFile)) throw new ImageFileError(`${path}: its manifest is damaged`);
  if (new Set(files.map(({ name }) => name)).size !== files.length) {
    throw new ImageFileError(`${path}: its manifest names a file twice`);
  }
  return manifest as { files: File[] };
}

function isFile(value: unknown): value is File {
  const { name, size, sha256 } = (value ?? {}) as Partial<File>;
  return typeof name === 'string' && NAME.test(name) && Number.isSafeInteger(size) && typeof sha256 === 'string';
}

function openVerified(place: string, { name, size, sha256 }: File): { fd: number; size: number } {
  let fd: number;
  try {
    fd = openSync(join(place, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    throw new ImageFileError(`its file ${name} is missing`);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size !== size) throw new ImageFileError(`its file ${name} is incomplete`);
    const hash = createHash('sha256');
    const chunk = new Uint8Array(Math.min(size, CHUNK));
    for (let at = 0; at < size; ) {
      const count = readSync(fd, chunk, 0, chunk.length, at);
      if (count <= 0) throw new ImageFileError(`its file ${name} is incomplete`);
      hash.update(chunk.subarray(0, count));
      at += count;
    }
    if (hash.digest('hex') !== sha256) throw new ImageFileError(`its file ${name} is damaged: its checksum differs`);
    return { fd, size };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
