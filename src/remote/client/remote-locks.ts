/** Locks on a served file: held at home, where those of other machines are too. */
import { EINTR } from '../../abi/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK } from '../../abi/fs.ts';
import type { LocksElsewhere } from '../../vfs/inode.ts';
import type { LockOwner, Range, RecordLock } from '../../vfs/locks.ts';
import { BLOCKED, ERESTARTSYS, failed, type Sleeper } from '../../wait/wait.ts';
import type { RemoteOperationName, WireLock } from '../operations.ts';
import type { RemoteObject } from './remote-object.ts';

/** Owners by the numbers that the server knows them by. */
const numbers = new WeakMap<LockOwner, number>();
let last = 0;

function numberOf(owner: LockOwner): number {
  let number = numbers.get(owner);
  if (number === undefined) numbers.set(owner, (number = ++last));
  return number;
}

function onWire({ type, start, end }: Range, pid: number): WireLock {
  return { type, start, end: end === Number.POSITIVE_INFINITY ? -1 : end, pid };
}

export class RemoteLocks implements LocksElsewhere {
  readonly #inode: RemoteObject;
  /** Owners that may hold some. */
  readonly #owners = new Set<LockOwner>();

  constructor(inode: RemoteObject) {
    this.#inode = inode;
  }

  get held(): boolean {
    return this.#owners.size > 0;
  }

  lock(s: Sleeper, owner: LockOwner, pid: number, range: Range, wait: boolean): number {
    // What was written under a lock is at home before others get it; what they wrote is asked for.
    const settled = this.#synchronize(s, range.type === F_UNLCK);
    if (settled < 0) return settled;
    if (range.type !== F_UNLCK) this.#owners.add(owner);
    const answer = this.#request(s, 'lock', [numberOf(owner), onWire(range, pid), wait], wait);
    if (answer === 0 && range.type === F_UNLCK && range.start === 0 && range.end === Number.POSITIVE_INFINITY) {
      this.#owners.delete(owner);
    }
    return answer;
  }

  flock(s: Sleeper, owner: LockOwner, exclusive: boolean | null, wait: boolean): number {
    const settled = this.#synchronize(s, exclusive === null);
    if (settled < 0) return settled;
    const type = exclusive === null ? F_UNLCK : exclusive ? F_WRLCK : F_RDLCK;
    if (exclusive === null) this.#owners.delete(owner);
    else this.#owners.add(owner);
    return this.#request(s, 'flock', [numberOf(owner), type, wait], wait);
  }

  conflict(s: Sleeper, owner: LockOwner, range: Range): RecordLock | undefined | number {
    const lock = onWire(range, 0);
    const key = `${this.#inode.node} testLock ${numberOf(owner)} ${lock.type} ${lock.start} ${lock.end}`;
    const answered = this.#inode.fs.look(s, key, 'testLock', this.#inode, [numberOf(owner), lock]);
    if (failed(answered)) return answered;
    const { type, start, end, pid } = answered.answer as WireLock;
    if (type === F_UNLCK) return undefined;
    // Whoever holds it is no process of this machine.
    return { type, start, end: end < 0 ? Number.POSITIVE_INFINITY : end, pid, owner: this };
  }

  release(owner: LockOwner): void {
    if (!this.#owners.delete(owner)) return;
    this.#inode.data.writes.send();
    this.#inode.fs.link.send('unlockAll', this.#inode, [numberOf(owner)]);
    // Others may be waiting.
    this.#inode.fs.link.flush();
  }

  #synchronize(s: Sleeper, unlocking: boolean): number {
    if (unlocking) return this.#inode.data.writes.settle(s);
    this.#inode.outdated();
    return 0;
  }

  /** A request that may wait at home for long: signals end it there. */
  #request(s: Sleeper, operation: RemoteOperationName, values: readonly unknown[], wait: boolean): number {
    const { link } = this.#inode.fs;
    const id = s.once(
      () =>
        link.send(operation, this.#inode, values, (answered) => {
          // The lock was got after others had it: what is known may be old.
          this.#inode.outdated();
          answered.answer = null;
        }).id,
    );
    return s.once<number>(() => {
      const pending = link.find(id);
      if (pending === undefined) return -EINTR;
      if (!pending.done) {
        const blocked = s.block(pending.queue, undefined, !wait);
        link.flush();
        if (blocked === BLOCKED || !wait) return blocked;
        link.send('cancel', null, [pending.sequence]);
        return link.wait(s, pending);
      }
      link.taken(id);
      return pending.status === -EINTR ? -ERESTARTSYS : pending.status;
    });
  }
}
