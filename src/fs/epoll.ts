/** epoll(7): a set of files, and the list of those that may be ready. */
import { EBADF, EEXIST, EINVAL, ELOOP, ENOENT } from '../abi/errno.ts';
import { O_RDWR } from '../abi/fs.ts';
import { EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT, EPOLLWAKEUP } from '../abi/poll.ts';
import type { Inode } from '../vfs/inode.ts';
import { OpenFile, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../vfs/open-file.ts';
import type { Sleeper, Waiter } from '../wait/wait.ts';

export interface EpollEvent {
  events: number;
  data: bigint;
}

/** EP_MAX_NESTS: epoll files in epoll files, at most this deep. */
const MAX_NESTS = 4;
/** What stays of an item's events once EPOLLONESHOT has fired. */
const PRIVATE = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;
const EXCLUSIVE_ALLOWED =
  POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

/** One file that is watched, under the descriptor by which it was added. */
class EpollItem implements Waiter {
  readonly set: EpollFile;
  readonly fd: number;
  readonly file: OpenFile;
  events: number;
  data: bigint;

  constructor(set: EpollFile, fd: number, file: OpenFile, event: EpollEvent) {
    this.set = set;
    this.fd = fd;
    this.file = file;
    this.events = event.events | POLLERR | POLLHUP;
    this.data = event.data;
  }

  get closed(): boolean {
    return this.file.references <= 0;
  }

  /** What holds now of what was asked for. */
  poll(): number {
    return (this.events & ~PRIVATE) === 0 ? 0 : this.file.poll() & this.events;
  }

  wake(events?: number): void {
    if (this.closed) this.set.forget(this);
    else if ((this.events & ~PRIVATE) !== 0 && (events === undefined || (events & this.events) !== 0)) {
      this.set.mark(this);
    }
  }
}

export class EpollFile extends OpenFile {
  readonly inode: Inode;
  readonly #items = new Map<OpenFile, Map<number, EpollItem>>();
  /** Items to look at in the next epoll_wait, in the order in which they became ready. */
  readonly #marked = new Set<EpollItem>();

  constructor(inode: Inode) {
    super(O_RDWR);
    this.inode = inode;
  }

  describe(): string {
    return 'anon_inode:[eventpoll]';
  }

  /** noop_llseek. */
  override seek(): number {
    return this.position;
  }

  override fdinfo(): string {
    return this.watched
      .map(
        ({ fd, events, data }) =>
          `tfd: ${String(fd).padStart(8)} events: ${(events >>> 0).toString(16).padStart(8)} data: ` +
          `${data.toString(16).padStart(16)}  pos:0 ino:0 sdev:0\n`,
      )
      .join('');
  }

  /** What is watched: all the state there is, besides which items are due. */
  get watched(): { fd: number; file: OpenFile; events: number; data: bigint; due: boolean }[] {
    return this.#list().map((item) => ({
      fd: item.fd,
      file: item.file,
      events: item.events,
      data: item.data,
      due: this.#marked.has(item),
    }));
  }

  add(fd: number, file: OpenFile, event: EpollEvent): number {
    if (file === this) return -EINVAL;
    if ((event.events & EPOLLEXCLUSIVE) !== 0) {
      if (file instanceof EpollFile || (event.events & ~EXCLUSIVE_ALLOWED) !== 0) return -EINVAL;
    }
    if (file instanceof EpollFile && (file.#reaches(this, 0) || file.#depth() >= MAX_NESTS)) return -ELOOP;
    if (this.#find(fd, file) !== undefined) return -EEXIST;
    this.#look(this.#insert(fd, file, event));
    return 0;
  }

  /** An item as it was, from an image. */
  restore(fd: number, file: OpenFile, event: EpollEvent, due: boolean): void {
    const item = this.#insert(fd, file, event);
    item.events = event.events;
    if (due) this.#marked.add(item);
  }

  #insert(fd: number, file: OpenFile, event: EpollEvent): EpollItem {
    const item = new EpollItem(this, fd, file, event);
    const ofFile = this.#items.get(file);
    if (ofFile === undefined) this.#items.set(file, new Map([[fd, item]]));
    else ofFile.set(fd, item);
    file.ready.waiters.add(item);
    return item;
  }

  modify(fd: number, file: OpenFile, event: EpollEvent): number {
    const item = this.#find(fd, file);
    if (item === undefined) return -ENOENT;
    if (((item.events | event.events) & EPOLLEXCLUSIVE) !== 0) return -EINVAL;
    item.events = event.events | POLLERR | POLLHUP;
    item.data = event.data;
    this.#look(item);
    return 0;
  }

  remove(fd: number, file: OpenFile): number {
    const item = this.#find(fd, file);
    if (item === undefined) return -ENOENT;
    this.forget(item);
    return 0;
  }

  /** Up to `limit` events; level-triggered items that still hold go to the end of the list. */
  collect(limit: number): EpollEvent[] {
    const found: EpollEvent[] = [];
    for (const item of [...this.#marked]) {
      if (found.length === limit) break;
      this.#marked.delete(item);
      if (item.closed) {
        this.forget(item);
        continue;
      }
      const events = item.poll();
      if (events === 0) continue;
      found.push({ events, data: item.data });
      if (item.events & EPOLLONESHOT) item.events &= PRIVATE;
      else if ((item.events & EPOLLET) === 0) this.#marked.add(item);
    }
    return found;
  }

  /** epoll_wait(2): the events, or what sleeping answered. */
  wait(s: Sleeper, limit: number, deadline: number | undefined): EpollEvent[] | number {
    const found = this.collect(limit);
    if (found.length > 0) return found;
    const answer = s.block(this.ready, deadline);
    return answer === 0 ? [] : answer;
  }

  override poll(): number {
    for (const item of this.#marked) {
      if (!item.closed && item.poll() !== 0) return POLLIN | POLLRDNORM;
      this.#marked.delete(item);
    }
    return 0;
  }

  override release(): void {
    for (const item of this.#list()) this.forget(item);
  }

  /** An item's file says that it may be ready. */
  mark(item: EpollItem): void {
    if (this.#marked.has(item)) return;
    this.#marked.add(item);
    this.ready.wake(POLLIN | POLLRDNORM);
  }

  forget(item: EpollItem): void {
    item.file.ready.waiters.delete(item);
    this.#marked.delete(item);
    const ofFile = this.#items.get(item.file);
    ofFile?.delete(item.fd);
    if (ofFile?.size === 0) this.#items.delete(item.file);
  }

  #look(item: EpollItem): void {
    if (item.poll() !== 0) this.mark(item);
  }

  #find(fd: number, file: OpenFile): EpollItem | undefined {
    return this.#items.get(file)?.get(fd);
  }

  #list(): EpollItem[] {
    return [...this.#items.values()].flatMap((ofFile) => [...ofFile.values()]);
  }

  #reaches(target: EpollFile, depth: number): boolean {
    if (depth > MAX_NESTS) return true;
    for (const file of this.#items.keys()) {
      if (file === target || (file instanceof EpollFile && file.#reaches(target, depth + 1))) return true;
    }
    return false;
  }

  #depth(): number {
    let deepest = 0;
    for (const file of this.#items.keys()) if (file instanceof EpollFile) deepest = Math.max(deepest, file.#depth());
    return deepest + 1;
  }
}

/** epoll_ctl's look at its first descriptor: an epoll file, or why not. */
export function epollOf(file: OpenFile | undefined): EpollFile | number {
  if (file === undefined) return -EBADF;
  return file instanceof EpollFile ? file : -EINVAL;
}
