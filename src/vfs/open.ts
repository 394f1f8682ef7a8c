/** open(2): flags, creation, checks, and which open file description comes out (fs/open.c, fs/namei.c do_open). */
import {
  EACCES,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EOVERFLOW,
  EPERM,
  EROFS,
  ETXTBSY,
} from '../abi/errno.ts';
import {
  __O_TMPFILE,
  MAX_NON_LFS,
  MAY_READ,
  MAY_WRITE,
  MS_NODEV,
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_LARGEFILE,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_PATH,
  O_TMPFILE,
  O_TRUNC,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
} from '../abi/fs.ts';
import { failed } from '../wait/wait.ts';
import { truncateDentry } from './attributes.ts';
import { mayCreate, newInode } from './create.ts';
import { addDentry, makeDentry } from './dentry.ts';
import type { PathContext } from './fs-context.ts';
import { guarded } from './guard.ts';
import type { Inode } from './inode.ts';
import type { Dentry, Location } from './location.ts';
import { isReadOnly } from './mounts.ts';
import { IN_OPEN, notifyCreated, notifyInode } from './notify.ts';
import type { OpenFile } from './open-file.ts';
import { ownerOrCapable, permissionAt } from './permission.ts';
import { DirectoryFile, PathFile, RegularFile } from './regular-file.ts';
import { Walk, walk } from './walk.ts';

/** Flags that act at open time only: F_GETFL does not show them. */
const OPEN_ONLY = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;

/** Opens, and creates where asked to. The answer has no references yet. */
export function openPath(
  ctx: PathContext,
  start: Location,
  path: string,
  flags: number,
  mode = 0,
  resolve = 0,
): OpenFile | number {
  if ((flags & O_PATH) !== 0) return openForPath(ctx, start, path, flags, resolve);
  const invalid = checkFlags(flags);
  if (invalid !== 0) return invalid;
  if ((flags & __O_TMPFILE) !== 0) return openTemporary(ctx, start, path, flags, mode, resolve);
  if (path === '') return -ENOENT;
  const at = new Walk(ctx, start, resolve);
  const parent = at.toParent(path);
  if (parent !== 0) return parent;
  const created = takeLast(at, flags, mode);
  if (failed(created)) return created;
  return openPlace(ctx, at.location, flags, created === 1);
}

function checkFlags(flags: number): number {
  if ((flags & __O_TMPFILE) !== 0) {
    if ((flags & (O_TMPFILE | O_CREAT)) !== O_TMPFILE || (accessMask(flags) & MAY_WRITE) === 0) return -EINVAL;
  } else if ((flags & (O_CREAT | O_DIRECTORY)) === (O_CREAT | O_DIRECTORY)) return -EINVAL;
  return 0;
}

/** MAY_* that an open needs; access mode 3 means both, and gives neither (ioctl only). */
function accessMask(flags: number): number {
  const access = flags & O_ACCMODE;
  const mask = access === 0 ? MAY_READ : access === 1 ? MAY_WRITE : MAY_READ | MAY_WRITE;
  return (flags & O_TRUNC) !== 0 ? mask | MAY_WRITE : mask;
}

function openForPath(
  ctx: PathContext,
  start: Location,
  path: string,
  flags: number,
  resolve: number,
): PathFile | number {
  const place = walk(ctx, start, path, { follow: (flags & O_NOFOLLOW) === 0, resolve });
  if (failed(place)) return place;
  if ((flags & O_DIRECTORY) !== 0 && place.dentry.inode!.type !== S_IFDIR) return -ENOTDIR;
  return new PathFile(ctx.namespace, place, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW));
}

/** Takes the last component. Answers 1 when it was created by this call, 0 when it was there. */
function takeLast(at: Walk, flags: number, mode: number): number {
  const create = (flags & O_CREAT) !== 0;
  const exclusive = create && (flags & O_EXCL) !== 0;
  const follow = (flags & O_NOFOLLOW) === 0 && !exclusive;
  if (!create) return at.finish(follow);
  while (at.lastKind === 'name') {
    if (at.trailingSlash) return -EISDIR;
    const found = at.lookupLast();
    const exists = at.ctx.once(() => (found === -ENOENT ? 0 : failed(found) ? found : 1));
    if (exists < 0) return exists;
    if (exists === 0) return createLast(at, mode);
    if (failed(found)) return found;
    if (exclusive) return -EEXIST;
    if (!follow || found.inode!.type !== S_IFLNK) return at.enter(found);
    const followed = at.followLast(found);
    if (followed !== 0) return followed;
  }
  const finished = at.finish(follow);
  return finished === 0 && exclusive ? -EEXIST : finished;
}

function createLast(at: Walk, mode: number): number {
  const { ctx } = at;
  const name = at.last;
  if (isReadOnly(at.mount)) return -EROFS;
  const allowed = guarded(ctx, at.location, name) || mayCreate(ctx, at.dentry);
  if (allowed !== 0) return allowed;
  const how = newInode(ctx, at.dentry.inode!, S_IFREG | (mode & 0o7777 & ~ctx.fs.umask));
  if (failed(how)) return how;
  let made: Dentry | undefined;
  const created = ctx.once(() => {
    const inode = at.dentry.inode!.create(ctx, name, how);
    if (failed(inode)) return inode;
    made = addDentry(at.dentry, name, inode);
    notifyCreated(at.dentry, name, inode);
    return 0;
  });
  if (created < 0) return created;
  const child = made ?? at.lookupLast();
  if (failed(child)) return child;
  return at.enter(child) || 1;
}

/** Opens what a place leads to, with all checks. `created`: by this very call, so that the mode does not matter. */
export function openPlace(ctx: PathContext, place: Location, flags: number, created = false): OpenFile | number {
  const inode = place.dentry.inode!;
  const allowed = created ? 0 : guarded(ctx, place) || mayOpen(ctx, place, inode, flags);
  if (allowed !== 0) return allowed;
  const write = (accessMask(flags) & MAY_WRITE) !== 0;
  if (inode.type === S_IFREG && write) {
    if (inode.writers < 0) return -ETXTBSY;
    if (isReadOnly(place.mount)) return -EROFS;
    if (!created && (flags & O_TRUNC) !== 0) {
      const truncated = truncateDentry(ctx, place.dentry, 0);
      if (truncated < 0) return truncated;
    }
  }
  const file = openInode(ctx, place, flags);
  if (!failed(file)) notifyInode(place.dentry, IN_OPEN);
  return file;
}

/** may_open() and the checks around it. */
function mayOpen(ctx: PathContext, place: Location, inode: Inode, flags: number): number {
  const mask = accessMask(flags);
  if (inode.type === S_IFDIR) {
    if ((flags & O_CREAT) !== 0 || (mask & MAY_WRITE) !== 0) return -EISDIR;
  } else if ((flags & O_DIRECTORY) !== 0) return -ENOTDIR;
  if (inode.type === S_IFLNK) return -ELOOP;
  const device = inode.type === S_IFCHR || inode.type === S_IFBLK;
  if (device && (place.mount.flags & MS_NODEV) !== 0) return -EACCES;
  const allowed = permissionAt(ctx, place, mask);
  if (allowed !== 0) return allowed;
  if ((flags & (O_NOATIME | O_LARGEFILE)) === O_LARGEFILE) return 0;
  const attributes = inode.attributes(ctx);
  if (failed(attributes)) return attributes;
  if ((flags & O_NOATIME) !== 0 && !ownerOrCapable(ctx, attributes)) return -EPERM;
  const large = inode.type === S_IFREG && attributes.size > MAX_NON_LFS;
  return large && (flags & (O_LARGEFILE | O_TRUNC)) === 0 ? -EOVERFLOW : 0;
}

/** The open file description, without any check. */
export function openInode(ctx: PathContext, place: Location, flags: number): OpenFile | number {
  const inode = place.dentry.inode!;
  const kept = flags & ~OPEN_ONLY;
  const own = inode.open(ctx, kept | (flags & O_NOCTTY));
  if (failed(own)) return own;
  if (own !== null) return locate(own, place);
  if (inode.type === S_IFDIR) return new DirectoryFile(ctx.namespace, place, kept);
  if (inode.type === S_IFREG) {
    const opened = inode.opened(ctx, kept);
    return opened < 0 ? opened : new RegularFile(ctx.namespace, place, kept);
  }
  const opener = ctx.namespace.special.get(inode.type);
  if (opener === undefined) return -ENXIO;
  const file = opener(ctx, inode, kept | (flags & O_NOCTTY));
  return failed(file) ? file : locate(file, place);
}

/** A shared description (an inherited terminal) keeps the place it was first opened at. */
function locate(file: OpenFile, place: Location): OpenFile {
  file.flags &= ~O_NOCTTY; // terminals have looked at it
  file.location ??= place;
  return file;
}

function openTemporary(
  ctx: PathContext,
  start: Location,
  path: string,
  flags: number,
  mode: number,
  resolve: number,
): OpenFile | number {
  const directory = walk(ctx, start, path, { follow: (flags & O_NOFOLLOW) === 0, resolve });
  if (failed(directory)) return directory;
  const parent = directory.dentry.inode!;
  if (parent.type !== S_IFDIR) return -ENOTDIR;
  if (isReadOnly(directory.mount)) return -EROFS;
  const allowed = mayCreate(ctx, directory.dentry);
  if (allowed !== 0) return allowed;
  const how = newInode(ctx, parent, S_IFREG | (mode & 0o7777 & ~ctx.fs.umask));
  if (failed(how)) return how;
  const inode = parent.tmpfile(ctx, how);
  if (failed(inode)) return inode;
  const dentry = makeDentry(`#${describeNumber(ctx, inode)}`, directory.dentry, inode);
  dentry.deleted = true;
  inode.linkable = (flags & O_EXCL) === 0;
  return openInode(ctx, { mount: directory.mount, dentry }, flags);
}

function describeNumber(ctx: PathContext, inode: Inode): number {
  const attributes = inode.attributes(ctx);
  return failed(attributes) ? 0 : attributes.ino;
}
