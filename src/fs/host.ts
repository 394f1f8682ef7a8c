/** A directory (or one file) of the host as a file system: read-only, or written through. */
import { dirname } from '../abi/path.ts';
import type { HostFiles, HostStat } from '../host/files.ts';
import type { FileSystem, FileSystemStatus, TreeOrigin } from '../vfs/inode.ts';
import { failed } from '../wait/wait.ts';
import { HostInode } from './host-inode.ts';
import { LaterFiles } from './later-files.ts';

/** What is asked of the host, whoever answers. */
export type Files = Pick<HostFiles, keyof HostFiles>;

/** Directory handles kept open. */
const HANDLES = 128;
/** New files that nobody has opened. */
const MOST_CREATED = 16;

export interface HostFsOptions {
  files: Files;
  /** Absolute host path. */
  path: string;
  device: number;
  readOnly: boolean;
  /** Who owns what the VM creates: its own process. */
  uid: number;
  gid: number;
  type?: string;
  /**
   * For recordings: what is asked of the host follows from the guest's calls alone. Inodes are kept, so that the garbage
   * collector does not matter, and page faults find contents fetched ahead.
   */
  ordered?: boolean;
}

export class HostFs implements FileSystem {
  readonly type: string;
  readonly device: number;
  readonly readOnly: boolean;
  /** Others on the host change names too. */
  readonly volatile = true;
  readonly sleeps: boolean;
  readonly origin: TreeOrigin;
  readonly files: Files;
  readonly later: LaterFiles;
  readonly root: HostInode;
  readonly uid: number;
  readonly gid: number;
  readonly #kept: Set<HostInode> | null;
  readonly #inodes = new Map<string, WeakRef<HostInode>>();
  readonly #gone = new FinalizationRegistry<string>((key) => {
    if (this.#inodes.get(key)?.deref() === undefined) this.#inodes.delete(key);
  });
  /** By how recently they were used. */
  readonly #handles = new Map<HostInode, number>();
  readonly #created = new Map<HostInode, number>();
  readonly #base: number;
  readonly #rootDevice: number;
  readonly #foreign = new Map<string, number>();

  private constructor(options: HostFsOptions, base: number, stat: HostStat, name: string | null) {
    this.type = options.type ?? 'hostfs';
    this.sleeps = options.ordered === true;
    this.device = options.device;
    this.readOnly = options.readOnly;
    this.files = options.files;
    this.later = new LaterFiles(options.files);
    this.origin = { kind: 'host', source: options.path, readOnly: options.readOnly };
    this.uid = options.uid;
    this.gid = options.gid;
    this.#kept = options.ordered ? new Set() : null;
    this.#base = base;
    this.#rootDevice = stat.dev;
    this.root = this.inodeOf(stat, null, name ?? '.');
  }

  /** Opens a host directory or file; a negative errno where that fails. */
  static open(options: HostFsOptions): HostFs | number {
    const { files, path } = options;
    const whole = files.openRoot(path);
    if (whole >= 0) {
      const stat = files.statDirectory(whole);
      return failed(stat) ? stat : new HostFs(options, whole, stat, null);
    }
    const base = files.openRoot(dirname(path));
    if (base < 0) return base;
    const name = path.slice(path.lastIndexOf('/') + 1);
    const stat = files.stat(base, name);
    return failed(stat) ? stat : new HostFs(options, base, stat, name);
  }

  /** The one inode object of a host file. */
  inodeOf(stat: HostStat, parent: HostInode | null, name: string): HostInode {
    const key = `${stat.dev}:${stat.ino}`;
    const known = this.#inodes.get(key)?.deref();
    if (known?.is(stat) === true) {
      known.seen(stat, parent, name);
      return known;
    }
    const inode = new HostInode(this, stat, parent, name);
    this.#inodes.set(key, new WeakRef(inode));
    this.#kept?.add(inode);
    this.#gone.register(inode, key);
    return inode;
  }

  /** The file has gone: the host may give its number to another one. */
  forget(inode: HostInode, stat: HostStat): void {
    const key = `${stat.dev}:${stat.ino}`;
    if (this.#inodes.get(key)?.deref() === inode) this.#inodes.delete(key);
    this.#kept?.delete(inode);
    const handle = this.#handles.get(inode);
    if (handle === undefined) return;
    this.#handles.delete(inode);
    this.files.closeDirectory(handle);
  }

  /** A new file stays open until it is opened: its mode may not allow that, as open(2) with O_CREAT does. */
  keepCreated(inode: HostInode, fd: number): void {
    this.#created.set(inode, fd);
    if (this.#created.size <= MOST_CREATED) return;
    const [[oldest, unused]] = this.#created;
    this.#created.delete(oldest);
    this.files.close(unused);
  }

  takeCreated(inode: HostInode): number {
    const fd = this.#created.get(inode) ?? -1;
    this.#created.delete(inode);
    return fd;
  }

  /** Files of other host file systems below the root get numbers of their own: st_dev is one for all. */
  numberOf(stat: HostStat): number {
    if (stat.dev === this.#rootDevice) return stat.ino;
    const key = `${stat.dev}:${stat.ino}`;
    let number = this.#foreign.get(key);
    if (number === undefined) {
      number = 0xf0000000 + this.#foreign.size;
      this.#foreign.set(key, number);
    }
    return number;
  }

  /** A handle for a directory, opened anew where it has been closed meanwhile; checked to be the same directory. */
  handle(inode: HostInode): number {
    const kept = this.#handles.get(inode);
    if (kept !== undefined) {
      this.#handles.delete(inode);
      this.#handles.set(inode, kept);
      return kept;
    }
    if (inode.parent === null) return this.#base;
    const parent = this.handle(inode.parent);
    if (parent < 0) return parent;
    const handle = this.files.openDirectory(parent, inode.name);
    if (handle < 0) return handle;
    const answer = inode.verify(this.files.statDirectory(handle));
    if (answer < 0) {
      this.files.closeDirectory(handle);
      return answer;
    }
    this.#handles.set(inode, handle);
    if (this.#handles.size > HANDLES) this.#closeOldest();
    return handle;
  }

  /** The handle that an inode's own name is relative to. */
  parentHandle(inode: HostInode): number {
    return inode.parent === null ? this.#base : this.handle(inode.parent);
  }

  /** A directory has another name: what is below it too, where handles are paths. */
  moved(): void {
    if (this.files.lasting) return;
    for (const handle of this.#handles.values()) this.files.closeDirectory(handle);
    this.#handles.clear();
  }

  #closeOldest(): void {
    const [[inode, handle]] = this.#handles;
    this.#handles.delete(inode);
    this.files.closeDirectory(handle);
  }

  status(): FileSystemStatus | number {
    const status = this.files.status(this.#base);
    return failed(status) ? status : { ...status, namelen: 255, flags: 0 };
  }
}
