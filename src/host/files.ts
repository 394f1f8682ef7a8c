/**
 * The host's files, for src/fs/host.ts: always a directory handle and one name in it, never a path, so that symlinks and
 * `..` are ours to resolve and nothing leads out of a tree. Answers are values or negative errno numbers.
 *
 * On Linux a handle is an O_PATH descriptor, and names are reached through /proc/self/fd/N/: what happens to the path of
 * the directory meanwhile does not matter. Elsewhere it is a path whose components are checked at every use.
 */
import fs from 'node:fs';
import * as errnos from '../abi/errno.ts';
import { decodePath, encodePath } from '../abi/path.ts';
import { AT_FDCWD, type Libc, libc } from './libc.ts';
import { fromNode, type HostEntry, type HostStat, listOpen, statAt } from './stat.ts';
import { getxattr, listxattr, removexattr, setxattr } from './xattr.ts';

const O_PATH = 0o10000000;
const { O_RDONLY, O_RDWR, O_WRONLY, O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = fs.constants;
const NUMBERS = errnos as unknown as Readonly<Record<string, number | undefined>>;
const UTIME_OMIT = 0x3ffffffen;

export type { HostEntry, HostStat };

export interface HostStatus {
  type: number;
  bsize: number;
  blocks: number;
  bfree: number;
  bavail: number;
  files: number;
  ffree: number;
}

type Access = 'read' | 'write' | 'both';
const ACCESS: Readonly<Record<Access, number>> = { read: O_RDONLY, write: O_WRONLY, both: O_RDWR };

/** For what is refused without asking the host. */
class HostError extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** What node:fs calls throw, as the kernel says it. */
export function errnoOf(error: unknown): number {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOTSUP') return -errnos.EOPNOTSUPP;
  return -((code !== undefined && NUMBERS[code]) || errnos.EIO);
}

function attempt<T>(call: () => T): T | number {
  try {
    return call();
  } catch (error) {
    return errnoOf(error);
  }
}

/** For calls that answer nothing. */
function perform(call: () => void): number {
  try {
    call();
    return 0;
  } catch (error) {
    return errnoOf(error);
  }
}

/** One tree of the host. */
export class HostFiles {
  readonly #viaProc: boolean;
  readonly #c: Libc | null;
  /** Where there is no /proc: the paths behind handles. */
  readonly #paths = new Map<number, string>();
  #nextHandle = 1;

  /** @param portable as on hosts without /proc/self/fd, whatever this one has. */
  constructor(portable = false) {
    this.#viaProc = !portable && process.platform === 'linux' && fs.existsSync('/proc/self/fd');
    this.#c = fastLibc(this.#viaProc);
  }

  /** A handle for the directory at a path: the only place where the host follows symlinks, for what the user granted. */
  openRoot(path: string): number {
    return attempt(() => {
      if (this.#viaProc) return fs.openSync(path, O_PATH | O_DIRECTORY);
      return this.#keep(fs.realpathSync(path));
    }) as number;
  }

  openDirectory(parent: number, name: string): number {
    return attempt(() => {
      const path = this.#path(parent, name);
      if (this.#viaProc) return fs.openSync(path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
      return fs.lstatSync(path).isDirectory() ? this.#keep(String(path)) : -errnos.ENOTDIR;
    }) as number;
  }

  /** Whether birth times are what they say (node:fs makes some up): they tell files apart that share an inode number. */
  get birthTimes(): boolean {
    return this.#c !== null;
  }

  /** Whether a handle stays good when its directory gets another name. */
  get lasting(): boolean {
    return this.#viaProc;
  }

  closeDirectory(handle: number): void {
    if (this.#viaProc) fs.closeSync(handle);
    else this.#paths.delete(handle);
  }

  #keep(path: string): number {
    this.#paths.set(this.#nextHandle, path);
    return this.#nextHandle++;
  }

  #path(handle: number, name: string): string | Buffer {
    if (checkName(name) !== 0) throw new HostError('ENOENT');
    const directory = this.#viaProc ? `/proc/self/fd/${handle}` : this.#checked(handle);
    if (isAscii(name)) return `${directory}/${name}`;
    return Buffer.concat([Buffer.from(`${directory}/`), encodePath(name)]);
  }

  /** No component of a handle's path may have become a symlink. */
  #checked(handle: number): string {
    const path = this.#paths.get(handle)!;
    if (fs.realpathSync(path) !== path) throw new HostError('ELOOP');
    return path;
  }

  #directoryPath(handle: number): string {
    return this.#viaProc ? `/proc/self/fd/${handle}/.` : this.#checked(handle);
  }

  stat(directory: number, name: string): HostStat | number {
    if (this.#c !== null) return checkName(name) || statAt(this.#c, directory, cName(name));
    return attempt(() => {
      const stat = fs.lstatSync(this.#path(directory, name), { bigint: true, throwIfNoEntry: false });
      return stat === undefined ? -errnos.ENOENT : fromNode(stat);
    });
  }

  statDirectory(handle: number): HostStat | number {
    if (this.#c !== null) return statAt(this.#c, handle, '');
    return attempt(() => fromNode(fs.statSync(this.#directoryPath(handle), { bigint: true })));
  }

  statOpen(fd: number): HostStat | number {
    if (this.#c !== null) return statAt(this.#c, fd, '');
    return attempt(() => fromNode(fs.fstatSync(fd, { bigint: true })));
  }

  list(directory: number): HostEntry[] | number {
    return attempt(() => {
      if (this.#c !== null) return this.#listOpen(this.#c, directory);
      const names = fs.readdirSync(this.#directoryPath(directory), { encoding: 'buffer' });
      const entries: HostEntry[] = [];
      for (const bytes of names) {
        const name = decodePath(bytes);
        const stat = this.stat(directory, name);
        if (typeof stat !== 'number') entries.push({ name, ino: stat.ino, type: stat.mode & fs.constants.S_IFMT });
      }
      return entries;
    });
  }

  #listOpen(c: Libc, directory: number): HostEntry[] | number {
    const fd = fs.openSync(this.#directoryPath(directory), O_RDONLY | O_DIRECTORY);
    try {
      return listOpen(c, fd);
    } finally {
      fs.closeSync(fd);
    }
  }

  readlink(directory: number, name: string): string | number {
    return attempt(() => decodePath(fs.readlinkSync(this.#path(directory, name), { encoding: 'buffer' })));
  }

  /** A descriptor for the contents of a regular file; whatever else may stand there is opened without effect and refused. */
  open(directory: number, name: string, access: Access): number {
    return attempt(() => {
      const flags = ACCESS[access] | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
      const fd = fs.openSync(this.#path(directory, name), flags);
      if (fs.fstatSync(fd).isFile()) return fd;
      fs.closeSync(fd);
      return -errnos.ESTALE;
    }) as number;
  }

  /** A new regular file, open for both. The host's umask does not count. */
  create(directory: number, name: string, mode: number): number {
    return attempt(() => {
      const fd = fs.openSync(this.#path(directory, name), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
      if ((fs.fstatSync(fd).mode & 0o7777) !== mode) fs.fchmodSync(fd, mode);
      return fd;
    }) as number;
  }

  close(fd: number): void {
    fs.closeSync(fd);
  }

  read(fd: number, position: number, into: Uint8Array): number {
    return attempt(() => fs.readSync(fd, into, 0, into.length, position)) as number;
  }

  write(fd: number, position: number, from: Uint8Array): number {
    return attempt(() => fs.writeSync(fd, from, 0, from.length, position)) as number;
  }

  truncate(fd: number, size: number): number {
    return perform(() => fs.ftruncateSync(fd, size));
  }

  sync(fd: number, dataOnly: boolean): number {
    return perform(() => (dataOnly ? fs.fdatasyncSync(fd) : fs.fsyncSync(fd)));
  }

  allocate(fd: number, mode: number, offset: number, length: number): number {
    return libc()?.fallocate(fd, mode, offset, length) ?? -errnos.EOPNOTSUPP;
  }

  mkdir(directory: number, name: string, mode: number): number {
    return perform(() => {
      fs.mkdirSync(this.#path(directory, name), { mode });
      this.#withPinned(directory, name, (path) => fs.chmodSync(path, mode));
    });
  }

  symlink(directory: number, name: string, target: string): number {
    return perform(() => fs.symlinkSync(nodePath(target), this.#path(directory, name)));
  }

  fifo(directory: number, name: string, mode: number): number {
    const c = libc();
    if (c === null || !this.#viaProc) return -errnos.EPERM;
    const made = c.mkfifoat(directory, cName(name), mode);
    return made < 0 ? made : this.chmod(directory, name, mode);
  }

  /** The file of a UNIX socket; nobody outside can connect to it. */
  socket(directory: number, name: string, mode: number): number {
    const c = libc();
    if (c === null || !this.#viaProc || !c.has('mknodat')) return -errnos.EPERM;
    const made = c.mknodat(directory, cName(name), fs.constants.S_IFSOCK | mode, 0);
    return made < 0 ? made : this.chmod(directory, name, mode);
  }

  link(from: number, name: string, to: number, newName: string): number {
    return perform(() => fs.linkSync(this.#path(from, name), this.#path(to, newName)));
  }

  unlink(directory: number, name: string): number {
    return perform(() => fs.unlinkSync(this.#path(directory, name)));
  }

  rmdir(directory: number, name: string): number {
    return perform(() => fs.rmdirSync(this.#path(directory, name)));
  }

  /** renameat2(2); flags only where the host's library has it. */
  rename(from: number, name: string, to: number, newName: string, flags: number): number {
    if (flags === 0) return perform(() => fs.renameSync(this.#path(from, name), this.#path(to, newName)));
    const c = libc();
    if (c === null || !this.#viaProc || !c.has('renameat2')) return -errnos.EINVAL;
    return c.renameat2(from, cName(name), to, cName(newName), flags);
  }

  chmod(directory: number, name: string, mode: number): number {
    return perform(() => this.#withPinned(directory, name, (path) => fs.chmodSync(path, mode)));
  }

  chmodOpen(fd: number, mode: number): number {
    return perform(() => fs.fchmodSync(fd, mode));
  }

  /** -1: not changed. */
  chown(directory: number, name: string, uid: number, gid: number): number {
    return perform(() => fs.lchownSync(this.#path(directory, name), uid, gid));
  }

  chownOpen(fd: number, uid: number, gid: number): number {
    return perform(() => fs.fchownSync(fd, uid, gid));
  }

  /** Nanoseconds where the C library can be called, microseconds otherwise; undefined: not changed. */
  setTimes(directory: number, name: string, atime: bigint | undefined, mtime: bigint | undefined): number {
    const c = libc();
    if (c !== null && this.#viaProc) {
      return c.utimensat(directory, cName(name), timespecs(atime, mtime), 0x100 /* AT_SYMLINK_NOFOLLOW */);
    }
    return perform(() => {
      const path = this.#path(directory, name);
      const now = fs.lstatSync(path, { bigint: true });
      fs.lutimesSync(path, Number(atime ?? now.atimeNs) / 1e9, Number(mtime ?? now.mtimeNs) / 1e9);
    });
  }

  setTimesOpen(fd: number, atime: bigint | undefined, mtime: bigint | undefined): number {
    const c = libc();
    if (c !== null && this.#viaProc) return c.utimensat(-1, `/proc/self/fd/${fd}`, timespecs(atime, mtime), 0);
    return perform(() => {
      const now = fs.fstatSync(fd, { bigint: true });
      fs.futimesSync(fd, Number(atime ?? now.atimeNs) / 1e9, Number(mtime ?? now.mtimeNs) / 1e9);
    });
  }

  getxattr(directory: number, name: string, attribute: string): Uint8Array | number {
    return getxattr(this.#cPath(directory, name), attribute);
  }

  setxattr(directory: number, name: string, attribute: string, value: Uint8Array, flags: number): number {
    return setxattr(this.#cPath(directory, name), attribute, value, flags);
  }

  listxattr(directory: number, name: string): string[] | number {
    return listxattr(this.#cPath(directory, name));
  }

  removexattr(directory: number, name: string, attribute: string): number {
    return removexattr(this.#cPath(directory, name), attribute);
  }

  /** For the calls that take paths; null where names below a handle have none of their own. */
  #cPath(directory: number, name: string): string | Uint8Array | null {
    if (!this.#viaProc || checkName(name) !== 0) return null;
    return cName(`/proc/self/fd/${directory}/${name}`);
  }

  status(directory: number): HostStatus | number {
    return attempt(() => {
      const found = fs.statfsSync(this.#directoryPath(directory));
      const { type, bsize, blocks, bfree, bavail, files, ffree } = found;
      return { type, bsize, blocks, bfree, bavail, files, ffree };
    });
  }

  /** Runs a call that follows symlinks on a path that cannot be one: the object itself, held open. */
  #withPinned(directory: number, name: string, call: (path: string | Buffer) => void): void {
    const path = this.#path(directory, name);
    if (!this.#viaProc) {
      call(path);
      return;
    }
    const fd = fs.openSync(path, O_PATH | O_NOFOLLOW);
    try {
      call(`/proc/self/fd/${fd}`);
    } finally {
      fs.closeSync(fd);
    }
  }
}

/** A name for the C library: text, or bytes with their NUL where it is not valid UTF-8. */
function cName(name: string): string | Uint8Array {
  return isAscii(name) ? name : Uint8Array.of(...encodePath(name), 0);
}

function timespecs(atime: bigint | undefined, mtime: bigint | undefined): Uint8Array {
  const times = new BigInt64Array(4);
  for (const [i, time] of [atime, mtime].entries()) {
    times[2 * i] = time === undefined ? 0n : floorDivide(time);
    times[2 * i + 1] = time === undefined ? UTIME_OMIT : time - times[2 * i] * 1_000_000_000n;
  }
  return new Uint8Array(times.buffer);
}

/** The walk is not ours: whatever asks, one name is one name. */
function checkName(name: string): number {
  return name === '..' || name.includes('/') || name.includes('\0') ? -errnos.ENOENT : 0;
}

/** Where stat and readdir need not go through node:fs: descriptors are handles, and the library and kernel have statx. */
function fastLibc(viaProc: boolean): Libc | null {
  const c = viaProc ? libc() : null;
  const usable = c?.has('statx') === true && c.has('getdents64') && typeof statAt(c, AT_FDCWD, '/') !== 'number';
  return usable ? c : null;
}

function nodePath(path: string): string | Buffer {
  return isAscii(path) ? path : Buffer.from(encodePath(path));
}

function isAscii(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) >= 0x80) return false;
  return true;
}

function floorDivide(nanoseconds: bigint): bigint {
  const seconds = nanoseconds / 1_000_000_000n;
  return nanoseconds < 0n && seconds * 1_000_000_000n !== nanoseconds ? seconds - 1n : seconds;
}

/** The ids that new files on the host belong to. */
export function hostIds(): { uid: number; gid: number } {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
}
