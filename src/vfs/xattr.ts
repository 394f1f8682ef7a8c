/** Extended attributes: who may see and set which (xattr(7), fs/xattr.c). */
import { E2BIG, ENODATA, EOPNOTSUPP, EPERM, ERANGE, EROFS } from '../abi/errno.ts';
import { MAY_READ, MAY_WRITE, S_IFDIR, S_IFREG, S_ISVTX, XATTR_SIZE_MAX } from '../abi/fs.ts';
import { encodePath, pathLength } from '../abi/path.ts';
import { failed } from '../wait/wait.ts';
import { CAP_SYS_ADMIN, capable } from './credentials.ts';
import type { PathContext } from './fs-context.ts';
import type { Inode } from './inode.ts';
import type { Location } from './location.ts';
import { isReadOnly } from './mounts.ts';
import { ownerOrCapable, permission } from './permission.ts';

/** xattr_permission(): 0, or a negative errno. */
function mayUse(ctx: PathContext, place: Location, name: string, mask: number): number {
  const inode = place.dentry.inode!;
  const write = (mask & MAY_WRITE) !== 0;
  if (write && isReadOnly(place.mount)) return -EROFS;
  if (name.startsWith('trusted.')) return capable(ctx.credentials, CAP_SYS_ADMIN) ? 0 : write ? -EPERM : -ENODATA;
  if (name.startsWith('user.')) return mayUseUser(ctx, inode, mask);
  if (name.startsWith('security.')) {
    return write && !capable(ctx.credentials, CAP_SYS_ADMIN) ? -EPERM : 0;
  }
  return (name.startsWith('system.') ? 0 : permission(ctx, inode, mask)) || -EOPNOTSUPP;
}

/** user.* belongs to regular files and directories; in sticky directories only the owner may write them. */
function mayUseUser(ctx: PathContext, inode: Inode, mask: number): number {
  const write = (mask & MAY_WRITE) !== 0;
  if (inode.type !== S_IFREG && inode.type !== S_IFDIR) return write ? -EPERM : -ENODATA;
  if (write && inode.type === S_IFDIR) {
    const attributes = inode.attributes(ctx);
    if (failed(attributes)) return attributes;
    if ((attributes.mode & S_ISVTX) !== 0 && !ownerOrCapable(ctx, attributes)) return -EPERM;
  }
  return permission(ctx, inode, mask);
}

/** Copies the value out; with an empty buffer only its length is told. */
export function getxattr(ctx: PathContext, place: Location, name: string, into: Uint8Array): number {
  const allowed = mayUse(ctx, place, name, MAY_READ);
  if (allowed !== 0) return allowed;
  const value = place.dentry.inode!.getxattr(ctx, name);
  return failed(value) ? value : giveBytes(value, into);
}

export function setxattr(ctx: PathContext, place: Location, name: string, value: Uint8Array, flags: number): number {
  if (value.length > XATTR_SIZE_MAX) return -E2BIG;
  const allowed = mayUse(ctx, place, name, MAY_WRITE);
  return allowed !== 0 ? allowed : place.dentry.inode!.setxattr(ctx, name, value, flags);
}

export function removexattr(ctx: PathContext, place: Location, name: string): number {
  const allowed = mayUse(ctx, place, name, MAY_WRITE);
  return allowed !== 0 ? allowed : place.dentry.inode!.removexattr(ctx, name);
}

/** Names, each with a NUL. */
export function listxattr(ctx: PathContext, place: Location, into: Uint8Array): number {
  const names = place.dentry.inode!.listxattr(ctx);
  if (failed(names)) return names;
  const admin = capable(ctx.credentials, CAP_SYS_ADMIN);
  const shown = names.filter((name) => admin || !name.startsWith('trusted.'));
  const bytes = new Uint8Array(shown.reduce((sum, name) => sum + pathLength(name) + 1, 0));
  let at = 0;
  for (const name of shown) {
    const encoded = encodePath(name);
    bytes.set(encoded, at);
    at += encoded.length + 1;
  }
  return giveBytes(bytes, into);
}

function giveBytes(value: Uint8Array, into: Uint8Array): number {
  if (into.length === 0) return value.length;
  if (into.length < value.length) return -ERANGE;
  into.set(value);
  return value.length;
}
