/** How arguments are shown, word by word: constructors of the tables in show-*.ts. */
import type { Task } from '../../kernel/task.ts';
import { bytesText, cString } from './text.ts';

/** What a part may look at. */
export interface Context {
  readonly task: Task;
  readonly words: Int32Array;
  /** Absent while the call has not returned. */
  readonly result: number | undefined;
  readonly options: ShowOptions;
  /** -e abbrev=: structs and lists from end to end. */
  readonly whole: boolean;
  /** -e verbose=: what is in structs, not only where they are. */
  readonly verbose: boolean;
  /** What parts noted when the call entered, by their place. */
  readonly notes?: readonly (number | null)[];
}

export interface ShowOptions {
  /** -s: how much of strings. */
  readonly strings: number;
  /** -y. */
  readonly paths: number;
  /** -X. */
  readonly numbers: 'raw' | 'abbrev' | 'verbose';
}

export interface Part {
  /** Known only once the call has returned; `late` ones bring the comma before them along. */
  readonly out?: boolean | 'late';
  show(c: Context): string;
  /** What has to be remembered from the call's start: show() finds it in c.notes. */
  note?(c: Context): number;
}

export type Names = Readonly<Record<string, number>>;

const part = (show: (c: Context) => string): Part => ({ show });
export const output = (show: (c: Context) => string): Part => ({ out: true, show });

export function address(word: number): string {
  return word === 0 ? 'NULL' : `0x${(word >>> 0).toString(16)}`;
}
export const hexOf = (word: number) => (word === 0 ? '0' : `0x${(word >>> 0).toString(16)}`);

export const ptr = (i: number) => part((c) => address(c.words[i]));
export const int = (i: number) => part((c) => String(c.words[i]));
export const uint = (i: number) => part((c) => String(c.words[i] >>> 0));
export const hex = (i: number) => part((c) => hexOf(c.words[i]));
export const octal = (i: number) => part((c) => octalOf(c.words[i]));
export const literal = (show: (c: Context) => string) => part(show);
export const id = (i: number) => part((c) => String(c.words[i]));

export function octalOf(mode: number): string {
  const digits = (mode & 0xffff).toString(8);
  return digits === '0' ? '000' : `0${digits.padStart(2, '0')}`;
}

/** 64 bits in two registers, low word first. */
export const u64 = (i: number) => part((c) => String(wide(c.words[i], c.words[i + 1])));
export const wide = (low: number, high: number) => (BigInt(high) << 32n) | BigInt(low >>> 0);

export const fd = (i: number) => part((c) => fdText(c, c.words[i]));
export const dirfd = (i: number) =>
  part((c) =>
    c.words[i] === -100
      ? `${styled(c, '-100', 'AT_FDCWD')}${c.options.paths > 0 ? `<${cwd(c.task)}>` : ''}`
      : fdText(c, c.words[i]),
  );

function cwd(task: Task): string {
  return task.namespace.path(task.fs.cwd, task.fs.root).text;
}

export function fdText(c: Context, number: number): string {
  const file = c.options.paths > 0 ? c.task.files.get(number) : undefined;
  return file === undefined ? String(number) : `${number}<${file.describe()}>`;
}

/** A path or other text, whole. */
export const path = (i: number) => part((c) => pathText(c, c.words[i]));
export function pathText(c: Context, at: number): string {
  if (at === 0) return 'NULL';
  const bytes = c.task.mm.readCBytes(at >>> 0, 4096);
  return typeof bytes === 'number' ? address(at) : cString(bytes, 4096);
}

/** Bytes that another word counts. */
export const buffer = (i: number, countWord: number) => part((c) => bytesAt(c, c.words[i], c.words[countWord] >>> 0));
/** Bytes that the call's result counts. */
export const filled = (i: number) =>
  output((c) => (failed(c) ? address(c.words[i]) : bytesAt(c, c.words[i], c.result as number)));

export function bytesAt(c: Context, at: number, count: number): string {
  if (at === 0) return 'NULL';
  const { strings } = c.options;
  const bytes = count === 0 ? new Uint8Array(0) : c.task.mm.viewPrefix(at >>> 0, Math.min(count, strings + 1), false);
  if (typeof bytes === 'number') return address(at);
  return bytesText(bytes.subarray(0, Math.min(strings, count)), count > strings);
}

export function failed(c: Context): boolean {
  return c.result === undefined || (c.result < 0 && c.result > -4096);
}

export function flagText(value: number, names: Names, unknown: string, zero = '0'): string {
  if (value === 0) return Object.entries(names).find(([, bits]) => bits === 0)?.[0] ?? zero;
  const found: string[] = [];
  let rest = value;
  for (const [name, bits] of Object.entries(names)) {
    if (bits === 0 || (rest & bits) !== bits) continue;
    found.push(name);
    rest &= ~bits;
  }
  if (found.length === 0) return `0x${(rest >>> 0).toString(16)} /* ${unknown} */`;
  if (rest !== 0) found.push(`0x${(rest >>> 0).toString(16)}`);
  return found.join('|');
}

/** As -X asks: the number, its names, or both. */
export function styled(c: Context, value: number | string, text: string): string {
  if (c.options.numbers === 'abbrev') return text;
  const number = typeof value === 'string' ? value : hexOf(value);
  return c.options.numbers === 'raw' ? number : `${number} /* ${text} */`;
}

export const flags = (i: number, names: Names, unknown: string) =>
  part((c) => styled(c, c.words[i], flagText(c.words[i], names, unknown)));
export const choice = (i: number, names: Names, unknown: string) =>
  part((c) => styled(c, c.words[i], choiceText(c.words[i], names, unknown)));

export function choiceText(value: number, names: Names, unknown: string): string {
  const found = Object.entries(names).find(([, number]) => number === value);
  return found?.[0] ?? `${hexOf(value)} /* ${unknown} */`;
}

/** A struct that the call reads, of `size` bytes. */
export const struct = (i: number, size: number, show: (view: DataView, c: Context) => string) =>
  part((c) => structAt(c, c.words[i], size, show));
/** One that it writes. */
export const outStruct = (i: number, size: number, show: (view: DataView, c: Context) => string) =>
  output((c) => (failed(c) ? address(c.words[i]) : structAt(c, c.words[i], size, show)));

export function structAt(c: Context, at: number, size: number, show: (view: DataView, c: Context) => string): string {
  const view = at === 0 ? undefined : viewAt(c, at, size);
  return view === undefined ? address(at) : show(view, c);
}

/** What is in memory; undefined where it cannot be read, or is not asked for. */
export function viewAt(c: Context, at: number, size: number): DataView | undefined {
  if (!c.verbose) return undefined;
  const bytes = c.task.mm.view(at >>> 0, size, false);
  return typeof bytes === 'number' ? undefined : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
