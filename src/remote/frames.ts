/**
 * Frames: a length, a type, what it holds (docs/PROTOCOL.md). The splitter takes bytes as they come and gives out whole frames.
 */
import { ProtocolError, Writer } from './wire.ts';

/** "TSHP", and the version that both sides must speak. */
export const MAGIC = 0x50485354;
export const VERSION = 2;

export const FRAME = {
  /** Client: who it is. Server: who it is, or why not. */
  hello: 1,
  welcome: 2,
  refused: 3,
  request: 4,
  reply: 5,
  /** Nothing, so that both know of each other. */
  ping: 6,
  /** The client has ended in order: its session may be forgotten. */
  bye: 7,
  /** The client has seen the welcome: only now its session moves to this connection. */
  ready: 8,
} as const;

/** A request or reply carries at most so much of contents. */
export const LARGEST_DATA = 1 << 20;
/** And is at most this long. Before the hello was accepted, a kilobyte is enough. */
export const LARGEST_FRAME = LARGEST_DATA + (1 << 16);
export const LARGEST_HELLO = 4096;

const HEADER = 5;

/** A frame of a type: `fill` writes what it holds. */
export function frame(type: number, fill: (w: Writer) => void, room = 64): Uint8Array {
  const w = new Writer(room + HEADER);
  w.u32(0).u8(type);
  fill(w);
  w.patch(0, w.length - HEADER);
  return w.done();
}

export class FrameSplitter {
  /** Longest frame that is taken now. */
  limit: number;
  #parts: Uint8Array[] = [];
  #length = 0;

  constructor(limit = LARGEST_FRAME) {
    this.limit = limit;
  }

  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  /** The next whole frame: its type and what it holds; null until there is one. */
  next(): { type: number; body: Uint8Array } | null {
    if (this.#length < HEADER) return null;
    const head = this.#peek(HEADER);
    const length = (head[0] | (head[1] << 8) | (head[2] << 16) | (head[3] << 24)) >>> 0;
    if (length > this.limit) throw new ProtocolError(`a frame of ${length} bytes is too long`);
    if (this.#length < HEADER + length) return null;
    return { type: head[4], body: this.#take(HEADER + length).subarray(HEADER) };
  }

  #peek(count: number): Uint8Array {
    if (this.#parts[0].length < count) this.#join();
    return this.#parts[0];
  }

  #take(count: number): Uint8Array {
    if (this.#parts[0].length < count) this.#join();
    const [first] = this.#parts;
    if (first.length === count) this.#parts.shift();
    else this.#parts[0] = first.subarray(count);
    this.#length -= count;
    return first.subarray(0, count);
  }

  #join(): void {
    const whole = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    this.#parts = [whole];
  }
}
