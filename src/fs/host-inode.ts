/** A file or directory of the host. */
import { EACCES, EINVAL, EISDIR, ENOENT, ENOTDIR, EPERM, ESTALE, EXDEV } from '../abi/errno.ts';
import {
  direntType,
  O_ACCMODE,
  O_RDONLY,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_ISUID,
} from '../abi/fs.ts';
import type { HostStat } from '../host/files.ts';
import { type AttributeChanges, type Attributes, type Creation, type DirectoryEntry, Inode } from '../vfs/inode.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import { HardLinks } from './hard-links.ts';
import type { HostFs } from './host.ts';
import { changeNamed, changeOpen } from './host-attributes.ts';

/** For so long (nanoseconds) what was just learnt is not asked again: a walk looks at each directory twice. */
const FRESH = 1_000_000;

export class HostInode extends Inode {
  readonly fs: HostFs;
  readonly type: number;
  /** Where it was last seen; null parent: the root. */
  parent: HostInode | null;
  name: string;
  #links: HardLinks | null = null;
  readonly #dev: number;
  readonly #ino: number;
  #stat: HostStat;
  #statTime = -Infinity;
  /** When a directory was last found under its name. */
  #foundTime = -Infinity;
  readonly #directories = new Map<string, HostInode>();
  /** The last name has gone: what was known last is all there is. */
  #gone = false;
  /** The descriptor for the contents, and who needs it. */
  #fd = -1;
  #writable = false;
  #opens = 0;

  constructor(fs: HostFs, stat: HostStat, parent: HostInode | null, name: string) {
    super();
    this.fs = fs;
    this.type = stat.mode & S_IFMT;
    this.parent = parent;
    this.name = name;
    this.#dev = stat.dev;
    this.#ino = stat.ino;
    this.#stat = stat;
  }

  /** Found again, perhaps under another name. */
  seen(stat: HostStat, parent: HostInode | null, name: string): void {
    this.#stat = stat;
    this.#gone = false;
    if (stat.nlink > 1 && this.type !== S_IFDIR && (parent !== this.parent || name !== this.name)) {
      this.#links ??= new HardLinks();
      this.#links.add(this.parent, this.name);
    }
    this.parent = parent;
    this.name = name;
  }

  override path(): string[] | null {
    if (this.#gone) return null;
    if (this.parent === null) return [];
    const above = this.parent.path();
    return above && [...above, this.name];
  }

  /** One name less: unlinked, or renamed over. */
  #lost(directory: HostInode, name: string): void {
    this.#changed();
    this.#links?.remove(directory, name);
    if (directory === this.parent && name === this.name)
      [this.parent, this.name] = this.#links?.take() ?? [directory, name];
    const nlink = this.type === S_IFDIR ? 0 : this.#stat.nlink - 1;
    this.#stat = { ...this.#stat, nlink };
    this.#gone = nlink <= 0;
    if (this.#gone) this.fs.forget(this, this.#stat);
  }

  /** Whether stat tells of this very file. Hosts use inode numbers again: type and birth must fit too. */
  is(stat: HostStat): boolean {
    if (stat.dev !== this.#dev || stat.ino !== this.#ino || (stat.mode & S_IFMT) !== this.type) return false;
    return !this.fs.files.birthTimes || stat.btime === this.#stat.btime;
  }

  /** Passes on what stat says if it is about this very inode. */
  verify(stat: HostStat | number): number {
    if (failed(stat)) return stat === -ENOENT ? -ESTALE : stat;
    if (!this.is(stat)) return -ESTALE;
    this.#stat = stat;
    return 0;
  }

  #refresh(): number {
    if (this.#fd >= 0) return this.verify(this.fs.files.statOpen(this.#fd));
    if (this.#gone) return 0;
    if (this.type === S_IFDIR) {
      const handle = this.fs.handle(this);
      return handle < 0 ? handle : this.verify(this.fs.files.statDirectory(handle));
    }
    const directory = this.fs.parentHandle(this);
    return directory < 0 ? directory : this.verify(this.fs.files.stat(directory, this.name));
  }

  override attributes(s: Sleeper): Attributes | number {
    const now = s.now();
    if (!isFresh(this.#statTime, now)) {
      const refreshed = this.#refresh();
      if (refreshed < 0) return refreshed;
      this.#statTime = now;
    }
    const stat = this.#stat;
    // Member by member: copying by `...` takes ten times as long, and a walk asks every directory.
    return {
      ino: this.fs.numberOf(stat),
      mode: stat.mode,
      nlink: stat.nlink,
      uid: stat.uid,
      gid: stat.gid,
      rdev: stat.rdev,
      size: stat.size,
      blksize: stat.blksize,
      blocks: stat.blocks,
      atime: stat.atime,
      mtime: stat.mtime,
      ctime: stat.ctime,
      btime: stat.btime,
    };
  }

  #changed(): void {
    this.#statTime = -Infinity;
    this.#directories.clear();
  }

  override change(_s: Sleeper, changes: AttributeChanges): number {
    this.#changed();
    const { files } = this.fs;
    if (changes.size !== undefined) {
      const truncated = this.#withDescriptor(true, (fd) => files.truncate(fd, changes.size!));
      if (truncated < 0) return truncated;
    }
    return this.#fd >= 0 ? changeOpen(this, this.#fd, changes) : changeNamed(this, changes);
  }

  // Directories

  override lookup(s: Sleeper, name: string): HostInode | number {
    if (this.type !== S_IFDIR) return -ENOTDIR;
    if (this.#gone) return -ENOENT;
    const now = s.now();
    const known = this.#directories.get(name);
    if (known !== undefined && isFresh(known.#foundTime, now)) return known;
    const handle = this.fs.handle(this);
    if (handle < 0) return handle;
    const stat = this.fs.files.stat(handle, name);
    if (known !== undefined) this.#directories.delete(name);
    if (failed(stat)) return stat;
    const inode = this.fs.inodeOf(stat, this, name);
    inode.#statTime = inode.#foundTime = now;
    if (inode.type === S_IFDIR) this.#directories.set(name, inode);
    return inode;
  }

  override entries(_s: Sleeper, position: number): DirectoryEntry[] | number {
    if (this.type !== S_IFDIR) return -ENOTDIR;
    const handle = this.fs.handle(this);
    if (handle < 0) return handle;
    const listed = this.fs.files.list(handle);
    if (failed(listed)) return listed;
    const all = listed.map(({ name, ino, type }, i) => ({ name, ino, type: direntType(type), next: i + 1 }));
    return position === 0 ? all : all.slice(position);
  }

  override create(s: Sleeper, name: string, how: Creation): HostInode | number {
    const handle = this.fs.handle(this);
    if (handle < 0) return handle;
    const { files } = this.fs;
    const mode = how.mode & 0o7777 & ~(S_ISUID | S_ISGID);
    this.#changed();
    if ((how.mode & S_IFMT) === S_IFREG) {
      const fd = files.create(handle, name, mode);
      if (fd < 0) return fd;
      const made = this.#made(s, handle, name, how);
      if (failed(made)) files.close(fd);
      else this.fs.keepCreated(made, fd);
      return made;
    } else {
      const type = how.mode & S_IFMT;
      if (type !== S_IFIFO && type !== S_IFSOCK) return -EPERM;
      const made = type === S_IFIFO ? files.fifo(handle, name, mode) : files.socket(handle, name, mode);
      if (made < 0) return made;
    }
    return this.#made(s, handle, name, how);
  }

  override mkdir(s: Sleeper, name: string, how: Creation): HostInode | number {
    const handle = this.fs.handle(this);
    if (handle < 0) return handle;
    this.#changed();
    const made = this.fs.files.mkdir(handle, name, how.mode & 0o7777);
    return made < 0 ? made : this.#made(s, handle, name, how);
  }

  override symlink(s: Sleeper, name: string, target: string, how: Creation): HostInode | number {
    const handle = this.fs.handle(this);
    if (handle < 0) return handle;
    this.#changed();
    const made = this.fs.files.symlink(handle, name, target);
    return made < 0 ? made : this.#made(s, handle, name, how);
  }

  /** Gives what was made to its owner, where the host lets us. */
  #made(s: Sleeper, handle: number, name: string, how: Creation): HostInode | number {
    if (this.fs.uid === 0 && (how.uid !== 0 || how.gid !== this.fs.gid)) {
      const owned = this.fs.files.chown(handle, name, how.uid, how.gid);
      if (owned < 0) return owned;
    }
    return this.lookup(s, name);
  }

  override link(_s: Sleeper, name: string, inode: Inode): number {
    if (!(inode instanceof HostInode) || inode.fs !== this.fs) return -EXDEV;
    const from = this.fs.parentHandle(inode);
    if (from < 0) return from;
    const here = inode.verify(this.fs.files.stat(from, inode.name));
    if (here < 0) return here;
    const to = this.fs.handle(this);
    this.#changed();
    inode.#changed();
    const linked = to < 0 ? to : this.fs.files.link(from, inode.name, to, name);
    if (linked === 0) (inode.#links ??= new HardLinks()).add(this, name);
    return linked;
  }

  override unlink(s: Sleeper, name: string): number {
    return this.#remove(s, name, (handle) => this.fs.files.unlink(handle, name));
  }

  override rmdir(s: Sleeper, name: string): number {
    return this.#remove(s, name, (handle) => this.fs.files.rmdir(handle, name));
  }

  #remove(s: Sleeper, name: string, operation: (handle: number) => number): number {
    const handle = this.fs.handle(this);
    if (handle < 0) return handle;
    const inode = this.lookup(s, name);
    this.#changed();
    const removed = operation(handle);
    if (removed === 0 && !failed(inode)) inode.#lost(this, name);
    return removed;
  }

  override rename(s: Sleeper, name: string, to: Inode, newName: string, flags: number): number {
    if (!(to instanceof HostInode) || to.fs !== this.fs) return -EXDEV;
    const from = this.fs.handle(this);
    if (from < 0) return from;
    const target = this.fs.handle(to);
    if (target < 0) return target;
    const replaced = flags === 0 ? to.lookup(s, newName) : -ENOENT;
    this.#changed();
    to.#changed();
    const renamed = this.fs.files.rename(from, name, target, newName, flags);
    if (renamed < 0) return renamed;
    this.fs.moved();
    // The inodes learn their new names.
    const moved = to.lookup(s, newName);
    if (flags !== 0) this.lookup(s, name);
    if (!failed(replaced) && replaced !== moved) replaced.#lost(to, newName);
    if (moved instanceof HostInode) moved.#links?.remove(this, name);
    return 0;
  }

  override readlink(): string | number {
    if (this.type !== S_IFLNK) return -EINVAL;
    const directory = this.fs.parentHandle(this);
    return directory < 0 ? directory : this.fs.files.readlink(directory, this.name);
  }

  // Contents

  override opened(_s: Sleeper, flags: number): number {
    const write = (flags & O_ACCMODE) !== O_RDONLY;
    const created = this.fs.takeCreated(this);
    if (created >= 0 && this.verify(this.fs.files.statOpen(created)) < 0) this.fs.files.close(created);
    else if (created >= 0) {
      if (this.#fd >= 0) this.fs.later.close(this.#fd);
      this.#fd = created;
      this.#writable = true;
    }
    if (this.#fd < 0 || (write && !this.#writable)) {
      const fd = this.#openContents(write);
      if (fd < 0) return fd;
      if (this.#fd >= 0) this.fs.later.close(this.#fd);
      this.#fd = fd;
      this.#writable = write;
    }
    this.#opens++;
    return 0;
  }

  override closed(): void {
    if (--this.#opens > 0 || this.#fd < 0) return;
    this.fs.later.close(this.#fd);
    this.#fd = -1;
    this.#changed();
  }

  #openContents(write: boolean): number {
    const { files } = this.fs;
    const directory = this.fs.parentHandle(this);
    if (directory < 0) return directory;
    let fd = files.open(directory, this.name, write ? 'both' : 'read');
    if (fd === -EACCES && write) fd = files.open(directory, this.name, 'write');
    if (fd < 0) return fd;
    const same = this.verify(files.statOpen(fd));
    if (same === 0) return fd;
    files.close(fd);
    return same;
  }

  #withDescriptor(write: boolean, use: (fd: number) => number): number {
    if (this.type !== S_IFREG) return this.type === S_IFDIR ? -EISDIR : -EINVAL;
    if (this.#fd >= 0 && (this.#writable || !write)) return use(this.#fd);
    const fd = this.#openContents(write);
    if (fd < 0) return fd;
    const answer = use(fd);
    this.fs.files.close(fd);
    return answer;
  }

  override read(_s: Sleeper, position: number, into: Uint8Array): number {
    if (this.#fd >= 0) return this.fs.files.read(this.#fd, position, into);
    return this.#withDescriptor(false, (fd) => this.fs.files.read(fd, position, into));
  }

  override readLater(s: Sleeper, position: number, into: Uint8Array): number {
    return this.#fd < 0 ? this.read(s, position, into) : this.fs.later.read(s, this.#fd, position, into);
  }

  override fsyncLater(s: Sleeper, dataOnly: boolean): number {
    return this.#fd < 0 ? this.fsync(s, dataOnly) : this.fs.later.sync(s, this.#fd, dataOnly);
  }

  override write(_s: Sleeper, position: number, from: Uint8Array): number {
    this.#changed();
    if (this.#fd >= 0 && this.#writable) return this.fs.files.write(this.#fd, position, from);
    return this.#withDescriptor(true, (fd) => this.fs.files.write(fd, position, from));
  }

  override allocate(_s: Sleeper, mode: number, offset: number, length: number): number {
    this.#changed();
    return this.#withDescriptor(true, (fd) => this.fs.files.allocate(fd, mode, offset, length));
  }

  override fsync(_s: Sleeper, dataOnly: boolean): number {
    if (this.type !== S_IFREG) return 0;
    return this.#withDescriptor(false, (fd) => this.fs.files.sync(fd, dataOnly));
  }

  // Extended attributes

  override getxattr(_s: Sleeper, name: string): Uint8Array | number {
    const directory = this.fs.parentHandle(this);
    return directory < 0 ? directory : this.fs.files.getxattr(directory, this.name, name);
  }
  override setxattr(_s: Sleeper, name: string, value: Uint8Array, flags: number): number {
    this.#changed();
    const directory = this.fs.parentHandle(this);
    return directory < 0 ? directory : this.fs.files.setxattr(directory, this.name, name, value, flags);
  }
  override listxattr(): string[] | number {
    const directory = this.fs.parentHandle(this);
    return directory < 0 ? directory : this.fs.files.listxattr(directory, this.name);
  }
  override removexattr(_s: Sleeper, name: string): number {
    this.#changed();
    const directory = this.fs.parentHandle(this);
    return directory < 0 ? directory : this.fs.files.removexattr(directory, this.name, name);
  }
}

/** Clocks of other machines (a restored one's) may stand before. */
function isFresh(time: number, now: number): boolean {
  return now - time <= FRESH && now >= time;
}
