/** Descriptors that Tallship's caller passed on, as files of the guest: `diff <(a) <(b)`, `< file`, `| less`. */
import { EACCES, EAGAIN, EPIPE, ESPIPE } from '../abi/errno.ts';
import { makeDevice, O_ACCMODE, O_NONBLOCK, O_RDWR, S_IFMT } from '../abi/fs.ts';
import { SIGPIPE } from '../abi/signal.ts';
import type { Descriptor } from '../host/stdio.ts';
import type { Backing } from '../memory/backing.ts';
import { type Attributes, type FileSystem, Inode } from '../vfs/inode.ts';
import { OpenFile, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../vfs/open-file.ts';
import { mappingOf } from '../vfs/page-cache.ts';
import { BLOCKED, type Sleeper } from '../wait/wait.ts';
import { AnonymousFs } from './anonymous.ts';
import { callerOf } from './caller.ts';

/** What is behind an inherited descriptor. Only its attributes and its contents can be reached, no name and no neighbour. */
export class InheritedInode extends Inode {
  readonly fs: FileSystem;
  readonly host: Descriptor;
  readonly type: number;
  /** What /proc/PID/fd/N opens: a pipe or a device cannot be had twice, so it is shared. */
  stream: InheritedStream | null = null;

  constructor(fs: FileSystem, host: Descriptor) {
    super();
    this.fs = fs;
    this.host = host;
    this.type = host.stat().mode & S_IFMT;
  }

  override open(_s: Sleeper, flags: number): OpenFile | number | null {
    if (this.stream === null || this.stream.seekable) return null;
    const access = this.stream.flags & O_ACCMODE;
    return access === O_RDWR || access === (flags & O_ACCMODE) ? this.stream : -EACCES;
  }

  attributes(): Attributes {
    const { ino, mode, nlink, uid, gid, rdev, size, blksize, blocks, atimeMs, mtimeMs, ctimeMs, birthtimeMs } =
      this.host.stat();
    return {
      ...{ ino, mode, nlink, uid, gid, size, blksize, blocks },
      rdev: makeDevice((rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & 0xfff00)),
      atime: nanoseconds(atimeMs),
      mtime: nanoseconds(mtimeMs),
      ctime: nanoseconds(ctimeMs),
      btime: nanoseconds(birthtimeMs),
    };
  }

  override read(_s: Sleeper, position: number, into: Uint8Array): number {
    return this.host.readAt(position, into);
  }
  override write(_s: Sleeper, position: number, from: Uint8Array): number {
    return this.host.writeAt(position, from);
  }
}

function nanoseconds(milliseconds: number): bigint {
  return BigInt(Math.round(milliseconds * 1000)) * 1000n;
}

/** A pipe, socket or character device of the host. */
export class InheritedStream extends OpenFile {
  readonly inode: Inode;
  protected readonly host: Descriptor;

  constructor(inode: InheritedInode) {
    super(inode.host.flags);
    this.inode = inode;
    this.host = inode.host;
    inode.stream = this;
  }

  get seekable(): boolean {
    return false;
  }

  describe(): string {
    return this.host.name;
  }

  override read(s: Sleeper, into: Uint8Array): number {
    const count = this.host.read(into);
    if (count !== -EAGAIN) return count;
    return this.waitFor(s, POLLIN);
  }

  override write(s: Sleeper, from: Uint8Array): number {
    while (s.progress < from.length) {
      const count = this.host.write(s.progress === 0 ? from : from.subarray(s.progress));
      if (count === -EAGAIN) {
        const answer = this.waitFor(s, POLLOUT);
        return answer === BLOCKED ? BLOCKED : s.progress || answer;
      }
      if (count < 0) {
        if (count === -EPIPE) callerOf(s).raise(SIGPIPE);
        return s.progress || count;
      }
      s.progress += count;
    }
    return s.progress;
  }

  protected waitFor(s: Sleeper, events: number, deadline?: number): number {
    this.#arm(events);
    return this.flags & O_NONBLOCK ? -EAGAIN : s.block(this.ready, deadline);
  }

  /** Whoever sees that nothing is ready may be about to wait for it. */
  override poll(): number {
    const wanted = (this.readable ? POLLIN : 0) | (this.writable ? POLLOUT : 0);
    const held = this.host.poll(wanted) & (wanted | POLLHUP | POLLERR);
    if ((held & wanted) !== wanted) this.#arm(wanted & ~held);
    return held | (held & POLLIN ? POLLRDNORM : 0) | (held & POLLOUT ? POLLWRNORM : 0);
  }

  #arm(events: number): void {
    this.host.whenReady(events, this.#wake);
  }
  readonly #wake = (events?: number) => this.ready.wake(events);

  override release(): void {
    this.host.close();
  }
}

/** A regular file or block device: its offset is shared with our caller, as after fork. */
export class InheritedFile extends InheritedStream {
  override get seekable(): boolean {
    return true;
  }
  override read(_s: Sleeper, into: Uint8Array): number {
    return this.host.read(into);
  }
  override write(_s: Sleeper, from: Uint8Array): number {
    const count = this.host.write(from);
    this.#changed();
    return count;
  }
  override readAt(_s: Sleeper, position: number, into: Uint8Array): number {
    return this.host.readAt(position, into);
  }
  override writeAt(_s: Sleeper, position: number, from: Uint8Array): number {
    const count = this.host.writeAt(position, from);
    if (count > 0) this.inode.mapping?.poke(position, from.subarray(0, count));
    return count;
  }
  override seek(_s: Sleeper, offset: number, whence: number): number {
    return this.host.seek(offset, whence);
  }
  override truncate(_s: Sleeper, size: number): number {
    const answer = this.host.truncate(size);
    if (answer === 0) this.inode.mapping?.truncate(size);
    return answer;
  }
  override fsync(_s: Sleeper, dataOnly: boolean): number {
    return this.host.sync(dataOnly);
  }
  override poll(): number {
    return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
  }
  override backing(s: Sleeper): Backing | number {
    return mappingOf(s, this.inode, this.describe());
  }

  /** Where a write at the shared offset went is the host's to know: mapped pages are read again. */
  #changed(): void {
    const { mapping } = this.inode;
    if (mapping !== null && this.host.seek(0, 1) !== -ESPIPE) mapping.truncate(this.host.stat().size);
  }
}

/** The file systems of inherited descriptors: one per device of the host, so that st_dev and st_ino tell files apart. */
export class InheritedFiles {
  readonly #systems = new Map<number, AnonymousFs>();
  readonly #ordered: boolean;

  /** @param ordered as in HostFsOptions. */
  constructor(ordered = false) {
    this.#ordered = ordered;
  }

  open(host: Descriptor): OpenFile {
    const inode = new InheritedInode(this.#system(host.stat().dev), host);
    const seekable = host.kind === 'file' || host.kind === 'directory';
    return seekable ? new InheritedFile(inode) : new InheritedStream(inode);
  }

  #system(device: number): AnonymousFs {
    let fs = this.#systems.get(device);
    if (fs === undefined) {
      fs = new AnonymousFs('inherited', device & 0xffff, 0, this.#ordered);
      this.#systems.set(device, fs);
    }
    return fs;
  }
}
