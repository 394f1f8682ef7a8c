/** File content in memory: sparse, in chunks. The first one grows, so that small files are small; large ones never move. */
import { ENXIO } from '../abi/errno.ts';
import { SEEK_DATA } from '../abi/fs.ts';

const CHUNK = 1 << 16;
const PAGE = 4096;
const PAGES = CHUNK / PAGE;

interface Chunk {
  /** The chunk's beginning; what is missing is zeros. */
  bytes: Uint8Array;
  /** Bit n: page n has been written. */
  pages: number;
}

export class PageStore {
  size = 0;
  readonly #chunks = new Map<number, Chunk>();
  #pages = 0;

  /** Pages that hold data: st_blocks is 8 times as much. */
  get pages(): number {
    return this.#pages;
  }

  read(position: number, into: Uint8Array): number {
    const count = Math.min(into.length, this.size - position);
    if (count <= 0) return 0;
    for (let done = 0; done < count; ) {
      const at = position + done;
      const offset = at % CHUNK;
      const length = Math.min(CHUNK - offset, count - done);
      const bytes = this.#chunks.get((at - offset) / CHUNK)?.bytes;
      const held = bytes === undefined ? 0 : Math.max(0, Math.min(length, bytes.length - offset));
      if (held > 0) into.set(bytes!.subarray(offset, offset + held), done);
      if (held < length) into.fill(0, done + held, done + length);
      done += length;
    }
    return count;
  }

  write(position: number, from: Uint8Array): number {
    for (let done = 0; done < from.length; ) {
      const at = position + done;
      const offset = at % CHUNK;
      const length = Math.min(CHUNK - offset, from.length - done);
      const chunk = this.#chunk((at - offset) / CHUNK, offset + length);
      const whole = done === 0 && length === from.length;
      chunk.bytes.set(whole ? from : from.subarray(done, done + length), offset);
      this.#mark(chunk, offset, offset + length);
      done += length;
      if (at + length > this.size) this.size = at + length;
    }
    return from.length;
  }

  truncate(size: number): void {
    if (size < this.size) this.clear(size, this.size - size);
    this.size = size;
  }

  /** Makes a range read as zeros and gives its whole pages back (FALLOC_FL_PUNCH_HOLE). */
  clear(offset: number, length: number): void {
    const end = Math.min(offset + length, this.size);
    const stop = end === this.size ? Infinity : end;
    for (const [index, chunk] of this.#chunks) {
      const base = index * CHUNK;
      if (base + CHUNK <= offset || base >= end) continue;
      const from = Math.max(0, offset - base);
      const to = Math.min(CHUNK, stop - base);
      chunk.bytes.fill(0, from, to);
      for (let page = Math.ceil(from / PAGE); page < Math.floor(to / PAGE); page++) this.#unmark(chunk, page);
      if (chunk.pages === 0) this.#chunks.delete(index);
    }
  }

  /** fallocate(2): the range takes room from now on. */
  reserve(offset: number, length: number): void {
    for (let at = offset; at < offset + length; ) {
      const start = at % CHUNK;
      const end = Math.min(CHUNK, start + offset + length - at);
      this.#mark(this.#chunk((at - start) / CHUNK, 0), start, end);
      at += end - start;
    }
  }

  /** SEEK_DATA and SEEK_HOLE. */
  seek(offset: number, whence: number): number {
    if (offset >= this.size) return -ENXIO;
    const data = whence === SEEK_DATA;
    let at = offset;
    while (at < this.size) {
      const chunk = this.#chunks.get(Math.floor(at / CHUNK));
      if (chunk === undefined) {
        if (!data) return at;
        at = (Math.floor(at / CHUNK) + 1) * CHUNK;
        continue;
      }
      const page = Math.floor((at % CHUNK) / PAGE);
      if (((chunk.pages >> page) & 1) === (data ? 1 : 0)) return at;
      at = (Math.floor(at / PAGE) + 1) * PAGE;
    }
    return data ? -ENXIO : this.size;
  }

  /** Pages with data, in order: for images. */
  *contents(): IterableIterator<{ offset: number; bytes: Uint8Array }> {
    for (const index of [...this.#chunks.keys()].sort((a, b) => a - b)) {
      const chunk = this.#chunks.get(index)!;
      for (let page = 0; page < PAGES; page++) {
        if (((chunk.pages >> page) & 1) === 0) continue;
        yield { offset: index * CHUNK + page * PAGE, bytes: chunk.bytes.subarray(page * PAGE, (page + 1) * PAGE) };
      }
    }
  }

  #chunk(index: number, needed: number): Chunk {
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      chunk = { bytes: new Uint8Array(index === 0 ? roundUp(needed) : CHUNK), pages: 0 };
      this.#chunks.set(index, chunk);
    } else if (chunk.bytes.length < needed) {
      const larger = new Uint8Array(roundUp(needed));
      larger.set(chunk.bytes);
      chunk.bytes = larger;
    }
    return chunk;
  }

  #mark(chunk: Chunk, from: number, to: number): void {
    for (let page = Math.floor(from / PAGE); page * PAGE < to; page++) {
      if (((chunk.pages >> page) & 1) === 1) continue;
      chunk.pages |= 1 << page;
      this.#pages++;
    }
  }

  #unmark(chunk: Chunk, page: number): void {
    if (((chunk.pages >> page) & 1) === 0) return;
    chunk.pages &= ~(1 << page);
    this.#pages--;
  }
}

/** Capacity for so many bytes of a chunk: powers of two from 256 on. */
function roundUp(needed: number): number {
  let capacity = 256;
  while (capacity < needed) capacity *= 2;
  return capacity;
}
