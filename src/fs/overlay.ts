/**
 * A writable view of a file system that stays as it is: changes go to an upper file system (copy-on-write). What is in
 * the upper one is laid out as Linux's overlayfs does it, so that an upper directory outlives the machine:
 * whiteouts are character devices 0:0, and directories carry trusted.overlay.{opaque,redirect,origin}.
 */
import { EIO } from '../abi/errno.ts';
import { OVERLAYFS_SUPER_MAGIC, S_IFCHR, S_IFDIR } from '../abi/fs.ts';
import type { Attributes, FileSystem, FileSystemStatus, Inode, Traffic } from '../vfs/inode.ts';
import { failed, type Plain, type Sleeper } from '../wait/wait.ts';
import { type Change, changedFiles } from './overlay-changes.ts';
import { OverlayInode } from './overlay-inode.ts';
import type { OverlayNode } from './overlay-node.ts';

export const OPAQUE = 'trusted.overlay.opaque';
export const REDIRECT = 'trusted.overlay.redirect';
export const ORIGIN = 'trusted.overlay.origin';

/**
 * Where the numbers of an upper file system's inodes begin (MemFs: firstInode): those of the lower one are shown as they
 * are, and two files of one number would be one file to cp, tar and find.
 */
export const UPPER_INODES = 2 ** 31;

/** More operations than this do not sleep at a time. */
const CALLS_UNDER_WAY = 65536;

/** What lay in the lower file system before it was changed or hidden: how changes are told from what others do there. */
export interface Base {
  readonly ino: number;
  readonly mode: number;
  readonly size: number;
  readonly mtime: bigint;
  readonly ctime: bigint;
  /** The upper inode's time of change when the lower file system got the same; 0: it never did. */
  readonly sent: bigint;
}

export interface OverlayOptions {
  device: number;
  /** Takes all changes; empty, or what an earlier overlay over the same lower file system left. */
  upper: FileSystem;
  lower: FileSystem;
  /** For changes that will go to the lower file system later: remembers what they were made from, by path there. */
  bases?: Map<string, Base>;
}

export class OverlayFs implements FileSystem {
  readonly type = 'overlay';
  readonly device: number;
  readonly readOnly = false;
  readonly volatile: boolean;
  readonly sleeps: boolean;
  readonly upper: FileSystem;
  readonly lower: FileSystem;
  readonly root: OverlayInode;
  readonly bases: Map<string, Base> | null;
  /** Copies that are being made, by a number that tasks remember. */
  readonly staged = new Map<number, Inode>();
  nextStaged = 1;
  /** Inodes that operations under way have found, by numbers that their tasks remember. */
  readonly #kept = new Map<number, OverlayInode>();
  #nextKept = 1;
  /** The one inode object for what lies in a layer. */
  readonly #inodes = new WeakMap<Inode, OverlayInode>();

  constructor(options: OverlayOptions) {
    this.device = options.device;
    this.upper = options.upper;
    this.lower = options.lower;
    this.bases = options.bases ?? null;
    this.volatile = options.upper.volatile === true || options.lower.volatile === true;
    this.sleeps = options.upper.sleeps === true || options.lower.sleeps === true;
    this.root = new OverlayInode(this, options.upper.root, options.lower.root, null, '', '');
  }

  /**
   * A look whose answer decides what is done next. Where operations can sleep it is remembered: what has been done by
   * then must not change the way.
   */
  decide<T extends Plain>(s: Sleeper, look: () => T): T {
    return this.sleeps ? s.once(look) : look();
  }

  /** The same for an inode that the operation goes on with, under whatever name it is found later. */
  keep(s: Sleeper, look: () => OverlayInode | number): OverlayInode | number {
    if (!this.sleeps) return look();
    const id = s.once(() => {
      const found = look();
      if (failed(found)) return found;
      this.#kept.set(this.#nextKept, found);
      this.#kept.delete(this.#nextKept - CALLS_UNDER_WAY);
      return this.#nextKept++;
    });
    return id < 0 ? id : (this.#kept.get(id) ?? -EIO);
  }

  /** The inode for what a name leads to in the layers; at least one of them. */
  inodeOf(upper: Inode | null, lower: Inode | null, parent: OverlayNode, name: string, path: string): OverlayInode {
    const known = this.#inodes.get(upper ?? lower!);
    if (known !== undefined && (known.type !== S_IFDIR || known.lower === lower)) {
      known.place(parent, name);
      return known;
    }
    const inode = new OverlayInode(this, upper, lower, parent, name, path);
    this.#inodes.set(upper ?? lower!, inode);
    return inode;
  }

  /** A copy in the upper layer stands for the inode from now on. */
  copied(inode: OverlayNode, upper: Inode): void {
    this.#inodes.set(upper, inode as OverlayInode);
  }

  /** Something of the lower file system is about to be changed or hidden. */
  cover(path: string, attributes: Attributes): void {
    if (this.bases === null || this.bases.has(path)) return;
    this.bases.set(path, baseOf(attributes));
  }

  async finish(): Promise<void> {
    await this.upper.finish?.();
    await this.lower.finish?.();
  }

  close(): void {
    this.upper.close?.();
    this.lower.close?.();
  }

  get traffic(): Traffic | undefined {
    return this.lower.traffic;
  }

  status(s: Sleeper): FileSystemStatus | number {
    const status = this.upper.status(s);
    return failed(status) ? status : { ...status, type: OVERLAYFS_SUPER_MAGIC };
  }

  sync(s: Sleeper): number {
    return this.upper.sync?.(s) ?? 0;
  }

  /** What was added, changed and deleted, in order of names. */
  changes(s: Sleeper): Change[] | number {
    return changedFiles(s, this);
  }
}

/** Whether an upper inode only says that the name is gone. */
export function isWhiteout(s: Sleeper, inode: Inode): boolean | number {
  if (inode.type !== S_IFCHR) return false;
  const attributes = inode.attributes(s);
  return failed(attributes) ? attributes : attributes.rdev === 0;
}

export function baseOf({ ino, mode, size, mtime, ctime }: Attributes, sent = 0n): Base {
  return { ino, mode, size, mtime, ctime, sent };
}
