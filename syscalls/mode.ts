/** Who may use files: access, chmod, chown. */
import { EINVAL, EOPNOTSUPP } from '../src/abi/errno.ts';
import { AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, S_IFLNK } from '../src/abi/fs.ts';
import { placeOf, walkAt } from '../src/kernel/file-access.ts';
import type { Task } from '../src/kernel/task.ts';
import { dirfd, file, flags, int, mode, path, syscall } from '../src/syscall/index.ts';
import { chmod as changeMode, chown as changeOwner, access as mayAccess } from '../src/vfs/attributes.ts';
import { withRealIds } from '../src/vfs/permission.ts';
import { failed } from '../src/wait/wait.ts';

const family = { class: 'file' } as const;
const onDescriptor = { class: 'desc' } as const;

// --- access

const ACCESS = { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 } as const;

function accessAt(task: Task, directory: number, name: string, mask: number, bits = 0): number {
  if ((mask & ~7) !== 0 || (bits & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const look = () => {
    const follow = (bits & AT_SYMLINK_NOFOLLOW) === 0;
    const place = walkAt(task, directory, name, { follow, empty: (bits & AT_EMPTY_PATH) !== 0 });
    return failed(place) ? place : mayAccess(task, place, mask);
  };
  return (bits & AT_EACCESS) !== 0 ? look() : withRealIds(task, look);
}
export const access = syscall(
  33,
  'access',
  [path(), flags('mode', ACCESS)],
  (task, name, mask) => accessAt(task, AT_FDCWD, name, mask),
  family,
);
export const faccessat = syscall(
  307,
  'faccessat',
  [dirfd(), path(), flags('mode', ACCESS)],
  (task, directory, name, mask) => accessAt(task, directory, name, mask),
  family,
);
export const faccessat2 = syscall(
  439,
  'faccessat2',
  [dirfd(), path(), flags('mode', ACCESS), flags('flags', { AT_EACCESS, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH })],
  accessAt,
  family,
);

// --- chmod, chown

function chmodAt(task: Task, directory: number, name: string, permissions: number, bits = 0): number {
  if ((bits & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const follow = (bits & AT_SYMLINK_NOFOLLOW) === 0;
  const place = walkAt(task, directory, name, { follow, empty: (bits & AT_EMPTY_PATH) !== 0 });
  if (failed(place)) return place;
  // Symlinks have no mode of their own on Linux.
  return place.dentry.inode!.type === S_IFLNK ? -EOPNOTSUPP : changeMode(task, place, permissions);
}
export const chmod = syscall(
  15,
  'chmod',
  [path(), mode()],
  (task, name, permissions) => chmodAt(task, AT_FDCWD, name, permissions),
  family,
);
export const fchmod = syscall(
  94,
  'fchmod',
  [file(), mode()],
  (task, opened, permissions) => changeMode(task, placeOf(opened), permissions),
  onDescriptor,
);
export const fchmodat = syscall(
  306,
  'fchmodat',
  [dirfd(), path(), mode()],
  (task, directory, name, permissions) => chmodAt(task, directory, name, permissions),
  family,
);
export const fchmodat2 = syscall(
  452,
  'fchmodat2',
  [dirfd(), path(), mode(), flags('flags', { AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH })],
  chmodAt,
  family,
);

/** Ids are unsigned; all ones mean "leave it". */
function wholeId(id: number): number {
  return id === -1 ? -1 : id >>> 0;
}

function chownAt(task: Task, directory: number, name: string, uid: number, gid: number, bits = 0): number {
  if ((bits & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const follow = (bits & AT_SYMLINK_NOFOLLOW) === 0;
  const place = walkAt(task, directory, name, { follow, empty: (bits & AT_EMPTY_PATH) !== 0 });
  return failed(place) ? place : changeOwner(task, place, wholeId(uid), wholeId(gid));
}

/** low2highuid(): the old calls' 16-bit ids; all ones still mean "leave it". */
function longId(id: number): number {
  const low = id & 0xffff;
  return low === 0xffff ? -1 : low;
}

export const chown = syscall(
  182,
  'chown',
  [path(), int('owner'), int('group')],
  (task, name, uid, gid) => chownAt(task, AT_FDCWD, name, longId(uid), longId(gid)),
  family,
);
export const lchown = syscall(
  16,
  'lchown',
  [path(), int('owner'), int('group')],
  (task, name, uid, gid) => chownAt(task, AT_FDCWD, name, longId(uid), longId(gid), AT_SYMLINK_NOFOLLOW),
  family,
);
export const fchown = syscall(
  95,
  'fchown',
  [file(), int('owner'), int('group')],
  (task, opened, uid, gid) => changeOwner(task, placeOf(opened), longId(uid), longId(gid)),
  onDescriptor,
);
export const chown32 = syscall(
  212,
  'chown32',
  [path(), int('owner'), int('group')],
  (task, name, uid, gid) => chownAt(task, AT_FDCWD, name, uid, gid),
  family,
);
export const lchown32 = syscall(
  198,
  'lchown32',
  [path(), int('owner'), int('group')],
  (task, name, uid, gid) => chownAt(task, AT_FDCWD, name, uid, gid, AT_SYMLINK_NOFOLLOW),
  family,
);
export const fchown32 = syscall(
  207,
  'fchown32',
  [file(), int('owner'), int('group')],
  (task, opened, uid, gid) => changeOwner(task, placeOf(opened), wholeId(uid), wholeId(gid)),
  onDescriptor,
);
export const fchownat = syscall(
  298,
  'fchownat',
  [dirfd(), path(), int('owner'), int('group'), flags('flags', { AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH })],
  chownAt,
  family,
);
