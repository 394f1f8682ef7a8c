/** Little-endian bytes, out and in. What comes from the other side is checked at every step. */
import { decodePath, encodePath } from '../abi/path.ts';

/** The other side does not keep to the protocol: the connection is closed. */
export class ProtocolError extends Error {
  override name = 'ProtocolError';
}

const TWO32 = 2 ** 32;

export class Writer {
  #bytes: Uint8Array;
  #view: DataView;
  length = 0;

  constructor(room = 256) {
    this.#bytes = new Uint8Array(room);
    this.#view = new DataView(this.#bytes.buffer);
  }

  #need(count: number): number {
    const at = this.length;
    if (at + count > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, at + count));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.length = at + count;
    return at;
  }

  u8(value: number): this {
    const at = this.#need(1);
    this.#bytes[at] = value;
    return this;
  }
  u32(value: number): this {
    const at = this.#need(4);
    this.#view.setUint32(at, value, true);
    return this;
  }
  /** A whole number, up to 53 bits and a sign, in 64. */
  i64(value: number): this {
    const at = this.#need(8);
    this.#view.setUint32(at, value % TWO32, true);
    this.#view.setInt32(at + 4, Math.floor(value / TWO32), true);
    return this;
  }
  big(value: bigint): this {
    const at = this.#need(8);
    this.#view.setBigInt64(at, value, true);
    return this;
  }
  /** Bytes after their length. `from` may lie in shared memory. */
  bytes(from: Uint8Array): this {
    this.u32(from.length);
    this.raw(from);
    return this;
  }
  raw(from: Uint8Array): this {
    const at = this.#need(from.length);
    this.#bytes.set(from, at);
    return this;
  }
  /** Text as the bytes it stands for (abi/path.ts). */
  text(text: string): this {
    return this.bytes(encodePath(text));
  }

  /** Writes a length that was left open. */
  patch(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** What was written; the writer is not used any more. */
  done(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, from = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = from;
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) throw new ProtocolError('a frame is too short for what it should hold');
    this.#at = at + count;
    return at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }
  u8(): number {
    return this.#bytes[this.#take(1)];
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }
  i64(): number {
    const at = this.#take(8);
    const value = this.#view.getInt32(at + 4, true) * TWO32 + this.#view.getUint32(at, true);
    if (!Number.isSafeInteger(value)) throw new ProtocolError('a number is out of range');
    return value;
  }
  big(): bigint {
    return this.#view.getBigInt64(this.#take(8), true);
  }
  /** A view: whoever keeps it copies it. */
  bytes(): Uint8Array {
    const length = this.u32();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }
  text(): string {
    return decodePath(this.bytes());
  }
  /** How many items follow; each takes at least `least` bytes, so that no count makes us reserve memory. */
  count(least: number): number {
    const count = this.u32();
    if (count * least > this.left) throw new ProtocolError('a list is longer than its frame');
    return count;
  }
  end(): void {
    if (this.left > 0) throw new ProtocolError('a frame holds more than it should');
  }
}
