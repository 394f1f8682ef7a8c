/** An inode of memfs. */
import {
  EEXIST,
  EINVAL,
  EISDIR,
  ENODATA,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  EOPNOTSUPP,
  EXDEV,
} from '../abi/errno.ts';
import {
  direntType,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../abi/fs.ts';
import { pathLength } from '../abi/path.ts';
import { type AttributeChanges, type Attributes, type Creation, type DirectoryEntry, Inode } from '../vfs/inode.ts';
import type { Sleeper } from '../wait/wait.ts';
import type { MemLink, MemNode } from './mem-node.ts';
import type { MemFs } from './memfs.ts';

const PAGE = 4096;

export class MemInode extends Inode {
  readonly fs: MemFs;
  readonly type: number;
  readonly node: MemNode;
  /** A directory's own link; null for everything else. */
  names: MemLink | null = null;

  constructor(fs: MemFs, node: MemNode) {
    super();
    this.fs = fs;
    this.node = node;
    this.type = node.mode & S_IFMT;
  }

  override attributes(_s: Sleeper): Attributes {
    const { node } = this;
    return {
      ino: node.ino,
      mode: node.mode,
      nlink: node.nlink,
      uid: node.uid,
      gid: node.gid,
      rdev: node.rdev,
      size: this.#size(),
      blksize: PAGE,
      blocks: node.content.pages * 8,
      atime: node.accessed,
      mtime: node.modified,
      ctime: node.changed,
      btime: node.born,
    };
  }

  #size(): number {
    if (this.type === S_IFLNK) return pathLength(this.node.symlink!);
    if (this.names !== null) return (this.names.length + 2) * 20;
    return this.node.content.size;
  }

  override change(s: Sleeper, changes: AttributeChanges): number {
    const { node } = this;
    const now = s.realtime();
    if (changes.mode !== undefined) node.mode = this.type | (changes.mode & 0o7777);
    if (changes.uid !== undefined) node.uid = changes.uid;
    if (changes.gid !== undefined) node.gid = changes.gid;
    if (changes.size !== undefined) {
      this.#account(() => node.content.truncate(changes.size!));
      node.modified = now;
    }
    if (changes.atime !== undefined) node.accessed = changes.atime;
    if (changes.mtime !== undefined) node.modified = changes.mtime;
    node.changed = changes.ctime ?? now;
    node.stale = true;
    return 0;
  }

  // Directories

  override lookup(_s: Sleeper, name: string): MemInode | number {
    if (this.names === null) return -ENOTDIR;
    const child = this.names.child(name);
    return child === undefined ? -ENOENT : this.fs.inodes.get(child.ino)!;
  }

  override entries(s: Sleeper, position: number): DirectoryEntry[] | number {
    if (this.names === null) return -ENOTDIR;
    this.#touchAccess(s);
    const found: DirectoryEntry[] = [];
    for (const { name, ino, cookie, target } of this.names.entries()) {
      if (cookie > position) found.push({ name, ino, type: direntType(target.mode), next: cookie });
    }
    return found;
  }

  #make(s: Sleeper, how: Creation): MemInode {
    return new MemInode(this.fs, this.fs.makeNode(how, s.realtime()));
  }

  #enter(s: Sleeper, name: string, inode: MemInode): MemInode {
    const link = this.names!.add(name, inode.node);
    if (inode.type === S_IFDIR) inode.names = link;
    this.#touchNames(s);
    return this.fs.register(inode);
  }

  override create(s: Sleeper, name: string, how: Creation): MemInode | number {
    if (this.names === null) return -ENOTDIR;
    if (this.names.child(name) !== undefined) return -EEXIST;
    return this.#enter(s, name, this.#make(s, how));
  }

  override mkdir(s: Sleeper, name: string, how: Creation): MemInode | number {
    return this.create(s, name, how);
  }

  override symlink(s: Sleeper, name: string, target: string, how: Creation): MemInode | number {
    if (this.names === null) return -ENOTDIR;
    if (this.names.child(name) !== undefined) return -EEXIST;
    const inode = this.#make(s, how);
    inode.node.symlink = target;
    return this.#enter(s, name, inode);
  }

  override tmpfile(s: Sleeper, how: Creation): MemInode | number {
    const inode = this.#make(s, how);
    inode.node.nlink = 0;
    return this.fs.register(inode);
  }

  override link(s: Sleeper, name: string, inode: Inode): number {
    if (!(inode instanceof MemInode) || inode.fs !== this.fs) return -EXDEV;
    if (this.names === null) return -ENOTDIR;
    if (this.names.child(name) !== undefined) return -EEXIST;
    inode.node.nlink++;
    inode.node.changed = s.realtime();
    this.names.add(name, inode.node);
    this.#touchNames(s);
    return 0;
  }

  override unlink(s: Sleeper, name: string): number {
    const child = this.names?.child(name);
    if (child === undefined) return this.names === null ? -ENOTDIR : -ENOENT;
    if ((child.target.mode & S_IFMT) === S_IFDIR) return -EISDIR;
    this.#remove(s, child);
    return 0;
  }

  override rmdir(s: Sleeper, name: string): number {
    const child = this.names?.child(name);
    if (child === undefined) return this.names === null ? -ENOTDIR : -ENOENT;
    if ((child.target.mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
    if (!child.empty) return -ENOTEMPTY;
    this.#remove(s, child);
    return 0;
  }

  #remove(s: Sleeper, child: MemLink): void {
    const node = child.target;
    this.names!.deleteChild(child);
    node.nlink = (node.mode & S_IFMT) === S_IFDIR ? 0 : node.nlink - 1;
    node.changed = s.realtime();
    this.#touchNames(s);
    this.fs.forget(node);
  }

  override rename(s: Sleeper, name: string, to: Inode, newName: string, flags: number): number {
    if (!(to instanceof MemInode) || to.fs !== this.fs) return -EXDEV;
    const source = this.names?.child(name);
    if (source === undefined || to.names === null) return -ENOENT;
    const target = to.names.child(newName);
    if ((flags & RENAME_EXCHANGE) !== 0) return target === undefined ? -ENOENT : this.#exchange(s, source, to, target);
    if (target !== undefined) {
      if ((flags & RENAME_NOREPLACE) !== 0) return -EEXIST;
      if (target.ino === source.ino) return 0;
      if ((target.target.mode & S_IFMT) === S_IFDIR && !target.empty) return -ENOTEMPTY;
      to.#remove(s, target);
    }
    this.names!.deleteChild(source);
    to.names.adopt(source, newName);
    this.#renamed(s, source, to);
    return 0;
  }

  #exchange(s: Sleeper, source: MemLink, to: MemInode, target: MemLink): number {
    const [name, newName] = [source.name, target.name];
    this.names!.deleteChild(source);
    to.names!.deleteChild(target);
    to.names!.adopt(source, newName);
    this.names!.adopt(target, name);
    this.#renamed(s, source, to);
    target.target.changed = s.realtime();
    return 0;
  }

  #renamed(s: Sleeper, link: MemLink, to: MemInode): void {
    link.target.changed = s.realtime();
    this.#touchNames(s);
    to.#touchNames(s);
  }

  #touchNames(s: Sleeper): void {
    this.node.modified = this.node.changed = s.realtime();
    this.node.stale = true;
  }

  #touchAccess(s: Sleeper): void {
    if (!this.node.stale) return;
    this.node.accessed = s.realtime();
    this.node.stale = false;
  }

  override readlink(s: Sleeper): string | number {
    if (this.type !== S_IFLNK) return -EINVAL;
    this.#touchAccess(s);
    return this.node.symlink!;
  }

  // Contents

  override opened(): number {
    this.node.openCount++;
    return 0;
  }

  override closed(): void {
    this.node.openCount--;
    this.fs.forget(this.node);
  }

  override read(s: Sleeper, position: number, into: Uint8Array): number {
    if (this.names !== null) return -EISDIR;
    this.#touchAccess(s);
    return this.node.content.read(position, into);
  }

  override write(s: Sleeper, position: number, from: Uint8Array): number {
    if (this.names !== null) return -EISDIR;
    const { fs, node } = this;
    const room = (Math.floor(fs.limit / PAGE) - fs.usedPages) * PAGE;
    if (from.length > room && position + from.length > node.content.size) {
      if (room <= 0) return -ENOSPC;
      return this.write(s, position, from.subarray(0, room));
    }
    node.modified = node.changed = s.realtime();
    node.stale = true;
    const before = node.content.pages;
    try {
      return node.content.write(position, from);
    } catch (error) {
      // The host gives no more memory.
      if (error instanceof RangeError) return -ENOSPC;
      throw error;
    } finally {
      fs.usedPages += node.content.pages - before;
    }
  }

  override allocate(s: Sleeper, mode: number, offset: number, length: number): number {
    const { content } = this.node;
    const punch = (mode & FALLOC_FL_PUNCH_HOLE) !== 0;
    const zero = (mode & FALLOC_FL_ZERO_RANGE) !== 0;
    if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) !== 0) return -EOPNOTSUPP;
    if (punch && (zero || (mode & FALLOC_FL_KEEP_SIZE) === 0)) return -EOPNOTSUPP;
    if (!punch && this.fs.usedPages + Math.ceil(length / PAGE) > this.fs.limit / PAGE) return -ENOSPC;
    this.#account(() => {
      if (punch || zero) content.clear(offset, length);
      if (!punch) content.reserve(offset, length);
    });
    if ((mode & FALLOC_FL_KEEP_SIZE) === 0) content.size = Math.max(content.size, offset + length);
    this.node.changed = s.realtime();
    if (punch || zero) this.node.modified = this.node.changed;
    return 0;
  }

  #account(operation: () => void): void {
    const before = this.node.content.pages;
    operation();
    this.fs.usedPages += this.node.content.pages - before;
  }

  override seekHole(_s: Sleeper, offset: number, whence: number): number {
    return this.node.content.seek(offset, whence);
  }

  // Extended attributes

  override getxattr(_s: Sleeper, name: string): Uint8Array | number {
    return this.node.xattrs?.get(name) ?? -ENODATA;
  }

  override setxattr(s: Sleeper, name: string, value: Uint8Array, flags: number): number {
    const exists = this.node.xattrs?.has(name) ?? false;
    if (exists && (flags & XATTR_CREATE) !== 0) return -EEXIST;
    if (!exists && (flags & XATTR_REPLACE) !== 0) return -ENODATA;
    this.node.xattrs ??= new Map();
    this.node.xattrs.set(name, Uint8Array.from(value));
    this.node.changed = s.realtime();
    return 0;
  }

  override listxattr(): string[] {
    return [...(this.node.xattrs?.keys() ?? [])];
  }

  override removexattr(s: Sleeper, name: string): number {
    if (this.node.xattrs?.delete(name) !== true) return -ENODATA;
    this.node.changed = s.realtime();
    return 0;
  }
}
