/** What a dynamic program needs before its first instruction of its own, as ld.so(8) will ask for it: found out where the files are. */
import type { Inode } from '../../vfs/inode.ts';
import { BLOCKED, type Sleeper } from '../../wait/wait.ts';

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const EHDR_SIZE = 52;
const PHDR_SIZE = 32;
/** ELFCLASS32, ELFDATA2LSB. */
const IDENT = [0x7f, 0x45, 0x4c, 0x46, 1, 1];
/** More headers, needed libraries, or bytes of a name are nobody's program. */
const MOST_HEADERS = 64;
const MOST_DYNAMIC = 16 << 10;
const LONGEST_NAME = 256;

export interface Needs {
  /** PT_INTERP; empty: a library. */
  readonly interpreter: string;
  /** DT_NEEDED. */
  readonly libraries: readonly string[];
}

/** Null: not a dynamic ELF file. BLOCKED: to be asked again. */
export function needsOf(s: Sleeper, file: Inode): Needs | null | typeof BLOCKED {
  const read = reader(s, file);
  try {
    return parse(read);
  } catch (error) {
    if (error === BLOCKED) return BLOCKED;
    if (error === MALFORMED) return null;
    throw error;
  }
}

const MALFORMED = 'malformed';

type Read = (offset: number, length: number) => DataView;

function reader(s: Sleeper, file: Inode): Read {
  return (offset, length) => {
    const bytes = new Uint8Array(length);
    const count = file.read(s, offset, bytes);
    if (count === BLOCKED) throw BLOCKED;
    if (count <= 0) throw MALFORMED;
    return new DataView(bytes.buffer, 0, length);
  };
}

function parse(read: Read): Needs | null {
  const header = read(0, EHDR_SIZE);
  if (IDENT.some((byte, i) => header.getUint8(i) !== byte)) return null;
  const count = Math.min(header.getUint16(44, true), MOST_HEADERS);
  const table = read(header.getUint32(28, true), count * PHDR_SIZE);
  const segments = Array.from({ length: count }, (_, i) => {
    const word = (at: number) => table.getUint32(i * PHDR_SIZE + at, true);
    return { type: word(0), offset: word(4), vaddr: word(8), filesz: word(16) };
  });
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) return null;
  const interp = segments.find(({ type }) => type === PT_INTERP);
  const offsets: number[] = [];
  let strings = -1;
  const length = Math.min(dynamic.filesz, MOST_DYNAMIC) & ~7;
  const entries = read(dynamic.offset, length);
  for (let at = 0; at < length; at += 8) {
    const [tag, value] = [entries.getUint32(at, true), entries.getUint32(at + 4, true)];
    if (tag === 0) break;
    if (tag === DT_NEEDED) offsets.push(value);
    if (tag === DT_STRTAB) strings = value;
  }
  const home = segments.find(
    ({ type, vaddr, filesz }) => type === PT_LOAD && strings >= vaddr && strings < vaddr + filesz,
  );
  const base = home === undefined ? -1 : home.offset + strings - home.vaddr;
  return {
    interpreter: interp === undefined ? '' : text(read, interp.offset),
    libraries: base < 0 ? [] : offsets.slice(0, MOST_HEADERS).map((offset) => text(read, base + offset)),
  };
}

/** A string up to its NUL. */
function text(read: Read, offset: number): string {
  const view = read(offset, LONGEST_NAME);
  let out = '';
  for (let i = 0; i < LONGEST_NAME && view.getUint8(i) !== 0; i++) out += String.fromCharCode(view.getUint8(i));
  return out;
}

/** Where ld.so looks first, and what it asks for in vain there: directories of libraries for newer processors. */
export const LIBRARY_DIRECTORIES = ['/lib/i386-linux-gnu', '/usr/lib/i386-linux-gnu', '/lib', '/usr/lib'];
export const ASKED_IN_VAIN = ['tls', 'i686', 'sse2', 'cmov', 'glibc-hwcaps'];
/** Whether they are there or not. */
export const ASKED_FIRST = ['/etc/ld.so.preload', '/etc/ld.so.cache'];

const CACHE_MAGIC = 'glibc-ld.so.cache1.1';
const CACHE_HEADER = 48;
const CACHE_ENTRY = 24;
const LARGEST_CACHE = 1 << 20;

/** /etc/ld.so.cache: paths of libraries by their names. */
export function readCache(s: Sleeper, file: Inode, size: number): Map<string, string> | typeof BLOCKED {
  const found = new Map<string, string>();
  const bytes = new Uint8Array(Math.min(size, LARGEST_CACHE));
  const count = file.read(s, 0, bytes);
  if (count === BLOCKED) return BLOCKED;
  const whole = String.fromCharCode(...bytes.subarray(0, CACHE_MAGIC.length));
  if (count < CACHE_HEADER || whole !== CACHE_MAGIC) return found;
  const view = new DataView(bytes.buffer);
  const string = (at: number) => new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at)));
  const entries = Math.min(view.getUint32(CACHE_MAGIC.length, true), (count - CACHE_HEADER) / CACHE_ENTRY);
  for (let i = 0; i < entries; i++) {
    const at = CACHE_HEADER + i * CACHE_ENTRY;
    const [key, value] = [view.getUint32(at + 4, true), view.getUint32(at + 8, true)];
    if (key >= count || value >= count) return found;
    // Of several the first is the one for the newest processor; ours has no such directories in its paths.
    const path = string(value);
    if (path.includes('i386') || !found.has(string(key))) found.set(string(key), path);
  }
  return found;
}
