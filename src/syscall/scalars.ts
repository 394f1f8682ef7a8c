/** Arguments that are their registers: numbers, flags, 64-bit pairs. */
import { type Arg, hex, type Words } from './arg.ts';

function scalar<const N extends string>(
  name: N,
  kind: string,
  decode: (word: number) => number,
  show: (value: number) => string = String,
): Arg<number, N> {
  return {
    name,
    kind,
    direction: 'value',
    words: 1,
    decode: (_task, words, at) => decode(words[at]),
    encode: encodeWord,
    show: (value) => show(value),
  };
}

function encodeWord(value: number, words: Words, at: number): void {
  words[at] = value;
}

const signed = (word: number) => word;
const unsigned = (word: number) => word >>> 0;

export const int = <const N extends string>(name: N) => scalar(name, 'int', signed);
export const long = <const N extends string>(name: N) => scalar(name, 'long', signed);
export const uint = <const N extends string>(name: N) => scalar(name, 'unsigned int', unsigned);
export const size = <const N extends string>(name: N) => scalar(name, 'size_t', unsigned);
/** A guest address that the handler itself looks at. */
export const pointer = <const N extends string>(name: N) => scalar(name, 'void *', unsigned, hex);
/** A file descriptor that need not be open, as a number; `file()` gives the open file. */
export function fd(): Arg<number, 'fd'>;
export function fd<const N extends string>(name: N): Arg<number, N>;
export function fd(name = 'fd'): Arg<number> {
  return { ...scalar(name, 'int', signed), role: 'fd' };
}
/** mode_t: only 12 bits and the type count. */
export function mode(): Arg<number, 'mode'>;
export function mode<const N extends string>(name: N): Arg<number, N>;
export function mode(name = 'mode'): Arg<number> {
  return scalar(
    name,
    'mode_t',
    (word) => word & 0xffff,
    (value) => `0${value.toString(8)}`,
  );
}
export function signalNumber(): Arg<number, 'sig'>;
export function signalNumber<const N extends string>(name: N): Arg<number, N>;
export function signalNumber(name = 'sig'): Arg<number> {
  return scalar(name, 'int', signed);
}

/** Directory descriptor of the *at calls: AT_FDCWD or a descriptor, as a number. */
export function dirfd(): Arg<number, 'dirfd'>;
export function dirfd<const N extends string>(name: N): Arg<number, N>;
export function dirfd(name = 'dirfd'): Arg<number> {
  const show = (value: number) => (value === -100 ? 'AT_FDCWD' : String(value));
  return { ...scalar(name, 'int', signed, show), role: 'dirfd' };
}

/** An int of which only named values are valid; show() gives the name. */
export function choice<const N extends string>(name: N, names: Readonly<Record<string, number>>): Arg<number, N> {
  const byValue = new Map(Object.entries(names).map(([label, value]) => [value, label]));
  return { ...scalar(name, 'int', signed, (value) => byValue.get(value) ?? String(value)), names };
}

/** Bits with names. A name whose value is a mask of several bits wins over its parts when it comes first. */
export function flags<const N extends string>(name: N, names: Readonly<Record<string, number>>): Arg<number, N> {
  return { ...scalar(name, 'int', signed, (value) => showFlags(value, names)), names };
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

function pair<const N extends string>(
  name: N,
  kind: string,
  high: (words: Words, at: number) => number,
): Arg<number, N> {
  return {
    name,
    kind,
    direction: 'value',
    words: 2,
    decode: (_task, words, at) => high(words, at) * 2 ** 32 + (words[at] >>> 0),
    encode(value, words, at) {
      words[at] = value % 2 ** 32;
      words[at + 1] = Math.floor(value / 2 ** 32);
    },
    show: String,
  };
}

/** loff_t in two registers, low word first: pread64, truncate64, fadvise64. */
export const loff = <const N extends string>(name: N) => pair(name, 'loff_t', (words, at) => words[at + 1]);
export const u64pair = <const N extends string>(name: N) => pair(name, 'u64', (words, at) => words[at + 1] >>> 0);
/** A signed offset in two registers, high word first: _llseek. */
export const offsetHighLow = <const N extends string>(name: N): Arg<number, N> => ({
  name,
  kind: 'loff_t',
  direction: 'value',
  words: 2,
  decode: (_task, words, at) => words[at] * 2 ** 32 + (words[at + 1] >>> 0),
  encode(value, words, at) {
    words[at] = Math.floor(value / 2 ** 32);
    words[at + 1] = value % 2 ** 32;
  },
  show: String,
});
