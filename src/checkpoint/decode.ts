/** Reads what encode.ts has written. The bytes may come from anywhere: whatever they are, the answer is a value or an ImageError. */
import type { Plain } from '../wait/wait.ts';
import { TAG } from './encode.ts';
import { ImageError } from './image.ts';

/** More levels than any state has; less than would overflow the stack. */
const MAX_DEPTH = 200;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  readonly #keys: string[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  #take(count: number): number {
    if (count > this.left) throw new ImageError('it ends in the middle of a value');
    const at = this.#at;
    this.#at += count;
    return at;
  }

  #count(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#bytes[this.#take(1)];
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw new ImageError('a number is too large');
      if (byte < 0x80) return value;
    }
  }

  /** Each member takes a byte at least: a count cannot ask for more memory than the image has bytes. */
  #members(): number {
    const count = this.#count();
    if (count > this.left) throw new ImageError('it ends in the middle of a list');
    return count;
  }

  #raw(): Uint8Array {
    const length = this.#count();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  #utf8(): string {
    try {
      return utf8.decode(this.#raw());
    } catch (error) {
      if (error instanceof ImageError) throw error;
      throw new ImageError('text is not UTF-8');
    }
  }

  value(depth: number): Plain {
    if (depth > MAX_DEPTH) throw new ImageError('values are nested too deeply');
    const tag = this.#bytes[this.#take(1)];
    switch (tag) {
      case TAG.null:
        return null;
      case TAG.false:
        return false;
      case TAG.true:
        return true;
      case TAG.integer: {
        const value = this.#count();
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      }
      case TAG.float:
        return this.#view.getFloat64(this.#take(8), true);
      case TAG.wide: {
        const at = this.#take(16);
        return this.#view.getBigUint64(at, true) + (this.#view.getBigInt64(at + 8, true) << 64n);
      }
      case TAG.text:
        return this.#utf8();
      case TAG.units:
        return this.#units();
      case TAG.bytes:
        return this.#raw().slice();
      case TAG.list:
        return this.#list(depth);
      case TAG.record:
        return this.#record(depth);
      default:
        throw new ImageError(`there is no kind of value ${tag}`);
    }
  }

  #units(): string {
    const length = this.#members();
    const at = this.#take(length * 2);
    let text = '';
    for (let i = 0; i < length; i++) text += String.fromCharCode(this.#view.getUint16(at + 2 * i, true));
    return text;
  }

  #list(depth: number): Plain[] {
    const count = this.#members();
    const list: Plain[] = [];
    for (let i = 0; i < count; i++) list.push(this.value(depth + 1));
    return list;
  }

  #record(depth: number): { [key: string]: Plain } {
    const count = this.#members();
    // As Object.create(null): no name of a member means anything to JavaScript.
    const record: { [key: string]: Plain } = Object.create(null);
    for (let i = 0; i < count; i++) {
      const key = this.#key();
      record[key] = this.value(depth + 1);
    }
    return record;
  }

  #key(): string {
    const index = this.#count();
    if (index === 0) {
      const key = this.#utf8();
      this.#keys.push(key);
      return key;
    }
    if (index > this.#keys.length) throw new ImageError('a member has no name');
    return this.#keys[index - 1];
  }
}

export function decode(bytes: Uint8Array): Plain {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.left > 0) throw new ImageError('something follows the last value');
  return value;
}
