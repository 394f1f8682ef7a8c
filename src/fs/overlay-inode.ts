/** An inode of an overlay: in the upper layer, in the lower one, or (directories) in both. */
import { EEXIST, ENODATA, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EXDEV } from '../abi/errno.ts';
import { O_RDONLY, RENAME_EXCHANGE, RENAME_NOREPLACE, S_IFCHR, S_IFDIR, S_IFMT } from '../abi/fs.ts';
import { decodePath } from '../abi/path.ts';
import type { Creation, DirectoryEntry, Inode } from '../vfs/inode.ts';
import { BLOCKED, failed, type Sleeper } from '../wait/wait.ts';
import { isWhiteout, OPAQUE, REDIRECT } from './overlay.ts';
import { OverlayNode } from './overlay-node.ts';

const YES = Uint8Array.of(0x79);
const encoder = new TextEncoder();

export class OverlayInode extends OverlayNode {
  /** The upper inode is held open for the sake of names in the lower layer. */
  pinned = false;

  // Directories

  override lookup(s: Sleeper, name: string, rest?: string): OverlayInode | number {
    if (this.type !== S_IFDIR) return -ENOTDIR;
    const upper = this.upper === null ? -ENOENT : this.upper.lookup(s, name);
    if (failed(upper) && upper !== -ENOENT) return upper;
    if (failed(upper)) {
      const lower = this.#lookupLower(s, name, rest);
      return failed(lower) ? lower : this.fs.inodeOf(null, lower, this, name, `${this.lowerPath}/${name}`);
    }
    const gone = isWhiteout(s, upper);
    if (gone !== false) return gone === true ? -ENOENT : gone;
    if (upper.type !== S_IFDIR) return this.fs.inodeOf(upper, null, this, name, '');
    return this.#lookupMerged(s, name, upper, rest);
  }

  #lookupLower(s: Sleeper, name: string, rest?: string): Inode | number {
    return this.lower === null ? -ENOENT : this.lower.lookup(s, name, rest);
  }

  /** A directory of the upper layer, with what belongs to it below. */
  #lookupMerged(s: Sleeper, name: string, upper: Inode, rest?: string): OverlayInode | number {
    const opaque = upper.getxattr(s, OPAQUE);
    if (!failed(opaque)) return this.fs.inodeOf(upper, null, this, name, '');
    if (opaque !== -ENODATA) return opaque;
    const redirect = upper.getxattr(s, REDIRECT);
    if (failed(redirect) && redirect !== -ENODATA) return redirect;
    const path = failed(redirect) ? `${this.lowerPath}/${name}` : decodePath(redirect);
    const lower = failed(redirect) ? this.#lookupLower(s, name, rest) : this.#walkLower(s, path);
    if (failed(lower) && lower !== -ENOENT && lower !== -ENOTDIR) return lower;
    const merged = failed(lower) || lower.type !== S_IFDIR ? null : lower;
    return this.fs.inodeOf(upper, merged, this, name, path);
  }

  #walkLower(s: Sleeper, path: string): Inode | number {
    let at: Inode | number = this.fs.lower.root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      if (failed(at)) return at;
      at = at.lookup(s, name);
    }
    return at;
  }

  override entries(s: Sleeper, position: number): DirectoryEntry[] | number {
    if (this.type !== S_IFDIR) return -ENOTDIR;
    const upper = this.upper === null ? [] : this.upper.entries(s, 0);
    if (failed(upper)) return upper;
    const lower = this.lower === null ? [] : this.lower.entries(s, 0);
    if (failed(lower)) return lower;
    const found: DirectoryEntry[] = [];
    const seen = new Set<string>();
    for (const entry of upper) {
      seen.add(entry.name);
      const inode = this.lookup(s, entry.name);
      if (inode === -ENOENT) continue;
      if (failed(inode)) return inode;
      const attributes = inode.attributes(s);
      if (failed(attributes)) return attributes;
      found.push({ ...entry, ino: attributes.ino });
    }
    for (const entry of lower) if (!seen.has(entry.name)) found.push(entry);
    for (const [i, entry] of found.entries()) entry.next = i + 1;
    return position === 0 ? found : found.slice(position);
  }

  /** Whether the lower layer has a name that must be hidden when it goes from the upper one: 1, 0 or a negative errno. */
  #hides(s: Sleeper, name: string): number {
    return this.fs.decide(s, () => {
      const lower = this.#lookupLower(s, name);
      if (failed(lower)) return lower === -ENOENT ? 0 : lower;
      if (this.fs.bases === null) return 1;
      const attributes = lower.attributes(s);
      if (failed(attributes)) return attributes;
      this.fs.cover(`${this.lowerPath}/${name}`, attributes);
      return 1;
    });
  }

  #upperHas(s: Sleeper, name: string): number {
    return this.fs.decide(s, () => {
      const upper = this.upper === null ? -ENOENT : this.upper.lookup(s, name);
      return upper === -ENOENT ? 0 : failed(upper) ? upper : 1;
    });
  }

  #whiteout(s: Sleeper, name: string): number {
    const made = this.upper!.create(s, name, { mode: S_IFCHR, uid: 0, gid: 0, rdev: 0 });
    return failed(made) ? made : 0;
  }

  /** Takes a whiteout away to make room for a name: 1 when there was one, 0, or a negative errno. */
  #uncover(s: Sleeper, name: string): number {
    const covered = this.fs.decide(s, () => {
      const upper = this.upper!.lookup(s, name);
      if (failed(upper)) return upper === -ENOENT ? 0 : upper;
      const gone = isWhiteout(s, upper);
      return gone === true ? 1 : gone === false ? -EEXIST : gone;
    });
    if (covered <= 0) return covered;
    const removed = this.upper!.unlink(s, name);
    return removed < 0 ? removed : 1;
  }

  /** Runs an operation that makes a name in the upper layer. */
  #make(s: Sleeper, name: string, operation: (upper: Inode) => Inode | number): OverlayInode | number {
    const prepared = this.prepare(s) || this.#uncover(s, name);
    if (prepared < 0) return prepared;
    const made = operation(this.upper!);
    if (failed(made)) return made;
    if (made.type === S_IFDIR && prepared === 1) {
      const opaque = made.setxattr(s, OPAQUE, YES, 0);
      if (opaque < 0) return opaque;
    }
    return this.fs.inodeOf(made, null, this, name, '');
  }

  override create(s: Sleeper, name: string, how: Creation): OverlayInode | number {
    // That would be a whiteout.
    if ((how.mode & S_IFMT) === S_IFCHR && (how.rdev ?? 0) === 0) return -EPERM;
    return this.#make(s, name, (upper) => upper.create(s, name, how));
  }

  override mkdir(s: Sleeper, name: string, how: Creation): OverlayInode | number {
    return this.#make(s, name, (upper) => upper.mkdir(s, name, how));
  }

  override symlink(s: Sleeper, name: string, target: string, how: Creation): OverlayInode | number {
    return this.#make(s, name, (upper) => upper.symlink(s, name, target, how));
  }

  override tmpfile(s: Sleeper, how: Creation): OverlayInode | number {
    const prepared = this.prepare(s);
    if (prepared < 0) return prepared;
    const made = this.upper!.tmpfile(s, how);
    return failed(made) ? made : this.fs.inodeOf(made, null, this, '', '');
  }

  override link(s: Sleeper, name: string, inode: Inode): number {
    if (!(inode instanceof OverlayInode) || inode.fs !== this.fs) return -EXDEV;
    const prepared = inode.prepare(s) || this.prepare(s) || this.#uncover(s, name);
    if (prepared < 0) return prepared;
    return this.upper!.link(s, name, inode.upper!);
  }

  override unlink(s: Sleeper, name: string): number {
    const inode = this.fs.keep(s, () => this.lookup(s, name));
    if (failed(inode)) return inode;
    const prepared = this.prepare(s);
    if (prepared !== 0) return prepared;
    const above = this.#upperHas(s, name);
    const below = above < 0 ? above : this.#hides(s, name);
    if (below < 0) return below;
    const pinned = above === 1 ? inode.#pin(s) : 0;
    const removed = pinned < 0 || above === 0 ? pinned : this.upper!.unlink(s, name);
    if (removed < 0) return removed;
    const counted = this.fs.decide(s, () => inode.#unlinked(s, above === 0));
    if (counted < 0) return counted;
    return below === 1 ? this.#whiteout(s, name) : 0;
  }

  /** The upper inode may lose its last name while the lower layer has others: it is held open then. */
  #pin(s: Sleeper): number {
    const needed = this.fs.decide(s, () => (this.extraLinks > 0 && !this.pinned ? 1 : 0));
    if (needed <= 0) return needed;
    const opened = this.upper!.opened(s, O_RDONLY);
    if (opened === 0) this.pinned = true;
    return opened;
  }

  /** One name less. @param below the name was in the lower layer only. */
  #unlinked(s: Sleeper, below: boolean): number {
    const attributes = this.attributes(s);
    if (failed(attributes)) return attributes === BLOCKED ? BLOCKED : 0;
    if (below) this.extraLinks--;
    this.nameless = attributes.nlink - (below ? 1 : 0) <= 0;
    return 0;
  }

  override rmdir(s: Sleeper, name: string): number {
    const cleared = this.#clear(s, name);
    if (cleared < 0) return cleared;
    const prepared = this.prepare(s);
    if (prepared !== 0) return prepared;
    const above = this.#upperHas(s, name);
    const below = above < 0 ? above : this.#hides(s, name);
    if (below < 0) return below;
    const removed = above === 1 ? this.upper!.rmdir(s, name) : 0;
    if (removed < 0) return removed;
    return below === 1 ? this.#whiteout(s, name) : 0;
  }

  /** Takes the whiteouts out of a directory that looks empty; -ENOTEMPTY where it does not. */
  #clear(s: Sleeper, name: string): number {
    const directory = this.fs.keep(s, () => this.lookup(s, name));
    if (failed(directory)) return directory;
    const names = this.fs.decide<string[] | number>(s, () => {
      const entries = directory.entries(s, 0);
      if (failed(entries)) return entries;
      if (entries.length > 0) return -ENOTEMPTY;
      const upper = directory.upper?.entries(s, 0) ?? [];
      return failed(upper) ? upper : upper.map((entry) => entry.name);
    });
    if (failed(names)) return names;
    for (const whiteout of names as string[]) {
      const removed = directory.upper!.unlink(s, whiteout);
      if (removed < 0) return removed;
    }
    return 0;
  }

  override rename(s: Sleeper, name: string, to: Inode, newName: string, flags: number): number {
    if (!(to instanceof OverlayInode) || to.fs !== this.fs) return -EXDEV;
    const source = this.fs.keep(s, () => this.lookup(s, name));
    if (failed(source)) return source;
    const prepared = source.prepare(s) || this.prepare(s) || to.prepare(s);
    if (prepared !== 0) return prepared;
    if ((flags & RENAME_EXCHANGE) !== 0) return this.#exchange(s, source, to, newName);
    const target = this.fs.decide(s, () => {
      const found = to.lookup(s, newName);
      return failed(found) ? found : found.type;
    });
    if (target < 0 && target !== -ENOENT) return target;
    if (target >= 0 && (flags & RENAME_NOREPLACE) !== 0) return -EEXIST;
    const ready = target === S_IFDIR ? to.#clear(s, newName) : target === -ENOENT ? to.#uncover(s, newName) : 0;
    if (ready < 0) return ready;
    const replaced = target === -ENOENT || this.fs.bases === null ? 0 : to.#hides(s, newName);
    if (replaced < 0) return replaced;
    const below = this.#hides(s, name);
    const kept = below < 0 ? below : source.#keepLower(s);
    if (kept < 0) return kept;
    const renamed = this.upper!.rename(s, name, to.upper!, newName, 0);
    if (renamed < 0) return renamed;
    source.place(to, newName);
    return below === 1 ? this.#whiteout(s, name) : 0;
  }

  #exchange(s: Sleeper, source: OverlayInode, to: OverlayInode, newName: string): number {
    const target = this.fs.keep(s, () => to.lookup(s, newName));
    if (failed(target)) return target;
    const prepared = target.prepare(s) || source.#keepLower(s) || target.#keepLower(s);
    if (prepared !== 0) return prepared;
    const { name } = source;
    const renamed = this.upper!.rename(s, name, to.upper!, newName, RENAME_EXCHANGE);
    if (renamed < 0) return renamed;
    source.place(to, newName);
    target.place(this, name);
    return 0;
  }

  /** A directory that moves takes its lower part along, and meets none at its new name. */
  #keepLower(s: Sleeper): number {
    if (this.type !== S_IFDIR) return 0;
    if (this.lower === null) return this.upper!.setxattr(s, OPAQUE, YES, 0);
    return this.upper!.setxattr(s, REDIRECT, encoder.encode(this.lowerPath), 0);
  }
}
