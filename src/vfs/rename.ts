/** renameat2(2) (fs/namei.c do_renameat2, vfs_rename). */
import { EBUSY, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EROFS, EXDEV } from '../abi/errno.ts';
import { MAY_WRITE, RENAME_EXCHANGE, RENAME_NOREPLACE, S_IFDIR } from '../abi/fs.ts';
import { failed } from '../wait/wait.ts';
import { mayCreate } from './create.ts';
import { isBelow, moveDentry, swapDentries } from './dentry.ts';
import type { PathContext } from './fs-context.ts';
import { guarded, guardedName } from './guard.ts';
import type { Dentry, Location } from './location.ts';
import { isReadOnly } from './mounts.ts';
import { notifyMoved } from './notify.ts';
import { mayDelete, permission } from './permission.ts';
import { type Walk, walkToParent } from './walk.ts';

export function rename(
  ctx: PathContext,
  oldStart: Location,
  oldPath: string,
  newStart: Location,
  newPath: string,
  flags = 0,
): number {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) !== 0) return -EINVAL;
  if (flags === (RENAME_NOREPLACE | RENAME_EXCHANGE)) return -EINVAL;
  const from = walkToParent(ctx, oldStart, oldPath);
  if (failed(from)) return from;
  const to = walkToParent(ctx, newStart, newPath);
  if (failed(to)) return to;
  if (from.mount !== to.mount) return -EXDEV;
  if (from.lastKind !== 'name') return -EBUSY;
  if (to.lastKind !== 'name') return (flags & RENAME_NOREPLACE) !== 0 ? -EEXIST : -EBUSY;
  if (isReadOnly(from.mount)) return -EROFS;
  // Checked once: when the call is run again, the names may have changed by its own doing.
  const checked = ctx.once(() => guard(ctx, from, to, flags) || check(ctx, from, to, flags));
  return checked === SAME ? 0 : checked || move(ctx, from, to, flags);
}

function guard(ctx: PathContext, from: Walk, to: Walk, flags: number): number {
  if (ctx.namespace.guard === null) return 0;
  const source = from.lookupLast();
  if (failed(source)) return source;
  const named = guarded(ctx, from.location, from.last) || guarded(ctx, to.location, to.last);
  const moved = named || guardedName(ctx, { mount: from.mount, dentry: source }, to.location, to.last);
  if (moved !== 0 || (flags & RENAME_EXCHANGE) === 0) return moved;
  const target = to.lookupLast();
  return failed(target) ? target : guardedName(ctx, { mount: to.mount, dentry: target }, from.location, from.last);
}

/** Both names lead to one inode: nothing is to be done. */
const SAME = 1;

function check(ctx: PathContext, from: Walk, to: Walk, flags: number): number {
  const source = from.lookupLast();
  if (failed(source)) return source;
  const target = lookupTarget(to, flags);
  if (failed(target)) return target;
  const shape = checkShape(from, to, source, target, flags);
  if (shape !== 0) return shape;
  if (source.inode === target?.inode) return SAME;
  const allowed = checkPermissions(ctx, from, to, source, target, flags);
  if (allowed !== 0) return allowed;
  const { namespace } = ctx;
  return namespace.isMountpoint(source) || (target !== null && namespace.isMountpoint(target)) ? -EBUSY : 0;
}

/** The dentry that is renamed over or exchanged with; null where there is none. */
function lookupTarget(to: Walk, flags: number): Dentry | null | number {
  const found = to.lookupLast();
  const missing = found === -ENOENT;
  if (failed(found) && !missing) return found;
  if (!missing && (flags & RENAME_NOREPLACE) !== 0) return -EEXIST;
  if (missing && (flags & RENAME_EXCHANGE) !== 0) return -ENOENT;
  return failed(found) ? null : found;
}

/** What can be seen without looking at permissions: slashes after files, and directories into themselves. */
function checkShape(from: Walk, to: Walk, source: Dentry, target: Dentry | null, flags: number): number {
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  if (exchange && target!.inode!.type !== S_IFDIR && to.trailingSlash) return -ENOTDIR;
  if (source.inode!.type !== S_IFDIR && (from.trailingSlash || (!exchange && to.trailingSlash))) return -ENOTDIR;
  if (isBelow(to.dentry, source)) return -EINVAL;
  if (target !== null && isBelow(from.dentry, target)) return exchange ? -EINVAL : -ENOTEMPTY;
  return 0;
}

function checkPermissions(
  ctx: PathContext,
  from: Walk,
  to: Walk,
  source: Dentry,
  target: Dentry | null,
  flags: number,
): number {
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  const directory = source.inode!.type === S_IFDIR;
  let allowed = mayDelete(ctx, from.dentry.inode!, source.inode!);
  if (allowed !== 0) return allowed;
  if (target === null) allowed = mayCreate(ctx, to.dentry);
  else {
    allowed = mayDelete(ctx, to.dentry.inode!, target.inode!);
    if (allowed === 0 && !exchange && directory !== (target.inode!.type === S_IFDIR)) {
      return directory ? -ENOTDIR : -EISDIR;
    }
  }
  if (allowed !== 0) return allowed;
  if (from.dentry !== to.dentry) {
    // `..` of a moved directory changes: that is writing to it.
    if (directory) allowed = permission(ctx, source.inode!, MAY_WRITE);
    if (allowed === 0 && exchange && target!.inode!.type === S_IFDIR) {
      allowed = permission(ctx, target!.inode!, MAY_WRITE);
    }
  }
  return allowed;
}

function move(ctx: PathContext, from: Walk, to: Walk, flags: number): number {
  const renamed = from.dentry.inode!.rename(ctx, from.last, to.dentry.inode!, to.last, flags);
  if (renamed < 0) return renamed;
  const source = from.dentry.children?.get(from.last);
  const target = to.dentry.children?.get(to.last);
  if ((flags & RENAME_EXCHANGE) !== 0 && source !== undefined && target !== undefined) swapDentries(source, target);
  else if (source !== undefined) moveDentry(source, to.dentry, to.last);
  notifyMoved(from.dentry, from.last, to.dentry, to.last, source?.inode ?? null);
  return 0;
}
