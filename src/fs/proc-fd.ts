/** /proc/PID/fd and fdinfo: one entry per open descriptor, as they are when someone looks. */
import { EBADF, ENOENT } from '../abi/errno.ts';
import { O_CLOEXEC, S_IFDIR } from '../abi/fs.ts';
import type { DirectoryEntry, Inode } from '../vfs/inode.ts';
import type { Location } from '../vfs/location.ts';
import { anonymousPlace, describePlace } from '../vfs/mounts.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import { callerOf } from './caller.ts';
import { entryOf, type Owner, type ProcFs, ProcInode, ProcLink, ProcText } from './proc.ts';
import type { ProcThread } from './proc-source.ts';

export interface Subject {
  /** The thread, as long as it is there. */
  thread(): ProcThread | undefined;
  owner(): Owner;
}

type Make = (file: () => OpenFile | undefined, fd: number) => Inode;

class DescriptorDirectory extends ProcInode {
  readonly #subject: Subject;
  readonly #make: Make;
  readonly #children = new Map<number, { file: OpenFile; inode: Inode }>();

  constructor(fs: ProcFs, mode: number, subject: Subject, make: Make) {
    super(fs, S_IFDIR | mode);
    this.#subject = subject;
    this.#make = make;
  }

  override owner(): Owner {
    return this.#subject.owner();
  }

  override lookup(_s: Sleeper, name: string): Inode | number {
    const fd = /^(0|[1-9]\d*)$/.test(name) ? Number(name) : -1;
    return this.#child(fd) ?? -ENOENT;
  }

  #file(fd: number): OpenFile | undefined {
    return this.#subject.thread()?.files.get(fd);
  }

  #child(fd: number): Inode | undefined {
    const file = this.#file(fd);
    if (file === undefined) {
      this.#children.delete(fd);
      return undefined;
    }
    const known = this.#children.get(fd);
    if (known?.file === file) return known.inode;
    const inode = this.#make(() => this.#file(fd), fd);
    this.#children.set(fd, { file, inode });
    return inode;
  }

  /** Positions are descriptors, so that a listing is not confused by what is opened meanwhile. */
  override entries(_s: Sleeper, position: number): DirectoryEntry[] {
    const open = [...(this.#subject.thread()?.files.entries() ?? [])].filter(([fd]) => fd >= position);
    return open.map(([fd]) => entryOf(String(fd), this.#child(fd)!, fd));
  }
}

/** Where a descriptor leads: its place, or one made for what has none. */
export function placeOf(file: OpenFile): Location {
  return file.location ?? anonymousPlace(file.inode, file.describe());
}

/** What readlink shows of a file: a path as the reader sees it, or its description. */
export function linkText(s: Sleeper, fs: ProcFs, file: OpenFile): string {
  const { location } = file;
  // What has no path describes itself: pipes, sockets, memfds.
  if (location === undefined || location.mount.id === 0) return file.describe();
  const reader = callerOf(s) as unknown as { fs?: { root: Location } };
  return describePlace(fs.source.namespace, location, reader.fs?.root ?? fs.source.namespace.root);
}

export function makeFdDirectory(fs: ProcFs, subject: Subject): Inode {
  return new DescriptorDirectory(fs, 0o500, subject, (file) => {
    const open = file();
    const mode = (open?.readable ? 0o500 : 0) | (open?.writable ? 0o300 : 0);
    const target = (s: Sleeper) => {
      const found = file();
      return found === undefined ? -ENOENT : linkText(s, fs, found);
    };
    const place = () => {
      const found = file();
      return found === undefined ? -ENOENT : placeOf(found);
    };
    return new ProcLink(fs, target, place, () => subject.owner(), mode);
  });
}

export function makeFdInfoDirectory(fs: ProcFs, subject: Subject): Inode {
  return new DescriptorDirectory(fs, 0o555, subject, (file, fd) => {
    const text = (s: Sleeper) => {
      const found = file();
      if (found === undefined) return -EBADF;
      const stat = found.attributes(s);
      if (failed(stat)) return stat;
      const cloexec = subject.thread()?.files.isCloseOnExec(fd) ? O_CLOEXEC : 0;
      return (
        `pos:\t${found.position}\nflags:\t0${(found.flags | cloexec).toString(8)}\n` +
        `mnt_id:\t${found.location?.mount.id ?? 0}\nino:\t${stat.ino}\n${found.fdinfo()}`
      );
    };
    return new ProcText(fs, 0o444, text, undefined, () => subject.owner());
  });
}
