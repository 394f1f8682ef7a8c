/** The file system of pseudoterminals' slaves, /dev/pts; and what /dev/ptmx opens. */
import { EBUSY, EIO, ENOENT, ENOSPC } from '../abi/errno.ts';
import { DEVPTS_SUPER_MAGIC, DT_CHR, makeDevice, S_IFCHR, S_IFDIR } from '../abi/fs.ts';
import { CAP_SYS_ADMIN, capable } from '../vfs/credentials.ts';
import {
  type AttributeChanges,
  type Attributes,
  type DirectoryEntry,
  type FileSystem,
  type FileSystemStatus,
  Inode,
} from '../vfs/inode.ts';
import type { Sleeper } from '../wait/wait.ts';
import { callerOf, type Jobs } from './caller.ts';
import { newPtyState, PtyMaster, PtySlave, type PtyState } from './pty.ts';
import { openTty, type Tty, TtyFile } from './tty.ts';

const TTY_GROUP = 5;
const PTMX = 'ptmx';
/** /proc/sys/kernel/pty/max. */
const MAX_PTYS = 4096;

export interface DevPtsParts {
  device: number;
  jobs: Jobs;
  /** Monotonic nanoseconds. */
  now(): number;
  realtime(): bigint;
}

export class DevPts implements FileSystem {
  readonly type = 'devpts';
  readonly readOnly = false;
  readonly volatile = true;
  readonly device: number;
  readonly root: Inode;
  /** By index: slaves, and the terminal that Tallship was started on. */
  readonly inodes = new Map<number, PtsInode>();
  readonly ptmx: PtmxInode;
  readonly #parts: DevPtsParts;

  constructor(parts: DevPtsParts) {
    this.device = parts.device;
    this.#parts = parts;
    const now = parts.realtime();
    this.root = new PtsRoot(this, now);
    this.ptmx = new PtmxInode(this, now);
  }

  /** Opens a new pair: answers its master. */
  openMaster(s: Sleeper, inode: Inode, flags: number): TtyFile | number {
    if (this.inodes.size >= MAX_PTYS) return -ENOSPC;
    let index = 0;
    while (this.inodes.has(index)) index++;
    return new TtyFile(this.makePair(newPtyState(index), callerOf(s).credentials.fsuid), inode, flags);
  }

  /** A pair in a given state: a new one, or one from an image. */
  makePair(state: PtyState, uid: number): PtyMaster {
    const { index } = state;
    const slave = new PtySlave(state, this.#parts.jobs);
    const peer = this.adopt(index, slave, uid);
    return new PtyMaster(slave, {
      now: this.#parts.now,
      closed: () => this.inodes.delete(index),
      openSlave: (opener, how) => peer.open(opener, how),
    });
  }

  /** Gives a terminal a name here. */
  adopt(index: number, tty: Tty, uid: number): PtsInode {
    const inode = new PtsInode(this, index, tty, uid, this.#parts.realtime());
    this.inodes.set(index, inode);
    if (tty instanceof PtySlave) tty.stat = inode.stat;
    return inode;
  }

  status(): FileSystemStatus {
    const none = { blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, flags: 0 };
    return { type: DEVPTS_SUPER_MAGIC, bsize: 4096, namelen: 255, ...none };
  }
}

abstract class DevPtsInode extends Inode {
  readonly fs: DevPts;
  abstract override readonly type: number;
  readonly stat: Attributes;

  constructor(fs: DevPts, ino: number, mode: number, uid: number, gid: number, rdev: number, now: bigint) {
    super();
    this.fs = fs;
    const times = { atime: now, mtime: now, ctime: now, btime: now };
    this.stat = { ino, mode, nlink: 1, uid, gid, rdev, size: 0, blksize: 1024, blocks: 0, ...times };
  }

  attributes(): Attributes {
    return { ...this.stat };
  }

  override change(s: Sleeper, changes: AttributeChanges): number {
    const { size: _, ...rest } = changes;
    Object.assign(this.stat, rest);
    if (rest.mode !== undefined) this.stat.mode = this.type | (rest.mode & 0o7777);
    this.stat.ctime = s.realtime();
    return 0;
  }
}

class PtsRoot extends DevPtsInode {
  override readonly type = S_IFDIR;

  constructor(fs: DevPts, now: bigint) {
    super(fs, 1, S_IFDIR | 0o755, 0, 0, 0, now);
    this.stat.nlink = 2;
  }

  override lookup(_s: Sleeper, name: string): Inode | number {
    if (name === PTMX) return this.fs.ptmx;
    return (/^(0|[1-9]\d*)$/.test(name) ? this.fs.inodes.get(Number(name)) : undefined) ?? -ENOENT;
  }

  override entries(_s: Sleeper, position: number): DirectoryEntry[] {
    const names = [PTMX, ...[...this.fs.inodes.keys()].sort((a, b) => a - b).map(String)];
    return names.slice(position).map((name, i) => {
      const ino = name === PTMX ? 2 : Number(name) + 3;
      return { name, ino, type: DT_CHR, next: position + i + 1 };
    });
  }
}

/** /dev/pts/ptmx: mode 0, as devpts mounts it unless told otherwise; /dev/ptmx is the one that is used. */
class PtmxInode extends DevPtsInode {
  override readonly type = S_IFCHR;

  constructor(fs: DevPts, now: bigint) {
    super(fs, 2, S_IFCHR, 0, 0, makeDevice(5, 2), now);
  }

  override open(s: Sleeper, flags: number): TtyFile | number {
    return this.fs.openMaster(s, this, flags);
  }
}

export class PtsInode extends DevPtsInode {
  override readonly type = S_IFCHR;
  readonly tty: Tty;

  constructor(fs: DevPts, index: number, tty: Tty, uid: number, now: bigint) {
    super(fs, index + 3, S_IFCHR | 0o620, uid, TTY_GROUP, makeDevice(136 + (index >> 8), index & 0xff), now);
    this.tty = tty;
  }

  override open(s: Sleeper, flags: number): TtyFile | number {
    return openTerminal(s, this.tty, this, flags);
  }
}

/** open(2) of a terminal's own node, or of /dev/tty. */
export function openTerminal(s: Sleeper, tty: Tty, inode: Inode, flags: number): TtyFile | number {
  if (tty.hungUp || (tty instanceof PtySlave && tty.state.locked)) return -EIO;
  if (tty.exclusive && tty.opens > 0 && !capable(callerOf(s).credentials, CAP_SYS_ADMIN)) return -EBUSY;
  return openTty(s, tty, inode, flags);
}
