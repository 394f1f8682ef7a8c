/** fcntl's locks: struct flock to ranges and back (fs/locks.c). */
import { EBADF, EINVAL, EOVERFLOW } from '../abi/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK, SEEK_CUR, SEEK_END, SEEK_SET } from '../abi/fs.ts';
import type { LockOwner, Range } from '../vfs/locks.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import { failed } from '../wait/wait.ts';
import type { Task } from './task.ts';

export interface Flock {
  type: number;
  whence: number;
  start: number;
  len: number;
  pid: number;
}

/** Whose lock a command means: the descriptor table's, or the open file description's (F_OFD_*). */
function ownerOf(task: Task, file: OpenFile, ofd: boolean): LockOwner {
  return ofd ? file : task.files;
}

function toRange(task: Task, file: OpenFile, lock: Flock): Range | number {
  if (lock.type !== F_RDLCK && lock.type !== F_WRLCK && lock.type !== F_UNLCK) return -EINVAL;
  let base = 0;
  if (lock.whence === SEEK_CUR) base = file.position;
  else if (lock.whence === SEEK_END) {
    const attributes = file.attributes(task);
    if (failed(attributes)) return attributes;
    base = attributes.size;
  } else if (lock.whence !== SEEK_SET) return -EINVAL;
  // A negative length means the bytes before the start.
  const first = base + lock.start;
  const start = lock.len < 0 ? first + lock.len : first;
  if (start < 0) return -EINVAL;
  const end = lock.len === 0 ? Number.POSITIVE_INFINITY : lock.len < 0 ? first : first + lock.len;
  return { type: lock.type, start, end };
}

/** F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW. */
export function setRecordLock(task: Task, file: OpenFile, lock: Flock, wait: boolean, ofd: boolean): number {
  if (ofd && lock.pid !== 0) return -EINVAL;
  const range = toRange(task, file, lock);
  if (failed(range)) return range;
  if ((range.type === F_RDLCK && !file.readable) || (range.type === F_WRLCK && !file.writable)) return -EBADF;
  const { locks } = task.namespace;
  const pid = ofd ? -1 : task.tgid;
  return locks.lock(task, file.inode, ownerOf(task, file, ofd), pid, range, wait, !ofd);
}

/** F_GETLK, F_OFD_GETLK: the lock that is in the way, or the same with F_UNLCK. */
export function getRecordLock(task: Task, file: OpenFile, lock: Flock, ofd: boolean, limit: number): Flock | number {
  if (ofd && lock.pid !== 0) return -EINVAL;
  const range = toRange(task, file, lock);
  if (failed(range)) return range;
  if (range.type === F_UNLCK && !ofd) return -EINVAL;
  const found = task.namespace.locks.find(task, file.inode, ownerOf(task, file, ofd), range);
  if (failed(found)) return found;
  if (found === undefined) return { ...lock, type: F_UNLCK };
  const len = found.end === Number.POSITIVE_INFINITY ? 0 : found.end - found.start;
  if (found.start > limit || len > limit) return -EOVERFLOW;
  return { type: found.type, whence: SEEK_SET, start: found.start, len, pid: found.pid };
}
