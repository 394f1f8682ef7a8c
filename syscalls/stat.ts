/** What files and file systems are: the stat and statfs families. */
import { EBADF, EFAULT, EINVAL, EOVERFLOW } from '../src/abi/errno.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_NO_AUTOMOUNT,
  AT_STATX_DONT_SYNC,
  AT_STATX_FORCE_SYNC,
  AT_STATX_SYNC_TYPE,
  AT_SYMLINK_NOFOLLOW,
  MAX_NON_LFS,
  MS_NOATIME,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  majorOf,
  minorOf,
  O_PATH,
  ST_VALID,
  STATX__RESERVED,
  STATX_ATTR_MOUNT_ROOT,
  STATX_BASIC_STATS,
  STATX_BTIME,
  STATX_MNT_ID,
} from '../src/abi/fs.ts';
import { oldStatLayout, stat64Layout, statfs64Layout, statfsLayout, statLayout, statxLayout } from '../src/abi/stat.ts';
import { toTimespec } from '../src/abi/time.ts';
import { placeOf, walkAt } from '../src/kernel/file-access.ts';
import type { Task } from '../src/kernel/task.ts';
import {
  anyFile,
  dirfd,
  flags,
  type Out,
  optionalPath,
  outStruct,
  path,
  size,
  syscall,
  uint,
} from '../src/syscall/index.ts';
import type { Attributes, FileSystemStatus } from '../src/vfs/inode.ts';
import type { Location } from '../src/vfs/location.ts';
import { isReadOnly } from '../src/vfs/mounts.ts';
import type { OpenFile } from '../src/vfs/open-file.ts';
import { failed } from '../src/wait/wait.ts';

const family = { class: 'file' } as const;
const onDescriptor = { class: 'desc' } as const;

// --- stat

interface Found {
  attributes: Attributes;
  device: number;
}

function statPlace(task: Task, place: Location | number): Found | number {
  if (failed(place)) return place;
  const inode = place.dentry.inode!;
  const attributes = inode.attributes(task);
  return failed(attributes) ? attributes : { attributes, device: inode.fs.device };
}

function statFile(task: Task, opened: OpenFile): Found | number {
  const attributes = (opened.flags & O_PATH) !== 0 ? opened.inode.attributes(task) : opened.attributes(task);
  return failed(attributes) ? attributes : { attributes, device: opened.inode.fs.device };
}

function times({ atime, mtime, ctime }: Attributes) {
  const [a, m, c] = [toTimespec(atime), toTimespec(mtime), toTimespec(ctime)];
  return {
    atime: a.sec >>> 0,
    atimeNsec: a.nsec,
    mtime: m.sec >>> 0,
    mtimeNsec: m.nsec,
    ctime: c.sec >>> 0,
    ctimeNsec: c.nsec,
  };
}

/** high2lowuid(): ids that do not fit are the overflow id. */
function shortId(id: number): number {
  return id > 0xffff ? 65534 : id;
}

type Fill<T> = (found: Found) => T | number;

const fillOld: Fill<Parameters<typeof oldStatLayout.write>[2]> = ({ attributes: a, device }) => {
  if (a.ino > 0xffff || a.nlink > 0xffff || a.size > MAX_NON_LFS || device > 0xffff || a.rdev > 0xffff)
    return -EOVERFLOW;
  const { atime, mtime, ctime } = times(a);
  const ids = { uid: shortId(a.uid), gid: shortId(a.gid) };
  return {
    dev: device,
    ino: a.ino,
    mode: a.mode,
    nlink: a.nlink,
    ...ids,
    rdev: a.rdev,
    size: a.size,
    atime,
    mtime,
    ctime,
  };
};

const fillStat: Fill<Parameters<typeof statLayout.write>[2]> = ({ attributes: a, device }) => {
  if (a.ino > 0xffffffff || a.nlink > 0xffff || a.size > MAX_NON_LFS) return -EOVERFLOW;
  return {
    dev: device,
    ino: a.ino,
    mode: a.mode,
    nlink: a.nlink,
    uid: shortId(a.uid),
    gid: shortId(a.gid),
    rdev: a.rdev,
    size: a.size,
    blksize: a.blksize,
    blocks: a.blocks,
    ...times(a),
  };
};

const fillStat64: Fill<Parameters<typeof stat64Layout.write>[2]> = ({ attributes: a, device }) => ({
  dev: device,
  shortIno: a.ino >>> 0,
  mode: a.mode,
  nlink: a.nlink,
  uid: a.uid,
  gid: a.gid,
  rdev: a.rdev,
  size: a.size,
  blksize: a.blksize,
  blocks: a.blocks,
  ino: a.ino,
  ...times(a),
});

function give<T>(found: Found | number, out: Out<T>, fill: Fill<T>): number {
  if (failed(found)) return found;
  const value = fill(found);
  return typeof value === 'number' ? value : out.write(value);
}

const oldStat = outStruct('statbuf', 'struct __old_kernel_stat', oldStatLayout);
const shortStat = outStruct('statbuf', 'struct stat', statLayout);
const longStat = outStruct('statbuf', 'struct stat64', stat64Layout);

const lookAt = (task: Task, name: string, follow: boolean) => statPlace(task, walkAt(task, AT_FDCWD, name, { follow }));

export const oldstat = syscall(
  18,
  'oldstat',
  [path(), oldStat],
  (task, name, out) => give(lookAt(task, name, true), out, fillOld),
  family,
);
export const oldlstat = syscall(
  84,
  'oldlstat',
  [path(), oldStat],
  (task, name, out) => give(lookAt(task, name, false), out, fillOld),
  family,
);
export const oldfstat = syscall(
  28,
  'oldfstat',
  [anyFile(), oldStat],
  (task, opened, out) => give(statFile(task, opened), out, fillOld),
  onDescriptor,
);
export const stat = syscall(
  106,
  'stat',
  [path(), shortStat],
  (task, name, out) => give(lookAt(task, name, true), out, fillStat),
  family,
);
export const lstat = syscall(
  107,
  'lstat',
  [path(), shortStat],
  (task, name, out) => give(lookAt(task, name, false), out, fillStat),
  family,
);
export const fstat = syscall(
  108,
  'fstat',
  [anyFile(), shortStat],
  (task, opened, out) => give(statFile(task, opened), out, fillStat),
  onDescriptor,
);
export const stat64 = syscall(
  195,
  'stat64',
  [path(), longStat],
  (task, name, out) => give(lookAt(task, name, true), out, fillStat64),
  family,
);
export const lstat64 = syscall(
  196,
  'lstat64',
  [path(), longStat],
  (task, name, out) => give(lookAt(task, name, false), out, fillStat64),
  family,
);
export const fstat64 = syscall(
  197,
  'fstat64',
  [anyFile(), longStat],
  (task, opened, out) => give(statFile(task, opened), out, fillStat64),
  onDescriptor,
);

/** What the *at calls of this family look at: a path, or with AT_EMPTY_PATH the descriptor itself. */
function statAt(task: Task, directory: number, name: string, bits: number): Found | number {
  if (name === '' && (bits & AT_EMPTY_PATH) !== 0 && directory !== AT_FDCWD) {
    const opened = task.files.get(directory);
    return opened === undefined ? -EBADF : statFile(task, opened);
  }
  const follow = (bits & AT_SYMLINK_NOFOLLOW) === 0;
  return statPlace(task, walkAt(task, directory, name, { follow, empty: (bits & AT_EMPTY_PATH) !== 0 }));
}

export const fstatat64 = syscall(
  300,
  'fstatat64',
  [dirfd(), path(), longStat, flags('flags', { AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT, AT_EMPTY_PATH })],
  (task, directory, name, out, bits) => {
    if ((bits & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)) !== 0) return -EINVAL;
    return give(statAt(task, directory, name, bits), out, fillStat64);
  },
  family,
);

const STATX_FLAGS = {
  AT_SYMLINK_NOFOLLOW,
  AT_NO_AUTOMOUNT,
  AT_EMPTY_PATH,
  AT_STATX_FORCE_SYNC,
  AT_STATX_DONT_SYNC,
} as const;
const STATX_FLAG_BITS = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;

export const statx = syscall(
  383,
  'statx',
  [
    dirfd(),
    optionalPath(),
    flags('flags', STATX_FLAGS),
    uint('mask'),
    outStruct('statxbuf', 'struct statx', statxLayout),
  ],
  (task, directory, name, bits, mask, out) => {
    if ((mask & STATX__RESERVED) !== 0 || (bits & ~STATX_FLAG_BITS) !== 0) return -EINVAL;
    if ((bits & AT_STATX_SYNC_TYPE) === AT_STATX_SYNC_TYPE) return -EINVAL;
    // A null path with AT_EMPTY_PATH means the descriptor (since Linux 6.11).
    if (name === null && (bits & AT_EMPTY_PATH) === 0) return -EFAULT;
    const found = statAt(task, directory, name ?? '', bits);
    if (failed(found)) return found;
    const { attributes: a, device } = found;
    const place = placeOfAt(task, directory, name ?? '', bits);
    const mountRoot = place !== null && place.dentry === place.mount.root ? STATX_ATTR_MOUNT_ROOT : 0;
    return out.write({
      mask: STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID,
      blksize: a.blksize,
      attributes: mountRoot,
      nlink: a.nlink,
      uid: a.uid,
      gid: a.gid,
      mode: a.mode,
      ino: a.ino,
      size: a.size,
      blocks: a.blocks,
      attributesMask: STATX_ATTR_MOUNT_ROOT,
      atime: toTimespec(a.atime),
      btime: toTimespec(a.btime),
      ctime: toTimespec(a.ctime),
      mtime: toTimespec(a.mtime),
      rdevMajor: majorOf(a.rdev),
      rdevMinor: minorOf(a.rdev),
      devMajor: majorOf(device),
      devMinor: minorOf(device),
      mountId: place?.mount.id ?? 0,
    });
  },
  family,
);

function placeOfAt(task: Task, directory: number, name: string, bits: number): Location | null {
  if (name === '' && directory !== AT_FDCWD) return task.files.get(directory)?.location ?? null;
  const follow = (bits & AT_SYMLINK_NOFOLLOW) === 0;
  const place = walkAt(task, directory, name, { follow, empty: (bits & AT_EMPTY_PATH) !== 0 });
  return failed(place) ? null : place;
}

// --- statfs

type StatusValue = Parameters<typeof statfs64Layout.write>[2];

function statusAt(task: Task, place: Location | number): StatusValue | number {
  if (failed(place)) return place;
  const { fs } = place.dentry.inode!;
  const status = fs.status(task);
  return failed(status) ? status : toStatfs(status, place, fs.device);
}

function toStatfs(status: FileSystemStatus, place: Location, device: number): StatusValue {
  const { type, bsize, blocks, bfree, bavail, files, ffree, namelen } = status;
  const mountFlags = place.mount.flags & (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME);
  const bits = ST_VALID | mountFlags | (isReadOnly(place.mount) ? MS_RDONLY : 0);
  return { type, bsize, blocks, bfree, bavail, files, ffree, fsid: [device, 0], namelen, frsize: bsize, flags: bits };
}

/** The 32-bit struct: -EOVERFLOW where a count does not fit, except for inode counts that mean "unknown". */
function giveShort(status: StatusValue | number, out: Out<StatusValue>): number {
  if (failed(status)) return status;
  const { blocks, bfree, bavail, files, ffree } = status;
  return [blocks, bfree, bavail, files, ffree].some((count) => count > 0xffffffff) ? -EOVERFLOW : out.write(status);
}

/** 84 bytes, or 88 as compilers that do not pack it pass. */
function giveLong(status: StatusValue | number, length: number, out: Out<StatusValue>): number {
  if (length !== statfs64Layout.size && length !== statfs64Layout.size + 4) return -EINVAL;
  return failed(status) ? status : out.write(status);
}

const shortStatus = outStruct('buf', 'struct statfs', statfsLayout);
const longStatus = outStruct('buf', 'struct statfs64', statfs64Layout);

export const statfs = syscall(
  99,
  'statfs',
  [path(), shortStatus],
  (task, name, out) => giveShort(statusAt(task, walkAt(task, AT_FDCWD, name)), out),
  family,
);
export const fstatfs = syscall(
  100,
  'fstatfs',
  [anyFile(), shortStatus],
  (task, opened, out) => giveShort(statusAt(task, placeOf(opened)), out),
  onDescriptor,
);
export const statfs64 = syscall(
  268,
  'statfs64',
  [path(), size('sz'), longStatus],
  (task, name, length, out) => giveLong(statusAt(task, walkAt(task, AT_FDCWD, name)), length, out),
  family,
);
export const fstatfs64 = syscall(
  269,
  'fstatfs64',
  [anyFile(), size('sz'), longStatus],
  (task, opened, length, out) => giveLong(statusAt(task, placeOf(opened)), length, out),
  onDescriptor,
);
