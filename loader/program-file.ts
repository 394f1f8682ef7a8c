import type { Backing } from '../src/memory/backing.ts';

/** A program as execve found it: the caller resolves paths and permissions. */
export interface ProgramFile {
  /** As it was named: argv of scripts, AT_EXECFN. */
  readonly path: string;
  size(): number;
  /** Answers bytes read (0 at the end), a negative errno or BLOCKED. */
  read(offset: number, into: Uint8Array): number;
  /** What its segments are mapped from. */
  backing(): Backing;
}

/** Why a file cannot be executed. `reason` is for people: a phrase that continues "cannot run FILE: ". */
export interface Unloadable {
  /** Positive errno; 4096 when reading the file blocked. */
  readonly errno: number;
  readonly reason: string;
}

export const unloadable = (errno: number, reason: string): Unloadable => ({ errno, reason });

export function isUnloadable(value: unknown): value is Unloadable {
  return typeof value === 'object' && value !== null && 'errno' in value;
}

/** Reads `length` bytes, or as many as there are. */
export function readBytes(file: ProgramFile, offset: number, length: number): Uint8Array | Unloadable {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = file.read(offset + done, bytes.subarray(done));
    if (count < 0) return unloadable(-count, 'it cannot be read');
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}
