/**
 * A descriptor that our caller passed on: reads and writes that never wait, and never move more than was asked for.
 *
 * The flags of such a descriptor belong to everyone who shares it: O_NONBLOCK set on the terminal would surprise the shell.
 * So pipes and terminals are opened once more through /proc/self/fd, which makes a description of our own; sockets take
 * MSG_DONTWAIT; regular files do not wait, and keep the shared offset. What cannot be opened again (the permissions of a
 * `su`) is asked with poll(2) first, and written in pieces that a ready pipe takes without waiting.
 */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  type Stats,
  writeSync,
} from 'node:fs';
import { libc } from './libc.ts';
import { POLLIN, POLLOUT, pollNow, unwatch, type Waker, watch } from './poll.ts';

export type HostKind = 'file' | 'directory' | 'pipe' | 'socket' | 'terminal' | 'device';

const EAGAIN = 11;
const EIO = 5;
const ESPIPE = 29;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** What poll(2) promises room for in a ready pipe. */
const PIPE_BUF = 4096;

type StatField = 'dev' | 'ino' | 'mode' | 'nlink' | 'uid' | 'gid' | 'rdev' | 'size' | 'blksize' | 'blocks';
type StatTime = 'atimeMs' | 'mtimeMs' | 'ctimeMs' | 'birthtimeMs';
/** Plain data. */
export type DescriptorStat = Pick<Stats, StatField | StatTime>;

export class HostDescriptor {
  readonly fd: number;
  readonly kind: HostKind;
  /** Access mode and status flags as F_GETFL shows them, in Linux's generic numbers. */
  readonly flags: number;
  /** What /proc/self/fd/N shows. */
  readonly name: string;
  /** Where I/O goes: our own description, or the inherited one. */
  readonly #io: number;
  readonly #ownDescription: boolean;

  constructor(fd: number) {
    this.fd = fd;
    this.kind = kindOf(fd);
    this.flags = flagsOf(fd);
    this.name = nameOf(fd);
    const waits = this.kind === 'pipe' || this.kind === 'terminal';
    const own = waits ? reopen(fd, this.flags) : undefined;
    this.#io = own ?? fd;
    this.#ownDescription = own !== undefined;
  }

  /** Bytes read, 0 at the end, or a negative errno; -EAGAIN: nothing yet, see whenReady(). */
  read(into: Uint8Array): number {
    if (this.kind === 'socket') return this.#socketCall('recv', into, MSG_DONTWAIT);
    if (this.#mayWait && pollNow(this.#io, POLLIN) === 0) return -EAGAIN;
    const c = libc();
    if (c !== null) return c.read(this.#io, into, into.length);
    return attempt(() => readSync(this.#io, into, 0, into.length, null));
  }

  write(from: Uint8Array): number {
    if (this.kind === 'socket') return this.#socketCall('send', from, MSG_DONTWAIT | MSG_NOSIGNAL);
    let bytes = from;
    if (this.#mayWait) {
      if (pollNow(this.#io, POLLOUT) === 0) return -EAGAIN;
      bytes = from.subarray(0, PIPE_BUF);
    }
    const c = libc();
    if (c !== null) return c.write(this.#io, bytes, bytes.length);
    return attempt(() => writeSync(this.#io, bytes, 0, bytes.length));
  }

  readAt(position: number, into: Uint8Array): number {
    return attempt(() => readSync(this.fd, into, 0, into.length, position));
  }
  writeAt(position: number, from: Uint8Array): number {
    return attempt(() => writeSync(this.fd, from, 0, from.length, position));
  }

  /** Moves the offset that we share with our caller. */
  seek(offset: number, whence: number): number {
    return libc()?.lseek(this.fd, offset, whence) ?? -ESPIPE;
  }

  truncate(size: number): number {
    return attempt(() => {
      ftruncateSync(this.fd, size);
      return 0;
    });
  }

  sync(dataOnly: boolean): number {
    return attempt(() => {
      if (dataOnly) fdatasyncSync(this.fd);
      else fsyncSync(this.fd);
      return 0;
    });
  }

  stat(): DescriptorStat {
    const { dev, ino, mode, nlink, uid, gid, rdev, size, blksize, blocks, ...times } = fstatSync(this.fd);
    const { atimeMs, mtimeMs, ctimeMs, birthtimeMs } = times;
    return { dev, ino, mode, nlink, uid, gid, rdev, size, blksize, blocks, atimeMs, mtimeMs, ctimeMs, birthtimeMs };
  }

  /** The POLL* events that hold; where the host cannot tell, those asked for. */
  poll(events: number): number {
    if (this.kind === 'file' || this.kind === 'directory') return events;
    return pollNow(this.#io, events) ?? events;
  }

  /** Calls `waker` once, when one of the events holds. */
  whenReady(events: number, waker: Waker): void {
    watch(this.#io, events, waker);
  }

  close(): void {
    unwatch(this.#io);
    if (this.#ownDescription) closeSync(this.#io);
    if (this.fd > 2) closeSync(this.fd);
    else if (this.fd < 2) nullify(this.fd); // 2 stays: we may have something to say
  }

  get #mayWait(): boolean {
    return !this.#ownDescription && this.kind !== 'file' && this.kind !== 'directory';
  }

  #socketCall(name: 'recv' | 'send', bytes: Uint8Array, flags: number): number {
    const c = libc();
    if (c !== null) return c[name](this.fd, bytes, bytes.length, flags);
    if (name === 'recv') return attempt(() => readSync(this.fd, bytes, 0, bytes.length, null));
    return attempt(() => writeSync(this.fd, bytes, 0, bytes.length));
  }
}

/** The same, whoever answers. */
export type Descriptor = Pick<HostDescriptor, keyof HostDescriptor>;

function kindOf(fd: number): HostKind {
  const stat = fstatSync(fd);
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isFIFO()) return 'pipe';
  if (stat.isSocket()) return 'socket';
  return isTerminal(fd) ? 'terminal' : 'device';
}

/** node:tty takes 4 ms to load: asked only where libc cannot be. */
function isTerminal(fd: number): boolean {
  const c = libc();
  return c === null ? process.getBuiltinModule('node:tty').isatty(fd) : c.isatty(fd) === 1;
}

function flagsOf(fd: number): number {
  try {
    const text = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
    return Number.parseInt(/^flags:\s*([0-7]+)/m.exec(text)![1], 8) & ~0o2100000; // O_CLOEXEC, O_LARGEFILE
  } catch {
    return fd === 0 ? constants.O_RDONLY : constants.O_WRONLY;
  }
}

function nameOf(fd: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return `/dev/fd/${fd}`;
  }
}

function reopen(fd: number, flags: number): number | undefined {
  try {
    return openSync(`/proc/self/fd/${fd}`, (flags & 3) | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return undefined;
  }
}

/** Gives a standard descriptor up without freeing its number, which Node's next file would get. */
function nullify(fd: number): void {
  const empty = openSync('/dev/null', constants.O_RDWR);
  libc()?.dup3(empty, fd, 0);
  closeSync(empty);
}

/** Node's file calls throw where the kernel answers an errno. */
function attempt(call: () => number): number {
  try {
    return call();
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? -EIO;
  }
}
