/** inotify(7). */
import { EINVAL, ENOTDIR } from '../src/abi/errno.ts';
import { AT_FDCWD, MAY_READ, O_CLOEXEC, O_NONBLOCK, S_IFDIR } from '../src/abi/fs.ts';
import {
  IN_ALL_EVENTS,
  IN_DONT_FOLLOW,
  IN_EXCL_UNLINK,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_ONESHOT,
  IN_ONLYDIR,
  InotifyFile,
} from '../src/fs/inotify.ts';
import { walkAt } from '../src/kernel/file-access.ts';
import type { Task } from '../src/kernel/task.ts';
import { file, flags, int, path, syscall } from '../src/syscall/index.ts';
import * as N from '../src/vfs/notify.ts';
import { permissionAt } from '../src/vfs/permission.ts';
import { failed } from '../src/wait/wait.ts';

const family = { class: 'desc' } as const;
const local = {
  ...family,
  level: 'partial',
  note: 'tells of what the guest itself does, not of changes that others make to a host directory',
} as const;

function create(task: Task, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return -EINVAL;
  const made = new InotifyFile(task.kernel.anonymous.anonInode, flags & O_NONBLOCK);
  return task.files.install(made, { cloexec: (flags & O_CLOEXEC) !== 0 });
}

export const inotify_init = syscall(291, 'inotify_init', [], (task) => create(task, 0), family);
export const inotify_init1 = syscall(
  332,
  'inotify_init1',
  [flags('flags', { IN_CLOEXEC: O_CLOEXEC, IN_NONBLOCK: O_NONBLOCK })],
  create,
  family,
);

const MASK = {
  IN_ALL_EVENTS,
  IN_ACCESS: N.IN_ACCESS,
  IN_MODIFY: N.IN_MODIFY,
  IN_ATTRIB: N.IN_ATTRIB,
  IN_CLOSE_WRITE: N.IN_CLOSE_WRITE,
  IN_CLOSE_NOWRITE: N.IN_CLOSE_NOWRITE,
  IN_OPEN: N.IN_OPEN,
  IN_MOVED_FROM: N.IN_MOVED_FROM,
  IN_MOVED_TO: N.IN_MOVED_TO,
  IN_CREATE: N.IN_CREATE,
  IN_DELETE: N.IN_DELETE,
  IN_DELETE_SELF: N.IN_DELETE_SELF,
  IN_MOVE_SELF: N.IN_MOVE_SELF,
  IN_ONLYDIR,
  IN_DONT_FOLLOW,
  IN_EXCL_UNLINK,
  IN_MASK_CREATE,
  IN_MASK_ADD,
  IN_ONESHOT,
} as const;

export const inotify_add_watch = syscall(
  292,
  'inotify_add_watch',
  [file('fd'), path(), flags('mask', MASK)],
  (task, inotify, path, mask) => {
    if ((mask & (IN_ALL_EVENTS | IN_ONESHOT)) === 0) return -EINVAL;
    if ((mask & IN_MASK_ADD) !== 0 && (mask & IN_MASK_CREATE) !== 0) return -EINVAL;
    if (!(inotify instanceof InotifyFile)) return -EINVAL;
    const place = walkAt(task, AT_FDCWD, path, { follow: (mask & IN_DONT_FOLLOW) === 0 });
    if (failed(place)) return place;
    const inode = place.dentry.inode!;
    if ((mask & IN_ONLYDIR) !== 0 && inode.type !== S_IFDIR) return -ENOTDIR;
    return permissionAt(task, place, MAY_READ) || inotify.watch(inode, mask);
  },
  local,
);

export const inotify_rm_watch = syscall(
  293,
  'inotify_rm_watch',
  [file('fd'), int('wd')],
  (_task, inotify, wd) => (inotify instanceof InotifyFile ? inotify.unwatch(wd) : -EINVAL),
  family,
);
