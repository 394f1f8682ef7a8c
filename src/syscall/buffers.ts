/** Arguments that are ranges of guest memory: buffers, iovecs, string arrays. */
import { E2BIG, EFAULT, EINVAL } from '../abi/errno.ts';
import { decodePath } from '../abi/path.ts';
import type { Task } from '../kernel/task.ts';
import { type Arg, hex, quote, Refusal, type Words } from './arg.ts';

export const FAULT = new Refusal(EFAULT);
const INVALID = new Refusal(EINVAL);
const TOO_BIG = new Refusal(E2BIG);

/** Linux moves at most this many bytes per call (MAX_RW_COUNT). */
const MAX_TRANSFER = 0x7ffff000;
const IOV_MAX = 1024;
const EMPTY = new Uint8Array(0);

/** The text at a guest address (abi/path.ts), or -EFAULT, -ENAMETOOLONG. */
export function readText(task: Task, address: number, limit: number): string | number {
  const bytes = task.mm.readCBytes(address, limit);
  return typeof bytes === 'number' ? bytes : decodePath(bytes);
}

const copyOf = (view: Uint8Array) => view.slice();
const countInto = (word: number) => (value: { length: number }, words: Words) => {
  words[word] = value.length;
};

/** The first `result` bytes, as far as they can be read. */
function peekBuffer(task: Task, words: Words, at: number, result: number): Uint8Array | null {
  if (result <= 0) return result < 0 ? null : EMPTY;
  const view = task.mm.viewPrefix(words[at], result, false);
  return typeof view === 'number' ? null : view.slice();
}

function pokeBuffer(value: Uint8Array, task: Task, words: Words, at: number): number {
  const view = task.mm.view(words[at] >>> 0, value.length, true);
  if (typeof view === 'number') return -EFAULT;
  view.set(value);
  return value.length;
}

function buffer<const N extends string>(name: N, countWord: number, write: boolean): Arg<Uint8Array, N> {
  return {
    name,
    kind: write ? 'void *' : 'const void *',
    direction: write ? 'out' : 'in',
    words: 1,
    extent: { word: countWord, unit: 1 },
    decode(task, words, at) {
      const count = words[countWord] >>> 0;
      if (count === 0) return EMPTY;
      const view = task.mm.viewPrefix(words[at], Math.min(count, MAX_TRANSFER), write);
      return typeof view === 'number' ? FAULT : view;
    },
    ...(write ? { peek: peekBuffer, poke: pokeBuffer } : { plain: copyOf, encode: countInto(countWord) }),
    show(value, { words, result }, at) {
      if (!write) return quote(value);
      return result === undefined || result < 0 ? hex(words[at]) : quote(value.subarray(0, result));
    },
  };
}

/**
 * Bytes that the call reads; `countWord` is the index of the word with their number. The view is of guest memory, and
 * shortened to what is accessible: Linux too moves what it can before it answers -EFAULT.
 */
export const inBuf = <const N extends string>(name: N, countWord: number) => buffer(name, countWord, false);
/** Bytes that the call writes; the handler fills the view and answers how many. */
export const outBuf = <const N extends string>(name: N, countWord: number) => buffer(name, countWord, true);

function vectors(task: Task, words: Words, at: number, countWord: number, write: boolean): Uint8Array[] | Refusal {
  const count = words[countWord] >>> 0;
  if (count > IOV_MAX) return INVALID;
  const table = task.mm.view(words[at] >>> 0, count * 8, false);
  if (typeof table === 'number') return count === 0 ? [] : FAULT;
  const entries = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const lengthOf = (i: number) => entries.getInt32(i * 8 + 4, true);
  for (let i = 0; i < count; i++) if (lengthOf(i) < 0) return INVALID;
  const views: Uint8Array[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const wanted = lengthOf(i);
    const length = Math.min(wanted, MAX_TRANSFER - total);
    const view = length === 0 ? EMPTY : task.mm.viewPrefix(entries.getUint32(i * 8, true), length, write);
    if (typeof view === 'number') {
      if (total === 0) return FAULT;
      break;
    }
    views.push(view);
    total += view.length;
    if (view.length < length) break;
  }
  return views;
}

/** For layers: what a readv has filled, or shall have. */
function vectorOutput(countWord: number) {
  const places = (task: Task, words: Words, at: number) => vectors(task, words, at, countWord, true);
  return {
    peek(task: Task, words: Words, at: number, result: number): Uint8Array[] | null {
      const views = places(task, words, at);
      if (views instanceof Refusal || result < 0) return null;
      let left = result;
      return views.map((view) => {
        const part = view.slice(0, left);
        left -= part.length;
        return part;
      });
    },
    poke(value: Uint8Array[], task: Task, words: Words, at: number): number {
      const views = places(task, words, at);
      if (views instanceof Refusal) return views.answer;
      let total = 0;
      for (const [i, view] of views.entries()) {
        const part = (value[i] ?? EMPTY).subarray(0, view.length);
        view.set(part);
        total += part.length;
      }
      return total;
    },
  };
}

function iovec<const N extends string>(name: N, countWord: number, write: boolean): Arg<Uint8Array[], N> {
  return {
    name,
    kind: 'const struct iovec *',
    direction: write ? 'out' : 'in',
    words: 1,
    extent: { word: countWord, unit: 8 },
    decode: (task, words, at) => vectors(task, words, at, countWord, write),
    ...(write ? vectorOutput(countWord) : { plain: (views: Uint8Array[]) => views.map(copyOf) }),
    show(value, { result }) {
      let left = write ? Math.max(0, result ?? 0) : Infinity;
      const parts = value.map((view) => {
        const shown = view.subarray(0, Math.min(left, view.length));
        left -= shown.length;
        return `{iov_base=${quote(shown)}, iov_len=${view.length}}`;
      });
      return `[${parts.join(', ')}]`;
    },
  };
}

/** Scatter/gather: one view per iovec, of what is accessible. */
export const iovecIn = <const N extends string>(name: N, countWord: number) => iovec(name, countWord, false);
export const iovecOut = <const N extends string>(name: N, countWord: number) => iovec(name, countWord, true);

/** Arguments and environment together may take this much (a quarter of the 8 MiB stack). */
const ARG_MAX = 2 * 1024 * 1024;
const MAX_ARG_STRLEN = 131072;

/** A NULL-terminated array of strings (argv, envp); a NULL pointer is an empty one, as on Linux. */
export function stringArray<const N extends string>(name: N): Arg<string[], N> {
  return {
    name,
    kind: 'char *const []',
    direction: 'in',
    words: 1,
    decode(task, words, at) {
      const strings: string[] = [];
      if (words[at] === 0) return strings;
      let total = 0;
      for (let address = words[at] >>> 0; ; address += 4) {
        const start = task.mm.readU32(address);
        if (start < 0) return FAULT;
        if (start === 0) return strings;
        const string = readText(task, start, MAX_ARG_STRLEN);
        if (typeof string === 'number') return string === -EFAULT ? FAULT : TOO_BIG;
        total += string.length + 5;
        if (total > ARG_MAX) return TOO_BIG;
        strings.push(string);
      }
    },
    show: (value) => `[${value.map((string) => quote(string)).join(', ')}]`,
  };
}
