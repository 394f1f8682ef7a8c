/** What an overlay has changed, for the line that is printed at exit and for `tallship diff`. */
import { EACCES, ENOENT, ENOTDIR } from '../abi/errno.ts';
import { S_IFDIR } from '../abi/fs.ts';
import type { Inode } from '../vfs/inode.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import { isWhiteout, OPAQUE, type OverlayFs } from './overlay.ts';

export interface Change {
  /** From the overlay's root, without a leading slash. */
  path: string;
  kind: 'added' | 'changed' | 'deleted';
}

export function changedFiles(s: Sleeper, fs: OverlayFs): Change[] | number {
  const changes: Change[] = [];
  const answer = collect(s, fs.upper.root, fs.lower.root, '', changes);
  return answer < 0 ? answer : changes;
}

/** @param lower what lay at the same place before; null where nothing did. */
function collect(s: Sleeper, upper: Inode, lower: Inode | null, path: string, changes: Change[]): number {
  const entries = upper.entries(s, 0);
  if (failed(entries)) return entries;
  for (const { name } of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const inode = upper.lookup(s, name);
    if (failed(inode)) return inode;
    const below = lower === null ? null : before(s, lower, name);
    if (typeof below === 'number') return below;
    const answer = compare(s, inode, below, path === '' ? name : `${path}/${name}`, changes);
    if (answer < 0) return answer;
  }
  return 0;
}

function before(s: Sleeper, lower: Inode, name: string): Inode | null | number {
  const found = lower.lookup(s, name);
  if (!failed(found)) return found;
  return found === -ENOENT || found === -ENOTDIR || found === -EACCES ? null : found;
}

function compare(s: Sleeper, inode: Inode, below: Inode | null, path: string, changes: Change[]): number {
  const gone = isWhiteout(s, inode);
  if (typeof gone === 'number') return gone;
  if (gone) {
    changes.push({ path, kind: 'deleted' });
    return 0;
  }
  if (inode.type !== S_IFDIR) {
    changes.push({ path, kind: below === null ? 'added' : 'changed' });
    return 0;
  }
  if (below === null) changes.push({ path, kind: 'added' });
  const opaque = !failed(inode.getxattr(s, OPAQUE));
  return collect(s, inode, opaque ? null : below, path, changes);
}
