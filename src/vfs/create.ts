/** Making names: mkdir, mknod, symlink, link (fs/namei.c). */
import { EEXIST, EINVAL, ENOENT, EPERM, EROFS, EXDEV } from '../abi/errno.ts';
import {
  MAY_EXEC,
  MAY_WRITE,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_ISVTX,
  S_IXGRP,
} from '../abi/fs.ts';
import { failed } from '../wait/wait.ts';
import { CAP_FSETID, CAP_MKNOD, capable, inGroup } from './credentials.ts';
import { addDentry } from './dentry.ts';
import type { PathContext } from './fs-context.ts';
import { guarded, guardedName } from './guard.ts';
import type { Creation, Inode } from './inode.ts';
import type { Dentry, Location } from './location.ts';
import { isReadOnly } from './mounts.ts';
import { notifyCreated, notifyLinked } from './notify.ts';
import { permission } from './permission.ts';
import { type Walk, walkToParent } from './walk.ts';

/** may_create(): whether the caller may add names to a directory. */
export function mayCreate(ctx: PathContext, directory: Dentry): number {
  if (directory.deleted) return -ENOENT;
  return permission(ctx, directory.inode!, MAY_WRITE | MAY_EXEC);
}

/** inode_init_owner(): who owns what is created in a directory, and its mode; the umask is already applied. */
export function newInode(ctx: PathContext, directory: Inode, mode: number, rdev = 0): Creation | number {
  const parent = directory.attributes(ctx);
  if (failed(parent)) return parent;
  const who = ctx.credentials;
  const how: Creation = { mode, uid: who.fsuid, gid: who.fsgid, rdev };
  if ((parent.mode & S_ISGID) === 0) return how;
  how.gid = parent.gid;
  if ((mode & S_IFMT) === S_IFDIR) how.mode |= S_ISGID;
  else if ((mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP)) {
    if (!inGroup(who, parent.gid) && !capable(who, CAP_FSETID)) how.mode &= ~S_ISGID;
  }
  return how;
}

/** filename_create(): the walk stands on the parent of a name that does not exist. */
function walkToNew(ctx: PathContext, start: Location, path: string, directory: boolean): Walk | number {
  const at = walkToParent(ctx, start, path);
  if (failed(at)) return at;
  if (at.lastKind !== 'name') return -EEXIST;
  const found = at.lookupLast();
  const exists = ctx.once(() => (found === -ENOENT ? 0 : failed(found) ? found : 1));
  if (exists < 0) return exists;
  if (exists === 1) return -EEXIST;
  if (at.trailingSlash && !directory) return -ENOENT;
  if (isReadOnly(at.mount)) return -EROFS;
  return guarded(ctx, at.location, at.last) || at;
}

/** Runs the creating operation once, and enters the new name. */
function make(
  at: Walk,
  operation: (directory: Inode, how: Creation) => Inode | number,
  mode: number,
  rdev = 0,
): number {
  const { ctx, dentry, last } = at;
  const how = newInode(ctx, dentry.inode!, mode, rdev);
  if (failed(how)) return how;
  const inode = operation(dentry.inode!, how);
  if (failed(inode)) return inode;
  addDentry(dentry, last, inode);
  notifyCreated(dentry, last, inode);
  return 0;
}

export function mkdir(ctx: PathContext, start: Location, path: string, mode: number): number {
  const at = walkToNew(ctx, start, path, true);
  if (failed(at)) return at;
  const allowed = mayCreate(ctx, at.dentry);
  if (allowed !== 0) return allowed;
  const bits = mode & (0o777 | S_ISVTX) & ~ctx.fs.umask;
  return make(at, (directory, how) => directory.mkdir(ctx, at.last, how), S_IFDIR | bits);
}

export function mknod(ctx: PathContext, start: Location, path: string, mode: number, rdev: number): number {
  const type = (mode & S_IFMT) === 0 ? S_IFREG : mode & S_IFMT;
  if (type === S_IFDIR) return -EPERM;
  const device = type === S_IFCHR || type === S_IFBLK;
  if (!device && type !== S_IFREG && type !== S_IFIFO && type !== S_IFSOCK) return -EINVAL;
  const at = walkToNew(ctx, start, path, false);
  if (failed(at)) return at;
  const allowed = mayCreate(ctx, at.dentry);
  if (allowed !== 0) return allowed;
  if (device && !capable(ctx.credentials, CAP_MKNOD)) return -EPERM;
  const bits = mode & 0o7777 & ~ctx.fs.umask;
  return make(at, (directory, how) => directory.create(ctx, at.last, how), type | bits, device ? rdev : 0);
}

export function symlink(ctx: PathContext, target: string, start: Location, path: string): number {
  if (target === '') return -ENOENT;
  const at = walkToNew(ctx, start, path, false);
  if (failed(at)) return at;
  const allowed = mayCreate(ctx, at.dentry);
  if (allowed !== 0) return allowed;
  return make(at, (directory, how) => directory.symlink(ctx, at.last, target, how), S_IFLNK | 0o777);
}

/** linkat(2): `old` is what is to get another name. */
export function link(ctx: PathContext, old: Location, start: Location, path: string): number {
  const at = walkToNew(ctx, start, path, false);
  if (failed(at)) return at;
  if (old.mount !== at.mount) return -EXDEV;
  const allowed = guardedName(ctx, old, at.location, at.last) || mayCreate(ctx, at.dentry);
  if (allowed !== 0) return allowed;
  const inode = old.dentry.inode!;
  if (inode.type === S_IFDIR) return -EPERM;
  const attributes = inode.attributes(ctx);
  if (failed(attributes)) return attributes;
  const nameless = ctx.once(() => attributes.nlink === 0);
  if (nameless && !inode.linkable) return -ENOENT;
  const linked = at.dentry.inode!.link(ctx, at.last, inode);
  if (linked < 0) return linked;
  addDentry(at.dentry, at.last, inode);
  notifyLinked(at.dentry, at.last, inode);
  return 0;
}
