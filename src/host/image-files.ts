/** Images in directories: written beside their place and moved there whole, read with every checksum verified. */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsync,
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
import { promisify } from 'node:util';
import { isSealed, sealOf } from './image-key.ts';
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
  sync(fd: number): Promise<void>;
  rename(from: string, to: string): void;
}

const CALLS: FileCalls = { write: (fd, bytes) => writeSync(fd, bytes), sync: promisify(fsync), rename: renameSync };

interface OpenFile {
  readonly name: string;
  readonly fd: number;
  size: number;
}

/**
 * Writes an image into a directory. An image that is there stays until the new one is complete. Files are only written at
 * first, which is what a machine stands still for; checksums and fsync come when the image is committed.
 */
export class DirectorySink {
  readonly #path: string;
  readonly #temporary: string;
  readonly #calls: FileCalls;
  readonly #files: OpenFile[] = [];

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
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
    const file = { name, fd: openSync(join(this.#temporary, name), flags, 0o600), size: 0 };
    this.#files.push(file);
    return {
      write: (bytes) => {
        for (let at = 0; at < bytes.length; at += CHUNK) this.#put(file, bytes.subarray(at, at + CHUNK));
      },
    };
  }

  #put(file: OpenFile, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const count = this.#calls.write(file.fd, bytes.subarray(done));
      if (count <= 0) throw new ImageFileError('the image cannot be written: no progress');
      done += count;
    }
    file.size += bytes.length;
  }

  /** The machine may run on meanwhile: hashing lets it have its turns. */
  async commit<T extends object>(manifest: T): Promise<T & { files: File[] }> {
    const files: File[] = [];
    for (const file of this.#files) {
      const hash = createHash('sha256');
      for (const chunk of chunksOf(file)) {
        hash.update(chunk);
        await turn();
      }
      await this.#calls.sync(file.fd);
      files.push({ name: file.name, size: file.size, sha256: hash.digest('hex') });
    }
    const complete = { ...manifest, files };
    this.create(MANIFEST).write(new TextEncoder().encode(textOf(sealed(complete))));
    await this.#calls.sync(this.#files.at(-1)!.fd);
    this.#close();
    await syncDirectory(this.#temporary, this.#calls);
    this.#replace();
    await syncDirectory(dirname(this.#path), this.#calls);
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
    this.#close();
    rmSync(this.#temporary, { recursive: true, force: true });
  }

  #close(): void {
    for (const { fd } of this.#files) closeSync(fd);
    this.#files.length = 0;
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function* chunksOf({ name, fd, size }: { name: string; fd: number; size: number }): IterableIterator<Uint8Array> {
  const chunk = new Uint8Array(Math.min(size, CHUNK));
  for (let at = 0; at < size; ) {
    const count = readSync(fd, chunk, 0, chunk.length, at);
    if (count <= 0) throw new ImageFileError(`its file ${name} is incomplete`);
    yield chunk.subarray(0, count);
    at += count;
  }
}

/** An image is at this path, or was when its replacement was interrupted. */
export function hasImage(path: string): boolean {
  return [path, `${path}${PREVIOUS}`].some((place) =>
    [MANIFEST, 'machine'].every((name) => existsSync(join(place, name))),
  );
}

const textOf = (manifest: object) => `${JSON.stringify(manifest, null, 1)}\n`;
/** With its checksum, and the seal that says which user's it is. */
function sealed(manifest: object): object {
  const checksum = checksumOf(manifest);
  return { ...manifest, checksum, seal: sealOf(checksum) };
}
const checksumOf = (manifest: object) => createHash('sha256').update(textOf(manifest)).digest('hex');

/** An image, or an empty directory. */
function isReplaceable(path: string): boolean {
  try {
    const names = readdirSync(path);
    return names.length === 0 || names.includes(MANIFEST);
  } catch {
    return false;
  }
}

async function syncDirectory(path: string, calls: FileCalls): Promise<void> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await calls.sync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Files that an image may have: a manifest cannot name others. */
const NAME = /^(machine|pages|core\.[1-9][0-9]{0,6})$/;

/** Reads an image from a directory. The manifest's members are the caller's to check, its files are checked here. */
export class DirectorySource {
  readonly manifest: { readonly files: readonly File[] };
  /** Made by this user's own Tallship. */
  readonly isOwn: boolean;
  readonly #open = new Map<string, { fd: number; size: number }>();

  constructor(path: string) {
    const place = existsSync(join(path, MANIFEST)) ? path : `${path}${PREVIOUS}`;
    const { manifest, isOwn } = readManifest(place, path);
    this.manifest = manifest;
    this.isOwn = isOwn;
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

function readManifest(place: string, path: string): { manifest: { files: File[] }; isOwn: boolean } {
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
  let manifest: { files?: unknown };
  let isOwn = false;
  try {
    const { checksum, seal, ...rest } = JSON.parse(text);
    if (checksumOf(rest) !== checksum || textOf({ ...rest, checksum, seal }) !== text) throw new Error('checksum');
    manifest = rest;
    isOwn = isSealed(checksum, seal, place);
  } catch {
    throw new ImageFileError(`${path}: its manifest is damaged or incomplete`);
  }
  const { files } = manifest;
  if (!Array.isArray(files) || !files.every(isFile)) throw new ImageFileError(`${path}: its manifest is damaged`);
  if (new Set(files.map(({ name }) => name)).size !== files.length) {
    throw new ImageFileError(`${path}: its manifest names a file twice`);
  }
  return { manifest: manifest as { files: File[] }, isOwn };
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
    for (const chunk of chunksOf({ name, fd, size })) hash.update(chunk);
    if (hash.digest('hex') !== sha256) throw new ImageFileError(`its file ${name} is damaged: its checksum differs`);
    return { fd, size };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
