/** Advisory locks: fcntl record locks of processes and of open file descriptions, flock(2). */
import { EAGAIN, EDEADLK } from '../abi/errno.ts';
import { F_UNLCK, F_WRLCK } from '../abi/fs.ts';
import { BLOCKED, type Sleeper, WaitQueue } from '../wait/wait.ts';
import type { Inode } from './inode.ts';

/** F_RDLCK, F_WRLCK or F_UNLCK over [start, end); end Infinity: to the end of the file, however it grows. */
export interface Range {
  type: number;
  start: number;
  end: number;
}

/** Who holds locks: a table of descriptors (fcntl), or an open file description (OFD locks, flock). */
export type LockOwner = object;

export interface RecordLock extends Range {
  owner: LockOwner;
  /** What F_GETLK tells: -1 for open file descriptions. */
  pid: number;
}

/** The record locks of one file: owner after owner, each one's sorted by start and never overlapping. */
class FileLocks {
  records: RecordLock[] = [];
  /** flock holders; at most one when exclusive. */
  readonly shared = new Set<LockOwner>();
  exclusive: LockOwner | null = null;
  readonly released = new WaitQueue();
}

export class LockTable {
  readonly #files = new WeakMap<Inode, FileLocks>();
  /** Who waits for whom (F_SETLKW), to find circles. */
  readonly #waits = new Map<LockOwner, LockOwner>();

  /** The first lock that is in the way of this one, F_GETLK. */
  conflict(inode: Inode, owner: LockOwner, range: Range): RecordLock | undefined {
    return this.#files
      .get(inode)
      ?.records.find(
        (lock) =>
          lock.owner !== owner &&
          lock.start < range.end &&
          range.start < lock.end &&
          (lock.type === F_WRLCK || range.type === F_WRLCK),
      );
  }

  /** F_SETLK, F_SETLKW. @param detect look for deadlocks: not for locks of open file descriptions. */
  lock(s: Sleeper, inode: Inode, owner: LockOwner, pid: number, range: Range, wait: boolean, detect: boolean): number {
    this.#waits.delete(owner);
    if (range.type !== F_UNLCK) {
      const obstacle = this.conflict(inode, owner, range);
      if (obstacle !== undefined) {
        if (!wait) return -EAGAIN;
        if (detect && this.#wouldDeadlock(owner, obstacle.owner)) return -EDEADLK;
        if (detect) this.#waits.set(owner, obstacle.owner);
        const answer = s.block(this.#of(inode).released);
        if (answer !== BLOCKED) this.#waits.delete(owner);
        return answer;
      }
    }
    const elsewhere = inode.locks?.lock(s, owner, pid, range, wait) ?? 0;
    if (elsewhere < 0) return elsewhere;
    this.#apply(inode, { ...range, owner, pid });
    return 0;
  }

  /** F_GETLK: what is in the way in this machine or, where the file is elsewhere, there. */
  find(s: Sleeper, inode: Inode, owner: LockOwner, range: Range): RecordLock | undefined | number {
    return this.conflict(inode, owner, range) ?? inode.locks?.conflict(s, owner, range);
  }

  #wouldDeadlock(owner: LockOwner, obstacle: LockOwner): boolean {
    for (let at: LockOwner | undefined = obstacle; at !== undefined; at = this.#waits.get(at)) {
      if (at === owner) return true;
    }
    return false;
  }

  /** Replaces what the owner holds in the range, splitting and joining its locks. */
  #apply(inode: Inode, lock: RecordLock): void {
    const locks = this.#of(inode);
    const own: RecordLock[] = [];
    const merged = { ...lock };
    for (const other of locks.records) {
      if (other.owner !== lock.owner) continue;
      if (other.type === lock.type && other.start <= merged.end && merged.start <= other.end) {
        merged.start = Math.min(merged.start, other.start);
        merged.end = Math.max(merged.end, other.end);
      } else if (other.start < lock.end && lock.start < other.end) {
        if (other.start < lock.start) own.push({ ...other, end: lock.start });
        if (other.end > lock.end) own.push({ ...other, start: lock.end });
      } else own.push(other);
    }
    if (lock.type !== F_UNLCK) own.push(merged);
    own.sort((a, b) => a.start - b.start);
    // Owners keep their place: F_GETLK tells the conflict of whoever came first.
    const first = locks.records.findIndex((other) => other.owner === lock.owner);
    const others = locks.records.filter((other) => other.owner !== lock.owner);
    others.splice(first === -1 ? others.length : first, 0, ...own);
    locks.records = others;
    locks.released.wake();
  }

  /** A descriptor of the file was closed: the owner's record locks go. */
  dropOwner(inode: Inode, owner: LockOwner): void {
    inode.locks?.release(owner);
    const locks = this.#files.get(inode);
    if (locks === undefined || !locks.records.some((lock) => lock.owner === owner)) return;
    locks.records = locks.records.filter((lock) => lock.owner !== owner);
    locks.released.wake();
  }

  /** An open file description is released: OFD locks and flock go. */
  dropDescription(inode: Inode, owner: LockOwner): void {
    this.dropOwner(inode, owner);
    const locks = this.#files.get(inode);
    if (locks === undefined) return;
    this.#unflock(locks, owner);
  }

  /** flock(2): exclusive true, false for shared, null to release. Conversion gives the old lock up first. */
  flock(s: Sleeper, inode: Inode, owner: LockOwner, exclusive: boolean | null, wait: boolean): number {
    const locks = this.#of(inode);
    if (exclusive === null) {
      const elsewhere = inode.locks?.flock(s, owner, null, wait) ?? 0;
      if (elsewhere < 0) return elsewhere;
      this.#unflock(locks, owner);
      return 0;
    }
    if (exclusive ? locks.exclusive === owner : locks.shared.has(owner)) return 0;
    this.#unflock(locks, owner);
    if (locks.exclusive !== null || (exclusive && locks.shared.size > 0)) {
      return wait ? s.block(locks.released) : -EAGAIN;
    }
    const elsewhere = inode.locks?.flock(s, owner, exclusive, wait) ?? 0;
    if (elsewhere < 0) return elsewhere;
    if (exclusive) locks.exclusive = owner;
    else locks.shared.add(owner);
    return 0;
  }

  #unflock(locks: FileLocks, owner: LockOwner): void {
    const held = locks.shared.delete(owner) || locks.exclusive === owner;
    if (locks.exclusive === owner) locks.exclusive = null;
    if (held) locks.released.wake();
  }

  /** What is held on a file, for images and /proc/locks. */
  held(inode: Inode): { records: readonly RecordLock[]; shared: ReadonlySet<LockOwner>; exclusive: LockOwner | null } {
    return this.#of(inode);
  }

  /** What an image tells of a file. */
  restore(
    inode: Inode,
    records: readonly RecordLock[],
    shared: readonly LockOwner[],
    exclusive: LockOwner | null,
  ): void {
    const locks = this.#of(inode);
    locks.records = [...records];
    for (const owner of shared) locks.shared.add(owner);
    locks.exclusive = exclusive;
  }

  #of(inode: Inode): FileLocks {
    let locks = this.#files.get(inode);
    if (locks === undefined) {
      locks = new FileLocks();
      this.#files.set(inode, locks);
    }
    return locks;
  }
}
