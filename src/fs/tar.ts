/** A tar archive as a read-only file system: contents are read from the archive when they are asked for. */
import { EINVAL, EIO, ENODATA, ENOENT, ENOTDIR } from '../abi/errno.ts';
import { direntType, makeDevice, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, TMPFS_MAGIC } from '../abi/fs.ts';
import { pathLength } from '../abi/path.ts';
import {
  type Attributes,
  type DirectoryEntry,
  type FileSystem,
  type FileSystemStatus,
  Inode,
  type TreeOrigin,
} from '../vfs/inode.ts';
import type { Sleeper } from '../wait/wait.ts';
import { readTar, type TarEntry, TarError, type TarSource } from './tar-format.ts';

export class TarFs implements FileSystem {
  readonly type = 'tarfs';
  readonly device: number;
  readonly readOnly = true;
  readonly root: TarInode;
  readonly source: TarSource;
  readonly origin?: TreeOrigin;
  readonly sleeps: boolean;
  nextInode = 1;

  /**
   * Reads the archive's headers. Throws TarError where it is not one.
   * @param how path: where it is, if it is a file; ordered: as in HostFsOptions.
   */
  constructor(source: TarSource, device: number, { path, ordered = false }: { path?: string; ordered?: boolean } = {}) {
    this.sleeps = ordered;
    this.source = source;
    if (path !== undefined) this.origin = { kind: 'tar', source: path, readOnly: true };
    this.device = device;
    this.root = this.#directory();
    this.root.facts.nlink = 2;
    for (const entry of readTar(source)) this.#add(entry);
  }

  #directory(mode = 0o755): TarInode {
    return new TarInode(this, {
      path: '',
      mode: S_IFDIR | mode,
      uid: 0,
      gid: 0,
      size: 0,
      mtime: 0n,
      link: '',
      hardLink: false,
      major: 0,
      minor: 0,
      xattrs: null,
      offset: 0,
    });
  }

  /** Later members replace earlier ones of the same name; directories keep what is in them. */
  #add(entry: TarEntry): void {
    const names = entry.path.split('/').filter((name) => name !== '' && name !== '.');
    if (names.includes('..')) throw new TarError(`member ${entry.path} lies outside of the archive`);
    const last = names.pop();
    if (last === undefined) {
      if ((entry.mode & S_IFMT) === S_IFDIR) this.root.describe(entry);
      return;
    }
    const parent = this.#parent(names);
    const existing = parent.children!.get(last);
    if (existing?.type === S_IFDIR && (entry.mode & S_IFMT) === S_IFDIR) {
      existing.describe(entry);
      return;
    }
    parent.put(last, entry.hardLink ? this.#linked(entry) : new TarInode(this, entry));
  }

  #parent(names: readonly string[]): TarInode {
    let at = this.root;
    for (const name of names) {
      let next = at.children!.get(name);
      if (next === undefined || next.type !== S_IFDIR) {
        next = this.#directory();
        at.put(name, next);
      }
      at = next;
    }
    return at;
  }

  #linked(entry: TarEntry): TarInode {
    let at: TarInode | undefined = this.root;
    for (const name of entry.link.split('/')) if (name !== '' && name !== '.') at = at?.children?.get(name);
    if (at === undefined) throw new TarError(`${entry.path} is a link to ${entry.link}, which is not in the archive`);
    return at;
  }

  status(): FileSystemStatus {
    const blocks = Math.ceil(this.source.size / 4096);
    const none = { bfree: 0, bavail: 0, ffree: 0, flags: 0 };
    return { type: TMPFS_MAGIC, bsize: 4096, blocks, files: this.nextInode, namelen: 255, ...none };
  }
}

export class TarInode extends Inode {
  readonly fs: TarFs;
  readonly type: number;
  readonly children: Map<string, TarInode> | null;
  readonly facts: Attributes;
  #entry: TarEntry;

  constructor(fs: TarFs, entry: TarEntry) {
    super();
    this.fs = fs;
    this.type = entry.mode & S_IFMT;
    this.children = this.type === S_IFDIR ? new Map() : null;
    this.#entry = entry;
    this.facts = {
      ino: fs.nextInode++,
      nlink: 0,
      blksize: 4096,
      blocks: Math.ceil(entry.size / 512),
      btime: entry.mtime,
      ...factsOf(entry),
    };
  }

  /** A directory's own member, where its contents came first. */
  describe(entry: TarEntry): void {
    this.#entry = entry;
    Object.assign(this.facts, factsOf(entry));
  }

  put(name: string, inode: TarInode): void {
    const replaced = this.children!.get(name);
    if (replaced !== undefined) replaced.facts.nlink--;
    this.children!.set(name, inode);
    if (inode.type === S_IFDIR) {
      inode.facts.nlink = 2;
      this.facts.nlink++;
    } else inode.facts.nlink++;
  }

  override attributes(): Attributes {
    return { ...this.facts };
  }

  override lookup(_s: Sleeper, name: string): TarInode | number {
    if (this.children === null) return -ENOTDIR;
    return this.children.get(name) ?? -ENOENT;
  }

  override entries(_s: Sleeper, position: number): DirectoryEntry[] | number {
    if (this.children === null) return -ENOTDIR;
    const all = [...this.children].map(([name, inode], i) => ({
      name,
      ino: inode.facts.ino,
      type: direntType(inode.type),
      next: i + 1,
    }));
    return position === 0 ? all : all.slice(position);
  }

  override readlink(): string | number {
    return this.type === S_IFLNK ? this.#entry.link : -EINVAL;
  }

  override read(_s: Sleeper, position: number, into: Uint8Array): number {
    if (this.type !== S_IFREG) return -EINVAL;
    const length = Math.min(into.length, this.#entry.size - position);
    if (length <= 0) return 0;
    const count = this.fs.source.read(this.#entry.offset + position, into.subarray(0, length));
    return count === 0 ? -EIO : count;
  }

  override path(): string[] | null {
    return pathTo(this.fs.root, this);
  }

  override getxattr(_s: Sleeper, name: string): Uint8Array | number {
    return this.#entry.xattrs?.get(name) ?? -ENODATA;
  }

  override listxattr(): string[] {
    return [...(this.#entry.xattrs?.keys() ?? [])];
  }
}

function factsOf(entry: TarEntry) {
  return {
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    rdev: makeDevice(entry.major, entry.minor),
    size: (entry.mode & S_IFMT) === S_IFLNK ? pathLength(entry.link) : entry.size,
    mtime: entry.mtime,
    atime: entry.atime ?? entry.mtime,
    ctime: entry.ctime ?? entry.mtime,
  };
}

/** Archives change no names: looked for when an image is made. */
function pathTo(directory: TarInode, inode: TarInode): string[] | null {
  if (directory === inode) return [];
  for (const [name, child] of directory.children ?? []) {
    const below = pathTo(child, inode);
    if (below !== null) return [name, ...below];
  }
  return null;
}
