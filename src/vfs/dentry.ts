/** Dentries: the names that have been looked up, one object per name in use, so that cwd, mounts and open files follow renames. */
import { ENAMETOOLONG, ENOENT } from '../abi/errno.ts';
import { NAME_MAX, pathLength } from '../abi/path.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import type { Inode } from './inode.ts';
import type { Dentry } from './location.ts';

export function makeDentry(name: string, parent: Dentry | null, inode: Inode | null): Dentry {
  return { name, parent, inode, children: null, deleted: false, pinned: false };
}

/** The dentry of a name in a directory; a negative errno (-ENOENT when there is no such name) or BLOCKED. */
export function lookupDentry(s: Sleeper, directory: Dentry, name: string, rest?: string): Dentry | number {
  if (directory.deleted) return -ENOENT;
  const cached = directory.children?.get(name);
  const parent = directory.inode!;
  if (cached !== undefined && (parent.fs.volatile !== true || cached.pinned)) return cached;
  if (name.length * 3 > NAME_MAX && pathLength(name) > NAME_MAX) return -ENAMETOOLONG;
  const inode = parent.lookup(s, name, rest);
  if (failed(inode)) {
    if (inode === -ENOENT && cached !== undefined) dropDentry(cached);
    return inode;
  }
  if (cached !== undefined && cached.inode === inode) return cached;
  if (cached !== undefined) dropDentry(cached);
  return addDentry(directory, name, inode);
}

/** Enters a name that has come to be (lookup, mkdir, create). */
export function addDentry(directory: Dentry, name: string, inode: Inode): Dentry {
  const dentry = makeDentry(name, directory, inode);
  directory.children ??= new Map();
  directory.children.set(name, dentry);
  return dentry;
}

/** The name has gone: unlink, rmdir, renamed over, vanished on the host. */
export function dropDentry(dentry: Dentry): void {
  dentry.deleted = true;
  const siblings = dentry.parent?.children;
  if (siblings?.get(dentry.name) === dentry) siblings.delete(dentry.name);
}

/** rename: the dentry stands under its new name from now on. */
export function moveDentry(dentry: Dentry, directory: Dentry, name: string): void {
  dentry.parent?.children?.delete(dentry.name);
  const target = directory.children?.get(name);
  if (target !== undefined && target !== dentry) dropDentry(target);
  dentry.parent = directory;
  dentry.name = name;
  directory.children ??= new Map();
  directory.children.set(name, dentry);
}

/** RENAME_EXCHANGE. */
export function swapDentries(a: Dentry, b: Dentry): void {
  const { parent, name } = a;
  a.parent = b.parent;
  a.name = b.name;
  b.parent = parent;
  b.name = name;
  a.parent!.children!.set(a.name, a);
  b.parent!.children!.set(b.name, b);
}

/** Whether `dentry` is `ancestor` or lies below it. */
export function isBelow(dentry: Dentry, ancestor: Dentry): boolean {
  for (let at: Dentry | null = dentry; at !== null; at = at.parent) {
    if (at === ancestor) return true;
  }
  return false;
}
