/** An inode of a served tree: its names. */
import { EINVAL, EIO, ENOENT, ENOTDIR, ESTALE, EXDEV } from '../../abi/errno.ts';
import { RENAME_EXCHANGE, S_IFDIR, S_IFLNK } from '../../abi/fs.ts';
import type { Creation, DirectoryEntry, Inode } from '../../vfs/inode.ts';
import { failed, type Sleeper } from '../../wait/wait.ts';
import type { Found, Listing, RemoteOperationName, Step } from '../operations.ts';
import type { Stamp } from './freshness.ts';
import { NameCache } from './name-cache.ts';
import type { RemoteFs } from './remote-fs.ts';
import { RemoteObject } from './remote-object.ts';

/** Files up to this size come along when their names are looked up. */
export const SMALL_FILE = 64 << 10;
/** In listings there may be many. */
const SMALL_IN_LISTING = 4 << 10;
/** After so many lookups in a directory all of it is asked for. */
const LOOKUPS_BEFORE_LISTING = 2;

export class RemoteInode extends RemoteObject {
  #target: { text: string; stamp: Stamp } | null = null;
  readonly #names: NameCache;
  #pinned: Map<string, Inode> | null = null;
  #lookups = 0;
  /** Where the listing that was read last ends: nobody need be asked whether more follows. */
  #listingEnd: { position: number; stamp: Stamp } | null = null;

  constructor(fs: RemoteFs, node: number, type: number, parent: RemoteInode | null, name: string) {
    super(fs, node, type, parent, name);
    this.#names = new NameCache(fs.freshness);
  }

  override renumber(node: number): void {
    super.renumber(node);
    this.#names.outdate();
  }

  // Names

  learnName(name: string, inode: RemoteInode | null, stamp: Stamp): void {
    this.#names.learn(name, inode, stamp);
  }

  /** All names that there are have been learnt. */
  learnedAll(stamp: Stamp): void {
    this.#names.learnedAll(stamp);
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
    const path = rest === '' ? name : `${name}/${rest}`;
    const contents = this.fs.cached ? SMALL_FILE : -1;
    const ahead = this.fs.cached && this.fs.link.isSlow;
    const answered = this.ask(s, 'walk', [path, contents, ahead], path, (pending, stamp) =>
      this.fs.learn(pending.answer as Step[], stamp),
    );
    if (failed(answered)) {
      if (this.fs.cached && ++this.#lookups >= LOOKUPS_BEFORE_LISTING) this.#listAhead(s);
      return answered;
    }
    const [step] = answered.answer as Step[];
    if (step === undefined) return -EIO;
    return this.#names.last(name) ?? -ENOENT;
  }

  /** Asks for the whole directory: what comes next is known by then. */
  #listAhead(s: Sleeper): void {
    if (this.#lookups === Number.NEGATIVE_INFINITY) return;
    this.#lookups = Number.NEGATIVE_INFINITY;
    const stamp = this.fs.freshness.stamp();
    this.fs.link.send('list', this, [0, SMALL_IN_LISTING], ({ status, answer }) => {
      // One that is too long for a frame is of no use the next time either.
      if (status === 0 && (answer as Listing).last) this.#lookups = 0;
      if (status === 0) this.#learnListing(answer as Listing, stamp);
    });
  }

  #learnListing(listing: Listing, stamp: Stamp): void {
    this.fs.learn(listing.steps, stamp);
    if (listing.last && listing.steps.length === listing.entries.length) this.#names.learnedAll(stamp);
  }

  override entries(s: Sleeper, position: number): DirectoryEntry[] | number {
    if (this.type !== S_IFDIR) return -ENOTDIR;
    const end = this.#listingEnd;
    if (end !== null && end.position === position && this.fs.freshness.isFresh(s, end.stamp)) return [];
    const contents = this.fs.cached && position === 0 ? SMALL_IN_LISTING : -1;
    const answered = this.ask(s, 'list', [position, contents], String(position), (pending, stamp) => {
      const listing = pending.answer as Listing;
      if (position === 0) this.#learnListing(listing, stamp);
      const last = listing.entries.at(-1);
      if (listing.last && last !== undefined) this.#listingEnd = { position: last.next, stamp };
    });
    return failed(answered) ? answered : (answered.answer as Listing).entries;
  }

  /** Operations that make an inode under a name answer its number, which the call remembers. */
  #make(s: Sleeper, operation: RemoteOperationName, name: string, values: readonly unknown[]): Inode | number {
    const node = this.act(s, operation, values, (pending, stamp) => {
      const found = pending.answer as Found;
      const inode = this.fs.inodeOf(found, this, name);
      inode.learn(found.attributes, stamp, true);
      inode.ours = true;
      this.fs.keep(inode);
      if (name !== '') this.learnName(name, inode, stamp);
      this.learnResult(pending, stamp);
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
    return this.act(s, 'link', [name, inode], (pending, stamp) => {
      inode.outdated();
      this.learnName(name, inode, stamp);
      return this.learnResult(pending, stamp);
    });
  }
  override unlink(s: Sleeper, name: string): number {
    return this.#remove(s, 'unlink', name);
  }
  override rmdir(s: Sleeper, name: string): number {
    return this.#remove(s, 'rmdir', name);
  }

  #remove(s: Sleeper, operation: 'unlink' | 'rmdir', name: string): number {
    return this.act(s, operation, [name], (pending, stamp) => {
      const inode = this.#names.last(name);
      if (inode !== null) inode.outdated();
      this.#names.replace(s, name, null, stamp);
      return this.learnResult(pending, stamp);
    });
  }

  override rename(s: Sleeper, name: string, to: Inode, newName: string, flags: number): number {
    if (!(to instanceof RemoteInode) || to.fs !== this.fs) return -EXDEV;
    return this.act(s, 'rename', [name, to, newName, flags], (pending, stamp) => {
      const inode = this.#names.last(name);
      const other = to.#names.last(newName);
      if (other !== null) other.outdated();
      if (inode !== null) inode.outdated();
      const exchanged = (flags & RENAME_EXCHANGE) !== 0;
      this.#names.replace(s, name, exchanged ? other : null, stamp);
      to.#names.replace(s, newName, inode, stamp);
      // What was not known is looked up by its new name.
      if (inode === null) to.#names.forget(newName);
      if (exchanged && other === null) this.#names.forget(name);
      inode?.seen(to, newName);
      if (exchanged) other?.seen(this, name);
      to.outdated();
      return this.learnResult(pending, stamp);
    });
  }

  /** What was last known to stand under a name. */
  lastNamed(name: string): RemoteInode | null {
    return this.#names.last(name);
  }

  override readlink(s: Sleeper): string | number {
    if (this.type !== S_IFLNK) return -EINVAL;
    if (this.#target !== null && this.fs.freshness.isFresh(s, this.#target.stamp)) return this.#target.text;
    const answered = this.ask(s, 'readlink', [], '', (pending, stamp) =>
      this.learnTarget(pending.answer as string, stamp),
    );
    return failed(answered) ? answered : (answered.answer as string);
  }
}
