/** What the stat family and statfs fill in, on i386. */
import { array, i16, i32, n64, pad, struct, u16, u32, u64 } from './struct.ts';

/** struct __old_kernel_stat: oldstat, oldlstat, oldfstat. */
export const oldStatLayout = struct({
  dev: u16,
  ino: u16,
  mode: u16,
  nlink: u16,
  uid: u16,
  gid: u16,
  rdev: u16,
  size: u32,
  atime: u32,
  mtime: u32,
  ctime: u32,
});

export const statLayout = struct({
  dev: u32,
  ino: u32,
  mode: u16,
  nlink: u16,
  uid: u16,
  gid: u16,
  rdev: u32,
  size: u32,
  blksize: u32,
  blocks: u32,
  atime: u32,
  atimeNsec: u32,
  mtime: u32,
  mtimeNsec: u32,
  ctime: u32,
  ctimeNsec: u32,
  unused: pad(8),
});

export const stat64Layout = struct({
  dev: n64,
  pad0: pad(4),
  shortIno: u32,
  mode: u32,
  nlink: u32,
  uid: u32,
  gid: u32,
  rdev: n64,
  pad3: pad(4),
  size: n64,
  blksize: u32,
  blocks: n64,
  atime: u32,
  atimeNsec: u32,
  mtime: u32,
  mtimeNsec: u32,
  ctime: u32,
  ctimeNsec: u32,
  ino: n64,
});

const statxTime = struct({ sec: n64, nsec: u32, reserved: pad(4) });

export const statxLayout = struct({
  mask: u32,
  blksize: u32,
  attributes: n64,
  nlink: u32,
  uid: u32,
  gid: u32,
  mode: u16,
  pad0: pad(2),
  ino: n64,
  size: n64,
  blocks: n64,
  attributesMask: n64,
  atime: statxTime,
  btime: statxTime,
  ctime: statxTime,
  mtime: statxTime,
  rdevMajor: u32,
  rdevMinor: u32,
  devMajor: u32,
  devMinor: u32,
  mountId: n64,
  rest: pad(104),
});

const statfsRest = { frsize: u32, flags: u32, spare: pad(16) };
const fsid = array(i32, 2);

export const statfsLayout = struct({
  type: u32,
  bsize: u32,
  blocks: u32,
  bfree: u32,
  bavail: u32,
  files: u32,
  ffree: u32,
  fsid,
  namelen: u32,
  ...statfsRest,
});

/** Packed to 84 bytes (ARCH_PACK_STATFS64 leaves it so on i386). */
export const statfs64Layout = struct({
  type: u32,
  bsize: u32,
  blocks: n64,
  bfree: n64,
  bavail: n64,
  files: n64,
  ffree: n64,
  fsid,
  namelen: u32,
  ...statfsRest,
});

export const flockLayout = struct({ type: i16, whence: i16, start: i32, len: i32, pid: i32 });
export const flock64Layout = struct({ type: i16, whence: i16, start: n64, len: n64, pid: i32 });
export const ownerLayout = struct({ type: i32, pid: i32 });
export const openHowLayout = struct({ flags: u64, mode: u64, resolve: u64 });
export const utimbufLayout = struct({ actime: i32, modtime: i32 });
