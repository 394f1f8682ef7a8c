/** The file systems without names behind pipes, sockets and anonymous inodes: pipefs, sockfs, anon_inodefs. */
import { ENXIO } from '../abi/errno.ts';
import { ANON_INODE_FS_MAGIC, makeDevice, PIPEFS_MAGIC, S_IFMT, S_IFSOCK, SOCKFS_MAGIC } from '../abi/fs.ts';
import { type AttributeChanges, type Attributes, type FileSystem, type FileSystemStatus, Inode } from '../vfs/inode.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import type { Sleeper } from '../wait/wait.ts';

export class AnonymousFs implements FileSystem {
  readonly type: string;
  readonly device: number;
  readonly readOnly = false;
  readonly root: Inode;
  readonly sleeps: boolean;
  readonly #magic: number;
  /** Inode numbers given out so far. */
  lastInode = 0;

  constructor(type: string, device: number, magic: number, sleeps = false) {
    this.sleeps = sleeps;
    this.type = type;
    this.device = device;
    this.#magic = magic;
    this.root = new AnonymousInode(this, 0o40555, 0, 0, 0n);
  }

  /** A new inode that belongs to the caller. */
  make(mode: number, uid: number, gid: number, now: bigint): AnonymousInode {
    return new AnonymousInode(this, mode, uid, gid, now);
  }

  status(): FileSystemStatus {
    const none = { blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, flags: 0 };
    return { type: this.#magic, bsize: 4096, namelen: 255, ...none };
  }
}

/** An inode that only fstat() and /proc/self/fd see; fchmod and fchown work on it. */
export class AnonymousInode extends Inode {
  readonly fs: AnonymousFs;
  readonly type: number;
  readonly stat: Attributes;

  constructor(fs: AnonymousFs, mode: number, uid: number, gid: number, now: bigint) {
    super();
    this.fs = fs;
    this.type = mode & S_IFMT;
    this.stat = {
      ino: ++fs.lastInode,
      mode,
      nlink: 1,
      uid,
      gid,
      rdev: 0,
      size: 0,
      blksize: 4096,
      blocks: 0,
      atime: now,
      mtime: now,
      ctime: now,
      btime: now,
    };
  }

  /** Opening /proc/PID/fd/N: only a pipe can be opened once more (pipe.ts). */
  override open(_s: Sleeper, _flags: number): OpenFile | number | null {
    return -ENXIO;
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

/** One of each per machine. */
export class AnonymousFileSystems {
  readonly pipes = new AnonymousFs('pipefs', makeDevice(0, 13), PIPEFS_MAGIC);
  readonly sockets = new AnonymousFs('sockfs', makeDevice(0, 8), SOCKFS_MAGIC);
  readonly anonymous = new AnonymousFs('anon_inodefs', makeDevice(0, 14), ANON_INODE_FS_MAGIC);
  /** Linux has one inode for all eventfds, epolls and their kin. */
  readonly anonInode = this.anonymous.make(ANON_INODE_MODE, 0, 0, 0n);
}

export const SOCKET_MODE = S_IFSOCK | 0o777;
/** Anonymous inodes have no type bits: stat shows mode 0600. */
export const ANON_INODE_MODE = 0o600;
