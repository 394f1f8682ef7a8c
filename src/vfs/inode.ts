/** Inode operations: what a file system is. Every answer may be a negative errno or BLOCKED (wait.ts: failed()). */
import { EINVAL, EISDIR, ENODATA, ENOTDIR, ENXIO, EOPNOTSUPP, EPERM, EROFS } from '../abi/errno.ts';
import type { Sleeper } from '../wait/wait.ts';
import type { Location } from './location.ts';
import type { LockOwner, Range, RecordLock } from './locks.ts';
import type { Watch } from './notify.ts';
import type { OpenFile } from './open-file.ts';
import type { Mapping } from './page-cache.ts';

/** stat(2). Times in nanoseconds since 1970; sizes in bytes; blocks of 512 bytes. */
export interface Attributes {
  ino: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  size: number;
  blksize: number;
  blocks: number;
  atime: bigint;
  mtime: bigint;
  ctime: bigint;
  btime: bigint;
}

/** chmod, chown, truncate, utimensat: only what is to change. */
export type AttributeChanges = Partial<Pick<Attributes, 'mode' | 'uid' | 'gid' | 'size' | 'atime' | 'mtime' | 'ctime'>>;

export interface DirectoryEntry {
  name: string;
  ino: number;
  /** DT_* of dirent.h. */
  type: number;
  /** Position after this entry: what lseek and d_off take. */
  next: number;
}

/** Who creates: ownership and mode of new inodes (umask already applied to mode). */
export interface Creation {
  mode: number;
  uid: number;
  gid: number;
  /** Device number, for mknod. */
  rdev?: number;
}

export interface FileSystemStatus {
  type: number;
  bsize: number;
  blocks: number;
  bfree: number;
  bavail: number;
  files: number;
  ffree: number;
  namelen: number;
  flags: number;
}

/** Where a file system's contents come from, when they lie outside of the machine: what opens it again in a restored one. */
export interface TreeOrigin {
  /** 'host', 'tar', 'remote' ... */
  readonly kind: string;
  /** Path or URL. */
  readonly source: string;
  readonly readOnly: boolean;
  /** Whatever else is needed; plain data. */
  readonly options?: { readonly [name: string]: string | number | boolean };
}

/** Locks that are kept where a file is, when that is not here: asked where those of this machine allow it. */
export interface LocksElsewhere {
  /** F_SETLK, F_SETLKW. */
  lock(s: Sleeper, owner: LockOwner, pid: number, range: Range, wait: boolean): number;
  /** F_GETLK: what is in the way, if something is. */
  conflict(s: Sleeper, owner: LockOwner, range: Range): RecordLock | undefined | number;
  flock(s: Sleeper, owner: LockOwner, exclusive: boolean | null, wait: boolean): number;
  /** Nobody can ask for the owner any more. */
  release(owner: LockOwner): void;
}

export interface Traffic {
  requests: number;
  /** How often a task slept until an answer came. */
  waits: number;
  bytesIn: number;
  bytesOut: number;
  connections: number;
}

/** A mounted file system instance. */
export interface FileSystem {
  /** Absent: the contents are the machine's own. */
  readonly origin?: TreeOrigin;
  /** For /proc/mounts: 'tmpfs', 'overlay', 'proc' ... */
  readonly type: string;
  /** st_dev: unique in a machine. */
  readonly device: number;
  readonly root: Inode;
  readonly readOnly: boolean;
  /** Names change behind the VFS's back (host directories, /proc): every lookup asks the inode again. */
  readonly volatile?: boolean;
  /**
   * Operations may answer BLOCKED, or must not be asked by page faults, which come at other times with other page
   * protection (recordings): contents are fetched ahead for mmap and exec.
   */
  readonly sleeps?: boolean;
  status(sleeper: Sleeper): FileSystemStatus | number;
  sync?(sleeper: Sleeper): number;
  /** What is known of contents that others change too is asked for again. */
  refresh?(): void;
  /** What went over the way to a file system that is elsewhere: for --stats. */
  readonly traffic?: Traffic;
  /** Before an image: sends what waits to be sent; true when everything that was asked elsewhere has its answer. */
  rest?(): boolean;
  /** The machine has ended: what was written behind goes where it belongs. */
  finish?(): Promise<void>;
  /** Nobody will ask any more: connections can end. */
  close?(): void;
}

/**
 * One object of a file system. Path names are strings (UTF-8 with invalid bytes as lone surrogates U+DC80..DCFF, see
 * abi/path.ts). Permission checks, mode bits of new files, sticky and rename rules are the caller's (vfs/), not the
 * inode's. Directory operations take single names, never `.`, `..` or slashes.
 */
export abstract class Inode {
  abstract readonly fs: FileSystem;
  /** S_IFMT bits: known without asking. */
  abstract readonly type: number;
  /** What mmap shares of the contents; reads and writes keep it coherent (page-cache.ts). */
  mapping: Mapping | null = null;
  /** Descriptions open for writing; negative: that many programs running from it (ETXTBSY). */
  writers = 0;
  /** Who wants to hear of what happens to it (notify.ts). */
  watches: Set<Watch> | null = null;
  /** Absent: nobody outside of this machine locks it. */
  readonly locks?: LocksElsewhere;
  /** O_TMPFILE without O_EXCL: link() may give it a name although it has none. */
  linkable = false;

  /** A new object: the caller may change it. */
  abstract attributes(s: Sleeper): Attributes | number;
  change(s: Sleeper, changes: AttributeChanges): number {
    return -EPERM;
  }

  // Directories
  /** @param rest what the walk will ask for below: file systems for which asking is dear find that out at once. */
  lookup(s: Sleeper, name: string, rest = ''): Inode | number {
    return -ENOTDIR;
  }
  /** Entries from a position (0 = start) on; an empty array at the end. `.` and `..` are added by the caller. */
  entries(s: Sleeper, position: number): DirectoryEntry[] | number {
    return -ENOTDIR;
  }
  /** Regular file, FIFO, socket or device, by the S_IFMT bits of mode. -EEXIST when the name is taken. */
  create(s: Sleeper, name: string, how: Creation): Inode | number {
    return -EROFS;
  }
  mkdir(s: Sleeper, name: string, how: Creation): Inode | number {
    return -EROFS;
  }
  symlink(s: Sleeper, name: string, target: string, how: Creation): Inode | number {
    return -EROFS;
  }
  /** O_TMPFILE: a regular file without a name; link() may give it one later. */
  tmpfile(s: Sleeper, how: Creation): Inode | number {
    return -EOPNOTSUPP;
  }
  link(s: Sleeper, name: string, inode: Inode): number {
    return -EPERM;
  }
  unlink(s: Sleeper, name: string): number {
    return -EROFS;
  }
  rmdir(s: Sleeper, name: string): number {
    return -EROFS;
  }
  /** renameat2 flags: 1 NOREPLACE, 2 EXCHANGE. Both names in the same file system. */
  rename(s: Sleeper, name: string, to: Inode, newName: string, flags: number): number {
    return -EROFS;
  }
  readlink(s: Sleeper): string | number {
    return -EINVAL;
  }

  // Contents of regular files
  /** A description was opened over the contents, or its last reference has gone: for file systems that hold handles. */
  opened(s: Sleeper, flags: number): number {
    return 0;
  }
  closed(flags: number): void {}
  /** A descriptor was closed: late errors of writing are told now. */
  flush(s: Sleeper): number {
    return 0;
  }
  /** Answers bytes read, 0 at the end. */
  read(s: Sleeper, position: number, into: Uint8Array): number {
    return -EISDIR;
  }
  write(s: Sleeper, position: number, from: Uint8Array): number {
    return -EISDIR;
  }
  /** Writes at the end, where others may be appending outside of this machine; answers where the file ends then. */
  append?(s: Sleeper, from: Uint8Array): number;
  /** The range will be read soon: file systems for which asking is dear fetch it at once. */
  willNeed?(s: Sleeper, position: number, length: number): void;
  allocate(s: Sleeper, mode: number, offset: number, length: number): number {
    return -EOPNOTSUPP;
  }
  fsync(s: Sleeper, dataOnly: boolean): number {
    return 0;
  }
  /** The same as read and fsync for those who serve many: whoever asks sleeps while a disk is slow, and nobody else does. */
  readLater?(s: Sleeper, position: number, into: Uint8Array): number;
  fsyncLater?(s: Sleeper, dataOnly: boolean): number;
  /** SEEK_DATA (3), SEEK_HOLE (4). */
  seekHole(s: Sleeper, offset: number, whence: number): number {
    const attributes = this.attributes(s);
    if (typeof attributes === 'number') return attributes;
    if (offset >= attributes.size) return -ENXIO;
    return whence === 3 ? offset : attributes.size;
  }

  getxattr(s: Sleeper, name: string): Uint8Array | number {
    return -EOPNOTSUPP;
  }
  setxattr(s: Sleeper, name: string, value: Uint8Array, flags: number): number {
    return -EOPNOTSUPP;
  }
  listxattr(s: Sleeper): string[] | number {
    return [];
  }
  removexattr(s: Sleeper, name: string): number {
    return -ENODATA;
  }

  /**
   * The open file description for open(2), after permission checks. Answers one of this inode's own kind (pipe end,
   * device, /proc text); null: the caller makes a RegularFile or DirectoryFile over the operations above.
   */
  open(s: Sleeper, flags: number): OpenFile | number | null {
    return null;
  }
  /** Of trees with an origin: the names that lead from the root to it; null: its last one has gone. For images. */
  path?(): readonly string[] | null;
  /** The link target of a magic symlink (/proc/self/fd/N, exe, cwd): followed without a path walk. */
  magicLink?(s: Sleeper): Location | number;
  /** Extra permission rule beyond mode bits (/proc, read-only bind); 0 or a negative errno. mask: 1 x, 2 w, 4 r. */
  permission?(s: Sleeper, mask: number): number;
}
