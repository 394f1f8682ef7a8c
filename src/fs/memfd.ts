/** memfd_create(2): a file in memory without a name, and the seals that can be put on it. */
import { EBUSY, EINVAL, EPERM } from '../abi/errno.ts';
import { F_ADD_SEALS, F_GET_SEALS, O_LARGEFILE, O_RDWR, S_IFREG } from '../abi/fs.ts';
import type { Backing } from '../memory/backing.ts';
import type { AttributeChanges } from '../vfs/inode.ts';
import type { Location } from '../vfs/location.ts';
import { anonymousPlace, type MountNamespace } from '../vfs/mounts.ts';
import { RegularFile } from '../vfs/regular-file.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import { MemInode } from './mem-inode.ts';
import type { MemFs } from './memfs.ts';

export const F_SEAL_SEAL = 1;
export const F_SEAL_SHRINK = 2;
export const F_SEAL_GROW = 4;
export const F_SEAL_WRITE = 8;
export const F_SEAL_FUTURE_WRITE = 16;
const ALL_SEALS = 31;
const NO_WRITES = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;

export class MemfdInode extends MemInode {
  seals = 0;
  readonly #namespace: MountNamespace;
  /** Where every description of it is. */
  readonly place: Location;
  readonly name: string;

  constructor(fs: MemFs, namespace: MountNamespace, name: string, mode: number, s: Sleeper, uid: number, gid: number) {
    super(fs, fs.makeNode({ mode: S_IFREG | mode, uid, gid }, s.realtime()));
    this.node.nlink = 0;
    this.name = name;
    this.#namespace = namespace;
    this.place = anonymousPlace(this, `memfd:${name}`);
    this.place.dentry.deleted = true;
    fs.register(this);
  }

  /** Also through /proc/PID/fd: another description of the same file. */
  override open(_s: Sleeper, flags: number): MemfdFile {
    this.opened();
    return new MemfdFile(this.#namespace, this, flags);
  }

  override change(s: Sleeper, changes: AttributeChanges): number {
    const { size } = changes;
    if (size !== undefined) {
      const old = this.node.content.size;
      if (size < old && (this.seals & F_SEAL_SHRINK) !== 0) return -EPERM;
      if (size > old && (this.seals & F_SEAL_GROW) !== 0) return -EPERM;
    }
    return super.change(s, changes);
  }

  override allocate(s: Sleeper, mode: number, offset: number, length: number): number {
    if ((mode & 2) !== 0 && (this.seals & NO_WRITES) !== 0) return -EPERM;
    if (offset + length > this.node.content.size && (this.seals & F_SEAL_GROW) !== 0) return -EPERM;
    return super.allocate(s, mode, offset, length);
  }

  /** Why bytes may not be written there: a seal, or nothing (0). */
  refusal(end: number): number {
    if ((this.seals & NO_WRITES) !== 0) return -EPERM;
    return end > this.node.content.size && (this.seals & F_SEAL_GROW) !== 0 ? -EPERM : 0;
  }
}

export class MemfdFile extends RegularFile {
  declare readonly inode: MemfdInode;

  constructor(namespace: MountNamespace, inode: MemfdInode, flags: number) {
    super(namespace, inode.place, flags);
  }

  override describe(): string {
    return `/memfd:${this.inode.name} (deleted)`;
  }

  override write(s: Sleeper, from: Uint8Array): number {
    return this.inode.refusal(this.position + from.length) || super.write(s, from);
  }
  override writeAt(s: Sleeper, position: number, from: Uint8Array): number {
    return this.inode.refusal(position + from.length) || super.writeAt(s, position, from);
  }

  override fcntl(s: Sleeper, command: number, argument: number): number {
    const { inode } = this;
    if (command === F_GET_SEALS) return inode.seals;
    if (command !== F_ADD_SEALS) return super.fcntl(s, command, argument);
    if (!this.writable || (inode.seals & F_SEAL_SEAL) !== 0) return -EPERM;
    if ((argument & ~ALL_SEALS) !== 0) return -EINVAL;
    // Whether a mapping can be written is not known here: any shared one counts.
    if ((argument & F_SEAL_WRITE & ~inode.seals) !== 0 && inode.mapping?.pages != null) return -EBUSY;
    inode.seals |= argument;
    return 0;
  }

  /** Sealed against writing, it can be mapped for reading only. */
  override backing(s: Sleeper): Backing | number {
    const backing = super.backing(s);
    if (failed(backing) || (this.inode.seals & NO_WRITES) === 0) return backing;
    const { key, path, device, inode } = backing;
    return {
      ...{ key, path, device, inode, node: this.inode },
      size: () => backing.size(),
      read: (offset, into) => backing.read(offset, into),
      mapped: (pages) => backing.mapped?.(pages),
      unmapped: () => backing.unmapped?.(),
    };
  }
}

/** A new file, open for reading and writing. */
export function makeMemfd(
  s: Sleeper,
  fs: MemFs,
  namespace: MountNamespace,
  name: string,
  how: { mode: number; uid: number; gid: number; seals: number },
): MemfdFile {
  const inode = new MemfdInode(fs, namespace, name, how.mode, s, how.uid, how.gid);
  inode.seals = how.seals;
  return inode.open(s, O_RDWR | O_LARGEFILE);
}
