/** The mount table: which file system covers which place, and the text of a place's path. */
import { EBUSY, EINVAL, ENOTDIR } from '../abi/errno.ts';
import { MS_NOATIME, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, S_IFDIR } from '../abi/fs.ts';
import type { Sleeper } from '../wait/wait.ts';
import { isBelow, makeDentry } from './dentry.ts';
import type { Guard } from './guard.ts';
import type { FileSystem, Inode } from './inode.ts';
import type { Dentry, Location, Mount } from './location.ts';
import { LockTable } from './locks.ts';
import type { OpenFile } from './open-file.ts';

/** Opens a FIFO, socket or device inode: what it is depends on the machine, not on the file system it is named in. */
export type SpecialOpener = (s: Sleeper, inode: Inode, flags: number) => OpenFile | number;

export class MountNamespace {
  readonly mounts: Mount[] = [];
  readonly locks = new LockTable();
  /** Asked before operations on what paths lead to; null: nobody is. */
  guard: Guard | null = null;
  /** By S_IFMT type; the kernel fills it. */
  readonly special = new Map<number, SpecialOpener>();
  /** What mount(2) can make, by type; the machine fills it. Options are those of `data`: size=1m,mode=755. */
  readonly types = new Map<string, (options: ReadonlyMap<string, string>) => FileSystem | number>();
  readonly #byMountpoint = new Map<Dentry, Mount[]>();
  #nextId = 1;

  /** Mounts a file system; `at` null makes the root mount. Mounts on one place stack. */
  mount(fs: FileSystem, at: Location | null, flags = 0, source = fs.type): Mount | number {
    return this.#add(fs, makeDentry('/', null, fs.root), at, flags, source);
  }

  /** MS_BIND: shows what is at `from` at another place too. */
  bind(from: Location, at: Location, flags = 0): Mount | number {
    const bound = this.#add(from.mount.fs, from.dentry, at, flags | from.mount.flags, from.mount.source);
    if (typeof bound !== 'number') bound.lockedFlags = from.mount.lockedFlags;
    return bound;
  }

  /** MS_BIND | MS_REC: also what is mounted below. */
  bindAll(from: Location, at: Location, flags = 0): Mount | number {
    const below = this.mounts.filter((mount) => mount.parent === from.mount && isBelow(mount.mountpoint!, from.dentry));
    const bound = this.bind(from, at, flags);
    if (typeof bound === 'number') return bound;
    for (const mount of below) {
      if (!isBelow(mount.mountpoint!, bound.root)) continue;
      this.bindAll({ mount, dentry: mount.root }, { mount: bound, dentry: mount.mountpoint! }, 0);
    }
    return bound;
  }

  #add(fs: FileSystem, root: Dentry, at: Location | null, flags: number, source: string): Mount | number {
    if (at !== null && (at.dentry.inode!.type === S_IFDIR) !== (root.inode!.type === S_IFDIR)) return -ENOTDIR;
    const top = at === null ? null : this.cover(at);
    const mount: Mount = {
      id: this.#nextId++,
      fs,
      root,
      parent: top?.mount ?? null,
      mountpoint: top?.dentry ?? null,
      flags,
      source,
      lockedFlags: flags,
      byGuest: false,
    };
    this.mounts.push(mount);
    if (top !== null) {
      const stack = this.#byMountpoint.get(top.dentry);
      if (stack === undefined) this.#byMountpoint.set(top.dentry, [mount]);
      else stack.push(mount);
    }
    return mount;
  }

  /** umount2: the top mount at its own root. Busy while others hang below it. */
  unmount(mount: Mount): number {
    if (mount.parent === null || mount.mountpoint === null) return -EINVAL;
    if (this.mounts.some((other) => other.parent === mount)) return -EBUSY;
    this.mounts.splice(this.mounts.indexOf(mount), 1);
    const rest = this.#byMountpoint.get(mount.mountpoint)!.filter((other) => other !== mount);
    if (rest.length === 0) this.#byMountpoint.delete(mount.mountpoint);
    else this.#byMountpoint.set(mount.mountpoint, rest);
    return 0;
  }

  /** The number that the next mount gets. */
  get nextId(): number {
    return this.#nextId;
  }

  /** The mounts of an image, in the order in which they were made. */
  restore(mounts: readonly Mount[], nextId: number): void {
    this.mounts.splice(0, this.mounts.length, ...mounts);
    this.#nextId = nextId;
    this.#byMountpoint.clear();
    for (const mount of mounts) {
      if (mount.mountpoint === null) continue;
      const stack = this.#byMountpoint.get(mount.mountpoint);
      if (stack === undefined) this.#byMountpoint.set(mount.mountpoint, [mount]);
      else stack.push(mount);
    }
  }

  /** Steps onto what is mounted at a place, and onto what is mounted on that. */
  cover(place: Location): Location {
    if (this.#byMountpoint.size === 0) return place;
    let at = place;
    for (;;) {
      const mounted = this.#byMountpoint.get(at.dentry)?.findLast((mount) => mount.parent === at.mount);
      if (mounted === undefined) return at;
      at = { mount: mounted, dentry: mounted.root };
    }
  }

  /** The root of the root mount. */
  get root(): Location {
    const [mount] = this.mounts;
    return this.cover({ mount, dentry: mount.root });
  }

  isMountpoint(dentry: Dentry): boolean {
    return this.#byMountpoint.has(dentry);
  }

  /**
   * The path of a place as seen from a root (d_path). `reachable` is false where it lies outside of that root (a working
   * directory before chroot, a pipe): the text then starts at the place's own topmost mount.
   */
  path(place: Location, root: Location): { text: string; reachable: boolean } {
    let text = '';
    let { mount, dentry } = place;
    while (mount !== root.mount || dentry !== root.dentry) {
      if (dentry === mount.root || dentry.parent === null) {
        if (mount.parent === null || dentry !== mount.root) return { text: text === '' ? '/' : text, reachable: false };
        dentry = mount.mountpoint!;
        mount = mount.parent;
        continue;
      }
      text = `/${dentry.name}${text}`;
      dentry = dentry.parent;
    }
    return { text: text === '' ? '/' : text, reachable: true };
  }

  /** /proc/PID/mounts, seen from a root. */
  table(root: Location): string {
    let text = '';
    for (const mount of this.mounts) {
      const { text: path, reachable } = this.path({ mount, dentry: mount.root }, root);
      if (!reachable) continue;
      text += `${escapeField(mount.source)} ${escapeField(path)} ${mount.fs.type} ${mountOptions(mount)} 0 0\n`;
    }
    return text;
  }
}

export function mountOptions(mount: Mount): string {
  const options = [(mount.flags & MS_RDONLY) !== 0 || mount.fs.readOnly ? 'ro' : 'rw'];
  if ((mount.flags & MS_NOSUID) !== 0) options.push('nosuid');
  if ((mount.flags & MS_NODEV) !== 0) options.push('nodev');
  if ((mount.flags & MS_NOEXEC) !== 0) options.push('noexec');
  options.push((mount.flags & MS_NOATIME) !== 0 ? 'noatime' : 'relatime');
  return options.join(',');
}

/** Blanks and backslashes are octal in mount tables (proc(5)). */
function escapeField(text: string): string {
  return text.replace(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

/** Text for /proc/PID/{cwd,root,exe,fd/N}: ' (deleted)' where the name has gone. */
export function describePlace(namespace: MountNamespace, place: Location, root: Location): string {
  const { text } = namespace.path(place, root);
  return place.dentry.deleted ? `${text} (deleted)` : text;
}

/** A place without a path, for pipes, sockets and anonymous inodes reached through /proc/PID/fd. */
export function anonymousPlace(inode: Inode, name: string): Location {
  const dentry = makeDentry(name, null, inode);
  const mount: Mount = {
    id: 0,
    fs: inode.fs,
    root: dentry,
    parent: null,
    mountpoint: null,
    flags: 0,
    source: inode.fs.type,
    lockedFlags: 0,
    byGuest: false,
  };
  return { mount, dentry };
}

export function isReadOnly(mount: Mount): boolean {
  return (mount.flags & MS_RDONLY) !== 0 || mount.fs.readOnly;
}

/** Whether a place lies below another, across mounts. */
export function isPlaceBelow(place: Location, ancestor: Location): boolean {
  let { mount, dentry } = place;
  for (;;) {
    if (mount === ancestor.mount) return isBelow(dentry, ancestor.dentry);
    if (mount.parent === null) return false;
    dentry = mount.mountpoint!;
    mount = mount.parent;
  }
}
