/** Arguments that are their registers: numbers, flags, 64-bit pairs. */
import { type Arg, hex, type Words } from './arg.ts';

function scalar(
  name: string,
  kind: string,
  decode: (word: number) => number,
  show: (value: number) => string = String,
): Arg<number> {
  return {
    name,
    kind,
    direction: 'value',
    words: 1,
    decode: (_task, words, at) => decode(words[at]),
    show: (value) => show(value),
  };
}

const signed = (word: number) => word;
const unsigned = (word: number) => word >>> 0;

export const int = (name: string) => scalar(name, 'int', signed);
export const long = (name: string) => scalar(name, 'long', signed);
export const uint = (name: string) => scalar(name, 'unsigned int', unsigned);
export const size = (name: string) => scalar(name, 'size_t', unsigned);
/** A guest address that the handler itself looks at. */
export const pointer = (name: string) => scalar(name, 'void *', unsigned, hex);
/** A file descriptor that need not be open, as a number; `file()` gives the open file. */
export const fd = (name = 'fd') => scalar(name, 'int', signed);
/** mode_t: only 12 bits and the type count. */
export const mode = (name = 'mode') =>
  scalar(
    name,
    'mode_t',
    (word) => word & 0xffff,
    (value) => `0${value.toString(8)}`,
  );
export const signalNumber = (name = 'sig') => scalar(name, 'int', signed);

/** Directory descriptor of the *at calls: AT_FDCWD or a descriptor, as a number. */
export const dirfd = (name = 'dirfd') =>
  scalar(name, 'int', signed, (value) => (value === -100 ? 'AT_FDCWD' : String(value)));

/** An int of which only named values are valid; show() gives the name. */
export function choice(name: string, names: Readonly<Record<string, number>>): Arg<number> {
  const byValue = new Map(Object.entries(names).map(([label, value]) => [value, label]));
  return scalar(name, 'int', signed, (value) => byValue.get(value) ?? String(value));
}

/** Bits with names. A name whose value is a mask of several bits wins over its parts when it comes first. */
export function flags(name: string, names: Readonly<Record<string, number>>): Arg<number> {
  return scalar(name, 'int', signed, (value) => showFlags(value, names));
}

export function showFlags(value: number, names: Readonly<Record<string, number>>): string {
  const found: string[] = [];
  let rest = value;
  for (const [label, bits] of Object.entries(names)) {
    if (bits !== 0 && (rest & bits) === bits) {
      found.push(label);
      rest &= ~bits;
    }
  }
  if (rest !== 0) found.push(`0x${(rest >>> 0).toString(16)}`);
  if (found.length > 0) return found.join('|');
  return Object.entries(names).find(([, bits]) => bits === 0)?.[0] ?? '0';
}

function pair(name: string, kind: string, high: (words: Words, at: number) => number): Arg<number> {
  return {
    name,
    kind,
    direction: 'value',
    words: 2,
    decode: (_task, words, at) => high(words, at) * 2 ** 32 + (words[at] >>> 0),
    show: String,
  };
}

/** loff_t in two registers, low word first: pread64, truncate64, fadvise64. */
export const loff = (name: string) => pair(name, 'loff_t', (words, at) => words[at + 1]);
export const u64pair = (name: string) => pair(name, 'u64', (words, at) => words[at + 1] >>> 0);
/** A signed offset in two registers, high word first: _llseek. */
export const offsetHighLow = (name: string): Arg<number> => ({
  name,
  kind: 'loff_t',
  direction: 'value',
  words: 2,
  decode: (_task, words, at) => words[at] * 2 ** 32 + (words[at + 1] >>> 0),
  show: String,
});
