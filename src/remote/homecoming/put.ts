/** Copies one file, symlink, FIFO or device into a directory elsewhere. */
import { EOPNOTSUPP, EPERM } from '../../abi/errno.ts';
import { O_WRONLY, S_IFLNK, S_IFMT, S_IFREG, SEEK_DATA, SEEK_HOLE } from '../../abi/fs.ts';
import type { Attributes, Inode } from '../../vfs/inode.ts';
import { failed } from '../../wait/wait.ts';
import type { Ask } from './ask.ts';
import { good } from './plan.ts';

const PIECE = 1 << 20;
const PERMISSIONS = 0o7777;

/** Answers what was made. */
export async function put(
  ask: Ask,
  directory: Inode,
  name: string,
  from: Inode,
  { mode, uid, gid, rdev, size }: Attributes,
  path: string,
): Promise<Inode> {
  const how = { mode: (mode & S_IFMT) | 0o600, uid, gid, rdev };
  if (from.type === S_IFLNK) {
    const target = good(await ask((s) => from.readlink(s)), path);
    return good(await ask((s) => directory.symlink(s, name, target, { ...how, mode: S_IFLNK | 0o777 })), path);
  }
  const made = good(await ask((s) => directory.create(s, name, how)), path);
  if (from.type === S_IFREG) await write(ask, made, from, size, path);
  return made;
}

/** The contents of a file take the place of another one's. */
export async function write(ask: Ask, to: Inode, from: Inode, size: number, path: string): Promise<void> {
  good(await ask((s) => to.opened(s, O_WRONLY)), path);
  try {
    let end = 0;
    for (let at = 0; at < size; ) {
      const data = await ask((s) => from.seekHole(s, at, SEEK_DATA));
      if (failed(data)) break; // only a hole follows
      end = Math.min(size, good(await ask((s) => from.seekHole(s, data, SEEK_HOLE)), path));
      await copy(ask, to, from, data, end, path);
      at = end;
    }
    if (end < size) good(await ask((s) => to.change(s, { size })), path);
    good(await ask((s) => to.flush(s)), path);
  } finally {
    to.closed(O_WRONLY);
  }
}

async function copy(ask: Ask, to: Inode, from: Inode, start: number, end: number, path: string): Promise<void> {
  for (let at = start; at < end; ) {
    const bytes = new Uint8Array(Math.min(PIECE, end - at));
    const count = good(await ask((s) => from.read(s, at, bytes)), path);
    if (count === 0) return;
    for (let done = 0; done < count; ) {
      done += good(await ask((s) => to.write(s, at + done, bytes.subarray(done, count))), path);
    }
    at += count;
  }
}

/** Owner, extended attributes, permissions and times. An owner that home does not let us give is ours. */
export async function like(ask: Ask, to: Inode, from: Inode, attributes: Attributes, path: string): Promise<void> {
  const { mode, uid, gid, atime, mtime } = attributes;
  const there = good(await ask((s) => to.attributes(s)), path);
  if (there.uid !== uid || there.gid !== gid) {
    const given = await ask((s) => to.change(s, { uid, gid }));
    if (given !== -EPERM) good(given, path);
  }
  for (const attribute of good(await ask((s) => from.listxattr(s)), path)) {
    if (!attribute.startsWith('user.')) continue;
    const value = good(await ask((s) => from.getxattr(s, attribute)), path);
    const set = await ask((s) => to.setxattr(s, attribute, value, 0));
    if (set !== -EOPNOTSUPP) good(set, path);
  }
  const times = { atime, mtime };
  good(await ask((s) => to.change(s, to.type === S_IFLNK ? times : { mode: mode & PERMISSIONS, ...times })), path);
}
