/** Directories: where a process stands, and what lies in them. */
import { EFAULT, EINVAL, ENOENT, EOVERFLOW, EPERM, ERANGE } from '../src/abi/errno.ts';
import { encodePath } from '../src/abi/path.ts';
import { placeOf } from '../src/kernel/file-access.ts';
import type { Task } from '../src/kernel/task.ts';
import { anyFile, file, outBuf, path, pointer, size, syscall, uint } from '../src/syscall/index.ts';
import { CAP_SYS_CHROOT, capable } from '../src/vfs/credentials.ts';
import type { DirectoryEntry } from '../src/vfs/inode.ts';
import type { OpenFile } from '../src/vfs/open-file.ts';
import { checkDirectory, walkToDirectory } from '../src/vfs/walk.ts';
import { failed } from '../src/wait/wait.ts';

const family = { class: 'file' } as const;

export const chdir = syscall(
  12,
  'chdir',
  [path()],
  (task, name) => {
    const place = walkToDirectory(task, task.fs.cwd, name);
    if (failed(place)) return place;
    task.fs.cwd = place;
    return 0;
  },
  family,
);
export const fchdir = syscall(
  133,
  'fchdir',
  [anyFile()],
  (task, directory) => {
    const place = placeOf(directory);
    const allowed = checkDirectory(task, place);
    if (allowed === 0) task.fs.cwd = place;
    return allowed;
  },
  family,
);
export const chroot = syscall(
  61,
  'chroot',
  [path()],
  (task, name) => {
    const place = walkToDirectory(task, task.fs.cwd, name);
    if (failed(place)) return place;
    if (!capable(task.credentials, CAP_SYS_CHROOT)) return -EPERM;
    task.fs.root = place;
    return 0;
  },
  family,
);

/** Answers the length with the NUL. A directory outside of the root reads '(unreachable)/...' (getcwd(2)). */
export const getcwd = syscall(
  183,
  'getcwd',
  [outBuf('buf', 1), size('size')],
  (task, into, length) => {
    const { cwd, root } = task.fs;
    if (cwd.dentry.deleted) return -ENOENT;
    const { text, reachable } = task.namespace.path(cwd, root);
    const bytes = encodePath(reachable ? text : `(unreachable)${text}`);
    if (bytes.length + 1 > length || bytes.length + 1 > into.length) return -ERANGE;
    into.set(bytes);
    into[bytes.length] = 0;
    return bytes.length + 1;
  },
  family,
);

export const umask = syscall(
  60,
  'umask',
  [uint('mask')],
  (task, mask) => {
    const old = task.fs.umask;
    task.fs.umask = mask & 0o777;
    return old;
  },
  family,
);

/** How one entry lies in the caller's buffer: answers its length, 0 where it does not fit, or a negative errno. */
type Put = (view: DataView, at: number, entry: DirectoryEntry, name: Uint8Array) => number;

const putEntry64: Put = (view, at, entry, name) => {
  const length = (19 + name.length + 1 + 7) & ~7;
  if (at + length > view.byteLength) return 0;
  view.setBigUint64(at, BigInt(entry.ino), true);
  view.setBigInt64(at + 8, BigInt(entry.next), true);
  view.setUint16(at + 16, length, true);
  view.setUint8(at + 18, entry.type);
  putName(view, at + 19, name, at + length);
  return length;
};

/** The type is hidden in the record's last byte (getdents(2)). */
const putEntry: Put = (view, at, entry, name) => {
  if (entry.ino > 0xffffffff) return -EOVERFLOW;
  const length = (10 + name.length + 2 + 3) & ~3;
  if (at + length > view.byteLength) return 0;
  view.setUint32(at, entry.ino, true);
  view.setUint32(at + 4, entry.next, true);
  view.setUint16(at + 8, length, true);
  putName(view, at + 10, name, at + length - 1);
  view.setUint8(at + length - 1, entry.type);
  return length;
};

function putName(view: DataView, at: number, name: Uint8Array, end: number): void {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, end - at);
  bytes.fill(0, name.length);
  bytes.set(name);
}

function readEntries(task: Task, directory: OpenFile, into: Uint8Array, put: Put): number {
  const entries = directory.entries(task);
  if (failed(entries)) return entries;
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  let used = 0;
  for (const entry of entries) {
    const length = put(view, used, entry, encodePath(entry.name));
    if (length <= 0) return used > 0 ? used : length < 0 ? length : -EINVAL;
    used += length;
    directory.position = entry.next;
  }
  return used;
}

export const getdents64 = syscall(
  220,
  'getdents64',
  [file(), outBuf('dirp', 2), size('count')],
  (task, directory, into) => readEntries(task, directory, into, putEntry64),
  { class: 'desc' },
);
export const getdents = syscall(
  141,
  'getdents',
  [file(), outBuf('dirp', 2), size('count')],
  (task, directory, into) => readEntries(task, directory, into, putEntry),
  { class: 'desc' },
);

/** The first readdir: one entry per call, the count ignored. Answers 1, or 0 at the end. */
export const readdir = syscall(
  89,
  'readdir',
  [file(), pointer('dirp'), uint('count')],
  (task, directory, address) => {
    const entries = directory.entries(task);
    if (failed(entries)) return entries;
    if (entries.length === 0) return 0;
    const [entry] = entries;
    if (entry.ino > 0xffffffff) return -EOVERFLOW;
    const name = encodePath(entry.name);
    const bytes = task.mm.view(address, 10 + name.length + 1, true);
    if (failed(bytes)) return -EFAULT;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(0, entry.ino, true);
    view.setUint32(4, directory.position, true);
    view.setUint16(8, name.length, true);
    putName(view, 10, name, bytes.length);
    directory.position = entry.next;
    return 1;
  },
  { class: 'desc' },
);
