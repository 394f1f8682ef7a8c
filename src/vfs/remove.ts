/** unlink(2) and rmdir(2) (fs/namei.c). */
import { EBUSY, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EROFS } from '../abi/errno.ts';
import { S_IFDIR } from '../abi/fs.ts';
import { failed } from '../wait/wait.ts';
import { dropDentry } from './dentry.ts';
import type { PathContext } from './fs-context.ts';
import type { Dentry, Location } from './location.ts';
import { isReadOnly } from './mounts.ts';
import { mayDelete } from './permission.ts';
import { type Walk, walkToParent } from './walk.ts';

export function unlink(ctx: PathContext, start: Location, path: string): number {
  const at = walkToParent(ctx, start, path);
  if (failed(at)) return at;
  if (at.lastKind !== 'name') return -EISDIR;
  const victim = lookupVictim(at);
  if (failed(victim)) return victim;
  const directory = victim.inode!.type === S_IFDIR;
  if (at.trailingSlash) return directory ? -EISDIR : -ENOTDIR;
  const allowed = mayDelete(ctx, at.dentry.inode!, victim.inode!);
  if (allowed !== 0) return allowed;
  if (directory) return -EISDIR;
  if (ctx.namespace.isMountpoint(victim)) return -EBUSY;
  return remove(victim, at.dentry.inode!.unlink(ctx, at.last));
}

export function rmdir(ctx: PathContext, start: Location, path: string): number {
  const at = walkToParent(ctx, start, path);
  if (failed(at)) return at;
  if (at.lastKind !== 'name') return at.lastKind === 'dotdot' ? -ENOTEMPTY : at.lastKind === 'dot' ? -EINVAL : -EBUSY;
  const victim = lookupVictim(at);
  if (failed(victim)) return victim;
  const allowed = mayDelete(ctx, at.dentry.inode!, victim.inode!);
  if (allowed !== 0) return allowed;
  if (victim.inode!.type !== S_IFDIR) return -ENOTDIR;
  if (ctx.namespace.isMountpoint(victim)) return -EBUSY;
  return remove(victim, at.dentry.inode!.rmdir(ctx, at.last));
}

function lookupVictim(at: Walk): Dentry | number {
  if (isReadOnly(at.mount)) return -EROFS;
  if (at.dentry.deleted) return -ENOENT;
  return at.lookupLast();
}

function remove(victim: Dentry, removed: number): number {
  if (removed < 0) return removed;
  dropDentry(victim);
  return 0;
}
