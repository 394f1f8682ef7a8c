/** A file or directory at a Chirp server: a path, and the number of the inode that was found there. */
import { EEXIST, EIO, EISDIR, ENODATA, ENOENT, ENOTDIR, EOPNOTSUPP, EXDEV } from '../../abi/errno.ts';
import { direntType, O_ACCMODE, O_RDONLY, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/fs.ts';
import { decodePath } from '../../abi/path.ts';
import { type AttributeChanges, type Attributes, type Creation, type DirectoryEntry, Inode } from '../../vfs/inode.ts';
import { failed, type Sleeper } from '../../wait/wait.ts';
import type { Ask, ChirpFs } from './chirp-fs.ts';
import type { Answer, Handle } from './connection.ts';
import { type ChirpStat, MOST_DATA, nameOf } from './protocol.ts';

const NANOSECONDS = 1_000_000_000n;
const LONGEST_LINK = 4096;

export class ChirpInode extends Inode {
  readonly fs: ChirpFs;
  readonly type: number;
  /** Where it was last seen; null: the root. */
  parent: ChirpInode | null;
  name: string;
  readonly #ino: number;
  #handle: Handle | null = null;
  #opens = 0;

  constructor(fs: ChirpFs, stat: ChirpStat, parent: ChirpInode | null, name: string) {
    super();
    this.fs = fs;
    this.type = stat.mode & S_IFMT;
    this.#ino = stat.ino;
    this.parent = parent;
    this.name = name;
  }

  is(stat: ChirpStat): boolean {
    return stat.ino === this.#ino && (stat.mode & S_IFMT) === this.type;
  }

  seen(parent: ChirpInode, name: string): void {
    this.parent = parent;
    this.name = name;
  }

  get place(): string {
    return this.parent === null ? '' : `${this.parent.place}/${this.name}`;
  }

  override path(): readonly string[] {
    return this.parent === null ? [] : [...this.parent.path(), this.name];
  }

  #child(name: string): string {
    return `${this.place}/${name}`;
  }

  /** A request about this path, that changes something. */
  #do(s: Sleeper, words: (path: string) => string, more: Partial<Ask> = {}): number {
    const path = this.fs.quote(this.place);
    return this.fs.change(s, { line: () => words(path), shape: 'nothing', ...more });
  }

  override attributes(s: Sleeper): Attributes | number {
    const stat = this.#handle?.failure === 0 ? this.#fstat(s, this.#handle) : this.fs.statOf(s, this.place);
    if (typeof stat === 'number') return stat;
    const seconds = (time: number) => BigInt(time) * NANOSECONDS;
    return {
      ino: stat.ino,
      mode: stat.mode,
      nlink: stat.nlink,
      uid: this.fs.uid,
      gid: this.fs.gid,
      rdev: 0,
      size: stat.size,
      blksize: stat.blksize,
      blocks: stat.blocks,
      atime: seconds(stat.atime),
      mtime: seconds(stat.mtime),
      ctime: seconds(stat.ctime),
      btime: 0n,
    };
  }

  /** Of an open file, which may have no name any more. */
  #fstat(s: Sleeper, handle: Handle): ChirpStat | number {
    const answer = this.fs.look(s, `fstat ${this.#ino}`, {
      line: () => (handle.failure !== 0 ? handle.failure : `fstat ${handle.fd}`),
      shape: 'stat',
    });
    return failed(answer) ? answer : (answer as Answer).stat!;
  }

  override change(s: Sleeper, { mode, size, uid, gid, atime, mtime }: AttributeChanges): number {
    if (size !== undefined) {
      const answer = this.#do(s, (path) => `truncate ${path} ${size}`);
      if (answer < 0) return answer;
    }
    if (mode !== undefined) {
      const answer = this.#do(s, (path) => `chmod ${path} ${mode & 0o777}`);
      if (answer < 0) return answer;
    }
    // Owners are the server's; here all is the machine's owner's.
    if ((uid ?? this.fs.uid) !== this.fs.uid || (gid ?? this.fs.gid) !== this.fs.gid) return -EOPNOTSUPP;
    if (atime === undefined && mtime === undefined) return 0;
    const now = this.attributes(s);
    if (typeof now === 'number') return now;
    const [a, m] = [atime ?? now.atime, mtime ?? now.mtime].map((time) => time / NANOSECONDS);
    return this.#do(s, (path) => `utime ${path} ${a} ${m}`);
  }

  // Directories

  override lookup(s: Sleeper, name: string): ChirpInode | number {
    if (this.type !== S_IFDIR) return -ENOTDIR;
    const stat = this.fs.statOf(s, this.#child(name));
    return typeof stat === 'number' ? stat : this.fs.inodeOf(stat, this, name);
  }

  override entries(s: Sleeper, position: number): DirectoryEntry[] | number {
    if (this.type !== S_IFDIR) return -ENOTDIR;
    const listed = this.fs.list(s, this.place);
    if (failed(listed)) return listed;
    const all = (listed as { name: string; stat: ChirpStat }[]).map(({ name, stat }, i) => ({
      name,
      ino: stat.ino,
      type: direntType(stat.mode & S_IFMT),
      next: i + 1,
    }));
    return position === 0 ? all : all.slice(position);
  }

  override create(s: Sleeper, name: string, how: Creation): Inode | number {
    if ((how.mode & S_IFMT) !== S_IFREG) return -EOPNOTSUPP;
    const path = this.#child(name);
    const answer = this.fs.change(s, {
      line: () => `open ${this.fs.quote(path)} rwcx ${how.mode & 0o777}`,
      shape: 'stat',
      arrived: ({ result, stat }) => {
        if (result >= 0 && stat !== undefined) this.fs.inodeOf(stat, this, name).adopt(result, true);
      },
    });
    return answer < 0 ? answer : this.lookup(s, name);
  }

  override mkdir(s: Sleeper, name: string, how: Creation): Inode | number {
    const path = this.fs.quote(this.#child(name));
    const line = () => `mkdir ${path} ${how.mode & 0o777}`;
    const answer = this.fs.change(s, { line, shape: 'nothing', done: EEXIST });
    return answer < 0 ? answer : this.lookup(s, name);
  }

  override symlink(s: Sleeper, name: string, target: string): Inode | number {
    const path = this.fs.quote(this.#child(name));
    const line = () => `symlink ${this.fs.quoteText(target)} ${path}`;
    const answer = this.fs.change(s, { line, shape: 'nothing', done: EEXIST });
    return answer < 0 ? answer : this.lookup(s, name);
  }

  override link(s: Sleeper, name: string, inode: Inode): number {
    if (!(inode instanceof ChirpInode) || inode.fs !== this.fs) return -EXDEV;
    const [from, to] = [this.fs.quote(inode.place), this.fs.quote(this.#child(name))];
    return this.fs.change(s, { line: () => `link ${from} ${to}`, shape: 'nothing', done: EEXIST });
  }

  override unlink(s: Sleeper, name: string): number {
    return this.#remove(s, 'unlink', name);
  }
  override rmdir(s: Sleeper, name: string): number {
    return this.#remove(s, 'rmdir', name);
  }
  #remove(s: Sleeper, operation: string, name: string): number {
    const path = this.fs.quote(this.#child(name));
    const arrived = () => this.fs.dropIdle(this, name);
    return this.fs.change(s, { line: () => `${operation} ${path}`, shape: 'nothing', done: ENOENT, arrived });
  }

  override rename(s: Sleeper, name: string, to: Inode, newName: string, flags: number): number {
    if (!(to instanceof ChirpInode) || to.fs !== this.fs) return -EXDEV;
    if (flags !== 0) return -EOPNOTSUPP;
    const [from, there] = [this.fs.quote(this.#child(name)), this.fs.quote(to.#child(newName))];
    return this.fs.change(s, {
      line: () => `rename ${from} ${there}`,
      shape: 'nothing',
      done: ENOENT,
      arrived: ({ result }) => {
        if (result >= 0) this.fs.find(this, name)?.seen(to, newName);
      },
    });
  }

  override readlink(s: Sleeper): string | number {
    if (this.type !== S_IFLNK) return super.readlink(s);
    const { place: path } = this;
    const line = () => `readlink ${this.fs.quote(path)} ${LONGEST_LINK}`;
    const answer = this.fs.look(s, `readlink ${path}`, { line, shape: 'bytes' });
    if (failed(answer)) return answer;
    return nameOf(Array.from((answer as Answer).bytes!, (byte) => String.fromCharCode(byte)).join(''));
  }

  // Extended attributes: HTCondor's proxy has none

  override getxattr(s: Sleeper, name: string): Uint8Array | number {
    if (this.fs.connection.dialect === 'condor') return super.getxattr(s, name);
    const line = () => `lgetxattr ${this.fs.quote(this.place)} ${name}`;
    const answer = this.fs.look(s, `lgetxattr ${this.place} ${name}`, { line, shape: 'bytes' });
    return failed(answer) ? absent(answer) : answer.bytes!;
  }

  override listxattr(s: Sleeper): string[] | number {
    if (this.fs.connection.dialect === 'condor') return super.listxattr(s);
    const line = () => `llistxattr ${this.fs.quote(this.place)}`;
    const answer = this.fs.look(s, `llistxattr ${this.place}`, { line, shape: 'bytes' });
    if (failed(answer)) return answer;
    return decodePath(answer.bytes!).split('\0').slice(0, -1);
  }

  override setxattr(s: Sleeper, name: string, value: Uint8Array, flags: number): number {
    if (this.fs.connection.dialect === 'condor') return super.setxattr(s, name, value, flags);
    const body = s.once(() => value.slice());
    const line = () => `lsetxattr ${this.fs.quote(this.place)} ${name} ${body.length} ${flags}`;
    return this.fs.change(s, { line, body, shape: 'nothing' });
  }

  override removexattr(s: Sleeper, name: string): number {
    if (this.fs.connection.dialect === 'condor') return super.removexattr(s, name);
    const line = () => `lremovexattr ${this.fs.quote(this.place)} ${name}`;
    return absent(this.fs.change(s, { line, shape: 'nothing' }));
  }

  // Contents

  override opened(s: Sleeper, flags: number): number {
    if (this.type !== S_IFREG) return 0;
    const handle = this.#open(s, (flags & O_ACCMODE) !== O_RDONLY);
    if (typeof handle === 'number') return handle;
    return s.once(() => {
      this.#opens++;
      this.fs.busy(this);
      return 0;
    });
  }

  override closed(): void {
    if (this.type !== S_IFREG || --this.#opens > 0) return;
    this.fs.idle(this);
  }

  /** The server has given this file a number. */
  adopt(fd: number, write: boolean): void {
    this.closeHandle();
    const path = () => this.fs.quote(this.place);
    this.#handle = { fd, ino: this.#ino, write, failure: 0, path, isUsed: () => this.#opens > 0 };
    this.fs.connection.handles.add(this.#handle);
    if (this.#opens === 0) this.fs.idle(this);
  }

  closeHandle(): void {
    if (this.#handle !== null) this.fs.closeHandle(this.#handle);
    this.#handle = null;
  }

  #open(s: Sleeper, write: boolean): Handle | number {
    const handle = this.#handle;
    if (handle !== null && handle.failure !== 0 && this.#opens > 0) return handle.failure;
    if (handle !== null && handle.failure === 0 && (handle.write || !write)) return handle;
    const { place: path } = this;
    const answer = this.fs.look(s, `open ${path} ${write}`, {
      line: () => `open ${this.fs.quote(path)} ${write ? 'rw' : 'r'} 0`,
      shape: 'stat',
      arrived: ({ result, stat }) => {
        if (result >= 0 && stat !== undefined && this.is(stat)) this.adopt(result, write);
      },
    });
    return failed(answer) ? answer : (this.#handle ?? -ENOENT);
  }

  override read(s: Sleeper, position: number, into: Uint8Array): number {
    if (this.type === S_IFDIR) return -EISDIR;
    const handle = this.#open(s, false);
    if (typeof handle === 'number') return handle;
    const length = Math.min(into.length, MOST_DATA);
    const answer = this.fs.look(s, `pread ${this.#ino} ${position} ${length}`, {
      line: () => (handle.failure !== 0 ? handle.failure : `pread ${handle.fd} ${length} ${position}`),
      shape: 'bytes',
    });
    if (failed(answer)) return answer;
    const bytes = (answer as Answer).bytes!;
    into.set(bytes.subarray(0, length));
    return bytes.length;
  }

  override write(s: Sleeper, position: number, from: Uint8Array): number {
    if (this.type === S_IFDIR) return -EISDIR;
    const handle = this.#open(s, true);
    if (typeof handle === 'number') return handle;
    const body = from.slice(0, MOST_DATA);
    const line = () => (handle.failure !== 0 ? handle.failure : `pwrite ${handle.fd} ${body.length} ${position}`);
    return this.fs.change(s, { line, body, shape: 'nothing' });
  }

  override fsync(s: Sleeper): number {
    const handle = this.#handle;
    if (handle === null) return 0;
    return this.fs.change(s, {
      line: () => (handle.failure !== 0 ? handle.failure : `fsync ${handle.fd}`),
      shape: 'nothing',
    });
  }
}

/** The protocol has no number for ENODATA: servers answer that they do not know what went wrong. */
function absent(result: number): number {
  return result === -EIO ? -ENODATA : result;
}
