/** Bytes in flight: what streams and ptys hold between a writer and a reader. Its chunks are all its state. */
export class ByteQueue {
  readonly chunks: Uint8Array[];
  #length: number;

  constructor(chunks: Uint8Array[] = []) {
    this.chunks = chunks;
    this.#length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  get length(): number {
    return this.#length;
  }

  /** Copies bytes in. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.chunks.push(bytes.slice());
    this.#length += bytes.length;
  }

  /** Moves bytes out; `peek`: only looks, `skip` bytes further on. */
  take(into: Uint8Array, peek = false, skip = 0): number {
    let count = 0;
    let index = 0;
    let at = skip;
    while (count < into.length && index < this.chunks.length) {
      const chunk = this.chunks[index];
      if (at >= chunk.length) {
        at -= chunk.length;
        index++;
        continue;
      }
      const part = chunk.subarray(at, at + into.length - count);
      into.set(part, count);
      count += part.length;
      at += part.length;
    }
    if (!peek) this.drop(skip + count);
    return count;
  }

  drop(count: number): void {
    let left = count;
    while (left > 0) {
      const [first] = this.chunks;
      if (first.length > left) {
        this.chunks[0] = first.subarray(left);
        break;
      }
      left -= first.length;
      this.chunks.shift();
    }
    this.#length -= count;
  }

  clear(): void {
    this.chunks.length = 0;
    this.#length = 0;
  }
}
