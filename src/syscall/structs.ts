/** Arguments that point at structs: read, written or both, by a layout of src/abi/struct.ts. */
import { EFAULT } from '../abi/errno.ts';
import type { Layout } from '../abi/struct.ts';
import type { Task } from '../kernel/task.ts';
import { type Arg, hex, Refusal, type Words } from './arg.ts';
import { FAULT } from './buffers.ts';

interface Memory {
  view(address: number, length: number, write: boolean): Uint8Array | number;
}

/** Reads a value out of guest memory; undefined where it cannot be read. */
export function readValue<T>(memory: Memory, address: number, layout: Layout<T>): T | undefined {
  const bytes = memory.view(address, layout.size, false);
  if (typeof bytes === 'number') return undefined;
  return layout.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
}

/** Writes a value to guest memory; 0 or -EFAULT. */
export function writeValue<T>(memory: Memory, address: number, layout: Layout<T>, value: T): number {
  const bytes = memory.view(address, layout.size, true);
  if (typeof bytes === 'number') return -EFAULT;
  layout.write(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, value);
  return 0;
}

/** Where a call puts a struct. Checked when written, after the operation, as copy_to_user is. */
export class Out<T> {
  readonly #memory: Memory;
  readonly address: number;
  readonly #layout: Layout<T>;
  readonly #optional: boolean;

  constructor(memory: Memory, address: number, layout: Layout<T>, optional: boolean) {
    this.#memory = memory;
    this.address = address;
    this.#layout = layout;
    this.#optional = optional;
  }

  /** The guest passed NULL where that means: not wanted. */
  get absent(): boolean {
    return this.#optional && this.address === 0;
  }
  /** 0, also where nothing is wanted, or -EFAULT. */
  write(value: T): number {
    return this.absent ? 0 : writeValue(this.#memory, this.address, this.#layout, value);
  }
  /** What lies there now: for in-out structs and for showing. */
  read(): T | undefined {
    return readValue(this.#memory, this.address, this.#layout);
  }
}

function showValue(value: unknown): string {
  if (value === null) return 'NULL';
  if (Array.isArray(value)) return `[${value.map(showValue).join(', ')}]`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value !== 'object') return String(value);
  return `{${Object.entries(value)
    .map(([name, member]) => `${name}=${showValue(member)}`)
    .join(', ')}}`;
}

/** The layout is asked when the extent is. */
function extentOf(layout: Layout<unknown>): { readonly bytes: number } {
  return {
    get bytes() {
      return layout.size;
    },
  };
}

/** A struct that the call reads. */
export function inStruct<T, const N extends string>(name: N, kind: string, layout: Layout<T>): Arg<T, N> {
  return {
    name,
    kind: `const ${kind} *`,
    direction: 'in',
    words: 1,
    extent: extentOf(layout),
    decode: (task, words, at) => readValue(task.mm, words[at] >>> 0, layout) ?? FAULT,
    show: showValue,
  };
}

/** The same; a NULL pointer decodes to null. */
export function optionalIn<T, const N extends string>(name: N, kind: string, layout: Layout<T>): Arg<T | null, N> {
  const required = inStruct(name, kind, layout);
  return { ...required, decode: (task, words, at) => (words[at] === 0 ? null : required.decode(task, words, at)) };
}

/** For layers: what lies there once the call has returned. */
function output<T>(layout: Layout<T>) {
  return {
    peek: (task: Task, words: Words, at: number): T | null =>
      words[at] === 0 ? null : (readValue(task.mm, words[at] >>> 0, layout) ?? null),
    poke: (value: T, task: Task, words: Words, at: number): number =>
      writeValue(task.mm, words[at] >>> 0, layout, value),
  };
}

function out<T, const N extends string>(
  name: N,
  kind: string,
  layout: Layout<T>,
  optional: boolean,
): Arg<Out<T>, N, T> {
  return {
    name,
    kind: `${kind} *`,
    direction: 'out',
    words: 1,
    extent: extentOf(layout),
    decode: (task, words, at) => new Out(task.mm, words[at] >>> 0, layout, optional),
    ...output(layout),
    show(value, { result }) {
      const shown = value.address === 0 || result === undefined || result < 0 ? undefined : value.read();
      return shown === undefined ? hex(value.address) : showValue(shown);
    },
  };
}

/** A struct that the call fills: the handler answers `out.write({...})`. */
export const outStruct = <T, const N extends string>(name: N, kind: string, layout: Layout<T>) =>
  out(name, kind, layout, false);
/** The same; NULL means that it is not wanted, and write() then does nothing. */
export const optionalOut = <T, const N extends string>(name: N, kind: string, layout: Layout<T>) =>
  out(name, kind, layout, true);

/** A struct that the call reads and updates: readable or -EFAULT, then as outStruct. */
export function inOutStruct<T, const N extends string>(
  name: N,
  kind: string,
  layout: Layout<T>,
): Arg<{ value: T; out: Out<T> }, N, T> {
  return {
    name,
    kind: `${kind} *`,
    direction: 'inout',
    words: 1,
    extent: extentOf(layout),
    decode(task, words, at) {
      const place = new Out(task.mm, words[at] >>> 0, layout, false);
      const value = place.read();
      return value === undefined ? FAULT : { value, out: place };
    },
    plain: ({ value }) => value,
    fromPlain: (value, task, words, at) => ({ value, out: new Out(task.mm, words[at] >>> 0, layout, false) }),
    ...output(layout),
    show: ({ value }) => showValue(value),
  };
}

/** As many structs as another word says (pollfd, sembuf, mmsghdr): values, and the address to write back to. */
export function structArray<T, const N extends string>(
  name: N,
  kind: string,
  layout: Layout<T>,
  countWord: number,
  limit: { readonly count: number; readonly errno: number },
): Arg<{ values: T[]; address: number }, N, T[]> {
  const refusal = new Refusal(limit.errno);
  const readAll = (task: Task, address: number, count: number): T[] | null => {
    const bytes = task.mm.view(address, count * layout.size, false);
    if (typeof bytes === 'number') return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Array.from({ length: count }, (_, i) => layout.read(view, i * layout.size));
  };
  return {
    name,
    kind: `${kind} *`,
    direction: 'inout',
    words: 1,
    extent: {
      word: countWord,
      get unit() {
        return layout.size;
      },
    },
    decode(task, words, at) {
      const count = words[countWord] >>> 0;
      const address = words[at] >>> 0;
      if (count > limit.count) return refusal;
      if (count === 0) return { values: [], address };
      const values = readAll(task, address, count);
      return values === null ? FAULT : { values, address };
    },
    plain: ({ values }) => values,
    encode(values, words) {
      words[countWord] = values.length;
    },
    fromPlain: (values, _task, words, at) => ({ values, address: words[at] >>> 0 }),
    peek: (task, words, at) => readAll(task, words[at] >>> 0, words[countWord] >>> 0),
    poke(values, task, words, at) {
      const written = values.map((value, i) => writeValue(task.mm, (words[at] >>> 0) + i * layout.size, layout, value));
      return Math.min(0, ...written);
    },
    show: ({ values }) => showValue(values),
  };
}
