/** Reading tar archives: ustar, GNU long names and sparse-free pax (POSIX.1-2001 pax, tar(5)). */
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from '../abi/fs.ts';
import { decodePath } from '../abi/path.ts';

const BLOCK = 512;

/** Where an archive's bytes come from. */
export interface TarSource {
  readonly size: number;
  /** Answers bytes read, or a negative errno. */
  read(position: number, into: Uint8Array): number;
}

export interface TarEntry {
  /** As the archive has it, without leading and trailing slashes. */
  path: string;
  /** Type and permissions. */
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: bigint;
  atime?: bigint;
  ctime?: bigint;
  /** Of symlinks, and of hard links (then `hardLink` is set). */
  link: string;
  hardLink: boolean;
  major: number;
  minor: number;
  xattrs: Map<string, Uint8Array> | null;
  /** Where the contents begin. */
  offset: number;
}

export class TarError extends Error {
  override name = 'TarError';
}

const TYPES: Readonly<Record<string, number>> = {
  0: S_IFREG,
  7: S_IFREG,
  1: S_IFREG,
  2: S_IFLNK,
  3: S_IFCHR,
  4: S_IFBLK,
  5: S_IFDIR,
  6: S_IFIFO,
};

/** All members, in order. Throws TarError where the archive is damaged or needs what is not understood. */
export function* readTar(source: TarSource): IterableIterator<TarEntry> {
  const header = new Uint8Array(BLOCK);
  const global = new Map<string, Uint8Array>();
  let next = new Map<string, Uint8Array>();
  for (let at = 0; at + BLOCK <= source.size; ) {
    fill(source, at, header);
    if (header.every((byte) => byte === 0)) return;
    checkSum(header, at);
    const size = sizeOf(header, next);
    const type = String.fromCharCode(header[156] || 0x30);
    const offset = at + BLOCK;
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
    if (at > source.size) throw new TarError('the archive ends in the middle of a file');
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K') {
      const content = new Uint8Array(size);
      fill(source, offset, content);
      if (type === 'x') for (const [key, value] of readPax(content)) next.set(key, value);
      else if (type === 'g') for (const [key, value] of readPax(content)) global.set(key, value);
      else next.set(type === 'L' ? 'path' : 'linkpath', content.subarray(0, lengthToNul(content)));
      continue;
    }
    const records = new Map([...global, ...next]);
    next = new Map();
    if (type === 'S' || records.has('GNU.sparse.major')) throw new TarError('sparse members are not supported');
    if (TYPES[type] !== undefined) yield toEntry(header, type, size, offset, records);
  }
}

function toEntry(
  header: Uint8Array,
  type: string,
  size: number,
  offset: number,
  records: ReadonlyMap<string, Uint8Array>,
): TarEntry {
  const text = (key: string) => {
    const value = records.get(key);
    return value === undefined ? undefined : decodePath(value);
  };
  const path = text('path') ?? nameOf(header);
  const directory = type === '5' || (type === '0' && path.endsWith('/'));
  const time = (key: string) => parseTime(text(key));
  return {
    path: path.replace(/^\/+|\/+$/g, ''),
    mode: (directory ? S_IFDIR : TYPES[type]) | (number(header, 100, 8) & 0o7777),
    uid: Number(text('uid') ?? number(header, 108, 8)),
    gid: Number(text('gid') ?? number(header, 116, 8)),
    size: type === '0' || type === '7' ? size : 0,
    mtime: time('mtime') ?? BigInt(number(header, 136, 12)) * 1_000_000_000n,
    atime: time('atime'),
    ctime: time('ctime'),
    link: text('linkpath') ?? string(header, 157, 100),
    hardLink: type === '1',
    major: number(header, 329, 8),
    minor: number(header, 337, 8),
    xattrs: attributesOf(records),
    offset,
  };
}

function nameOf(header: Uint8Array): string {
  const name = string(header, 0, 100);
  const prefix = string(header, 257, 5) === 'ustar' && header[262] === 0 ? string(header, 345, 155) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function attributesOf(records: ReadonlyMap<string, Uint8Array>): Map<string, Uint8Array> | null {
  const found = new Map<string, Uint8Array>();
  for (const [key, value] of records) {
    if (key.startsWith('SCHILY.xattr.')) found.set(key.slice('SCHILY.xattr.'.length), value);
  }
  return found.size > 0 ? found : null;
}

function sizeOf(header: Uint8Array, records: ReadonlyMap<string, Uint8Array>): number {
  const type = String.fromCharCode(header[156] || 0x30);
  // Links, devices and directories have no contents, whatever their size field says.
  if ('123456'.includes(type)) return 0;
  const extended = records.get('size');
  return extended === undefined || 'xgLK'.includes(type) ? number(header, 124, 12) : Number(decodePath(extended));
}

/** Octal text, or base 256 where the first bit is set (GNU). */
function number(header: Uint8Array, at: number, length: number): number {
  if ((header[at] & 0x80) === 0) return Number.parseInt(string(header, at, length).trim() || '0', 8) || 0;
  let value = header[at] & 0x7f;
  for (let i = 1; i < length; i++) value = value * 256 + header[at + i];
  return value;
}

function string(bytes: Uint8Array, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  return decodePath(field.subarray(0, lengthToNul(field)));
}

function lengthToNul(bytes: Uint8Array): number {
  const end = bytes.indexOf(0);
  return end === -1 ? bytes.length : end;
}

/** Seconds with a fraction, to nanoseconds. */
function parseTime(text: string | undefined): bigint | undefined {
  const match = text?.match(/^(-?)(\d+)(?:\.(\d*))?$/);
  if (match == null) return undefined;
  const value = BigInt(match[2]) * 1_000_000_000n + BigInt((match[3] ?? '').padEnd(9, '0').slice(0, 9));
  return match[1] === '-' ? -value : value;
}

/** "LENGTH KEY=VALUE\n" records. */
function* readPax(content: Uint8Array): IterableIterator<[string, Uint8Array]> {
  for (let at = 0; at < content.length; ) {
    const blank = content.indexOf(0x20, at);
    const length = blank === -1 ? Number.NaN : Number(decodePath(content.subarray(at, blank)));
    const equals = content.indexOf(0x3d, blank);
    if (!(length > 0) || equals === -1 || equals > at + length) throw new TarError('damaged extended header');
    yield [decodePath(content.subarray(blank + 1, equals)), content.slice(equals + 1, at + length - 1)];
    at += length;
  }
}

function checkSum(header: Uint8Array, at: number): void {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i];
  if (sum === number(header, 148, 8)) return;
  const compressed = 'it does not begin as one (compressed archives have to be unpacked first)';
  throw new TarError(at === 0 ? compressed : `damaged header at byte ${at}`);
}

function fill(source: TarSource, position: number, into: Uint8Array): void {
  for (let done = 0; done < into.length; ) {
    const count = source.read(position + done, into.subarray(done));
    if (count <= 0) throw new TarError('the archive cannot be read');
    done += count;
  }
}
