/** chmod, chown, utimensat, truncate, access: changes of inodes and the rules for them (fs/open.c, fs/attr.c). */
import { EACCES, EINVAL, EISDIR, EPERM, EROFS, ETXTBSY } from '../abi/errno.ts';
import { MAY_EXEC, MAY_WRITE, MS_NOEXEC, S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID, S_IXGRP } from '../abi/fs.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import { CAP_CHOWN, CAP_FSETID, capable, inGroup } from './credentials.ts';
import type { PathContext } from './fs-context.ts';
import type { AttributeChanges, Inode } from './inode.ts';
import type { Dentry, Location } from './location.ts';
import { isReadOnly } from './mounts.ts';
import { IN_ATTRIB, IN_MODIFY, notifyInode } from './notify.ts';
import { ownerOrCapable, permission, permissionAt } from './permission.ts';

/** A time for utimensat: nanoseconds, now, or left alone. */
export type NewTime = bigint | 'now' | 'omit';

export function chmod(ctx: PathContext, place: Location, mode: number): number {
  const inode = place.dentry.inode!;
  if (isReadOnly(place.mount)) return -EROFS;
  const attributes = inode.attributes(ctx);
  if (failed(attributes)) return attributes;
  if (!ownerOrCapable(ctx, attributes)) return -EPERM;
  const outsider = !inGroup(ctx.credentials, attributes.gid) && !capable(ctx.credentials, CAP_FSETID);
  return changed(place, inode.change(ctx, { mode: mode & (outsider ? 0o7777 & ~S_ISGID : 0o7777) }));
}

/** uid or gid -1: not changed. */
export function chown(ctx: PathContext, place: Location, uid: number, gid: number): number {
  const inode = place.dentry.inode!;
  if (isReadOnly(place.mount)) return -EROFS;
  const attributes = inode.attributes(ctx);
  if (failed(attributes)) return attributes;
  const who = ctx.credentials;
  if (!capable(who, CAP_CHOWN)) {
    const owner = attributes.uid === who.fsuid;
    if (uid !== -1 && !(owner && uid === attributes.uid)) return -EPERM;
    if (gid !== -1 && !(owner && (gid === attributes.gid || inGroup(who, gid)))) return -EPERM;
  }
  const changes: AttributeChanges = {};
  if (uid !== -1) changes.uid = uid;
  if (gid !== -1) changes.gid = gid;
  if ((attributes.mode & S_IFMT) !== S_IFDIR) {
    const mode = withoutSetId(attributes.mode);
    if (mode !== attributes.mode) changes.mode = mode & 0o7777;
  }
  return changed(place, inode.change(ctx, changes));
}

function changed(place: Location, answer: number): number {
  if (answer === 0) notifyInode(place.dentry, IN_ATTRIB);
  return answer;
}

function withoutSetId(mode: number): number {
  const group = (mode & S_IXGRP) !== 0 ? S_ISGID : 0;
  return mode & ~(S_ISUID | group);
}

/** file_remove_privs(): writing takes the set-id bits away, unless the writer may keep them. */
export function dropSetId(s: Sleeper, inode: Inode): number {
  const { credentials } = s as Partial<PathContext>;
  // Decided once: when the call is run again, the bits are gone already.
  const mode = s.once(() => {
    const attributes = inode.attributes(s);
    if (failed(attributes)) return attributes;
    const kept = withoutSetId(attributes.mode);
    return kept === attributes.mode || (credentials !== undefined && capable(credentials, CAP_FSETID)) ? 0 : kept;
  });
  return mode <= 0 ? mode : inode.change(s, { mode: mode & 0o7777 });
}

export function setTimes(ctx: PathContext, place: Location, atime: NewTime, mtime: NewTime): number {
  if (atime === 'omit' && mtime === 'omit') return 0;
  const inode = place.dentry.inode!;
  if (isReadOnly(place.mount)) return -EROFS;
  const attributes = inode.attributes(ctx);
  if (failed(attributes)) return attributes;
  if (!ownerOrCapable(ctx, attributes)) {
    if (atime !== 'now' || mtime !== 'now') return -EPERM;
    const allowed = permission(ctx, inode, MAY_WRITE);
    if (allowed !== 0) return allowed;
  }
  const now = ctx.realtime();
  const changes: AttributeChanges = {};
  if (atime !== 'omit') changes.atime = atime === 'now' ? now : atime;
  if (mtime !== 'omit') changes.mtime = mtime === 'now' ? now : mtime;
  return changed(place, inode.change(ctx, changes));
}

/** truncate(2) of what a path leads to. */
export function truncate(ctx: PathContext, place: Location, size: number): number {
  const inode = place.dentry.inode!;
  if (inode.type === S_IFDIR) return -EISDIR;
  if (inode.type !== S_IFREG || size < 0) return -EINVAL;
  const allowed = permissionAt(ctx, place, MAY_WRITE);
  if (allowed !== 0) return allowed;
  return inode.writers < 0 ? -ETXTBSY : truncateDentry(ctx, place.dentry, size);
}

/** Contents, mapped pages, and the set-id bits (notify_change with ATTR_SIZE). */
export function truncateDentry(s: Sleeper, dentry: Dentry, size: number): number {
  const inode = dentry.inode!;
  const dropped = dropSetId(s, inode);
  if (dropped < 0) return dropped;
  const changed = inode.change(s, { size });
  if (changed < 0) return changed;
  inode.mapping?.truncate(size);
  notifyInode(dentry, IN_MODIFY);
  return 0;
}

/** access(2): `mask` of R_OK, W_OK, X_OK; 0 asks only for existence. */
export function access(ctx: PathContext, place: Location, mask: number): number {
  if (mask === 0) return 0;
  const inode = place.dentry.inode!;
  if ((mask & MAY_EXEC) !== 0 && inode.type === S_IFREG && (place.mount.flags & MS_NOEXEC) !== 0) return -EACCES;
  return permissionAt(ctx, place, mask);
}
