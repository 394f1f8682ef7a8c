/** File descriptors: what CLONE_FILES shares. */
import { EBADF, EMFILE } from '../abi/errno.ts';
import { BLOCKED, type Sleeper } from '../wait/wait.ts';
import type { LockTable } from './locks.ts';
import type { OpenFile } from './open-file.ts';

export interface InstallOptions {
  /** Lowest descriptor to take (F_DUPFD). */
  from?: number;
  cloexec?: boolean;
}

export class FdTable {
  /** RLIMIT_NOFILE: one above the highest descriptor. */
  limit = 1024;
  readonly #files: (OpenFile | undefined)[] = [];
  readonly #closeOnExec = new Set<number>();
  #lowest = 0;

  get(fd: number): OpenFile | undefined {
    return this.#files[fd];
  }

  /** Whether one more can be opened: open(2) and pipe(2) look before they do anything. */
  hasRoom(from = 0): boolean {
    return this.#lowestFree(from) < this.limit;
  }

  /** Puts a description on the lowest free descriptor; holds a reference. A description that finds no room is released. */
  install(file: OpenFile, options: InstallOptions = {}): number {
    const fd = this.#lowestFree(options.from ?? 0);
    file.hold();
    if (fd >= this.limit) {
      file.drop();
      return -EMFILE;
    }
    this.#put(fd, file, options.cloexec ?? false);
    return fd;
  }

  /** dup2: onto exactly this descriptor, closing what is there. */
  replace(s: Sleeper, fd: number, file: OpenFile, cloexec: boolean, locks: LockTable): number {
    if (fd < 0 || fd >= this.limit) return -EBADF;
    if (this.#files[fd] !== undefined && this.close(s, fd, locks) === BLOCKED) return BLOCKED;
    this.#put(fd, file.hold(), cloexec);
    return fd;
  }

  /** Closes; POSIX locks of this table on the file go with it, whichever descriptor they were made through. */
  close(s: Sleeper, fd: number, locks: LockTable): number {
    const file = this.#files[fd];
    if (file === undefined) return -EBADF;
    const flushed = file.flush(s);
    if (flushed !== BLOCKED) this.#remove(fd, file, locks);
    return flushed;
  }

  #remove(fd: number, file: OpenFile, locks: LockTable): void {
    this.#files[fd] = undefined;
    this.#closeOnExec.delete(fd);
    if (fd < this.#lowest) this.#lowest = fd;
    locks.dropOwner(file.inode, this);
    file.drop();
  }

  isCloseOnExec(fd: number): boolean {
    return this.#closeOnExec.has(fd);
  }

  setCloseOnExec(fd: number, on: boolean): void {
    if (on) this.#closeOnExec.add(fd);
    else this.#closeOnExec.delete(fd);
  }

  /** execve: does not wait for what is still being written. */
  closeMarked(locks: LockTable): void {
    for (const fd of [...this.#closeOnExec]) {
      const file = this.#files[fd];
      if (file !== undefined) this.#remove(fd, file, locks);
    }
  }

  /** The last task of the table has ended. */
  closeAll(locks: LockTable): void {
    for (const [fd, file] of this.entries()) this.#remove(fd, file, locks);
  }

  /** fork: the same descriptions, other descriptors. Record locks stay with the parent. */
  clone(): FdTable {
    const copy = new FdTable();
    copy.limit = this.limit;
    for (const [fd, file] of this.entries()) copy.#put(fd, file.hold(), this.#closeOnExec.has(fd));
    return copy;
  }

  /** Open descriptors in ascending order. */
  *entries(): IterableIterator<[number, OpenFile]> {
    for (let fd = 0; fd < this.#files.length; fd++) {
      const file = this.#files[fd];
      if (file !== undefined) yield [fd, file];
    }
  }

  #put(fd: number, file: OpenFile, cloexec: boolean): void {
    // Holes would turn the array into a dictionary.
    while (this.#files.length < fd && fd < 65536) this.#files.push(undefined);
    this.#files[fd] = file;
    this.setCloseOnExec(fd, cloexec);
  }

  #lowestFree(from: number): number {
    let fd = Math.max(from, this.#lowest);
    while (this.#files[fd] !== undefined) fd++;
    if (from <= this.#lowest) this.#lowest = fd;
    return fd;
  }
}
