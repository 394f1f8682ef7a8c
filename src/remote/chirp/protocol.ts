/** The Chirp protocol's facts: lines of text, numbers for errors. cctools' servers, and HTCondor's I/O proxy with its own quoting. */
import {
  EACCES,
  EAGAIN,
  EBADF,
  EBUSY,
  EEXIST,
  EFBIG,
  EINVAL,
  EIO,
  EISDIR,
  EMFILE,
  ENOENT,
  ENOMEM,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  EOPNOTSUPP,
  ESPIPE,
  ESRCH,
  ETIMEDOUT,
  EXDEV,
} from '../../abi/errno.ts';
import { decodePath, encodePath } from '../../abi/path.ts';

/** Who answers: they quote names differently, and HTCondor says first how long a listing is. */
export type Dialect = 'cctools' | 'condor';

/** A line of a request, at most; both kinds of server refuse longer ones. */
export const LONGEST_LINE = 1023;
/** Contents of one request; servers allocate as much. */
export const MOST_DATA = 1 << 20;

const ERRORS: Readonly<Record<number, number>> = {
  1: EACCES,
  2: EACCES,
  3: ENOENT,
  4: EEXIST,
  5: EFBIG,
  6: ENOSPC,
  7: ENOMEM,
  8: EINVAL,
  9: EMFILE,
  10: EBUSY,
  11: EAGAIN,
  12: EBADF,
  13: EISDIR,
  14: ENOTDIR,
  15: ENOTEMPTY,
  16: EXDEV,
  17: ETIMEDOUT,
  18: ETIMEDOUT,
  21: ESRCH,
  22: ESPIPE,
  23: EOPNOTSUPP,
};

/** A result as Linux's: 0 and counts stay, errors become negative errnos. */
export function toErrno(result: number): number {
  return result >= 0 ? result : -(ERRORS[-result] ?? EIO);
}

/** stat(2) as a line of 13 numbers. */
export interface ChirpStat {
  readonly dev: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly size: number;
  readonly blksize: number;
  readonly blocks: number;
  /** Seconds. */
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
}

const STAT_FIELDS = 13;

export function parseStat(line: string): ChirpStat | null {
  const all = line.trim().split(/\s+/).map(Number);
  if (all.length < STAT_FIELDS || !all.every(Number.isSafeInteger)) return null;
  const [dev, ino, mode, nlink, , , , size, blksize, blocks, atime, mtime, ctime] = all;
  return { dev, ino, mode, nlink, size, blksize, blocks, atime, mtime, ctime };
}

/** A name in a request. */
export function quoteName(path: string, dialect: Dialect): string {
  let text = '';
  for (const byte of encodePath(path)) {
    const char = String.fromCharCode(byte);
    if (dialect === 'condor') text += /[\s\\]/.test(char) ? `\\${char}` : char;
    else text += /[\w./,+=@:-]/.test(char) ? char : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`;
  }
  return text;
}

/** Names and link targets come as they are, byte by byte. */
export function nameOf(latin1: string): string {
  return decodePath(Uint8Array.from(latin1, (char) => char.charCodeAt(0)));
}

/** Takes bytes as they come; gives out lines and counted bytes. */
export class Input {
  #bytes = new Uint8Array(0);
  #at = 0;

  add(bytes: Uint8Array): void {
    const rest = this.#bytes.subarray(this.#at);
    const joined = new Uint8Array(rest.length + bytes.length);
    joined.set(rest);
    joined.set(bytes, rest.length);
    this.#bytes = joined;
    this.#at = 0;
  }

  /** Another connection begins. */
  clear(): void {
    this.#bytes = new Uint8Array(0);
    this.#at = 0;
  }

  /** Where reading stands: goes back to it when an answer is not complete yet. */
  get mark(): number {
    return this.#at;
  }
  set mark(at: number) {
    this.#at = at;
  }

  /** Without its newline, as Latin-1; null: not complete yet. */
  line(): string | null {
    const end = this.#bytes.indexOf(10, this.#at);
    if (end < 0) return null;
    let text = '';
    for (let i = this.#at; i < end; i++) text += String.fromCharCode(this.#bytes[i]);
    this.#at = end + 1;
    return text;
  }

  take(count: number): Uint8Array | null {
    if (this.#bytes.length - this.#at < count) return null;
    const taken = this.#bytes.slice(this.#at, this.#at + count);
    this.#at += count;
    return taken;
  }
}
