/** Moving bytes: read, write and their relatives. */
import { EAGAIN, EBADF, EFAULT, EINVAL, EISDIR, EOPNOTSUPP, EOVERFLOW, ESPIPE, EXDEV } from '../src/abi/errno.ts';
import { O_APPEND, S_IFDIR, S_IFREG, SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET } from '../src/abi/fs.ts';
import { i32, type Layout, n64 } from '../src/abi/struct.ts';
import { gather, scatter, totalLength } from '../src/fs/iov.ts';
import { roomToWrite } from '../src/kernel/file-access.ts';
import type { Task } from '../src/kernel/task.ts';
import {
  choice,
  file,
  flags,
  inBuf,
  int,
  iovecIn,
  iovecOut,
  loff,
  offsetHighLow,
  outBuf,
  outStruct,
  pointer,
  readValue,
  size,
  syscall,
  uint,
  writeValue,
} from '../src/syscall/index.ts';
import { OpenFile } from '../src/vfs/open-file.ts';
import { BLOCKED } from '../src/wait/wait.ts';

const family = { class: 'desc' } as const;

// --- one buffer

/** Partial reads allowed; at the end of a file 0. */
export const read = syscall(
  3,
  'read',
  [file(), outBuf('buf', 2), size('count')],
  (task, opened, into) => (opened.readable ? opened.read(task, into) : -EBADF),
  family,
);

function writeTo(task: Task, opened: OpenFile, from: Uint8Array): number {
  if (!opened.writable) return -EBADF;
  const room = roomToWrite(task, opened, opened.position, from.length);
  if (room < 0) return room;
  return opened.write(task, room === from.length ? from : from.subarray(0, room));
}
export const write = syscall(4, 'write', [file(), inBuf('buf', 2), size('count')], writeTo, family);

export const pread64 = syscall(
  180,
  'pread64',
  [file(), outBuf('buf', 2), size('count'), loff('offset')],
  (task, opened, into, _count, offset) => {
    if (offset < 0) return -EINVAL;
    return opened.readable ? opened.readAt(task, offset, into) : -EBADF;
  },
  family,
);

function writeToAt(task: Task, opened: OpenFile, position: number, from: Uint8Array): number {
  if (position < 0) return -EINVAL;
  if (!opened.writable) return -EBADF;
  const room = roomToWrite(task, opened, position, from.length);
  return room < 0 ? room : opened.writeAt(task, position, from.subarray(0, room));
}
export const pwrite64 = syscall(
  181,
  'pwrite64',
  [file(), inBuf('buf', 2), size('count'), loff('offset')],
  (task, opened, from, _count, offset) => writeToAt(task, opened, offset, from),
  family,
);

// --- several buffers

/**
 * Regular files take one buffer after the other, each once however often the call sleeps. Everything else (pipes,
 * sockets, terminals) must see one operation: its bytes go through a buffer of their own.
 */
function eachVector(
  task: Task,
  vectors: readonly Uint8Array[],
  move: (vector: Uint8Array, done: number) => number,
): number {
  let done = 0;
  for (const vector of vectors) {
    if (vector.length === 0) continue;
    const before = done;
    const count = task.once(() => move(vector, before));
    if (count < 0) return done > 0 && count !== BLOCKED ? done : count;
    done += count;
    if (count < vector.length) break;
  }
  return done;
}

/** No bytes: 0 before the file is asked, where it has the operation at all. */
function nothing(opened: OpenFile, operation: 'read' | 'write' | 'readAt' | 'writeAt'): number {
  if (opened[operation] !== OpenFile.prototype[operation]) return 0;
  return operation === 'readAt' || operation === 'writeAt' ? -ESPIPE : -EINVAL;
}

function readVectors(task: Task, opened: OpenFile, vectors: readonly Uint8Array[]): number {
  if (!opened.readable) return -EBADF;
  if (totalLength(vectors) === 0) return nothing(opened, 'read');
  if (vectors.length === 1) return opened.read(task, vectors[0]);
  if (opened.inode.type === S_IFREG) return eachVector(task, vectors, (vector) => opened.read(task, vector));
  const whole = new Uint8Array(totalLength(vectors));
  const count = opened.read(task, whole);
  if (count > 0) scatter(whole.subarray(0, count), vectors);
  return count;
}

function writeVectors(task: Task, opened: OpenFile, vectors: readonly Uint8Array[]): number {
  if (!opened.writable) return -EBADF;
  if (totalLength(vectors) === 0) return nothing(opened, 'write');
  if (vectors.length === 1) return writeTo(task, opened, vectors[0]);
  if (opened.inode.type === S_IFREG) return eachVector(task, vectors, (vector) => writeTo(task, opened, vector));
  return writeTo(task, opened, gather(vectors));
}

export const readv = syscall(145, 'readv', [file(), iovecOut('iov', 2), int('iovcnt')], readVectors, family);
export const writev = syscall(146, 'writev', [file(), iovecIn('iov', 2), int('iovcnt')], writeVectors, family);

function readVectorsAt(task: Task, opened: OpenFile, vectors: readonly Uint8Array[], offset: number): number {
  if (offset < 0) return -EINVAL;
  if (!opened.readable) return -EBADF;
  if (totalLength(vectors) === 0) return nothing(opened, 'readAt');
  return eachVector(task, vectors, (vector, done) => opened.readAt(task, offset + done, vector));
}
function writeVectorsAt(task: Task, opened: OpenFile, vectors: readonly Uint8Array[], offset: number): number {
  if (offset < 0) return -EINVAL;
  if (!opened.writable) return -EBADF;
  if (totalLength(vectors) === 0) return nothing(opened, 'writeAt');
  return eachVector(task, vectors, (vector, done) => writeToAt(task, opened, offset + done, vector));
}

export const preadv = syscall(
  333,
  'preadv',
  [file(), iovecOut('iov', 2), int('iovcnt'), loff('pos')],
  (task, opened, vectors, _count, offset) => readVectorsAt(task, opened, vectors, offset),
  family,
);
export const pwritev = syscall(
  334,
  'pwritev',
  [file(), iovecIn('iov', 2), int('iovcnt'), loff('pos')],
  (task, opened, vectors, _count, offset) => writeVectorsAt(task, opened, vectors, offset),
  family,
);

const RWF = { RWF_HIPRI: 1, RWF_DSYNC: 2, RWF_SYNC: 4, RWF_NOWAIT: 8, RWF_APPEND: 16 } as const;

/** The sixth word holds the flags; RWF_NOWAIT asks for an answer without sleeping, which only ready files can give. */
function withFlags(opened: OpenFile, vectors: readonly Uint8Array[], bits: number, move: () => number): number {
  if (totalLength(vectors) === 0) return move();
  if ((bits & ~0x1f) !== 0) return -EOPNOTSUPP;
  if ((bits & RWF.RWF_NOWAIT) !== 0 && opened.inode.fs.sleeps === true) return -EAGAIN;
  if ((bits & RWF.RWF_APPEND) === 0) return move();
  const kept = opened.flags;
  opened.flags |= O_APPEND;
  try {
    return move();
  } finally {
    opened.flags = kept;
  }
}

export const preadv2 = syscall(
  378,
  'preadv2',
  [file(), iovecOut('iov', 2), int('iovcnt'), loff('pos'), flags('flags', RWF)],
  (task, opened, vectors, _count, offset, bits) =>
    withFlags(opened, vectors, bits, () =>
      offset === -1 ? readVectors(task, opened, vectors) : readVectorsAt(task, opened, vectors, offset),
    ),
  family,
);
export const pwritev2 = syscall(
  379,
  'pwritev2',
  [file(), iovecIn('iov', 2), int('iovcnt'), loff('pos'), flags('flags', RWF)],
  (task, opened, vectors, _count, offset, bits) =>
    withFlags(opened, vectors, bits, () =>
      offset === -1 ? writeVectors(task, opened, vectors) : writeVectorsAt(task, opened, vectors, offset),
    ),
  family,
);

// --- positions

const WHENCE = { SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE } as const;

export const lseek = syscall(
  19,
  'lseek',
  [file(), int('offset'), choice('whence', WHENCE)],
  (task, opened, offset, whence) => {
    if (whence < 0 || whence > WHENCE.SEEK_HOLE) return -EINVAL;
    const position = opened.seek(task, offset, whence);
    return position > 0x7fffffff ? -EOVERFLOW : position;
  },
  family,
);
export const _llseek = syscall(
  140,
  '_llseek',
  [file(), offsetHighLow('offset'), outStruct('result', 'loff_t', n64), choice('whence', WHENCE)],
  (task, opened, offset, result, whence) => {
    if (whence < 0 || whence > WHENCE.SEEK_HOLE) return -EINVAL;
    const position = opened.seek(task, offset, whence);
    return position < 0 ? position : result.write(position);
  },
  family,
);

// --- from file to file

/** Bytes moved in one go. */
const CHUNK = 1 << 20;
/** What one sendfile call moves at most: its target may be a pipe that takes them piecemeal. */
const SENDFILE_CHUNK = 1 << 16;

function sendfileWith(
  task: Task,
  out: OpenFile,
  from: OpenFile,
  address: number,
  count: number,
  layout: Layout<number>,
): number {
  if (!from.readable || !out.writable) return -EBADF;
  if (from.inode.type !== S_IFREG || (out.flags & O_APPEND) !== 0) return -EINVAL;
  const given = address === 0 ? from.position : readValue(task.mm, address, layout);
  if (given === undefined) return -EFAULT;
  if (given < 0) return -EINVAL;
  const regular = out.inode.type === S_IFREG;
  const buffer = new Uint8Array(Math.min(count, regular ? CHUNK : SENDFILE_CHUNK));
  const length = from.readAt(task, given, buffer);
  if (length <= 0) return length;
  const moved = writeTo(task, out, buffer.subarray(0, length));
  if (moved <= 0) return moved;
  if (address !== 0) return writeValue(task.mm, address, layout, given + moved) || moved;
  from.position = given + moved;
  return moved;
}
export const sendfile = syscall(
  187,
  'sendfile',
  [file('out_fd'), file('in_fd'), pointer('offset'), size('count')],
  (task, out, from, address, count) => sendfileWith(task, out, from, address, count, i32),
  family,
);
export const sendfile64 = syscall(
  239,
  'sendfile64',
  [file('out_fd'), file('in_fd'), pointer('offset'), size('count')],
  (task, out, from, address, count) => sendfileWith(task, out, from, address, count, n64),
  family,
);

function copyChecks(from: OpenFile, to: OpenFile, bits: number): number {
  if (bits !== 0) return -EINVAL;
  if (from.inode.type === S_IFDIR || to.inode.type === S_IFDIR) return -EISDIR;
  if (from.inode.type !== S_IFREG || to.inode.type !== S_IFREG) return -EINVAL;
  if (!from.readable || !to.writable || (to.flags & O_APPEND) !== 0) return -EBADF;
  return from.inode.fs === to.inode.fs ? 0 : -EXDEV;
}

/** Chunk by chunk, each once. */
function copyRange(task: Task, from: OpenFile, start: number, to: OpenFile, target: number, length: number): number {
  const buffer = new Uint8Array(Math.min(length, CHUNK));
  let done = 0;
  while (done < length) {
    const at = done;
    const count = task.once(() => {
      const part = buffer.subarray(0, Math.min(buffer.length, length - at));
      const got = from.readAt(task, start + at, part);
      return got <= 0 ? got : writeToAt(task, to, target + at, part.subarray(0, got));
    });
    if (count < 0) return done > 0 && count !== BLOCKED ? done : count;
    if (count === 0) break;
    done += count;
  }
  return done;
}

export const copy_file_range = syscall(
  377,
  'copy_file_range',
  [file('fd_in'), pointer('off_in'), file('fd_out'), pointer('off_out'), size('len'), uint('flags')],
  (task, from, inAddress, to, outAddress, length, bits) => {
    const invalid = copyChecks(from, to, bits);
    if (invalid !== 0) return invalid;
    const start = task.once(() => (inAddress === 0 ? from.position : (readValue(task.mm, inAddress, n64) ?? -EFAULT)));
    const target = task.once(() => (outAddress === 0 ? to.position : (readValue(task.mm, outAddress, n64) ?? -EFAULT)));
    if (start < 0 || target < 0) return start === -EFAULT || target === -EFAULT ? -EFAULT : -EINVAL;
    if (from.inode === to.inode && start < target + length && target < start + length) return -EINVAL;
    const moved = copyRange(task, from, start, to, target, Math.min(length, 0x7ffff000));
    if (moved <= 0) return moved;
    if (inAddress === 0) from.position = start + moved;
    else if (writeValue(task.mm, inAddress, n64, start + moved) !== 0) return -EFAULT;
    if (outAddress === 0) to.position = target + moved;
    else if (writeValue(task.mm, outAddress, n64, target + moved) !== 0) return -EFAULT;
    return moved;
  },
  family,
);
