/** Copy-up: an inode of the lower layer gets its place in the upper one before it is changed. */
import { EEXIST, EIO, EOPNOTSUPP } from '../abi/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../abi/fs.ts';
import type { Attributes, Creation, Inode } from '../vfs/inode.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import { ORIGIN } from './overlay.ts';
import type { OverlayNode } from './overlay-node.ts';

const CHUNK = 1 << 18;

/** Runs inside a remembered step: everything here is done in the same order when it has to be run again. */
export function copyUp(s: Sleeper, inode: OverlayNode, length: number): number {
  const { fs } = inode;
  const lower = inode.lower!;
  const attributes = fs.decide<(Attributes & Record<string, number | bigint>) | number>(s, () => {
    const found = lower.attributes(s);
    return failed(found) ? found : { ...found };
  });
  if (failed(attributes)) return attributes;
  if (!inode.nameless) fs.cover(inode.lowerName, attributes);
  // Nameless files have no directory to go to.
  const parent = inode.nameless ? fs.root : inode.parent!;
  const prepared = parent.prepare(s);
  if (prepared !== 0) return prepared;
  const how: Creation = { mode: attributes.mode, uid: attributes.uid, gid: attributes.gid, rdev: attributes.rdev };
  const made =
    inode.type === S_IFREG
      ? copyFile(s, inode, parent.upper!, how, Math.min(length, attributes.size))
      : copyOther(s, inode, parent.upper!, how);
  if (failed(made)) return made;
  // Known before it is complete: who finds it meanwhile gets the inode that is being copied.
  fs.copied(inode, made);
  const finished = finish(s, lower, made, attributes);
  if (finished < 0) return finished;
  if (inode.type !== S_IFDIR) inode.extraLinks += attributes.nlink - (inode.nameless ? 0 : 1);
  const adopted = inode.adopt(s, made);
  if (adopted === 0) for (const [id, copy] of fs.staged) if (copy === made) fs.staged.delete(id);
  return adopted;
}

function copyOther(s: Sleeper, inode: OverlayNode, parent: Inode, how: Creation): Inode | number {
  if (inode.type === S_IFDIR) return orExisting(s, inode, parent, parent.mkdir(s, inode.name, how));
  if (inode.type !== S_IFLNK) return orExisting(s, inode, parent, parent.create(s, inode.name, how));
  const target = inode.lower!.readlink(s);
  return failed(target) ? target : orExisting(s, inode, parent, parent.symlink(s, inode.name, target, how));
}

/** Another task is copying the same inode: both finish the one that is there. */
function orExisting(s: Sleeper, inode: OverlayNode, parent: Inode, made: Inode | number): Inode | number {
  return made === -EEXIST ? parent.lookup(s, inode.name) : made;
}

/** The file gets its name when it is complete. */
function copyFile(s: Sleeper, inode: OverlayNode, parent: Inode, how: Creation, length: number): Inode | number {
  const { fs } = inode;
  const id = fs.decide(s, () => {
    const temporary = fs.upper.root.tmpfile(s, how);
    if (failed(temporary)) return temporary;
    temporary.linkable = true;
    fs.staged.set(fs.nextStaged, temporary);
    return fs.nextStaged++;
  });
  if (id === -EOPNOTSUPP) return copyInPlace(s, inode, parent, how, length);
  if (id < 0) return id;
  const copy = fs.staged.get(id);
  if (copy === undefined) return -EIO;
  const copied = copyContents(s, inode, copy, length);
  if (copied < 0) return copied;
  const linked = inode.nameless ? 0 : parent.link(s, inode.name, copy);
  if (linked === -EEXIST) return parent.lookup(s, inode.name);
  return linked < 0 ? linked : copy;
}

/** For upper layers without O_TMPFILE. */
function copyInPlace(s: Sleeper, inode: OverlayNode, parent: Inode, how: Creation, length: number): Inode | number {
  const name = inode.nameless ? `.copy.${inode.fs.nextStaged++}` : inode.name;
  const copy = parent.create(s, name, { ...how, mode: (how.mode & S_IFMT) | (how.mode & 0o7777) | 0o200 });
  if (failed(copy)) return copy;
  const copied = copyContents(s, inode, copy, length);
  return copied < 0 ? copied : copy;
}

function copyContents(s: Sleeper, inode: OverlayNode, copy: Inode, length: number): number {
  const { fs } = inode;
  const buffer = new Uint8Array(Math.min(CHUNK, length));
  for (let done = 0; done < length; ) {
    const at = done;
    const count = fs.decide(s, () => {
      const got = inode.lower!.read(s, at, buffer.subarray(0, Math.min(CHUNK, length - at)));
      return got <= 0 ? got : writeAll(s, copy, at, buffer.subarray(0, got));
    });
    if (count < 0) return count;
    if (count === 0) break;
    done += count;
  }
  return 0;
}

function writeAll(s: Sleeper, copy: Inode, position: number, from: Uint8Array): number {
  let done = 0;
  while (done < from.length) {
    const count = copy.write(s, position + done, from.subarray(done));
    if (count <= 0) return count < 0 ? count : -EIO;
    done += count;
  }
  return done;
}

/** Extended attributes, the number, and last the mode and times, which everything before has changed. */
function finish(s: Sleeper, lower: Inode, copy: Inode, attributes: Attributes): number {
  const names = lower.listxattr(s);
  if (failed(names)) return names;
  for (const name of names) {
    const value = lower.getxattr(s, name);
    const set = failed(value) ? value : copy.setxattr(s, name, value, 0);
    if (set < 0 && set !== -EOPNOTSUPP) return set;
  }
  if (lower.type !== S_IFDIR) {
    const origin = copy.setxattr(s, ORIGIN, new TextEncoder().encode(String(attributes.ino)), 0);
    if (origin < 0 && origin !== -EOPNOTSUPP) return origin;
  }
  const { mode, atime, mtime, ctime } = attributes;
  return copy.change(
    s,
    lower.type === S_IFLNK ? { atime, mtime, ctime } : { mode: mode & 0o7777, atime, mtime, ctime },
  );
}
