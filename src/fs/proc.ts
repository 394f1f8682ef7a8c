/** proc(5), and sysfs(5) which is made of the same: the file system and its kinds of inodes. What they show is in the other proc-*.ts files. */
import { EACCES, EINVAL, ENOENT, EPERM } from '../abi/errno.ts';
import {
  direntType,
  O_ACCMODE,
  O_RDONLY,
  PROC_SUPER_MAGIC,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  SYSFS_MAGIC,
} from '../abi/fs.ts';
import { encodePath } from '../abi/path.ts';
import {
  type AttributeChanges,
  type Attributes,
  type DirectoryEntry,
  type FileSystem,
  type FileSystemStatus,
  Inode,
} from '../vfs/inode.ts';
import type { Location } from '../vfs/location.ts';
import { OpenFile } from '../vfs/open-file.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import type { ProcSource } from './proc-source.ts';

export interface Owner {
  uid: number;
  gid: number;
}
const ROOT: Owner = { uid: 0, gid: 0 };

export class ProcFs implements FileSystem {
  readonly type: string;
  readonly readOnly = false;
  readonly volatile = true;
  readonly device: number;
  readonly source: ProcSource;
  readonly root: Inode;
  readonly now: bigint;
  lastInode = 0;

  constructor(
    type: 'proc' | 'sysfs',
    device: number,
    source: ProcSource,
    now: bigint,
    makeRoot: (fs: ProcFs) => Inode,
  ) {
    this.type = type;
    this.device = device;
    this.source = source;
    this.now = now;
    this.root = makeRoot(this);
  }

  status(): FileSystemStatus {
    const none = { blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, flags: 0 };
    const magic = this.type === 'proc' ? PROC_SUPER_MAGIC : SYSFS_MAGIC;
    return { type: magic, bsize: 4096, namelen: 255, ...none };
  }
}

export abstract class ProcInode extends Inode {
  readonly fs: ProcFs;
  readonly type: number;
  readonly mode: number;
  readonly ino: number;

  constructor(fs: ProcFs, mode: number) {
    super();
    this.fs = fs;
    this.mode = mode;
    this.type = mode & S_IFMT;
    this.ino = ++fs.lastInode;
  }

  /** Whose the file is: root's, or the process's that it tells of. */
  owner(): Owner {
    return ROOT;
  }
  /** Hard links: directories count theirs. */
  protected links(): number {
    return 1;
  }

  attributes(s: Sleeper): Attributes {
    const now = s.realtime();
    const sizes = { size: 0, blksize: 1024, blocks: 0, rdev: 0 };
    const times = { atime: now, mtime: now, ctime: now, btime: this.fs.now };
    return { ino: this.ino, mode: this.mode, nlink: this.links(), ...this.owner(), ...sizes, ...times };
  }

  override change(_s: Sleeper, changes: AttributeChanges): number {
    // O_TRUNC on a writable file does nothing.
    return changes.size === undefined ? -EPERM : 0;
  }

  // Names are the kernel's: a new one is not found, a known one does not go (proc_lookup, proc's missing operations).
  override create(): number {
    return -ENOENT;
  }
  override mkdir(): number {
    return -ENOENT;
  }
  override symlink(): number {
    return -ENOENT;
  }
  override link(): number {
    return -ENOENT;
  }
  override unlink(): number {
    return -EPERM;
  }
  override rmdir(): number {
    return -EPERM;
  }
  override rename(): number {
    return -EPERM;
  }
}

/** A child that comes into being when someone asks for its name. */
export type Maker = (fs: ProcFs) => Inode;

/** A directory with a fixed list of names. */
export class ProcDirectory extends ProcInode {
  readonly #makers: ReadonlyMap<string, Maker>;
  readonly #children = new Map<string, Inode>();
  readonly #owner: () => Owner;

  constructor(fs: ProcFs, table: Readonly<Record<string, Maker>>, mode = 0o555, owner: () => Owner = () => ROOT) {
    super(fs, S_IFDIR | mode);
    this.#makers = new Map(Object.entries(table));
    this.#owner = owner;
  }

  override owner(): Owner {
    return this.#owner();
  }
  protected override links(): number {
    return 2;
  }

  override lookup(_s: Sleeper, name: string): Inode | number {
    return this.#child(name) ?? -ENOENT;
  }

  #child(name: string): Inode | undefined {
    const known = this.#children.get(name);
    if (known !== undefined) return known;
    const made = this.#makers.get(name)?.(this.fs);
    if (made !== undefined) this.#children.set(name, made);
    return made;
  }

  override entries(_s: Sleeper, position: number): DirectoryEntry[] {
    return [...this.#makers.keys()].slice(position).map((name, i) => entryOf(name, this.#child(name)!, position + i));
  }
}

/** One entry of a listing, at an index. */
export function entryOf(name: string, inode: Inode, index: number): DirectoryEntry {
  const ino = inode instanceof ProcInode ? inode.ino : 0;
  return { name, ino, type: direntType(inode.type), next: index + 1 };
}

export type Content = string | Uint8Array | number;

/** A file whose text is made when it is read from its start. */
export class ProcText extends ProcInode {
  readonly #read: (s: Sleeper) => Content;
  readonly #write: ((s: Sleeper, text: string) => number) | undefined;
  readonly #owner: () => Owner;

  constructor(
    fs: ProcFs,
    mode: number,
    read: (s: Sleeper) => Content,
    write?: (s: Sleeper, text: string) => number,
    owner: () => Owner = () => ROOT,
  ) {
    super(fs, S_IFREG | mode);
    this.#read = read;
    this.#write = write;
    this.#owner = owner;
  }

  override owner(): Owner {
    return this.#owner();
  }

  content(s: Sleeper): Uint8Array | number {
    const content = this.#read(s);
    return typeof content === 'string' ? encodePath(content) : content;
  }

  store(s: Sleeper, text: string): number {
    return this.#write === undefined ? -EINVAL : this.#write(s, text);
  }

  override open(_s: Sleeper, flags: number): OpenFile | number {
    if ((flags & O_ACCMODE) !== O_RDONLY && this.#write === undefined) return -EACCES;
    return new ProcTextFile(this, flags);
  }
}

export class ProcTextFile extends OpenFile {
  readonly inode: ProcText;
  /** What was made when it was read from its start. */
  content: Uint8Array | null = null;

  constructor(inode: ProcText, flags: number) {
    super(flags);
    this.inode = inode;
  }

  describe(): string {
    return 'proc';
  }

  override read(s: Sleeper, into: Uint8Array): number {
    const count = this.readAt(s, this.position, into);
    if (count > 0) this.position += count;
    return count;
  }

  /** What was made for position 0 is kept for the reads that follow, so that they fit together. */
  override readAt(s: Sleeper, position: number, into: Uint8Array): number {
    if (this.content === null || position === 0) {
      const content = this.inode.content(s);
      if (failed(content)) return content;
      this.content = content;
    }
    const part = this.content.subarray(position, position + into.length);
    into.set(part);
    return part.length;
  }

  override write(s: Sleeper, from: Uint8Array): number {
    const answer = this.inode.store(s, String.fromCharCode(...from.subarray(0, 4096)));
    return failed(answer) ? answer : from.length;
  }

  override writeAt(s: Sleeper, _position: number, from: Uint8Array): number {
    return this.write(s, from);
  }

  override seek(_s: Sleeper, offset: number, whence: number): number {
    if (whence > 1) return -EINVAL;
    const target = whence === 0 ? offset : this.position + offset;
    if (target < 0) return -EINVAL;
    this.position = target;
    return target;
  }
}

/** A symlink. With a place it is a magic one: followed without a path walk (proc(5), /proc/PID/fd). */
export class ProcLink extends ProcInode {
  readonly #target: (s: Sleeper) => string | number;
  readonly #owner: () => Owner;
  declare magicLink?: (s: Sleeper) => Location | number;

  constructor(
    fs: ProcFs,
    target: (s: Sleeper) => string | number,
    place?: (s: Sleeper) => Location | number,
    owner: () => Owner = () => ROOT,
    mode = 0o777,
  ) {
    super(fs, S_IFLNK | mode);
    this.#target = target;
    this.#owner = owner;
    if (place !== undefined) this.magicLink = place;
  }

  override owner(): Owner {
    return this.#owner();
  }

  override readlink(s: Sleeper): string | number {
    return this.#target(s);
  }
}

/** A decimal number as sysctl files take it; NaN where it is none. */
export function parseNumber(text: string): number {
  return /^\s*-?\d+\s*$/.test(text) ? Number(text) : Number.NaN;
}
