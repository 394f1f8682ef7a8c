/** Who may do what to an inode: fs/namei.c's rules, without ACLs. */
import { EACCES, EPERM, EROFS } from '../abi/errno.ts';
import { MAY_EXEC, MAY_READ, MAY_WRITE, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISVTX } from '../abi/fs.ts';
import { failed } from '../wait/wait.ts';
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, capable, inGroup } from './credentials.ts';
import type { PathContext } from './fs-context.ts';
import type { Attributes, Inode } from './inode.ts';
import type { Location, Mount } from './location.ts';
import { isReadOnly } from './mounts.ts';

/** inode_permission(): 0, -EACCES, -EROFS on a read-only file system, or what the inode itself answers. */
export function permission(ctx: PathContext, inode: Inode, mask: number): number {
  if ((mask & MAY_WRITE) !== 0 && inode.fs.readOnly && isStored(inode.type)) return -EROFS;
  if (inode.permission !== undefined) {
    const answer = inode.permission(ctx, mask);
    if (answer !== 0) return answer;
  }
  const attributes = inode.attributes(ctx);
  if (failed(attributes)) return attributes;
  return modeAllows(ctx, attributes, mask) ? 0 : -EACCES;
}

/** The same with the mount's own MS_RDONLY (mnt_want_write). */
export function permissionAt(ctx: PathContext, place: Location, mask: number): number {
  const inode = place.dentry.inode!;
  if ((mask & MAY_WRITE) !== 0 && isReadOnly(place.mount) && isStored(inode.type)) return -EROFS;
  return permission(ctx, inode, mask);
}

function isStored(type: number): boolean {
  return type === S_IFREG || type === S_IFDIR || type === S_IFLNK;
}

/** Mode bits of the caller's class, then capabilities. */
function modeAllows(ctx: PathContext, attributes: Attributes, mask: number): boolean {
  const who = ctx.credentials;
  const { mode } = attributes;
  const shift = attributes.uid === who.fsuid ? 6 : inGroup(who, attributes.gid) ? 3 : 0;
  if (((mode >> shift) & mask) === mask) return true;
  const directory = (mode & S_IFMT) === S_IFDIR;
  const read = directory ? (mask & MAY_WRITE) === 0 : mask === MAY_READ;
  if (read && capable(who, CAP_DAC_READ_SEARCH)) return true;
  const override = directory || (mask & MAY_EXEC) === 0 || (mode & 0o111) !== 0;
  return override && capable(who, CAP_DAC_OVERRIDE);
}

/** Owner of the inode, or CAP_FOWNER. */
export function ownerOrCapable(ctx: PathContext, attributes: Attributes): boolean {
  return attributes.uid === ctx.credentials.fsuid || capable(ctx.credentials, CAP_FOWNER);
}

/** may_delete()'s part about the directory and the sticky bit; directory-or-not is the caller's. */
export function mayDelete(ctx: PathContext, directory: Inode, victim: Inode): number {
  const allowed = permission(ctx, directory, MAY_WRITE | MAY_EXEC);
  if (allowed !== 0) return allowed;
  const parent = directory.attributes(ctx);
  if (failed(parent)) return parent;
  if ((parent.mode & S_ISVTX) === 0) return 0;
  const attributes = victim.attributes(ctx);
  if (failed(attributes)) return attributes;
  const who = ctx.credentials.fsuid;
  if (attributes.uid === who || parent.uid === who || capable(ctx.credentials, CAP_FOWNER)) return 0;
  return -EPERM;
}

export function wantWrite(mount: Mount): number {
  return isReadOnly(mount) ? -EROFS : 0;
}

/** access(2) looks with the real ids, and with the capabilities that the real user would have (override_creds). */
export function withRealIds(ctx: PathContext, look: () => number): number {
  const effective = ctx.credentials;
  ctx.credentials = {
    ...effective,
    fsuid: effective.uid,
    fsgid: effective.gid,
    effective: effective.uid === 0 ? effective.permitted : 0n,
  };
  try {
    return look();
  } finally {
    ctx.credentials = effective;
  }
}
