/** The encoding of an image's own data: values that are plain data, in bytes. docs/IMAGE.md describes it. */
import type { Plain } from '../wait/wait.ts';

/** First byte of each value. */
export const TAG = {
  null: 0,
  false: 1,
  true: 2,
  /** An integer up to 2^53: zigzag, then seven bits a byte, lowest first. */
  integer: 3,
  /** IEEE 754 binary64. */
  float: 4,
  /** 128 bits, two's complement. */
  wide: 5,
  /** Length in bytes, UTF-8. */
  text: 6,
  /** Length in code units, UTF-16: text with lone surrogates, which stand for bytes of names. */
  units: 7,
  /** Length, bytes. */
  bytes: 8,
  /** Count, values. */
  list: 9,
  /** Count, then for each a key and a value. A key is 0 and a new name (length, UTF-8), or n: the n-th name so far. */
  record: 10,
} as const;

const utf8 = new TextEncoder();

/** Members that are undefined are left out. */
export type Encodable = Plain | undefined | readonly Encodable[] | { readonly [key: string]: Encodable };

class Writer {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  readonly #keys = new Map<string, number>();

  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #room(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  #byte(value: number): void {
    const at = this.#room(1);
    this.#bytes[at] = value;
  }

  #count(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.#byte(rest);
  }

  #raw(bytes: Uint8Array): void {
    this.#count(bytes.length);
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  value(value: Encodable): void {
    switch (typeof value) {
      case 'undefined':
        return this.#byte(TAG.null);
      case 'boolean':
        return this.#byte(value ? TAG.true : TAG.false);
      case 'number':
        return this.#number(value);
      case 'bigint':
        return this.#wide(value);
      case 'string':
        return this.#text(value);
      case 'object':
        return this.#object(value);
      default:
        throw new Error(`an image cannot hold a ${typeof value}`);
    }
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && Math.abs(value) < 2 ** 52 && !Object.is(value, -0)) {
      this.#byte(TAG.integer);
      return this.#count(value < 0 ? -value * 2 - 1 : value * 2);
    }
    this.#byte(TAG.float);
    const at = this.#room(8);
    this.#view.setFloat64(at, value, true);
  }

  #wide(value: bigint): void {
    this.#byte(TAG.wide);
    const at = this.#room(16);
    this.#view.setBigUint64(at, BigInt.asUintN(64, value), true);
    this.#view.setBigInt64(at + 8, BigInt.asIntN(64, value >> 64n), true);
  }

  #text(value: string): void {
    if (!hasLoneSurrogates(value)) {
      this.#byte(TAG.text);
      return this.#raw(utf8.encode(value));
    }
    this.#byte(TAG.units);
    this.#count(value.length);
    const at = this.#room(value.length * 2);
    for (let i = 0; i < value.length; i++) this.#view.setUint16(at + 2 * i, value.charCodeAt(i), true);
  }

  #object(value: null | Uint8Array | readonly Encodable[] | { readonly [key: string]: Encodable }): void {
    if (value === null) return this.#byte(TAG.null);
    if (value instanceof Uint8Array) {
      this.#byte(TAG.bytes);
      return this.#raw(value);
    }
    if (Array.isArray(value)) {
      this.#byte(TAG.list);
      this.#count(value.length);
      for (const member of value) this.value(member);
      return;
    }
    const proto = Object.getPrototypeOf(value);
    if (proto !== Object.prototype && proto !== null)
      throw new Error(`an image cannot hold a ${value.constructor.name}`);
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    this.#byte(TAG.record);
    this.#count(members.length);
    for (const [key, member] of members) {
      this.#key(key);
      this.value(member as Encodable);
    }
  }

  #key(key: string): void {
    const known = this.#keys.get(key);
    if (known !== undefined) return this.#count(known);
    this.#keys.set(key, this.#keys.size + 1);
    this.#count(0);
    this.#raw(utf8.encode(key));
  }
}

function hasLoneSurrogates(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = text.charCodeAt(i + 1);
    if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return true;
    i++;
  }
  return false;
}

export function encode(value: Encodable): Uint8Array {
  const writer = new Writer();
  writer.value(value);
  return writer.take();
}
