/** A place in the name space: a dentry seen through a mount. */
import type { FileSystem, Inode } from './inode.ts';

/** A name in a directory, with the inode it leads to; null inode: known not to exist. */
export interface Dentry {
  name: string;
  parent: Dentry | null;
  inode: Inode | null;
  children: Map<string, Dentry> | null;
  /** Unlinked or renamed over while in use: getcwd says (unreachable), /proc says ' (deleted)'. */
  deleted: boolean;
  /** The machine put something here: the name stays, whatever the file system below says. */
  pinned: boolean;
}

export interface Mount {
  readonly id: number;
  readonly fs: FileSystem;
  readonly root: Dentry;
  /** Where it is mounted; null for the root mount. */
  readonly parent: Mount | null;
  readonly mountpoint: Dentry | null;
  /** MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC. */
  flags: number;
  source: string;
  /** Flags that a remount cannot take away: those the machine was given. */
  lockedFlags: number;
  /** Made by a program of the machine: only those can be unmounted, so that nothing comes to light from under the others. */
  byGuest: boolean;
}

export interface Location {
  readonly mount: Mount;
  readonly dentry: Dentry;
}
