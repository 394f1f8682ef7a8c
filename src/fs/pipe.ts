/**
 * Pipes (pipe(7)). As in Linux the content is a ring of pages, and that shows: small writes are merged into the last
 * page where they fit whole, and a page is free again only when all of it has been read.
 */
import { EAGAIN, EBUSY, EFAULT, EINVAL, ENOTTY, EPERM, EPIPE } from '../abi/errno.ts';
import {
  F_GETPIPE_SZ,
  F_SETPIPE_SZ,
  O_ACCMODE,
  O_DIRECT,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  S_IFIFO,
} from '../abi/fs.ts';
import { SIGPIPE } from '../abi/signal.ts';
import { CAP_SYS_RESOURCE, capable } from '../vfs/credentials.ts';
import type { Inode } from '../vfs/inode.ts';
import {
  OpenFile,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDNORM,
  POLLWRNORM,
  type UserMemory,
} from '../vfs/open-file.ts';
import { BLOCKED, type Sleeper, WaitQueue } from '../wait/wait.ts';
import { type AnonymousFs, AnonymousInode } from './anonymous.ts';
import { callerOf } from './caller.ts';

const PAGE = 4096;
const DEFAULT_SLOTS = 16;
/** /proc/sys/fs/pipe-max-size. */
export const PIPE_MAX_SIZE = 1 << 20;
const FIONREAD = 0x541b;

interface Slot {
  page: Uint8Array;
  start: number;
  end: number;
  /** Written in O_DIRECT mode: one read takes one packet and drops what does not fit. */
  packet: boolean;
}

/** All there is to know of a pipe. */
export interface PipeState {
  slots: Slot[];
  capacity: number;
  /** Open ends. */
  readers: number;
  writers: number;
  /** How often the writing end was opened: before the first time, a reader that did not wait sees no hang-up. */
  writerOpens: number;
  /** Ends already counted for opens of a FIFO that waited until the other end came, and have not run since. */
  readerTickets: number;
  writerTickets: number;
}

export class Pipe {
  readonly state: PipeState;
  /** Woken when there is something to read, or no writer left. */
  readonly forReaders = new WaitQueue();
  /** Woken when there is room, or no reader left. */
  readonly forWriters = new WaitQueue();
  /** Where opens of a FIFO wait for the other end. */
  readonly openingReaders = new WaitQueue();
  readonly openingWriters = new WaitQueue();
  readonly #spare: Uint8Array[] = [];

  constructor(state?: PipeState) {
    this.state = state ?? {
      slots: [],
      capacity: DEFAULT_SLOTS,
      ...{ readers: 0, writers: 0, writerOpens: 0, readerTickets: 0, writerTickets: 0 },
    };
  }

  get empty(): boolean {
    return this.state.slots.length === 0;
  }
  get full(): boolean {
    return this.state.slots.length >= this.state.capacity;
  }
  /** Bytes to be read. */
  get length(): number {
    return this.state.slots.reduce((sum, slot) => sum + slot.end - slot.start, 0);
  }

  /** Counts a new end; opens that wait for it are counted too, so that it finds its partner before they have run. */
  addEnds(flags: number): void {
    const { state } = this;
    const access = flags & O_ACCMODE;
    const reads = access !== O_WRONLY;
    const writes = access !== O_RDONLY;
    const readers = writes ? this.openingReaders.waiters.size : 0;
    const writers = reads ? this.openingWriters.waiters.size : 0;
    state.readerTickets += readers;
    state.writerTickets += writers;
    state.readers += readers + (reads ? 1 : 0);
    state.writers += writers + (writes ? 1 : 0);
    state.writerOpens += writers + (writes ? 1 : 0);
    if (writes) this.openingReaders.wake();
    if (reads) this.openingWriters.wake();
  }

  /** The end that an open waited for has come and counted this one. */
  claimEnd(flags: number): boolean {
    const tickets = (flags & O_ACCMODE) === O_RDONLY ? 'readerTickets' : 'writerTickets';
    if (this.state[tickets] === 0) return false;
    this.state[tickets]--;
    return true;
  }

  removeEnds(flags: number): void {
    const { state } = this;
    if ((flags & O_ACCMODE) !== O_WRONLY) state.readers--;
    if ((flags & O_ACCMODE) !== O_RDONLY) state.writers--;
    if (state.readers === 0 && state.writers === 0) state.slots = [];
    this.forReaders.wake(POLLIN | POLLRDNORM | POLLHUP);
    this.forWriters.wake(POLLOUT | POLLWRNORM | POLLERR);
  }

  /** Takes bytes out, or only looks at them (tee); 0 when there are none. */
  take(into: Uint8Array, peek = false): number {
    const { slots } = this.state;
    const wasFull = this.full;
    let taken = 0;
    let index = 0;
    while (taken < into.length && index < slots.length) {
      const slot = slots[index];
      const count = Math.min(slot.end - slot.start, into.length - taken);
      into.set(slot.page.subarray(slot.start, slot.start + count), taken);
      taken += count;
      index++;
      if (peek) continue;
      slot.start += count;
      if (slot.start !== slot.end && !slot.packet) break;
      this.#recycle(slot.page);
      slots.shift();
      index = 0;
      if (slot.packet) break;
    }
    if (wasFull && !this.full) this.forWriters.wake(POLLOUT | POLLWRNORM);
    return taken;
  }

  /** Puts bytes in; answers how many fitted. A write's first part may share the last page, where it fits whole. */
  put(from: Uint8Array, packet: boolean, first: boolean): number {
    const { slots, capacity } = this.state;
    let done = 0;
    const last = slots.at(-1);
    const odd = from.length % PAGE;
    if (first && odd !== 0 && last !== undefined && !last.packet && last.end + odd <= PAGE) {
      last.page.set(from.subarray(0, odd), last.end);
      last.end += odd;
      done = odd;
    }
    while (done < from.length && slots.length < capacity) {
      const part = from.subarray(done, done + PAGE);
      const page = this.#spare.pop() ?? new Uint8Array(PAGE);
      page.set(part);
      slots.push({ page, start: 0, end: part.length, packet });
      done += part.length;
    }
    if (done > 0) this.forReaders.wake(POLLIN | POLLRDNORM);
    return done;
  }

  /** F_SETPIPE_SZ: answers the new size. */
  resize(s: Sleeper, wanted: number): number {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(1, Math.ceil(wanted / PAGE))));
    if (wanted < 0 || wanted > 2 ** 31) return -EINVAL;
    if (
      slots * PAGE > PIPE_MAX_SIZE &&
      slots > this.state.capacity &&
      !capable(callerOf(s).credentials, CAP_SYS_RESOURCE)
    )
      return -EPERM;
    if (slots < this.state.slots.length) return -EBUSY;
    this.state.capacity = slots;
    if (!this.full) this.forWriters.wake(POLLOUT | POLLWRNORM);
    return slots * PAGE;
  }

  get size(): number {
    return this.state.capacity * PAGE;
  }

  #recycle(page: Uint8Array): void {
    if (this.#spare.length < 2) this.#spare.push(page);
  }
}

/** An open end of a pipe or FIFO; both ends at once for a FIFO opened O_RDWR. */
export class PipeFile extends OpenFile {
  readonly pipe: Pipe;
  readonly inode: Inode;
  override readonly ready: WaitQueue;
  /** A FIFO that was opened O_NONBLOCK without a writer: no POLLHUP before one has come. */
  readonly quietUntil: number;
  readonly name: string;

  /** @param quietUntil the pipe's writerOpens at an open that did not wait; -1: hang-ups show at once. */
  constructor(pipe: Pipe, inode: Inode, flags: number, name: string, quietUntil = -1) {
    super(flags);
    this.pipe = pipe;
    this.inode = inode;
    this.quietUntil = quietUntil;
    this.name = name;
    this.ready = readyQueue(pipe, flags);
  }

  describe(): string {
    return this.name;
  }

  override read(s: Sleeper, into: Uint8Array): number {
    if (into.length === 0) return 0;
    if (!this.pipe.empty) return this.pipe.take(into);
    if (this.pipe.state.writers === 0) return 0;
    if (this.flags & O_NONBLOCK) return -EAGAIN;
    return s.block(this.pipe.forReaders);
  }

  override fcntl(s: Sleeper, command: number, argument: number): number {
    if (command === F_GETPIPE_SZ) return this.pipe.state.capacity * PAGE;
    return command === F_SETPIPE_SZ ? this.pipe.resize(s, argument) : -EINVAL;
  }

  override write(s: Sleeper, from: Uint8Array): number {
    if (from.length === 0) return 0;
    const { pipe } = this;
    if (pipe.state.readers === 0) {
      callerOf(s).raise(SIGPIPE);
      return s.progress || -EPIPE;
    }
    s.progress += pipe.put(from.subarray(s.progress), (this.flags & O_DIRECT) !== 0, s.progress === 0);
    if (s.progress === from.length) return s.progress;
    if (this.flags & O_NONBLOCK) return s.progress || -EAGAIN;
    const answer = s.block(pipe.forWriters);
    return answer === BLOCKED ? BLOCKED : s.progress || answer;
  }

  override poll(): number {
    const { pipe } = this;
    let events = 0;
    if (this.readable) {
      if (!pipe.empty) events |= POLLIN | POLLRDNORM;
      if (pipe.state.writers === 0 && pipe.state.writerOpens !== this.quietUntil) events |= POLLHUP;
    }
    if (this.writable) {
      if (!pipe.full) events |= POLLOUT | POLLWRNORM;
      if (pipe.state.readers === 0) events |= POLLERR;
    }
    return events;
  }

  override ioctl(_s: Sleeper, memory: UserMemory, command: number, argument: number): number {
    if (command !== FIONREAD) return -ENOTTY;
    const out = memory.view(argument, 4, true);
    if (typeof out === 'number') return -EFAULT;
    new DataView(out.buffer, out.byteOffset).setInt32(0, this.pipe.length, true);
    return 0;
  }

  override release(): void {
    if (this.ready !== this.pipe.forReaders && this.ready !== this.pipe.forWriters) {
      for (const queue of [this.pipe.forReaders, this.pipe.forWriters]) queue.waiters.delete(this.ready);
    }
    this.pipe.removeEnds(this.flags);
  }
}

/** Pollers of one end hear of that end; those of an O_RDWR FIFO of both, through a queue that waits on the two. */
function readyQueue(pipe: Pipe, flags: number): WaitQueue {
  const access = flags & O_ACCMODE;
  if (access !== O_RDWR) return access === O_RDONLY ? pipe.forReaders : pipe.forWriters;
  const both = new WaitQueue();
  pipe.forReaders.waiters.add(both);
  pipe.forWriters.waiters.add(both);
  return both;
}

/** The inode of a pipe: opened through /proc/PID/fd it gives one more end, without waiting for another. */
export class PipeInode extends AnonymousInode {
  pipe = new Pipe();

  get name(): string {
    return `pipe:[${this.stat.ino}]`;
  }

  override open(_s: Sleeper, flags: number): PipeFile {
    return this.end(flags);
  }

  end(flags: number): PipeFile {
    this.pipe.addEnds(flags);
    return new PipeFile(this.pipe, this, flags, this.name);
  }
}

/** The two ends for pipe2(2). */
export function pipePair(fs: AnonymousFs, uid: number, gid: number, now: bigint, flags: number): [PipeFile, PipeFile] {
  const inode = new PipeInode(fs, S_IFIFO | 0o600, uid, gid, now);
  const extra = flags & (O_NONBLOCK | O_DIRECT);
  return [inode.end(O_RDONLY | extra), inode.end(O_WRONLY | extra)];
}
