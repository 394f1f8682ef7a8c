/** What system calls about files share: where relative paths begin, and limits on sizes. */
import { EBADF, EFBIG } from '../abi/errno.ts';
import { AT_FDCWD, O_APPEND, S_IFREG } from '../abi/fs.ts';
import { SIGXFSZ } from '../abi/signal.ts';
import type { Location } from '../vfs/location.ts';
import { anonymousPlace } from '../vfs/mounts.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import { type WalkOptions, walk } from '../vfs/walk.ts';
import { failed } from '../wait/wait.ts';
import { RLIM_INFINITY, RLIMIT_FSIZE } from './limits.ts';
import type { Task } from './task.ts';

/** Where a path of an *at call begins; an absolute path needs no descriptor. */
export function startOf(task: Task, dirfd: number, path: string): Location | number {
  if (dirfd === AT_FDCWD || path.charCodeAt(0) === 0x2f) return task.fs.cwd;
  const file = task.files.get(dirfd);
  return file === undefined ? -EBADF : placeOf(file);
}

/** The place a descriptor stands for: pipes and sockets have one without a path. */
export function placeOf(file: OpenFile): Location {
  return file.location ?? anonymousPlace(file.inode, file.describe());
}

/** The place that an *at call's path names. */
export function walkAt(task: Task, dirfd: number, path: string, options: WalkOptions = {}): Location | number {
  const start = startOf(task, dirfd, path);
  return failed(start) ? start : walk(task, start, path, options);
}

/** RLIMIT_FSIZE: how many bytes may be written at a position; -EFBIG, with SIGXFSZ, where there is no room at all. */
export function roomToWrite(task: Task, file: OpenFile, position: number, length: number): number {
  const { soft } = task.group.limits[RLIMIT_FSIZE];
  if (soft === RLIM_INFINITY || file.inode.type !== S_IFREG || length === 0) return length;
  const start = startOfWrite(task, file, position);
  if (start < 0) return start;
  if (start >= soft) {
    task.raise(SIGXFSZ);
    return -EFBIG;
  }
  return Math.min(length, soft - start);
}

function startOfWrite(task: Task, file: OpenFile, position: number): number {
  if ((file.flags & O_APPEND) === 0) return position;
  const attributes = file.attributes(task);
  return failed(attributes) ? attributes : attributes.size;
}

/** The same for truncate and fallocate, which make the file this large. */
export function maySize(task: Task, file: { readonly type: number }, size: number): number {
  const { soft } = task.group.limits[RLIMIT_FSIZE];
  if (soft === RLIM_INFINITY || file.type !== S_IFREG || size <= soft) return 0;
  task.raise(SIGXFSZ);
  return -EFBIG;
}
