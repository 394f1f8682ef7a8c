/** Plain values as bytes: small numbers and known names are short. Both sides learn strings and objects' shapes alike. */
import type { Plain } from '../wait/wait.ts';

/** What an answer of the host's can be. */
export type Value = Plain | undefined | readonly Value[] | { readonly [key: string]: Value };

const KIND = {
  null: 0,
  undefined: 1,
  false: 2,
  true: 3,
  natural: 4,
  negative: 5,
  float: 6,
  bigint: 7,
  string: 8,
  known: 9,
  bytes: 10,
  array: 11,
  object: 12,
  shape: 13,
  wide: 14,
} as const;
/** Longer strings are not likely to come again. */
const LEARNT = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class Encoder {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  length = 0;
  readonly #strings = new Map<string, number>();
  readonly #shapes = new Map<string, number>();

  #reserve(count: number): void {
    if (this.length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + count));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  /** What was written since the last time. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.length);
    this.length = 0;
    return taken;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.length++] = value;
  }

  /** A natural number up to 2^53, seven bits a byte. */
  natural(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.length++] = rest;
  }

  integer(value: number): void {
    this.natural(value < 0 ? -value * 2 - 1 : value * 2);
  }

  bytes(value: Uint8Array): void {
    this.natural(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.length);
    this.length += value.length;
  }

  value(value: Value): void {
    if (value === null) this.byte(KIND.null);
    else if (value === undefined) this.byte(KIND.undefined);
    else if (typeof value === 'boolean') this.byte(value ? KIND.true : KIND.false);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'bigint') {
      this.byte(KIND.bigint);
      this.bytes(encoder.encode(value.toString(36)));
    } else if (typeof value === 'string') this.#string(value);
    else if (value instanceof Uint8Array) {
      this.byte(KIND.bytes);
      this.bytes(value);
    } else if (Array.isArray(value)) {
      this.byte(KIND.array);
      this.natural(value.length);
      for (const item of value) this.value(item);
    } else this.#object(value as { readonly [key: string]: Value });
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.byte(KIND.float);
      this.#reserve(8);
      this.#view.setFloat64(this.length, value, true);
      this.length += 8;
      return;
    }
    this.byte(value < 0 ? KIND.negative : KIND.natural);
    this.natural(Math.abs(value));
  }

  #string(value: string): void {
    // Names that are not UTF-8 (abi/path.ts).
    if (/\p{Surrogate}/u.test(value)) {
      this.byte(KIND.wide);
      const units = Uint16Array.from({ length: value.length }, (_, i) => value.charCodeAt(i));
      return this.bytes(new Uint8Array(units.buffer));
    }
    const known = this.#strings.get(value);
    this.byte(known === undefined ? KIND.string : KIND.known);
    if (known !== undefined) return this.natural(known);
    if (value.length <= LEARNT) this.#strings.set(value, this.#strings.size);
    this.bytes(encoder.encode(value));
  }

  #object(value: { readonly [key: string]: Value }): void {
    const keys = Object.keys(value);
    const name = keys.join();
    const known = this.#shapes.get(name);
    this.byte(known === undefined ? KIND.object : KIND.shape);
    if (known === undefined) {
      this.#shapes.set(name, this.#shapes.size);
      this.natural(keys.length);
      for (const key of keys) this.#string(key);
    } else this.natural(known);
    for (const key of keys) this.value(value[key]);
  }
}

/** The bytes are not what an Encoder writes. */
export class CodecError extends Error {
  override name = 'CodecError';
}

export class Decoder {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  readonly #strings: string[] = [];
  readonly #shapes: string[][] = [];

  /** The next part. */
  feed(bytes: Uint8Array): void {
    // A Buffer's slice() would not copy, and its JSON would be its bytes.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = 0;
  }

  get isEmpty(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    if (this.isEmpty) throw new CodecError('a value is cut off');
    return this.#bytes[this.#at++];
  }

  natural(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  integer(): number {
    const value = this.natural();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  bytes(): Uint8Array {
    const length = this.natural();
    if (this.#at + length > this.#bytes.length) throw new CodecError('bytes are cut off');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  value(): Value {
    const kind = this.byte();
    switch (kind) {
      case KIND.null:
        return null;
      case KIND.undefined:
        return undefined;
      case KIND.false:
      case KIND.true:
        return kind === KIND.true;
      case KIND.natural:
        return this.natural();
      case KIND.negative:
        return -this.natural();
      case KIND.float:
        return this.#float();
      case KIND.bigint:
        return parseBigint(decoder.decode(this.bytes().slice()));
      case KIND.string:
      case KIND.known:
      case KIND.wide:
        return this.#string(kind);
      case KIND.bytes:
        return this.bytes().slice();
      case KIND.array:
        return Array.from({ length: this.natural() }, () => this.value());
      case KIND.object:
      case KIND.shape:
        return this.#object(kind);
      default:
        throw new CodecError(`there is no kind ${kind} of value`);
    }
  }

  #float(): number {
    const bytes = Uint8Array.from({ length: 8 }, () => this.byte());
    return new DataView(bytes.buffer).getFloat64(0, true);
  }

  #string(kind: number): string {
    if (kind === KIND.known) return known(this.#strings, this.natural());
    if (kind === KIND.wide) return String.fromCharCode(...new Uint16Array(this.bytes().slice().buffer));
    const text = decoder.decode(this.bytes().slice());
    if (text.length <= LEARNT) this.#strings.push(text);
    return text;
  }

  #object(kind: number): Value {
    let keys: string[];
    if (kind === KIND.shape) keys = known(this.#shapes, this.natural());
    else {
      keys = Array.from({ length: this.natural() }, () => this.#string(this.byte()));
      this.#shapes.push(keys);
    }
    return Object.fromEntries(keys.map((key) => [key, this.value()]));
  }
}

function known<T>(table: readonly T[], index: number): T {
  if (index >= table.length) throw new CodecError('a reference leads nowhere');
  return table[index];
}

/** As toString(36) writes it. */
function parseBigint(text: string): bigint {
  const isNegative = text.startsWith('-');
  let value = 0n;
  for (const digit of isNegative ? text.slice(1) : text) value = value * 36n + BigInt(Number.parseInt(digit, 36));
  return isNegative ? -value : value;
}
