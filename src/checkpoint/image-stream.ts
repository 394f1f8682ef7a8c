/**
 * Images that go over a connection as they are made, one after the other; each may take pages from the one before. A record is
 * a line of JSON, its length and that of the bytes that follow before it.
 */
import {
  ImageError,
  type ImageInput,
  type ImageOutput,
  type ImageSink,
  type ImageSource,
  type Manifest,
} from './image.ts';

type Head =
  | { readonly do: 'create'; readonly id: number; readonly name: string }
  | { readonly do: 'write' | 'drop'; readonly id: number }
  | { readonly do: 'put'; readonly id: number; readonly offset: number }
  | {
      readonly do: 'reuse';
      readonly id: number;
      readonly name: string;
      readonly offset: number;
      readonly length: number;
    }
  | { readonly do: 'image'; readonly manifest: Omit<Manifest, 'files'> }
  | { readonly do: 'nothing' };

const LENGTHS = 8;
const MOST_BYTES = 1 << 20;
const MOST_HEAD = 1 << 24;
const NOTHING = new Uint8Array(0);

/** Writes images; each is complete when `done` has resolved for it. */
export class StreamSink implements ImageSink {
  readonly #send: (bytes: Uint8Array) => void;
  readonly #done: () => Promise<void>;
  /** Resolves when more can be sent. */
  readonly room: () => Promise<void>;
  #last = 0;
  /** Bytes of this image that went over the connection. */
  sent = 0;

  constructor(send: (bytes: Uint8Array) => void, room: () => Promise<void>, done: () => Promise<void>) {
    this.#send = send;
    this.room = room;
    this.#done = done;
  }

  create(name: string): ImageOutput {
    const id = ++this.#last;
    this.#record({ do: 'create', id, name });
    return {
      write: (bytes) => {
        for (let at = 0; at < bytes.length; at += MOST_BYTES) {
          this.#record({ do: 'write', id }, bytes.subarray(at, at + MOST_BYTES));
        }
      },
      put: (offset, bytes) => {
        for (let at = 0; at < bytes.length; at += MOST_BYTES) {
          this.#record({ do: 'put', id, offset: offset + at }, bytes.subarray(at, at + MOST_BYTES));
        }
      },
      reuse: (file, offset, length) => this.#record({ do: 'reuse', id, name: file, offset, length }),
      drop: () => this.#record({ do: 'drop', id }),
    };
  }

  async commit(manifest: Omit<Manifest, 'files'>): Promise<Manifest> {
    this.#record({ do: 'image', manifest });
    await this.#done();
    return { ...manifest, files: [] };
  }

  abort(): void {
    this.#record({ do: 'nothing' });
  }

  #record(head: Head, bytes: Uint8Array = NOTHING): void {
    const line = new TextEncoder().encode(JSON.stringify(head));
    const record = new Uint8Array(LENGTHS + line.length + bytes.length);
    const view = new DataView(record.buffer);
    view.setUint32(0, line.length, true);
    view.setUint32(4, bytes.length, true);
    record.set(line, LENGTHS);
    record.set(bytes, LENGTHS + line.length);
    this.sent += record.length;
    this.#send(record);
  }
}

/** A file as the pieces that it came in. */
class PieceFile implements ImageInput {
  size = 0;
  readonly #pieces: { readonly at: number; readonly bytes: Uint8Array }[] = [];

  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pieces.push({ at: this.size, bytes });
    this.size += bytes.length;
  }

  put(offset: number, bytes: Uint8Array): void {
    this.#each(offset, bytes.length, (piece, from, done, count) => piece.set(bytes.subarray(done, done + count), from));
  }

  read(offset: number, into: Uint8Array): void {
    this.#each(offset, into.length, (piece, from, done, count) => into.set(piece.subarray(from, from + count), done));
  }

  /** What lies there, as it is: not copied. */
  *parts(offset: number, length: number): Generator<Uint8Array> {
    const found: Uint8Array[] = [];
    this.#each(offset, length, (piece, from, _, count) => found.push(piece.subarray(from, from + count)));
    yield* found;
  }

  #each(offset: number, length: number, use: (piece: Uint8Array, from: number, done: number, count: number) => void) {
    if (offset < 0 || length < 0 || offset + length > this.size)
      throw new ImageError('it is damaged: a file is too short');
    let i = this.#find(offset);
    for (let done = 0; done < length; i++) {
      const { at, bytes } = this.#pieces[i];
      const from = offset + done - at;
      const count = Math.min(length - done, bytes.length - from);
      use(bytes, from, done, count);
      done += count;
    }
  }

  #find(offset: number): number {
    let [low, high] = [0, this.#pieces.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#pieces[middle].at <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

type Files = Map<string, PieceFile>;

/** Takes what a StreamSink sends; `complete` is called with each image. */
export class StreamReader {
  readonly #complete: (image: ImageSource) => void;
  #rest: Uint8Array[] = [];
  #restLength = 0;
  #before: Files = new Map();
  #files: Files = new Map();
  readonly #byId = new Map<number, { name: string; file: PieceFile }>();

  constructor(complete: (image: ImageSource) => void) {
    this.#complete = complete;
  }

  data(bytes: Uint8Array): void {
    this.#rest.push(bytes.slice());
    this.#restLength += bytes.length;
    for (let need = this.#needed(); need <= this.#restLength; need = this.#needed()) this.#record(this.#take(need));
  }

  /** Bytes that the next record has. */
  #needed(): number {
    if (this.#restLength < LENGTHS) return Number.POSITIVE_INFINITY;
    if (this.#rest[0].length < LENGTHS) this.#rest = [this.#join(this.#restLength)];
    const view = new DataView(this.#rest[0].buffer, this.#rest[0].byteOffset, LENGTHS);
    const [head, body] = [view.getUint32(0, true), view.getUint32(4, true)];
    if (head > MOST_HEAD || body > MOST_BYTES) throw new ImageError('it is damaged: a record is too long');
    return LENGTHS + head + body;
  }

  #join(length: number): Uint8Array {
    const all = new Uint8Array(length);
    let at = 0;
    for (const part of this.#rest) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  #take(length: number): Uint8Array {
    const taken = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const [first] = this.#rest;
      const part = first.subarray(0, length - at);
      taken.set(part, at);
      at += part.length;
      if (part.length === first.length) this.#rest.shift();
      else this.#rest[0] = first.subarray(part.length);
    }
    this.#restLength -= length;
    return taken;
  }

  #record(bytes: Uint8Array): void {
    const length = new DataView(bytes.buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(LENGTHS, LENGTHS + length))) as Head;
    const body = bytes.subarray(LENGTHS + length);
    switch (head.do) {
      case 'create': {
        const file = new PieceFile();
        this.#byId.set(head.id, { name: head.name, file });
        this.#files.set(head.name, file);
        return;
      }
      case 'write':
        return this.#file(head.id).add(body);
      case 'put':
        return this.#file(head.id).put(head.offset, body);
      case 'reuse': {
        const old = this.#before.get(head.name);
        if (old === undefined) throw new ImageError(`it is damaged: there is no file ${head.name}`);
        for (const part of old.parts(head.offset, head.length)) this.#file(head.id).add(part);
        return;
      }
      case 'drop':
        this.#files.delete(this.#byId.get(head.id)?.name ?? '');
        return;
      case 'image':
        return this.#finish(head.manifest);
      case 'nothing':
        this.#forget();
    }
  }

  #file(id: number): PieceFile {
    const known = this.#byId.get(id);
    if (known === undefined) throw new ImageError('it is damaged: a file is missing');
    return known.file;
  }

  #finish(manifest: Omit<Manifest, 'files'>): void {
    const files = this.#files;
    this.#forget();
    this.#before = files;
    this.#complete({
      manifest: { ...manifest, files: [] },
      isOwn: true,
      open(name) {
        const file = files.get(name);
        if (file === undefined) throw new ImageError(`it has no file ${name}`);
        return file;
      },
      close: () => {},
    });
  }

  #forget(): void {
    this.#byId.clear();
    this.#files = new Map();
  }
}
