/** The in-memory file system: names and links in memfs's superblock, content in our page store, rules in src/vfs. */
import { Superblock } from '@jsonjoy.com/fs-core';
import { EINVAL } from '../abi/errno.ts';
import { S_IFDIR, TMPFS_MAGIC } from '../abi/fs.ts';
import type { Creation, FileSystem, FileSystemStatus } from '../vfs/inode.ts';
import { MemInode } from './mem-inode.ts';
import { MemNode, makeRoot } from './mem-node.ts';

const PAGE = 4096;
const DEFAULT_LIMIT = 4 * 2 ** 30;

export interface MemFsOptions {
  device: number;
  now: bigint;
  /** For /proc/mounts. */
  type?: string;
  /** Of the root directory: 0o755, owned by root, unless told. */
  mode?: number;
  uid?: number;
  gid?: number;
  /** Most bytes of content: -ENOSPC beyond. */
  limit?: number;
  /** Linux's internal tmpfs, which is mounted nowhere. */
  internal?: boolean;
  /** First inode number: an overlay keeps those of its layers apart. */
  firstInode?: number;
}

export class MemFs implements FileSystem {
  readonly type: string;
  readonly device: number;
  readonly readOnly = false;
  readonly root: MemInode;
  readonly limit: number;
  readonly isInternal: boolean;
  readonly superblock = new Superblock();
  /** Every inode that has a name or is open. */
  readonly inodes = new Map<number, MemInode>();
  usedPages = 0;
  nextInode: number;

  constructor(options: MemFsOptions) {
    this.type = options.type ?? 'tmpfs';
    this.device = options.device;
    this.limit = options.limit ?? DEFAULT_LIMIT;
    this.isInternal = options.internal === true;
    this.nextInode = options.firstInode ?? 1;
    const mode = S_IFDIR | (options.mode ?? 0o755);
    const node = this.makeNode({ mode, uid: options.uid ?? 0, gid: options.gid ?? 0 }, options.now);
    this.root = this.register(new MemInode(this, node));
    this.root.names = makeRoot(this.superblock, node);
  }

  makeNode(how: Creation, now: bigint): MemNode {
    const node = new MemNode(this.nextInode++, how.mode, how.uid, how.gid, now);
    node.rdev = how.rdev ?? 0;
    return node;
  }

  register(inode: MemInode): MemInode {
    this.inodes.set(inode.node.ino, inode);
    this.superblock.inodes[inode.node.ino] = inode.node;
    return inode;
  }

  /** Forgets a node that has neither names nor descriptions. */
  forget(node: MemNode): void {
    if (node.nlink > 0 || node.openCount > 0) return;
    this.inodes.delete(node.ino);
    delete this.superblock.inodes[node.ino];
    this.usedPages -= node.content.pages;
    node.content.truncate(0);
  }

  status(): FileSystemStatus {
    const blocks = Math.floor(this.limit / PAGE);
    const bfree = Math.max(0, blocks - this.usedPages);
    const files = 2 ** 20;
    const ffree = Math.max(0, files - this.inodes.size);
    return { type: TMPFS_MAGIC, bsize: PAGE, blocks, bfree, bavail: bfree, files, ffree, namelen: 255, flags: 0 };
  }
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1 << 20, g: 1 << 30 };

/** tmpfs(5) with its mount options; -EINVAL for those that make no sense. */
export function tmpfs(device: number, now: bigint, options: ReadonlyMap<string, string>): MemFs | number {
  const size = /^(\d+)([kmg]?)$/i.exec(options.get('size') ?? `${DEFAULT_LIMIT}`);
  const mode = /^[0-7]{1,4}$/.exec(options.get('mode') ?? '1777');
  const [uid, gid] = [options.get('uid') ?? '0', options.get('gid') ?? '0'];
  if (size === null || mode === null || !/^\d+$/.test(uid) || !/^\d+$/.test(gid)) return -EINVAL;
  const limit = Number(size[1]) * UNITS[size[2].toLowerCase()];
  return new MemFs({ device, now, limit, mode: Number.parseInt(mode[0], 8), uid: Number(uid), gid: Number(gid) });
}
