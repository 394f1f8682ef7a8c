/** unlink(2) and rmdir(2) (fs/namei.c). */
import { EBUSY, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EROFS } from '../abi/errno.ts';
import { S_IFDIR } from '../abi/fs.ts';
import { failed } from '../wait/wait.ts';
import { dropDentry } from './dentry.ts';
import type { PathContext } from './fs-context.ts';
import type { Dentry, Location } from './location.ts';
import { isReadOnly } from './mounts.ts';
import { notifyRemoved } from './notify.ts';
import { mayDelete } from './permission.ts';
import { type Walk, walkToParent } from './walk.ts';

export function unlink(ctx: PathContext, start: Location, path: string): number {
  const at = walkToParent(ctx, start, path);
  if (failed(at)) return at;
  if (at.lastKind !== 'name') return -EISDIR;
  // Checked once: when the call is run again, the name may have gone by its own doing.
  return ctx.once(() => checkUnlink(at)) || removed(at, at.dentry.inode!.unlink(ctx, at.last));
}

function checkUnlink(at: Walk): number {
  const victim = lookupVictim(at);
  if (failed(victim)) return victim;
  const directory = victim.inode!.type === S_IFDIR;
  if (at.trailingSlash) return directory ? -EISDIR : -ENOTDIR;
  const allowed = mayDelete(at.ctx, at.dentry.inode!, victim.inode!);
  if (allowed !== 0) return allowed;
  if (directory) return -EISDIR;
  return at.ctx.namespace.isMountpoint(victim) ? -EBUSY : 0;
}

export function rmdir(ctx: PathContext, start: Location, path: string): number {
  const at = walkToParent(ctx, start, path);
  if (failed(at)) return at;
  if (at.lastKind !== 'name') return at.lastKind === 'dotdot' ? -ENOTEMPTY : at.lastKind === 'dot' ? -EINVAL : -EBUSY;
  return ctx.once(() => checkRmdir(at)) || removed(at, at.dentry.inode!.rmdir(ctx, at.last));
}

function checkRmdir(at: Walk): number {
  const victim = lookupVictim(at);
  if (failed(victim)) return victim;
  const allowed = mayDelete(at.ctx, at.dentry.inode!, victim.inode!);
  if (allowed !== 0) return allowed;
  if (victim.inode!.type !== S_IFDIR) return -ENOTDIR;
  return at.ctx.namespace.isMountpoint(victim) ? -EBUSY : 0;
}

function lookupVictim(at: Walk): Dentry | number {
  if (isReadOnly(at.mount)) return -EROFS;
  if (at.dentry.deleted) return -ENOENT;
  return at.lookupLast();
}

function removed(at: Walk, answer: number): number {
  if (answer < 0) return answer;
  const victim = at.dentry.children?.get(at.last);
  if (victim === undefined) return 0;
  dropDentry(victim);
  const { inode } = victim;
  if (at.dentry.inode!.watches !== null || inode?.watches != null) {
    const left = inode?.attributes(at.ctx);
    notifyRemoved(at.dentry, at.last, inode, typeof left !== 'object' || inode?.type === S_IFDIR || left.nlink === 0);
  }
  return 0;
}
