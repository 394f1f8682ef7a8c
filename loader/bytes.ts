/** Little-endian data under construction, in a buffer of fixed size. */
export class Bytes {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  /** Where the next byte goes. */
  at = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Answers where the bytes went. */
  append(bytes: ArrayLike<number>): number {
    const at = this.at;
    this.bytes.set(bytes, at);
    this.at += bytes.length;
    return at;
  }

  u16(...values: number[]): void {
    for (const value of values) {
      this.#view.setUint16(this.at, value, true);
      this.at += 2;
    }
  }

  u32(...values: number[]): void {
    for (const value of values) {
      this.#view.setUint32(this.at, value, true);
      this.at += 4;
    }
  }

  skip(count: number): void {
    this.at += count;
  }

  align(to: number, fill = 0): void {
    while (this.at % to !== 0) this.bytes[this.at++] = fill;
  }
}
