/** One inode of a served tree. */
import { EINTR, EINVAL, EIO, ENOENT, ENOTDIR, ESTALE, EXDEV } from '../../abi/errno.ts';
import { O_ACCMODE, O_RDONLY, RENAME_EXCHANGE, S_IFDIR, S_IFLNK, S_IFREG } from '../../abi/fs.ts';
import { type AttributeChanges, type Attributes, type Creation, type DirectoryEntry, Inode } from '../../vfs/inode.ts';
import { failed, type Sleeper } from '../../wait/wait.ts';
import { LARGEST_DATA } from '../frames.ts';
import type { Found, Listing, RemoteOperationName, Step } from '../operations.ts';
import { FileData } from './file-data.ts';
import type { Stamp } from './freshness.ts';
import type { Pending } from './link.ts';
import { NameCache, NEVER } from './name-cache.ts';
import type { RemoteFs } from './remote-fs.ts';

/** Files up to this size come along when their names are looked up. */
export const SMALL_FILE = 32 << 10;
/** In listings there may be many. */
const SMALL_IN_LISTING = 4 << 10;
/** After so many lookups in a directory all of it is asked for. */
const LOOKUPS_BEFORE_LISTING = 4;

export class RemoteInode extends Inode {
  readonly fs: RemoteFs;
  readonly type: number;
  /** What the server calls it. */
  node: number;
  /** -ESTALE when the server has another file under the name, after it was started anew. */
  stale = 0;
  /** How often the server has told us of it. */
  readonly told = { times: 0 };
  readonly data: FileData;
  #parent: RemoteInode | null;
  #name: string;
  #attributes: Attributes | null = null;
  #stamp = NEVER;
  #target: { text: string; stamp: Stamp } | null = null;
  readonly #names: NameCache;
  #pinned: Map<string, Inode> | null = null;
  #lookups = 0;
  /** Descriptions that are open, and those of them that write. */
  #opens = 0;
  #writes = 0;

  constructor(fs: RemoteFs, node: number, type: number, parent: RemoteInode | null, name: string) {
    super();
    this.fs = fs;
    this.node = node;
    this.type = type;
    this.#parent = parent;
    this.#name = name;
    this.data = new FileData(this);
    this.#names = new NameCache(fs.freshness);
  }

  seen(parent: RemoteInode, name: string): void {
    this.#parent = parent;
    this.#name = name;
  }

  /** Path from the root, and what makes it this file: for a server that was started anew. */
  identity(): unknown[] {
    let path = '';
    for (let at: RemoteInode = this; at.#parent !== null; at = at.#parent) path = `/${at.#name}${path}`;
    const { ino = 0, btime = 0n } = this.#attributes ?? {};
    return [path, ino, this.type, btime, this.#opens, this.#writes];
  }

  renumber(node: number): void {
    this.node = node;
    this.told.times = 1;
    this.#names.clear();
    this.#stamp = NEVER;
  }

  lost(): void {
    this.stale = -ESTALE;
    if (this.#opens > 0) this.fs.log(`${this.#name}: replaced or removed at home while it was open; it gives ESTALE`);
  }

  // Attributes

  learn(attributes: Attributes, stamp: Stamp, own = false): void {
    if (stamp.tick < this.#stamp.tick) return;
    this.data.learn(attributes, own);
    this.#attributes = attributes;
    this.#stamp = stamp;
  }

  /** The same for what was written behind. */
  learnOwn(attributes: Attributes, stamp: Stamp): void {
    this.learn(attributes, { ...this.#stamp, tick: Math.max(stamp.tick, this.#stamp.tick) }, true);
  }

  /** What was last known, with what we have not sent yet. */
  get known(): Attributes | null {
    return this.#attributes;
  }

  /** A reply tells what an operation of ours has made of the inode. */
  #own(pending: Pending, stamp: Stamp): number {
    if (pending.attributes !== null)
      this.learn(pending.attributes, { ...stamp, tick: Math.max(stamp.tick, this.#stamp.tick) }, true);
    return 0;
  }

  override attributes(s: Sleeper): Attributes | number {
    if (this.stale !== 0) return this.stale;
    if (!this.fs.freshness.isFresh(s, this.#stamp)) {
      const answered = this.#look(s, 'attributes', [], '', (pending, stamp) =>
        this.learn(pending.answer as Attributes, stamp),
      );
      // Who cannot sleep (it looks from outside of the machine) takes what was known last.
      if (failed(answered) && (answered !== -EINTR || this.#attributes === null)) return answered;
    }
    const size = Math.max(this.#attributes!.size, this.data.writes.end);
    return { ...this.#attributes!, size };
  }

  /** What is known is not true any more. */
  #invalidate(): void {
    this.#stamp = NEVER;
    this.fs.forgetLook(`${this.node} attributes `);
  }

  #look(
    s: Sleeper,
    operation: RemoteOperationName,
    values: readonly unknown[],
    key = '',
    learn: ((pending: Pending, stamp: Stamp) => void) | null = null,
  ): Pending | number {
    return this.fs.look(s, `${this.node} ${operation} ${key}`, operation, this, values, learn);
  }

  #effect(
    s: Sleeper,
    operation: RemoteOperationName,
    values: readonly unknown[],
    learn: (pending: Pending, stamp: Stamp) => number = (pending, stamp) => this.#own(pending, stamp),
  ): number {
    return this.fs.effect(s, operation, this, values, learn);
  }

  override change(s: Sleeper, changes: AttributeChanges): number {
    if (changes.size !== undefined || changes.mtime !== undefined) this.data.writes.send();
    return this.#effect(s, 'change', [changes], (pending, stamp) => {
      if (changes.size !== undefined) this.data.cut(changes.size);
      return this.#own(pending, stamp);
    });
  }

  // Names

  learnName(name: string, inode: RemoteInode | null, stamp: Stamp): void {
    this.#names.learn(name, inode, stamp);
  }

  learnTarget(text: string, stamp: Stamp): void {
    this.#target = { text, stamp };
  }

  /** A name is what it is here, whatever the server has: something is mounted on it. */
  pin(name: string, inode: Inode): void {
    this.#pinned ??= new Map();
    this.#pinned.set(name, inode);
  }

  /** For whoever can wait; null: there is no such name. */
  lookupNow(name: string): Promise<RemoteInode | null> {
    return new Promise((resolve) => {
      this.fs.link.send('lookup', this, [name], ({ status, answer }) => {
        resolve(status < 0 ? null : this.fs.inodeOf(answer as Found, this, name));
      });
    });
  }

  override lookup(s: Sleeper, name: string, rest = ''): Inode | number {
    if (this.type !== S_IFDIR) return -ENOTDIR;
    const pinned = this.#pinned?.get(name);
    if (pinned !== undefined) return pinned;
    if (this.stale !== 0) return this.stale;
    const known = this.#names.find(s, name);
    if (known !== undefined) return known ?? -ENOENT;
    this.#lookups++;
    const path = rest === '' ? name : `${name}/${rest}`;
    const contents = this.fs.cached ? SMALL_FILE : -1;
    const answered = this.#look(s, 'walk', [path, contents], path, (pending, stamp) =>
      this.fs.learn(pending.answer as Step[], stamp),
    );
    if (failed(answered)) return answered;
    if (this.fs.cached && this.#lookups % LOOKUPS_BEFORE_LISTING === 0) this.#listAhead(s);
    const [step] = answered.answer as Step[];
    if (step === undefined) return -EIO;
    return this.#names.last(name) ?? -ENOENT;
  }

  /** Asks for the whole directory: what comes next is known by then. */
  #listAhead(s: Sleeper): void {
    const stamp = this.fs.freshness.stamp(s);
    this.fs.link.send('list', this, [0, SMALL_IN_LISTING], ({ status, answer }) => {
      if (status === 0) this.#learnListing(answer as Listing, stamp);
    });
  }

  #learnListing(listing: Listing, stamp: Stamp): void {
    this.fs.learn(listing.steps, stamp);
    if (listing.last && listing.steps.length === listing.entries.length) this.#names.learnedAll(stamp);
  }

  override entries(s: Sleeper, position: number): DirectoryEntry[] | number {
    if (this.type !== S_IFDIR) return -ENOTDIR;
    const contents = this.fs.cached && position === 0 ? SMALL_IN_LISTING : -1;
    const answered = this.#look(s, 'list', [position, contents], String(position), (pending, stamp) => {
      if (position === 0) this.#learnListing(pending.answer as Listing, stamp);
    });
    return failed(answered) ? answered : (answered.answer as Listing).entries;
  }

  /** Operations that make an inode under a name answer its number, which the call remembers. */
  #make(s: Sleeper, operation: RemoteOperationName, name: string, values: readonly unknown[]): Inode | number {
    const node = this.#effect(s, operation, values, (pending, stamp) => {
      const found = pending.answer as Found;
      const inode = this.fs.inodeOf(found, this, name);
      inode.learn(found.attributes, stamp, true);
      this.fs.keep(inode);
      if (name !== '') this.learnName(name, inode, stamp);
      this.#own(pending, stamp);
      return found.node;
    });
    return node < 0 ? node : (this.fs.byNode(node) ?? -ESTALE);
  }

  override create(s: Sleeper, name: string, how: Creation): Inode | number {
    return this.#make(s, 'create', name, [name, how]);
  }
  override mkdir(s: Sleeper, name: string, how: Creation): Inode | number {
    return this.#make(s, 'mkdir', name, [name, how]);
  }
  override symlink(s: Sleeper, name: string, target: string, how: Creation): Inode | number {
    return this.#make(s, 'symlink', name, [name, target, how]);
  }
  override tmpfile(s: Sleeper, how: Creation): Inode | number {
    return this.#make(s, 'tmpfile', '', [how]);
  }

  override link(s: Sleeper, name: string, inode: Inode): number {
    if (!(inode instanceof RemoteInode) || inode.fs !== this.fs) return -EXDEV;
    return this.#effect(s, 'link', [name, inode], (pending, stamp) => {
      inode.#invalidate();
      this.learnName(name, inode, stamp);
      return this.#own(pending, stamp);
    });
  }
  override unlink(s: Sleeper, name: string): number {
    return this.#remove(s, 'unlink', name);
  }
  override rmdir(s: Sleeper, name: string): number {
    return this.#remove(s, 'rmdir', name);
  }

  #remove(s: Sleeper, operation: 'unlink' | 'rmdir', name: string): number {
    return this.#effect(s, operation, [name], (pending, stamp) => {
      const inode = this.#names.last(name);
      if (inode !== null) inode.#invalidate();
      this.#names.replace(s, name, null, stamp);
      return this.#own(pending, stamp);
    });
  }

  override rename(s: Sleeper, name: string, to: Inode, newName: string, flags: number): number {
    if (!(to instanceof RemoteInode) || to.fs !== this.fs) return -EXDEV;
    return this.#effect(s, 'rename', [name, to, newName, flags], (pending, stamp) => {
      const inode = this.#names.last(name);
      const other = to.#names.last(newName);
      if (other !== null) other.#invalidate();
      if (inode !== null) inode.#invalidate();
      const exchanged = (flags & RENAME_EXCHANGE) !== 0;
      this.#names.replace(s, name, exchanged ? other : null, stamp);
      to.#names.replace(s, newName, inode, stamp);
      inode?.seen(to, newName);
      if (exchanged) other?.seen(this, name);
      to.#invalidate();
      return this.#own(pending, stamp);
    });
  }

  override readlink(s: Sleeper): string | number {
    if (this.type !== S_IFLNK) return -EINVAL;
    if (this.#target !== null && this.fs.freshness.isFresh(s, this.#target.stamp)) return this.#target.text;
    const answered = this.#look(s, 'readlink', [], '', (pending, stamp) =>
      this.learnTarget(pending.answer as string, stamp),
    );
    return failed(answered) ? answered : (answered.answer as string);
  }

  // Contents

  override opened(s: Sleeper, flags: number): number {
    if (this.type !== S_IFREG) return 0;
    return this.#effect(s, 'opened', [flags], (pending, stamp) => {
      this.#opens++;
      if ((flags & O_ACCMODE) !== O_RDONLY) this.#writes++;
      this.fs.held.add(this);
      return this.#own(pending, stamp);
    });
  }

  override closed(flags: number): void {
    if (this.type !== S_IFREG) return;
    this.data.writes.send();
    this.fs.link.send('closed', this, [flags]);
    this.#opens--;
    if ((flags & O_ACCMODE) !== O_RDONLY) this.#writes--;
    this.release();
  }

  /** Nothing is open, nothing is to be sent: it may be forgotten. */
  release(): void {
    if (this.#opens <= 0 && !this.data.writes.busy) this.fs.held.delete(this);
  }

  sendDirty(): void {
    this.data.writes.send();
  }

  /** Nobody asks any more whether it was written. */
  reportLoss(): void {
    const failure = this.data.writes.takeFailure();
    if (failure < 0) this.fs.log(`${this.#name}: what was written last is lost (errno ${-failure})`);
  }

  override read(s: Sleeper, position: number, into: Uint8Array): number {
    if (this.stale !== 0) return this.stale;
    return this.data.read(s, position, into);
  }
  override write(s: Sleeper, position: number, from: Uint8Array): number {
    if (this.fs.cached) return this.data.writes.write(s, position, from, false);
    const part = from.subarray(0, LARGEST_DATA);
    return this.#effect(s, 'write', [position, part.slice()], (pending, stamp) => {
      this.#own(pending, stamp);
      return pending.answer as number;
    });
  }
  /** Where the file ends then: what others append meanwhile is not written over. */
  override append(s: Sleeper, from: Uint8Array): number {
    const part = from.subarray(0, LARGEST_DATA);
    if (!this.fs.cached) {
      return this.#effect(s, 'append', [part.slice()], (pending, stamp) => {
        this.#own(pending, stamp);
        return pending.answer as number;
      });
    }
    const attributes = this.attributes(s);
    if (failed(attributes)) return attributes;
    const end = s.once(() => attributes.size + part.length);
    const written = this.data.writes.write(s, end - part.length, part, true);
    return written < 0 ? written : end;
  }
  override flush(s: Sleeper): number {
    return this.data.writes.settle(s);
  }
  override fsync(s: Sleeper, dataOnly: boolean): number {
    if (this.type === S_IFDIR) return 0;
    this.data.writes.send();
    return this.#effect(s, 'fsync', [dataOnly]) || this.data.writes.settle(s);
  }
  override allocate(s: Sleeper, mode: number, offset: number, length: number): number {
    this.data.writes.send();
    return this.#effect(s, 'allocate', [mode, offset, length], (pending, stamp) => {
      this.data.drop();
      return this.#own(pending, stamp);
    });
  }
  override seekHole(s: Sleeper, offset: number, whence: number): number {
    const settled = this.data.writes.settle(s);
    if (settled < 0) return settled;
    const answered = this.#look(s, 'seekHole', [offset, whence], `${offset} ${whence}`);
    return failed(answered) ? answered : (answered.answer as number);
  }

  // Extended attributes

  override getxattr(s: Sleeper, name: string): Uint8Array | number {
    const answered = this.#look(s, 'getxattr', [name], name);
    return failed(answered) ? answered : (answered.answer as Uint8Array);
  }
  override setxattr(s: Sleeper, name: string, value: Uint8Array, flags: number): number {
    return this.#effect(s, 'setxattr', [name, value.slice(), flags]);
  }
  override listxattr(s: Sleeper): string[] | number {
    const answered = this.#look(s, 'listxattr', []);
    return failed(answered) ? answered : (answered.answer as string[]);
  }
  override removexattr(s: Sleeper, name: string): number {
    return this.#effect(s, 'removexattr', [name]);
  }
}
