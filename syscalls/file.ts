/** Names: opening, making, moving and removing them. */
import { E2BIG, EFAULT, EINVAL, EMFILE, ENOENT, EOPNOTSUPP, EPERM } from '../src/abi/errno.ts';
import {
  __O_TMPFILE,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  O_APPEND,
  O_ASYNC,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECT,
  O_DIRECTORY,
  O_DSYNC,
  O_EXCL,
  O_LARGEFILE,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDWR,
  O_SYNC,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  VALID_OPEN_FLAGS,
  VALID_RESOLVE_FLAGS,
} from '../src/abi/fs.ts';
import { encodePath } from '../src/abi/path.ts';
import { openHowLayout } from '../src/abi/stat.ts';
import { startOf, walkAt } from '../src/kernel/file-access.ts';
import type { Task } from '../src/kernel/task.ts';
import {
  dirfd,
  flags,
  mode,
  outBuf,
  path,
  pointer,
  readValue,
  refused,
  size,
  syscall,
  uint,
} from '../src/syscall/index.ts';
import {
  mkdir as makeDirectory,
  link as makeLink,
  mknod as makeNode,
  symlink as makeSymlink,
} from '../src/vfs/create.ts';
import { CAP_DAC_READ_SEARCH, capable } from '../src/vfs/credentials.ts';
import { openPath } from '../src/vfs/open.ts';
import { rmdir as removeDirectory, unlink as removeName } from '../src/vfs/remove.ts';
import { rename as moveName } from '../src/vfs/rename.ts';
import { failed } from '../src/wait/wait.ts';

const family = { class: 'file' } as const;

export const OPEN_FLAGS = {
  O_RDONLY: 0,
  O_RDWR,
  O_WRONLY,
  O_CREAT,
  O_EXCL,
  O_NOCTTY,
  O_TRUNC,
  O_APPEND,
  O_NONBLOCK,
  O_SYNC,
  O_DSYNC,
  O_ASYNC,
  O_DIRECT,
  O_LARGEFILE,
  O_TMPFILE,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NOATIME,
  O_CLOEXEC,
  O_PATH,
} as const;

function openAt(task: Task, directory: number, name: string, bits: number, permissions: number, resolve = 0): number {
  if (!task.files.hasRoom()) return -EMFILE;
  const start = startOf(task, directory, name);
  if (failed(start)) return start;
  const file = openPath(task, start, name, bits & VALID_OPEN_FLAGS, permissions, resolve);
  if (failed(file)) return file;
  return task.files.install(file, { cloexec: (bits & O_CLOEXEC) !== 0 });
}

export const open = syscall(
  5,
  'open',
  [path(), flags('flags', OPEN_FLAGS), mode()],
  (task, name, bits, permissions) => openAt(task, AT_FDCWD, name, bits, permissions),
  family,
);
export const openat = syscall(
  295,
  'openat',
  [dirfd(), path(), flags('flags', OPEN_FLAGS), mode()],
  (task, directory, name, bits, permissions) => openAt(task, directory, name, bits, permissions),
  family,
);
export const creat = syscall(
  8,
  'creat',
  [path(), mode()],
  (task, name, permissions) => openAt(task, AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, permissions),
  family,
);

export const openat2 = syscall(
  437,
  'openat2',
  [dirfd(), path(), pointer('how'), size('size')],
  (task, directory, name, address, length) => {
    if (length < openHowLayout.size) return -EINVAL;
    if (length > 4096) return -E2BIG;
    const how = readValue(task.mm, address, openHowLayout);
    const rest = task.mm.view(address + openHowLayout.size, length - openHowLayout.size, false);
    if (how === undefined || failed(rest)) return failed(rest) ? rest : -EINVAL;
    if (rest.some((byte) => byte !== 0)) return -E2BIG;
    return openHow(task, directory, name, how);
  },
  family,
);

/** openat2 refuses what open ignores. */
function openHow(
  task: Task,
  directory: number,
  name: string,
  how: { flags: bigint; mode: bigint; resolve: bigint },
): number {
  if ((how.flags & ~BigInt(VALID_OPEN_FLAGS)) !== 0n || (how.resolve & ~BigInt(VALID_RESOLVE_FLAGS)) !== 0n)
    return -EINVAL;
  const bits = Number(how.flags);
  const resolve = Number(how.resolve);
  const creates = (bits & (O_CREAT | __O_TMPFILE)) !== 0;
  if (creates ? (how.mode & ~0o7777n) !== 0n : how.mode !== 0n) return -EINVAL;
  if ((resolve & RESOLVE_BENEATH) !== 0 && (resolve & RESOLVE_IN_ROOT) !== 0) return -EINVAL;
  if ((bits & O_PATH) !== 0 && (bits & ~(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) !== 0) return -EINVAL;
  if ((resolve & RESOLVE_IN_ROOT) === 0) return openAt(task, directory, name, bits, Number(how.mode), resolve);
  // An absolute path begins at the descriptor too.
  const start = startOf(task, directory, '');
  if (failed(start)) return start;
  if (!task.files.hasRoom()) return -EMFILE;
  const file = openPath(task, start, name, bits, Number(how.mode), resolve);
  return failed(file) ? file : task.files.install(file, { cloexec: (bits & O_CLOEXEC) !== 0 });
}

export const name_to_handle_at = refused(
  341,
  'name_to_handle_at',
  EOPNOTSUPP,
  'file handles are not supported',
  'file',
);
export const open_by_handle_at = refused(342, 'open_by_handle_at', EPERM, 'file handles are not supported', 'file');

// --- making names

export const mkdirat = syscall(
  296,
  'mkdirat',
  [dirfd(), path(), mode()],
  (task, directory, name, permissions) => {
    const start = startOf(task, directory, name);
    return failed(start) ? start : makeDirectory(task, start, name, permissions);
  },
  family,
);
export const mkdir = syscall(
  39,
  'mkdir',
  [path(), mode()],
  (task, name, permissions) => makeDirectory(task, task.fs.cwd, name, permissions),
  family,
);

export const mknodat = syscall(
  297,
  'mknodat',
  [dirfd(), path(), mode(), uint('dev')],
  (task, directory, name, permissions, device) => {
    const start = startOf(task, directory, name);
    return failed(start) ? start : makeNode(task, start, name, permissions, device);
  },
  family,
);
export const mknod = syscall(
  14,
  'mknod',
  [path(), mode(), uint('dev')],
  (task, name, permissions, device) => makeNode(task, task.fs.cwd, name, permissions, device),
  family,
);

export const symlinkat = syscall(
  304,
  'symlinkat',
  [path('target'), dirfd('newdirfd'), path('linkpath')],
  (task, target, directory, name) => {
    const start = startOf(task, directory, name);
    return failed(start) ? start : makeSymlink(task, target, start, name);
  },
  family,
);
export const symlink = syscall(
  83,
  'symlink',
  [path('target'), path('linkpath')],
  (task, target, name) => makeSymlink(task, target, task.fs.cwd, name),
  family,
);

function linkAt(
  task: Task,
  oldDirectory: number,
  oldName: string,
  newDirectory: number,
  newName: string,
  bits: number,
) {
  if ((bits & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const empty = (bits & AT_EMPTY_PATH) !== 0;
  if (empty && oldName === '' && !capable(task.credentials, CAP_DAC_READ_SEARCH)) return -ENOENT;
  const old = walkAt(task, oldDirectory, oldName, { follow: (bits & AT_SYMLINK_FOLLOW) !== 0, empty });
  if (failed(old)) return old;
  const start = startOf(task, newDirectory, newName);
  return failed(start) ? start : makeLink(task, old, start, newName);
}
export const linkat = syscall(
  303,
  'linkat',
  [
    dirfd('olddirfd'),
    path('oldpath'),
    dirfd('newdirfd'),
    path('newpath'),
    flags('flags', { AT_SYMLINK_FOLLOW, AT_EMPTY_PATH }),
  ],
  linkAt,
  family,
);
export const link = syscall(
  9,
  'link',
  [path('oldpath'), path('newpath')],
  (task, oldName, newName) => linkAt(task, AT_FDCWD, oldName, AT_FDCWD, newName, 0),
  family,
);

// --- removing and moving them

export const unlinkat = syscall(
  301,
  'unlinkat',
  [dirfd(), path(), flags('flags', { AT_REMOVEDIR })],
  (task, directory, name, bits) => {
    if ((bits & ~AT_REMOVEDIR) !== 0) return -EINVAL;
    const start = startOf(task, directory, name);
    if (failed(start)) return start;
    return bits === 0 ? removeName(task, start, name) : removeDirectory(task, start, name);
  },
  family,
);
export const unlink = syscall(10, 'unlink', [path()], (task, name) => removeName(task, task.fs.cwd, name), family);
export const rmdir = syscall(40, 'rmdir', [path()], (task, name) => removeDirectory(task, task.fs.cwd, name), family);

function renameAt(task: Task, oldDirectory: number, oldName: string, newDirectory: number, newName: string, bits = 0) {
  const from = startOf(task, oldDirectory, oldName);
  if (failed(from)) return from;
  const to = startOf(task, newDirectory, newName);
  return failed(to) ? to : moveName(task, from, oldName, to, newName, bits);
}
export const renameat2 = syscall(
  353,
  'renameat2',
  [
    dirfd('olddirfd'),
    path('oldpath'),
    dirfd('newdirfd'),
    path('newpath'),
    flags('flags', { RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT }),
  ],
  renameAt,
  { ...family, level: 'partial', note: 'RENAME_WHITEOUT is EINVAL' },
);
export const renameat = syscall(
  302,
  'renameat',
  [dirfd('olddirfd'), path('oldpath'), dirfd('newdirfd'), path('newpath')],
  (task, oldDirectory, oldName, newDirectory, newName) => renameAt(task, oldDirectory, oldName, newDirectory, newName),
  family,
);
export const rename = syscall(
  38,
  'rename',
  [path('oldpath'), path('newpath')],
  (task, oldName, newName) => moveName(task, task.fs.cwd, oldName, task.fs.cwd, newName),
  family,
);

// --- reading them

function readlinkAt(task: Task, directory: number, name: string, into: Uint8Array, length: number): number {
  if ((length | 0) <= 0) return -EINVAL;
  const place = walkAt(task, directory, name, { follow: false, empty: true });
  if (failed(place)) return place;
  const target = place.dentry.inode!.readlink(task);
  // Only symlinks opened with O_PATH | O_NOFOLLOW may be read without a name.
  if (failed(target)) return target === -EINVAL && name === '' ? -ENOENT : target;
  const bytes = encodePath(target).subarray(0, length);
  if (bytes.length > into.length) return -EFAULT;
  into.set(bytes);
  return bytes.length;
}
export const readlinkat = syscall(
  305,
  'readlinkat',
  [dirfd(), path(), outBuf('buf', 3), size('bufsiz')],
  readlinkAt,
  family,
);
export const readlink = syscall(
  85,
  'readlink',
  [path(), outBuf('buf', 2), size('bufsiz')],
  (task, name, into, length) => (name === '' ? -ENOENT : readlinkAt(task, AT_FDCWD, name, into, length)),
  family,
);
