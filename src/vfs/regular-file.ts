/** Open regular files and directories, and what O_PATH gives. */
import { EACCES, EBADF, EFBIG, EINVAL, EISDIR, ENOENT, ENXIO } from '../abi/errno.ts';
import {
  DT_DIR,
  MAX_LFS_FILESIZE,
  MAX_NON_LFS,
  O_APPEND,
  O_LARGEFILE,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from '../abi/fs.ts';
import type { Backing } from '../memory/backing.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import { dropSetId, truncateDentry } from './attributes.ts';
import type { DirectoryEntry, Inode } from './inode.ts';
import type { Location } from './location.ts';
import { describePlace, type MountNamespace } from './mounts.ts';
import { IN_ACCESS, IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, IN_MODIFY, notifyInode } from './notify.ts';
import { OpenFile } from './open-file.ts';
import { mappingOf } from './page-cache.ts';

/** A description with a place in the name space. */
abstract class PlacedFile extends OpenFile {
  readonly inode: Inode;
  override location: Location;
  protected readonly namespace: MountNamespace;

  constructor(namespace: MountNamespace, place: Location, flags: number) {
    super(flags);
    this.namespace = namespace;
    this.location = place;
    this.inode = place.dentry.inode!;
  }

  override release(): void {
    this.namespace.locks.dropDescription(this.inode, this);
    notifyInode(this.location.dentry, this.writable ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
  }

  describe(): string {
    return describePlace(this.namespace, this.location, this.namespace.root);
  }
}

/** O_PATH: a place, nothing to read or write. */
export class PathFile extends PlacedFile {
  override get readable(): boolean {
    return false;
  }
  override get writable(): boolean {
    return false;
  }
  override backing(): number {
    return -EBADF;
  }
}

/** What one write appends at most where the file system does it. */
const MOST_APPENDED = 1 << 20;

export class RegularFile extends PlacedFile {
  #setIdChecked = false;
  /** Where the last write appended to. */
  #end = 0;

  constructor(namespace: MountNamespace, place: Location, flags: number) {
    super(namespace, place, flags);
    if (this.writable) this.inode.writers++;
  }

  override release(): void {
    super.release();
    if (this.writable) this.inode.writers--;
    this.inode.closed(this.flags);
  }

  override read(s: Sleeper, into: Uint8Array): number {
    const count = this.readAt(s, this.position, into);
    if (count > 0) this.position += count;
    return count;
  }

  override readAt(s: Sleeper, position: number, into: Uint8Array): number {
    if (into.length === 0) return 0;
    const count = this.inode.read(s, position, into);
    const pages = this.inode.mapping?.pages;
    if (count > 0 && pages != null) pages.peek(position, into.subarray(0, count));
    if (count > 0) notifyInode(this.location.dentry, IN_ACCESS);
    return count;
  }

  override write(s: Sleeper, from: Uint8Array): number {
    if (this.#appends) {
      const count = this.#append(s, from);
      if (count > 0) this.position = this.#end;
      return count;
    }
    const start = this.#writePosition(s, this.position);
    if (start < 0) return start;
    const count = this.#writeTo(s, start, from);
    if (count > 0) this.position = start + count;
    return count;
  }

  override writeAt(s: Sleeper, position: number, from: Uint8Array): number {
    // pwrite(2), BUGS: with O_APPEND data goes to the end whatever the offset.
    if (this.#appends) return this.#append(s, from);
    const start = this.#writePosition(s, position);
    return start < 0 ? start : this.#writeTo(s, start, from);
  }

  /** The file system knows best where the end is. */
  get #appends(): boolean {
    return (this.flags & O_APPEND) !== 0 && this.inode.append !== undefined;
  }

  #append(s: Sleeper, from: Uint8Array): number {
    if (from.length === 0) return 0;
    const attributes = this.inode.attributes(s);
    if (failed(attributes)) return attributes;
    const limit = (this.flags & O_LARGEFILE) !== 0 ? MAX_LFS_FILESIZE : MAX_NON_LFS;
    // Where the file was when the call began: it grows by what is written here.
    const room = s.once(() => limit - attributes.size);
    if (room <= 0) return -EFBIG;
    const dropped = this.#setIdChecked ? 0 : dropSetId(s, this.inode);
    if (dropped < 0) return dropped;
    const bytes = from.subarray(0, Math.min(room, MOST_APPENDED));
    const end = this.inode.append!(s, bytes);
    if (end < 0) return end;
    this.#end = end;
    this.#wrote(end - bytes.length, bytes);
    return bytes.length;
  }

  #wrote(position: number, bytes: Uint8Array): void {
    this.#setIdChecked = true;
    this.inode.mapping?.poke(position, bytes);
    notifyInode(this.location.dentry, IN_MODIFY);
  }

  #writePosition(s: Sleeper, position: number): number {
    if ((this.flags & O_APPEND) === 0) return position;
    const attributes = this.inode.attributes(s);
    return failed(attributes) ? attributes : attributes.size;
  }

  #writeTo(s: Sleeper, position: number, from: Uint8Array): number {
    if (from.length === 0) return 0;
    const limit = (this.flags & O_LARGEFILE) !== 0 ? MAX_LFS_FILESIZE : MAX_NON_LFS;
    if (position >= limit) return -EFBIG;
    if (!this.#setIdChecked) {
      const dropped = dropSetId(s, this.inode);
      if (dropped < 0) return dropped;
    }
    const bytes = position + from.length > limit ? from.subarray(0, limit - position) : from;
    const count = this.inode.write(s, position, bytes);
    if (count > 0) this.#wrote(position, bytes.subarray(0, count));
    return count;
  }

  override seek(s: Sleeper, offset: number, whence: number): number {
    let base = 0;
    switch (whence) {
      case SEEK_SET:
        break;
      case SEEK_CUR:
        base = this.position;
        break;
      case SEEK_END: {
        const attributes = this.inode.attributes(s);
        if (failed(attributes)) return attributes;
        base = attributes.size;
        break;
      }
      case SEEK_DATA:
      case SEEK_HOLE: {
        if (offset < 0) return -ENXIO;
        base = this.inode.seekHole(s, offset, whence);
        if (base < 0) return base;
        return (this.position = base);
      }
      default:
        return -EINVAL;
    }
    const position = base + offset;
    if (position < 0 || position > MAX_LFS_FILESIZE) return -EINVAL;
    return (this.position = position);
  }

  override truncate(s: Sleeper, size: number): number {
    if (!this.writable || size < 0) return -EINVAL;
    if ((this.flags & O_LARGEFILE) === 0 && size > MAX_NON_LFS) return -EINVAL;
    return truncateDentry(s, this.location.dentry, size);
  }

  override fsync(s: Sleeper, dataOnly: boolean): number {
    return (this.inode.mapping?.settle(s) ?? 0) || this.inode.fsync(s, dataOnly);
  }

  override flush(s: Sleeper): number {
    const settled = this.inode.mapping?.settle(s) ?? 0;
    return settled !== 0 || !this.writable ? settled : this.inode.flush(s);
  }

  override backing(s: Sleeper): Backing | number {
    if (!this.readable) return -EACCES;
    return mappingOf(s, this.inode, this.describe());
  }
}

/** Positions of a directory: 0 and 1 are `.` and `..`, the file system's own follow. */
export class DirectoryFile extends PlacedFile {
  #entries: DirectoryEntry[] = [];
  #at = 0;

  override entries(s: Sleeper): DirectoryEntry[] | number {
    if (this.location.dentry.deleted) return -ENOENT;
    if (this.position === 0) notifyInode(this.location.dentry, IN_ACCESS);
    if (this.position === 0) {
      const dots = this.#dots(s);
      if (failed(dots)) return dots;
      const rest = this.inode.entries(s, 0);
      if (failed(rest)) return rest;
      this.#keep([...dots, ...rest.map(shift)]);
    } else if (!this.#find()) {
      const rest = this.inode.entries(s, Math.max(0, this.position - 2));
      if (failed(rest)) return rest;
      const dots = this.position < 2 ? this.#dots(s) : [];
      if (failed(dots)) return dots;
      this.#keep([...dots.slice(this.position), ...rest.map(shift)]);
    }
    return this.#at === 0 ? this.#entries : this.#entries.slice(this.#at);
  }

  #keep(entries: DirectoryEntry[]): void {
    this.#entries = entries;
    this.#at = 0;
  }

  /** Finds the position in what was read before, so that large directories are read once. */
  #find(): boolean {
    for (let i = this.#at; i < this.#entries.length; i++) {
      if (this.#entries[i].next !== this.position) continue;
      this.#at = i + 1;
      return this.#at < this.#entries.length;
    }
    return false;
  }

  #dots(s: Sleeper): DirectoryEntry[] | number {
    const own = this.inode.attributes(s);
    if (failed(own)) return own;
    const { mount, dentry } = this.location;
    const up = dentry === mount.root ? (mount.mountpoint?.parent ?? dentry) : (dentry.parent ?? dentry);
    const parent = up === dentry ? own : up.inode!.attributes(s);
    if (failed(parent)) return parent;
    return [
      { name: '.', ino: own.ino, type: DT_DIR, next: 1 },
      { name: '..', ino: parent.ino, type: DT_DIR, next: 2 },
    ];
  }

  override read(): number {
    return -EISDIR;
  }
  override readAt(): number {
    return -EISDIR;
  }

  /** Only positions that getdents gave out mean something; 0 reads the directory anew. */
  override seek(_s: Sleeper, offset: number, whence: number): number {
    const position = whence === SEEK_SET ? offset : whence === SEEK_CUR ? this.position + offset : -1;
    if (position < 0) return -EINVAL;
    if (position !== this.position) this.#keep([]);
    return (this.position = position);
  }

  override fsync(s: Sleeper, dataOnly: boolean): number {
    return this.inode.fsync(s, dataOnly);
  }
}

function shift(entry: DirectoryEntry): DirectoryEntry {
  return { ...entry, next: entry.next + 2 };
}
