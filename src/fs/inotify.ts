/** inotify(7): a queue of what happens to watched inodes. */
import { EAGAIN, EEXIST, EINVAL, ENOTTY } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDONLY } from '../abi/fs.ts';
import { encodePath } from '../abi/path.ts';
import { i32 } from '../abi/struct.ts';
import { FIONREAD } from '../abi/tty.ts';
import type { Inode } from '../vfs/inode.ts';
import { IN_IGNORED, IN_Q_OVERFLOW, type Watch } from '../vfs/notify.ts';
import { OpenFile, POLLIN, POLLRDNORM, type UserMemory } from '../vfs/open-file.ts';
import type { Sleeper } from '../wait/wait.ts';
import { putUser } from './user.ts';

export const IN_ALL_EVENTS = 0xfff;
export const IN_ONLYDIR = 0x01000000;
export const IN_DONT_FOLLOW = 0x02000000;
export const IN_EXCL_UNLINK = 0x04000000;
export const IN_MASK_CREATE = 0x10000000;
export const IN_MASK_ADD = 0x20000000;
export const IN_ONESHOT = 0x80000000;

const IN_DELETE_SELF = 0x400;
/** wd, mask, cookie, len. */
const HEADER = 16;
/** /proc/sys/fs/inotify/max_queued_events. */
const MAX_QUEUED = 16384;

export interface InotifyEvent {
  wd: number;
  mask: number;
  cookie: number;
  name: string;
}

class InotifyWatch implements Watch {
  readonly file: InotifyFile;
  readonly wd: number;
  readonly inode: Inode;
  mask: number;

  constructor(file: InotifyFile, wd: number, inode: Inode, mask: number) {
    this.file = file;
    this.wd = wd;
    this.inode = inode;
    this.mask = mask;
  }

  notify(mask: number, cookie: number, name: string): void {
    if ((mask & this.mask & IN_ALL_EVENTS) !== 0) {
      this.file.enqueue({ wd: this.wd, mask, cookie, name });
      if ((this.mask & IN_ONESHOT) !== 0) this.file.forget(this);
    }
    if ((mask & IN_DELETE_SELF) !== 0) this.file.forget(this);
  }
}

/** Bytes of an event's name field: NUL-terminated, padded to whole headers. */
const nameLength = (name: Uint8Array) => (name.length === 0 ? 0 : Math.ceil((name.length + 1) / HEADER) * HEADER);

export class InotifyFile extends OpenFile {
  readonly inode: Inode;
  /** Events that nobody has read yet. */
  queue: InotifyEvent[] = [];
  readonly #watches = new Map<number, InotifyWatch>();
  lastWd = 0;

  constructor(inode: Inode, flags: number) {
    super(O_RDONLY | flags);
    this.inode = inode;
  }

  describe(): string {
    return 'anon_inode:inotify';
  }

  /** noop_llseek. */
  override seek(): number {
    return this.position;
  }

  override fdinfo(): string {
    return this.watched
      .map(
        ({ wd, mask }) =>
          `inotify wd:${wd.toString(16)} ino:0 sdev:0 mask:${(mask >>> 0).toString(16)} ignored_mask:0\n`,
      )
      .join('');
  }

  /** What is watched. */
  get watched(): { wd: number; inode: Inode; mask: number }[] {
    return [...this.#watches.values()].map(({ wd, inode, mask }) => ({ wd, inode, mask }));
  }

  /** inotify_add_watch: a new watch, or a new mask for the one there is. */
  watch(inode: Inode, mask: number): number {
    const kept = mask & (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK);
    for (const known of this.#watches.values()) {
      if (known.inode !== inode) continue;
      if ((mask & IN_MASK_CREATE) !== 0) return -EEXIST;
      known.mask = (mask & IN_MASK_ADD) !== 0 ? known.mask | kept : kept;
      return known.wd;
    }
    const watch = new InotifyWatch(this, ++this.lastWd, inode, kept);
    this.#watches.set(watch.wd, watch);
    inode.watches ??= new Set();
    inode.watches.add(watch);
    return watch.wd;
  }

  unwatch(wd: number): number {
    const watch = this.#watches.get(wd);
    if (watch === undefined) return -EINVAL;
    this.forget(watch);
    return 0;
  }

  /** A watch as it was, from an image. */
  restore(wd: number, inode: Inode, mask: number): void {
    const watch = new InotifyWatch(this, wd, inode, mask);
    this.#watches.set(wd, watch);
    inode.watches ??= new Set();
    inode.watches.add(watch);
    this.lastWd = Math.max(this.lastWd, wd);
  }

  /** The watch is over; its reader is told. */
  forget(watch: InotifyWatch): void {
    this.#release(watch);
    this.enqueue({ wd: watch.wd, mask: IN_IGNORED, cookie: 0, name: '' });
  }

  #release(watch: InotifyWatch): void {
    if (!this.#watches.delete(watch.wd)) return;
    watch.inode.watches?.delete(watch);
    if (watch.inode.watches?.size === 0) watch.inode.watches = null;
  }

  /** Events that repeat the last one are left out. */
  enqueue(event: InotifyEvent): void {
    const last = this.queue.at(-1);
    const repeats = last?.wd === event.wd && last.mask === event.mask && last.name === event.name;
    if (repeats && last.cookie === event.cookie) return;
    if (this.queue.length > MAX_QUEUED) return;
    const overflow = this.queue.length === MAX_QUEUED;
    this.queue.push(overflow ? { wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: '' } : event);
    this.ready.wake(POLLIN | POLLRDNORM);
  }

  override read(s: Sleeper, into: Uint8Array): number {
    let at = 0;
    while (this.queue.length > 0) {
      const { wd, mask, cookie, name } = this.queue[0];
      const text = encodePath(name);
      const length = nameLength(text);
      if (at + HEADER + length > into.length) return at > 0 ? at : -EINVAL;
      const view = new DataView(into.buffer, into.byteOffset + at, HEADER);
      view.setInt32(0, wd, true);
      view.setUint32(4, mask >>> 0, true);
      view.setUint32(8, cookie, true);
      view.setUint32(12, length, true);
      into.fill(0, at + HEADER, at + HEADER + length);
      into.set(text, at + HEADER);
      at += HEADER + length;
      this.queue.shift();
    }
    if (at > 0) return at;
    return this.flags & O_NONBLOCK ? -EAGAIN : s.block(this.ready);
  }

  override poll(): number {
    return this.queue.length > 0 ? POLLIN | POLLRDNORM : 0;
  }

  override ioctl(_s: Sleeper, memory: UserMemory, command: number, argument: number): number {
    if (command !== FIONREAD) return -ENOTTY;
    const length = this.queue.reduce((sum, { name }) => sum + HEADER + nameLength(encodePath(name)), 0);
    return putUser(memory, argument, i32, length);
  }

  override release(): void {
    for (const watch of [...this.#watches.values()]) this.#release(watch);
  }
}
