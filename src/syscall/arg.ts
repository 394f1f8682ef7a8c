/** What one parameter of a system call is: how to decode it, which way its data goes, how to show it. */
import type { Task } from '../kernel/task.ts';

/** Where an argument's data goes: `value` is in the register itself; the others point into guest memory. */
export type Direction = 'value' | 'in' | 'out' | 'inout';

/** A failed decode: the call answers `answer` and its handler is not run. */
export class Refusal {
  readonly answer: number;
  constructor(errno: number) {
    this.answer = -errno;
  }
}

/** The six words of a call (ebx ecx edx esi edi ebp), signed. */
export type Words = Int32Array;

/** How much of the guest's memory an argument covers: constant, or counted by another word of the call. */
export type Extent =
  | { readonly bytes: number }
  | { readonly word: number; readonly unit: number }
  | { readonly text: true };

/** What show() may know besides the value. */
export interface Shown {
  readonly task: Task;
  readonly words: Words;
  /** The call's answer; absent while it has not returned. */
  readonly result?: number;
}

/** T: what the handler gets. N: the parameter's name. P: what layers see and may change, where that is another value. */
export interface Arg<T, N extends string = string, P = T> {
  /** The parameter's name in the manual page: layers see `call.<name>`. */
  readonly name: N;
  /** The type as documentation shows it: 'int', 'path', 'struct timespec *'. */
  readonly kind: string;
  readonly direction: Direction;
  /** Registers it takes: 2 for a 64-bit value. */
  readonly words: number;
  readonly extent?: Extent;
  /** What the argument stands for, where layers and traces treat it as more than its value. */
  readonly role?: 'path' | 'dirfd' | 'fd';
  /** Values (choice) or bits (flags) that have names. */
  readonly names?: Readonly<Record<string, number>>;
  /** Turns the word at `at` into the handler's value; a Refusal ends the call. */
  decode(task: Task, words: Words, at: number): T | Refusal;
  /** What layers, traces and remote frames see, where it differs from the handler's value. */
  plain?(value: T, words: Words, at: number): P;
  /** Puts a value that a layer gave into the call's words; of one that lies in memory, its count. */
  encode?(value: P, words: Words, at: number): void;
  /** The handler's value for one in memory that a layer put in place of it, where that is another. */
  fromPlain?(value: P, task: Task, words: Words, at: number): T | Refusal;
  /** An output as the call has left it; null where there is none. */
  peek?(task: Task, words: Words, at: number, result: number): P | null;
  /** Writes an output in place of the handler: 0 or more, or -EFAULT. */
  poke?(value: P, task: Task, words: Words, at: number): number;
  /** Text in the manner of strace. */
  show(value: T, shown: Shown, at: number): string;
}

/** The handler's parameters for a tuple of arguments. */
export type Decoded<A extends readonly Arg<unknown>[]> = {
  -readonly [K in keyof A]: A[K] extends { decode(...from: never[]): infer T } ? Exclude<T, Refusal> : never;
};

/** What layers see: call.<name> for each argument. */
export type Named<A extends readonly Arg<unknown>[]> = {
  [X in A[number] as string extends X['name'] ? never : X['name']]: X extends { plain?(...from: never[]): infer P }
    ? P
    : never;
};

/** Quotes bytes or text as strace does, shortened to 32 characters. */
export function quote(content: Uint8Array | string, limit = 32): string {
  const bytes = typeof content === 'string' ? Uint8Array.from(content, (c) => c.charCodeAt(0) & 0xff) : content;
  let out = '"';
  for (const byte of bytes.subarray(0, limit)) {
    const special = ESCAPES[byte];
    if (special !== undefined) out += special;
    else out += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\${byte.toString(8)}`;
  }
  return bytes.length > limit ? `${out}"...` : `${out}"`;
}

/** C's escapes, as strace shows them. */
export const ESCAPES: Readonly<Record<number, string>> = {
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  34: '\\"',
  92: '\\\\',
};

export function hex(word: number): string {
  return word === 0 ? 'NULL' : `0x${(word >>> 0).toString(16)}`;
}
