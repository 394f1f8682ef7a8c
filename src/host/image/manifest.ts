/** The manifest of an image: JSON with its own checksum, and the seal that says which user's it is. */
import { createHash } from 'node:crypto';
import { closeSync, constants, existsSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isSealed, sealOf } from './key.ts';
import { ImageFileError } from './staging.ts';

export const MANIFEST = 'manifest.json';
const MANIFEST_MAX = 16 << 20;
/** Where the image before is while it is replaced by two renames. */
export const PREVIOUS = '.previous';

/** A file as the manifest has it: what a reader compares it with. */
export interface ManifestEntry {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
  /** The checksum is over those of pieces of this size. Absent: over the whole file (version 1). */
  readonly piece?: number;
}

export interface ReadManifest {
  readonly manifest: { readonly files: readonly ManifestEntry[]; readonly store?: unknown };
  /** Made by this user's own Tallship. */
  readonly isOwn: boolean;
  /** The directory that it is in. */
  readonly place: string;
}

const textOf = (manifest: object) => `${JSON.stringify(manifest, null, 1)}\n`;
const checksumOf = (manifest: object) => createHash('sha256').update(textOf(manifest)).digest('hex');

export function sealed(manifest: object, isOwn: boolean): Uint8Array {
  const checksum = checksumOf(manifest);
  return new TextEncoder().encode(textOf({ ...manifest, checksum, seal: isOwn ? sealOf(checksum) : undefined }));
}

/** An image is at this path, or was when its replacement was interrupted. It may be damaged. */
export function hasImage(path: string): boolean {
  return [path, `${path}${PREVIOUS}`].some((place) => {
    const manifest = join(place, MANIFEST);
    if (!existsSync(manifest)) return false;
    return existsSync(join(place, 'machine')) || readText(place, place).includes('"tallship-image"');
  });
}

/** An image, or an empty directory. */
export function isReplaceable(path: string): boolean {
  try {
    const names = readdirSync(path);
    return names.length === 0 || names.includes(MANIFEST);
  } catch {
    return false;
  }
}

export function readManifest(path: string): ReadManifest {
  const place = existsSync(join(path, MANIFEST)) ? path : `${path}${PREVIOUS}`;
  const text = readText(place, path);
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
  if (!Array.isArray(files) || !files.every(isEntry)) throw new ImageFileError(`${path}: its manifest is damaged`);
  if (new Set(files.map(({ name }) => name)).size !== files.length) {
    throw new ImageFileError(`${path}: its manifest names a file twice`);
  }
  return { manifest: manifest as ReadManifest['manifest'], isOwn, place };
}

function readText(place: string, path: string): string {
  try {
    const fd = openSync(join(place, MANIFEST), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.size > MANIFEST_MAX) throw new ImageFileError(`${path}: its manifest is no file`);
      return readFileSync(fd, 'utf8');
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof ImageFileError) throw error;
    throw new ImageFileError(`${path} is no image: it has no ${MANIFEST}`);
  }
}

/** Files that an image may have: a manifest cannot name others. */
const NAME = /^(machine|pages|core\.[1-9][0-9]{0,6})$/;
const PIECE_MIN = 4096;
const PIECE_MAX = 64 << 20;

function isEntry(value: unknown): value is ManifestEntry {
  const { name, size, sha256, piece = PIECE_MIN } = (value ?? {}) as Partial<ManifestEntry>;
  if (typeof name !== 'string' || !NAME.test(name) || typeof sha256 !== 'string') return false;
  if (!Number.isSafeInteger(piece) || piece < PIECE_MIN || piece > PIECE_MAX) return false;
  return Number.isSafeInteger(size) && size! >= 0;
}
