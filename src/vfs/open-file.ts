/** An open file description: what open(2) makes and dup(2), fork(2) and SCM_RIGHTS share. */
import { EBADF, EINVAL, ENODEV, ENOTDIR, ENOTTY, ESPIPE } from '../abi/errno.ts';
import { F_GETPIPE_SZ, F_SETPIPE_SZ } from '../abi/fs.ts';
import type { Backing } from '../memory/backing.ts';
import { type Plain, type Sleeper, WaitQueue } from '../wait/wait.ts';
import type { Attributes, DirectoryEntry, Inode } from './inode.ts';
import type { Location } from './location.ts';

/** poll(2) event bits. */
export const POLLIN = 1,
  POLLPRI = 2,
  POLLOUT = 4,
  POLLERR = 8,
  POLLHUP = 16,
  POLLNVAL = 32,
  POLLRDNORM = 64,
  POLLRDBAND = 128,
  POLLWRNORM = 256,
  POLLWRBAND = 512,
  POLLRDHUP = 0x2000;

/** Guest memory as ioctl handlers see it; unreadable or unwritable ranges answer -EFAULT. */
export interface UserMemory {
  view(address: number, length: number, write: boolean): Uint8Array | number;
}

export abstract class OpenFile {
  /** Descriptors and mappings that refer to this description. */
  references = 0;
  /** O_ACCMODE and status flags (O_APPEND, O_NONBLOCK, ...) as F_GETFL shows them. */
  flags: number;
  position = 0;
  /** Where it was opened, for /proc/self/fd and *at calls; absent for pipes, sockets, anonymous inodes. */
  location?: Location;
  /** Woken whenever the answer of poll() may have changed. */
  readonly ready = new WaitQueue();
  /** F_SETOWN: pid (negative: group) that gets SIGIO, and F_SETSIG. */
  owner = 0;
  ownerSignal = 0;
  /** Which descriptor of Tallship's caller it was made of; -1: none. A restored machine takes that of whoever restores it. */
  inherited = -1;
  /** What layers keep for the description, by the layer's name. */
  notes: Map<string, Plain> | null = null;

  constructor(flags: number) {
    this.flags = flags;
  }

  /** For /proc/self/fd: a path, or 'pipe:[5]', 'socket:[7]', 'anon_inode:[eventfd]'. */
  abstract describe(): string;
  /** What of the host's or of another machine's it leads to, which an image cannot hold; null: nothing. */
  get outside(): string | null {
    return this.inherited >= 0 ? this.describe() : null;
  }
  /** Lines of /proc/PID/fdinfo/N beyond pos, flags, mnt_id and ino. */
  fdinfo(): string {
    return '';
  }
  abstract readonly inode: Inode;

  /** Access mode 3 gives neither: only ioctl works then (open(2)). */
  get readable(): boolean {
    return ((this.flags + 1) & 1) !== 0;
  }
  get writable(): boolean {
    return ((this.flags + 1) & 2) !== 0;
  }

  /** Moves bytes at the file's own position. Answers the count, -errno or BLOCKED. Callers have checked the access mode. */
  read(s: Sleeper, into: Uint8Array): number {
    return -EINVAL;
  }
  write(s: Sleeper, from: Uint8Array): number {
    return -EINVAL;
  }
  readAt(s: Sleeper, position: number, into: Uint8Array): number {
    return -ESPIPE;
  }
  writeAt(s: Sleeper, position: number, from: Uint8Array): number {
    return -ESPIPE;
  }
  seek(s: Sleeper, offset: number, whence: number): number {
    return -ESPIPE;
  }
  /** Next directory entries including `.` and `..`; the caller takes what fits and sets position to the last one's `next`. */
  entries(s: Sleeper): DirectoryEntry[] | number {
    return -ENOTDIR;
  }
  attributes(s: Sleeper): Attributes | number {
    return this.inode.attributes(s);
  }
  truncate(s: Sleeper, size: number): number {
    return -EINVAL;
  }
  fsync(s: Sleeper, dataOnly: boolean): number {
    return -EINVAL;
  }
  ioctl(s: Sleeper, memory: UserMemory, command: number, argument: number): number {
    return -ENOTTY;
  }
  /** Commands of one kind of file: pipe size, seals. */
  fcntl(s: Sleeper, command: number, argument: number): number {
    return command === F_GETPIPE_SZ || command === F_SETPIPE_SZ ? -EBADF : -EINVAL;
  }
  /** Events that hold now, of POLL*. */
  poll(): number {
    return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
  }
  /** Files that do not define poll() are always ready: regular files, directories. */
  get canPoll(): boolean {
    return this.poll !== OpenFile.prototype.poll;
  }
  /** What mmap maps, or -ENODEV, -EACCES. May sleep to learn the size; file systems that sleep are read ahead by prefetch(). */
  backing(s: Sleeper): Backing | number {
    return -ENODEV;
  }
  /** The last reference has gone. */
  release(): void {}
  /** A descriptor was closed (flush, POSIX locks): may report a late write error. */
  flush(s: Sleeper): number {
    return 0;
  }
  /** One more descriptor, mapping or message refers to this description. */
  hold(): this {
    this.references++;
    return this;
  }
  /** One less; the last one releases it. */
  drop(): void {
    if (--this.references === 0) this.release();
  }
}
