/** What programs have written and the server has not acknowledged: sent in larger pieces, in order. */
import { EIO } from '../../abi/errno.ts';
import { failed, type Sleeper } from '../../wait/wait.ts';
import { LARGEST_DATA } from '../frames.ts';
import type { FileData } from './file-data.ts';
import type { Pending } from './pending.ts';
import type { RemoteObject } from './remote-object.ts';

/** So much is sent at once, and so long the last bytes wait for more. */
const SEND_AT = 256 << 10;
const WAIT_MS = 500;

interface Write {
  start: number;
  bytes: Uint8Array;
  length: number;
  /** At the end of the file, wherever that is at home. */
  readonly append: boolean;
  pending: Pending | null;
}

export class WriteBehind {
  readonly #inode: RemoteObject;
  readonly #data: FileData;
  readonly #writes: Write[] = [];
  #failure = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(inode: RemoteObject, data: FileData) {
    this.#inode = inode;
    this.#data = data;
  }

  get busy(): boolean {
    return this.#writes.length > 0;
  }

  /** Where the file ends with what is on its way; 0: nothing is. */
  get end(): number {
    return this.#writes.reduce((end, write) => Math.max(end, write.start + write.length), 0);
  }

  takeFailure(): number {
    const failure = this.#failure;
    this.#failure = 0;
    return failure;
  }

  write(s: Sleeper, position: number, from: Uint8Array, append: boolean): number {
    const { fs } = this.#inode;
    return s.once(() => {
      const failure = this.takeFailure();
      if (failure < 0) return failure;
      if (fs.data.full) {
        this.send();
        const blocked = s.block(fs.data.room, undefined, true);
        fs.link.flush();
        return blocked;
      }
      this.#add(position, from, append);
      return from.length;
    });
  }

  #add(start: number, from: Uint8Array, append: boolean): void {
    const { fs } = this.#inode;
    fs.data.dirty += from.length;
    fs.held.add(this.#inode);
    let tail = this.#writes.at(-1);
    for (let at = 0; at < from.length; ) {
      const joins = tail?.pending === null && tail.append === append && tail.start + tail.length === start + at;
      if (tail === undefined || !joins || tail.length === LARGEST_DATA) {
        this.send();
        tail = { start: start + at, bytes: new Uint8Array(4096), length: 0, append, pending: null };
        this.#writes.push(tail);
      }
      const count = Math.min(from.length - at, LARGEST_DATA - tail.length);
      put(tail, from.subarray(at, at + count));
      at += count;
    }
    if (tail !== undefined && tail.length >= SEND_AT) this.send();
    else this.#timer ??= setTimeout(() => this.send(), WAIT_MS);
  }

  /** Sends what is left. */
  send(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const tail = this.#writes.at(-1);
    if (tail === undefined || tail.pending !== null) return;
    const bytes = tail.bytes.subarray(0, tail.length);
    const stamp = { tick: 0, time: 0 };
    const { link } = this.#inode.fs;
    const values = tail.append ? [bytes, tail.start] : [tail.start, bytes];
    // A place holder first: an answer may come before send() returns.
    tail.pending = link.send(tail.append ? 'append' : 'write', this.#inode, values, (answered) => {
      this.#done(tail, answered);
      if (answered.attributes !== null) this.#inode.learnOwn(answered.attributes, stamp);
    });
  }

  #done(write: Write, { status, answer }: Pending): void {
    const { fs } = this.#inode;
    const at = this.#writes.indexOf(write);
    if (at >= 0) this.#writes.splice(at, 1);
    fs.data.written(write.length);
    const bytes = write.bytes.subarray(0, write.length);
    if (status < 0) this.#failure ||= status;
    else if (write.append) {
      // Somebody else has appended too: where ours are is for the server to tell.
      if (answer === write.start + write.length) this.#data.wrote(write.start, bytes);
      else this.#data.drop();
    } else if (answer === write.length) this.#data.wrote(write.start, bytes);
    else this.#failure ||= -EIO;
    this.#inode.release();
  }

  /** What is on its way covers what is there. */
  overlay(position: number, into: Uint8Array): void {
    for (const { start, bytes, length } of this.#writes) {
      const from = Math.max(position, start);
      const to = Math.min(position + into.length, start + length);
      if (from < to) into.set(bytes.subarray(from - start, to - start), from - position);
    }
  }

  /** Everything is at home: 0; an error of a write, once; or the caller sleeps. */
  settle(s: Sleeper): number {
    return s.once(() => {
      this.send();
      const last = this.#writes.at(-1)?.pending;
      if (last != null) {
        const waited = this.#inode.fs.link.wait(s, last);
        if (failed(waited)) return waited;
      }
      return this.takeFailure();
    });
  }
}

function put(write: Write, from: Uint8Array): void {
  const length = write.length + from.length;
  if (length > write.bytes.length) {
    const larger = new Uint8Array(Math.min(LARGEST_DATA, Math.max(length, 4 * write.bytes.length)));
    larger.set(write.bytes.subarray(0, write.length));
    write.bytes = larger;
  }
  write.bytes.set(from, write.length);
  write.length = length;
}
