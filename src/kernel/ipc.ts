/** What the three kinds of System V IPC share: keys, ids and permissions (ipc/util.c). */
import { EACCES, EEXIST, EIDRM, EINVAL, ENOENT, EPERM } from '../abi/errno.ts';
import { IPC_CREAT, IPC_EXCL, IPC_PRIVATE } from '../abi/ipc.ts';
import { CAP_IPC_OWNER, CAP_SYS_ADMIN, capable, inGroup } from '../vfs/credentials.ts';
import type { Task } from './task.ts';

/** struct ipc64_perm. */
export interface IpcPerm {
  key: number;
  uid: number;
  gid: number;
  cuid: number;
  cgid: number;
  mode: number;
  seq: number;
}

export interface IpcObject {
  readonly id: number;
  readonly perm: IpcPerm;
}

/** Seconds, as the *id_ds structs hold them. */
export function ipcTime(task: Task): { low: number; high: number } {
  return { low: Number(task.realtime() / 1_000_000_000n), high: 0 };
}
export const NEVER = { low: 0, high: 0 };

/** ipcperms(): 4 read, 2 write, by the class of the caller. */
export function ipcAllows(task: Task, { perm }: IpcObject, wanted: number): boolean {
  const who = task.credentials;
  const owner = who.euid === perm.uid || who.euid === perm.cuid;
  const group = inGroup(who, perm.gid) || inGroup(who, perm.cgid);
  const granted = perm.mode >> (owner ? 6 : group ? 3 : 0);
  return (wanted & ~granted & 7) === 0 || capable(who, CAP_IPC_OWNER);
}

/** IPC_SET and IPC_RMID: the owner's and the creator's. */
export function ipcOwns(task: Task, { perm }: IpcObject): boolean {
  const { euid } = task.credentials;
  return euid === perm.uid || euid === perm.cuid || capable(task.credentials, CAP_SYS_ADMIN);
}

/** IPCMNI_SHIFT: the lower bits of an id are where the object is. */
const INDEX_BITS = 15;
const indexOf = (id: number) => id & ((1 << INDEX_BITS) - 1);

export class IpcTable<T extends IpcObject> {
  readonly objects = new Map<number, T>();
  /** The id that was given last: the next one has a higher sequence number where its index is not higher. */
  lastId = -1;

  /** semget, msgget, shmget: the id for a key. `fits` checks an existing object, `make` creates one. */
  open(
    task: Task,
    key: number,
    flags: number,
    fits: (found: T) => number,
    make: (id: number, perm: IpcPerm) => T | number,
  ): number {
    const found = key === IPC_PRIVATE ? undefined : this.#byKey(key);
    if (found === undefined) {
      if (key !== IPC_PRIVATE && (flags & IPC_CREAT) === 0) return -ENOENT;
      const index = this.#freeIndex();
      const sequence = (this.lastId >> INDEX_BITS) + (index <= indexOf(this.lastId) ? 1 : 0);
      const id = (sequence << INDEX_BITS) | index;
      const made = make(id, newPerm(task, key, flags, sequence));
      if (typeof made === 'number') return made;
      this.lastId = id;
      this.objects.set(id, made);
      return id;
    }
    if ((flags & (IPC_CREAT | IPC_EXCL)) === (IPC_CREAT | IPC_EXCL)) return -EEXIST;
    const unfit = fits(found);
    if (unfit !== 0) return unfit;
    const wanted = ((flags >> 6) | (flags >> 3) | flags) & 7;
    return ipcAllows(task, found, wanted) ? found.id : -EACCES;
  }

  #byKey(key: number): T | undefined {
    for (const object of this.objects.values()) if (object.perm.key === key) return object;
    return undefined;
  }

  #freeIndex(): number {
    const taken = new Set([...this.objects.keys()].map(indexOf));
    let index = 0;
    while (taken.has(index)) index++;
    return index;
  }

  /** As IPC_INFO answers it: 0 also where there is nothing. */
  get highestIndex(): number {
    return Math.max(0, ...[...this.objects.keys()].map(indexOf));
  }

  /** What a command of *ctl is about: *_STAT and *_STAT_ANY name it by its index. */
  subject(task: Task, id: number, command: number, stat: number): T | number {
    if (command !== stat && command !== stat + 2) return this.get(task, id);
    for (const object of this.objects.values()) if (indexOf(object.id) === indexOf(id)) return object;
    return -EINVAL;
  }

  /** By id; one that was there when the call began was removed while it slept: -EIDRM. */
  get(task: Task, id: number): T | number {
    const wasThere = task.once(() => this.objects.has(id));
    return this.objects.get(id) ?? (wasThere ? -EIDRM : -EINVAL);
  }
}

function newPerm(task: Task, key: number, flags: number, seq: number): IpcPerm {
  const { euid, egid } = task.credentials;
  return { key, uid: euid, gid: egid, cuid: euid, cgid: egid, mode: flags & 0o777, seq };
}

/** IPC_SET's part that all three have. */
export function setPerm(task: Task, object: IpcObject, wanted: IpcPerm): number {
  if (!ipcOwns(task, object)) return -EPERM;
  object.perm.uid = wanted.uid;
  object.perm.gid = wanted.gid;
  object.perm.mode = (object.perm.mode & ~0o777) | (wanted.mode & 0o777);
  return 0;
}
