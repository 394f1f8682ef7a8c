/** fsnotify: telling those who watch an inode what happens to it, and in it (inotify(7)). */
import { S_IFDIR } from '../abi/fs.ts';
import type { Inode } from './inode.ts';
import type { Dentry } from './location.ts';

// sys/inotify.h
export const IN_ACCESS = 0x1;
export const IN_MODIFY = 0x2;
export const IN_ATTRIB = 0x4;
export const IN_CLOSE_WRITE = 0x8;
export const IN_CLOSE_NOWRITE = 0x10;
export const IN_OPEN = 0x20;
export const IN_MOVED_FROM = 0x40;
export const IN_MOVED_TO = 0x80;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;
export const IN_UNMOUNT = 0x2000;
export const IN_Q_OVERFLOW = 0x4000;
export const IN_IGNORED = 0x8000;
export const IN_ISDIR = 0x40000000;

/** Someone who watches an inode: src/fs/inotify.ts. */
export interface Watch {
  /** `name`: the entry of a watched directory that it happened to; '': the inode itself. */
  notify(mask: number, cookie: number, name: string): void;
}

function tell(inode: Inode | null | undefined, mask: number, name: string, cookie = 0): void {
  const watches = inode?.watches;
  if (watches == null) return;
  for (const watch of [...watches]) watch.notify(mask, cookie, name);
}

const kind = (inode: Inode | null) => (inode?.type === S_IFDIR ? IN_ISDIR : 0);

/** Something happened to what a name leads to: its own watchers hear of it, and its directory's. */
export function notifyInode(dentry: Dentry, mask: number): void {
  const { inode, parent } = dentry;
  const watched = inode?.watches != null || parent?.inode?.watches != null;
  if (!watched) return;
  const full = mask | kind(inode);
  if (parent !== null && !dentry.deleted) tell(parent.inode, full, dentry.name);
  tell(inode, full, '');
}

/** A name came to be in a directory: IN_CREATE. */
export function notifyCreated(directory: Dentry, name: string, inode: Inode): void {
  tell(directory.inode, IN_CREATE | kind(inode), name);
}

/** One more name for an inode: its link count has changed too. */
export function notifyLinked(directory: Dentry, name: string, inode: Inode): void {
  tell(inode, IN_ATTRIB, '');
  notifyCreated(directory, name, inode);
}

/** A name has gone from a directory; `last`: nothing else leads to the inode. */
export function notifyRemoved(directory: Dentry, name: string, inode: Inode | null, last: boolean): void {
  if (inode !== null && inode.type !== S_IFDIR) tell(inode, IN_ATTRIB, '');
  if (last) tell(inode, IN_DELETE_SELF, '');
  tell(directory.inode, IN_DELETE | kind(inode), name);
}

let cookies = 0;

export function notifyMoved(from: Dentry, oldName: string, to: Dentry, newName: string, inode: Inode | null): void {
  const watched = from.inode?.watches != null || to.inode?.watches != null || inode?.watches != null;
  if (!watched) return;
  const cookie = ++cookies;
  tell(from.inode, IN_MOVED_FROM | kind(inode), oldName, cookie);
  tell(to.inode, IN_MOVED_TO | kind(inode), newName, cookie);
  tell(inode, IN_MOVE_SELF, '');
}
