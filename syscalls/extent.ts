/** Sizes and storage: truncate, fallocate, sync and advice. */
import { EBADF, EFBIG, EINVAL, EISDIR, ENODEV, EOPNOTSUPP, ESPIPE, ETXTBSY } from '../src/abi/errno.ts';
import {
  AT_FDCWD,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  FALLOC_FL_ZERO_RANGE,
  MAX_LFS_FILESIZE,
  S_IFBLK,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
} from '../src/abi/fs.ts';
import { maySize, walkAt } from '../src/kernel/file-access.ts';
import type { Task } from '../src/kernel/task.ts';
import { file, flags, int, loff, long, path, size, syscall, u64pair, uint } from '../src/syscall/index.ts';
import { truncate as truncatePlace } from '../src/vfs/attributes.ts';
import type { OpenFile } from '../src/vfs/open-file.ts';
import { failed } from '../src/wait/wait.ts';

const family = { class: 'file' } as const;
const onDescriptor = { class: 'desc' } as const;

function truncatePath(task: Task, name: string, length: number): number {
  if (length < 0) return -EINVAL;
  const place = walkAt(task, AT_FDCWD, name);
  if (failed(place)) return place;
  return maySize(task, place.dentry.inode!, length) || truncatePlace(task, place, length);
}
export const truncate = syscall(92, 'truncate', [path(), long('length')], truncatePath, family);
export const truncate64 = syscall(193, 'truncate64', [path(), loff('length')], truncatePath, family);

function truncateFile(task: Task, opened: OpenFile, length: number): number {
  if (length < 0 || !opened.writable) return -EINVAL;
  return maySize(task, opened.inode, length) || opened.truncate(task, length);
}
export const ftruncate = syscall(93, 'ftruncate', [file(), long('length')], truncateFile, onDescriptor);
export const ftruncate64 = syscall(194, 'ftruncate64', [file(), loff('length')], truncateFile, onDescriptor);

const FALLOCATE = {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_ZERO_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_UNSHARE_RANGE,
} as const;
const FALLOCATE_BITS = 0x7b;

export const fallocate = syscall(
  324,
  'fallocate',
  [file(), flags('mode', FALLOCATE), loff('offset'), loff('len')],
  (task, opened, bits, offset, length) => {
    if (offset < 0 || length <= 0) return -EINVAL;
    if ((bits & ~FALLOCATE_BITS) !== 0) return -EOPNOTSUPP;
    const punch = (bits & FALLOC_FL_PUNCH_HOLE) !== 0;
    if (punch && (bits & (FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE)) !== FALLOC_FL_KEEP_SIZE) return -EOPNOTSUPP;
    if (!opened.writable) return -EBADF;
    const { inode } = opened;
    if (inode.type === S_IFIFO) return -ESPIPE;
    if (inode.type === S_IFDIR) return -EISDIR;
    if (inode.type !== S_IFREG && inode.type !== S_IFBLK) return -ENODEV;
    if (inode.writers < 0) return -ETXTBSY;
    if (offset + length > MAX_LFS_FILESIZE) return -EFBIG;
    if ((bits & FALLOC_FL_KEEP_SIZE) === 0) {
      const allowed = maySize(task, inode, offset + length);
      if (allowed !== 0) return allowed;
    }
    return inode.allocate(task, bits, offset, length);
  },
  onDescriptor,
);

export const fsync = syscall(118, 'fsync', [file()], (task, opened) => opened.fsync(task, false), onDescriptor);
export const fdatasync = syscall(148, 'fdatasync', [file()], (task, opened) => opened.fsync(task, true), onDescriptor);
export const syncfs = syscall(
  344,
  'syncfs',
  [file()],
  (task, opened) => opened.inode.fs.sync?.(task) ?? 0,
  onDescriptor,
);
/** Never fails. */
export const sync = syscall(
  36,
  'sync',
  [],
  (task) => {
    for (const { fs } of task.namespace.mounts) fs.sync?.(task);
    return 0;
  },
  { class: 'system' },
);

const SYNC_FILE_RANGE_BITS = 7;

/** What has something that can be written back. */
const STORED: ReadonlySet<number> = new Set([S_IFREG, S_IFBLK, S_IFDIR, S_IFLNK]);

export const sync_file_range = syscall(
  314,
  'sync_file_range',
  [file(), loff('offset'), loff('nbytes'), uint('flags')],
  (task, opened, offset, length, bits) => {
    if (offset < 0 || length < 0 || (bits & ~SYNC_FILE_RANGE_BITS) !== 0) return -EINVAL;
    if (!STORED.has(opened.inode.type)) return -ESPIPE;
    return bits === 0 ? 0 : opened.fsync(task, true);
  },
  { ...onDescriptor, level: 'partial', note: 'writes the whole file back' },
);

/** `length` is unsigned; the kernel looks at it as signed. */
function advise(opened: OpenFile, length: number, advice: number): number {
  if (opened.inode.type === S_IFIFO) return -ESPIPE;
  return length >= 2 ** 63 || advice < 0 || advice > 5 ? -EINVAL : 0;
}
const adviceNote = { ...onDescriptor, level: 'partial', note: 'the advice is checked and not used' } as const;
export const fadvise64 = syscall(
  250,
  'fadvise64',
  [file(), loff('offset'), size('len'), int('advice')],
  (_task, opened, _offset, length, advice) => advise(opened, length, advice),
  adviceNote,
);
export const fadvise64_64 = syscall(
  272,
  'fadvise64_64',
  [file(), loff('offset'), u64pair('len'), int('advice')],
  (_task, opened, _offset, length, advice) => advise(opened, length, advice),
  adviceNote,
);
export const readahead = syscall(
  225,
  'readahead',
  [file(), loff('offset'), size('count')],
  (_task, opened) => {
    if (!opened.readable) return -EBADF;
    return opened.inode.type === S_IFREG || opened.inode.type === S_IFBLK ? 0 : -EINVAL;
  },
  { ...onDescriptor, level: 'partial', note: 'the arguments are checked; nothing is read' },
);
