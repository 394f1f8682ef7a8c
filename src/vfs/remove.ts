/** unlink(2) and rmdir(2) (fs/namei.c). */
import { EBUSY, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EROFS } from '../abi/errno.ts';
import { S_IFDIR } from '../abi/fs.ts';
import { failed } from '../wait/wait.ts';
import { dropDentry } from './dentry.ts';
import type { PathContext } from './fs-context.ts';
import { guarded } from './guard.ts';
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
  const checked = guarded(ctx, at.location, at.last) || ctx.once(() => checkUnlink(at));
  if (checked !== 0) return checked;
  const last = isLastName(at);
  return removed(at, at.dentry.inode!.unlink(ctx, at.last), last);
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
  const checked = guarded(ctx, at.location, at.last) || ctx.once(() => checkRmdir(at));
  return checked || removed(at, at.dentry.inode!.rmdir(ctx, at.last), true);
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

/** Whether an inode that is watched has no other name: asked while it has this one. */
function isLastName(at: Walk): boolean {
  const inode = at.dentry.children?.get(at.last)?.inode;
  if (inode?.watches == null) return false;
  const stat = inode.attributes(at.ctx);
  return failed(stat) || stat.nlink <= 1;
}

function removed(at: Walk, answer: number, last: boolean): number {
  if (answer < 0) return answer;
  const victim = at.dentry.children?.get(at.last);
  if (victim === undefined) return 0;
  dropDentry(victim);
  notifyRemoved(at.dentry, at.last, victim.inode, last);
  return 0;
}
