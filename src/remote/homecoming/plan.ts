/**
 * What has to be done at home so that it gets what an overlay has changed, and whether somebody else has changed the same
 * meanwhile. Nothing is changed yet.
 */
import { ENOENT, errnoName } from '../../abi/errno.ts';
import { S_IFCHR, S_IFDIR, S_IFMT, S_IFREG, S_IFSOCK } from '../../abi/fs.ts';
import { decodePath } from '../../abi/path.ts';
import { type Base, OPAQUE, type OverlayFs, REDIRECT } from '../../fs/overlay.ts';
import type { Attributes, DirectoryEntry, Inode } from '../../vfs/inode.ts';
import { failed } from '../../wait/wait.ts';
import { type Ask, allOf } from './ask.ts';

/** A directory that the overlay has in its upper layer. */
export interface Directory {
  readonly upper: Inode;
  readonly parent: Directory | null;
  readonly depth: number;
  readonly name: string;
  /** For messages: where the program saw it. */
  readonly path: string;
  /** Where it lay at home when the program saw it first; null: nowhere. */
  readonly key: string | null;
  /** At home; null: it is to be made. */
  home: Inode | null;
  /** Where it is at home now, if not here. */
  readonly from: { readonly parent: Inode; readonly name: string } | null;
  /** Something has its name at home, and must go or has moved. */
  readonly occupied: boolean;
  /** What it was; null: it is new, or the root. */
  readonly base: Base | null;
}

/** A file, symlink, FIFO or device that home is to get. */
export interface Item {
  readonly directory: Directory;
  readonly name: string;
  readonly path: string;
  readonly upper: Inode;
  readonly attributes: Attributes;
  /** What home had; null: nothing. */
  readonly base: Base | null;
  /** A directory at home has its name, and must go. */
  readonly occupied: boolean;
  /** It has other names at home, which are to keep what they share: it is not replaced, but written. */
  readonly inPlace: Inode | null;
}

export interface Removal {
  /** Names from the root. */
  readonly depth: number;
  readonly parent: Inode;
  readonly name: string;
  readonly inode: Inode;
}

/** What must be so at home until all is done. */
interface Expectation {
  readonly parent: Inode;
  readonly name: string;
  readonly base: Base | null;
  readonly path: string;
}

/** Home cannot be asked, or does not take what it is given. */
export class HomeError extends Error {
  override name = 'HomeError';
}

export class Plan {
  /** Parents before their children. */
  readonly directories: Directory[] = [];
  readonly items: Item[] = [];
  readonly removals: Removal[] = [];
  readonly conflicts: string[] = [];
  readonly #overlay: OverlayFs;
  readonly #ask: Ask;
  readonly #expectations: Expectation[] = [];
  /** Directories of home that have another place now, by their old one. */
  readonly #moved = new Set<string>();

  private constructor(overlay: OverlayFs, ask: Ask) {
    this.#overlay = overlay;
    this.#ask = ask;
  }

  static async make(overlay: OverlayFs, ask: Ask): Promise<Plan> {
    const plan = new Plan(overlay, ask);
    await plan.#findMoved(overlay.upper.root);
    const root = { parent: null, depth: 0, name: '', path: '', key: '', from: null, occupied: false, base: null };
    await plan.#visit({ ...root, upper: overlay.upper.root, home: overlay.lower.root });
    plan.directories.sort((a, b) => a.depth - b.depth);
    return plan;
  }

  get isEmpty(): boolean {
    return this.items.length + this.removals.length + this.directories.length <= 1;
  }

  /** Whether home still is what this plan was made for; what is not is in `conflicts`. */
  async verify(): Promise<void> {
    this.#overlay.lower.refresh?.();
    await allOf(this.#expectations, async ({ parent, name, base, path }) => {
      const found = await this.#homeHas(parent, name);
      if ((found === null) !== (base === null) || (found !== null && !isSame(found.attributes, base!))) {
        this.conflicts.push(path);
      }
    });
  }

  async #entries(directory: Inode): Promise<DirectoryEntry[]> {
    const all: DirectoryEntry[] = [];
    for (;;) {
      const part = good(await this.#ask((s) => directory.entries(s, all.at(-1)?.next ?? 0)), 'a directory');
      if (part.length === 0) return all;
      all.push(...part);
    }
  }

  async #findMoved(upper: Inode): Promise<void> {
    for (const { name } of await this.#entries(upper)) {
      const inode = good(await this.#ask((s) => upper.lookup(s, name)), name);
      if (inode.type !== S_IFDIR) continue;
      const from = await this.#attribute(inode, REDIRECT);
      if (from !== null) this.#moved.add(from);
      await this.#findMoved(inode);
    }
  }

  async #attribute(inode: Inode, name: string): Promise<string | null> {
    const value = await this.#ask((s) => inode.getxattr(s, name));
    return failed(value) ? null : decodePath(value);
  }

  async #homeHas(parent: Inode, name: string): Promise<{ inode: Inode; attributes: Attributes } | null> {
    const inode = await this.#ask((s) => parent.lookup(s, name));
    if (inode === -ENOENT) return null;
    const attributes = await this.#ask((s) => good(inode, name).attributes(s));
    return { inode: good(inode, name), attributes: good(attributes, name) };
  }

  async #visit(directory: Directory): Promise<void> {
    this.directories.push(directory);
    await allOf(await this.#entries(directory.upper), ({ name }) => this.#compare(directory, name));
  }

  async #compare(directory: Directory, name: string): Promise<void> {
    const { upper, home } = directory;
    const inode = good(await this.#ask((s) => upper.lookup(s, name)), name);
    const attributes = good(await this.#ask((s) => inode.attributes(s)), name);
    const key = directory.key === null ? null : `${directory.key}/${name}`;
    const base = (key === null ? undefined : this.#overlay.bases!.get(key)) ?? null;
    const there = home === null || key === null ? null : await this.#homeHas(home, name);
    const one: Compared = { directory, name, path: `${directory.path}/${name}`, inode, attributes, key, base, there };
    if (inode.type === S_IFCHR && attributes.rdev === 0) return this.#remove(one);
    if (inode.type === S_IFDIR) return this.#compareDirectory(one);
    if (inode.type !== S_IFSOCK && base?.sent !== attributes.ctime) await this.#compareFile(one);
  }

  async #remove({ directory, name, path, key, base, there }: Compared): Promise<void> {
    if (there === null || this.#moved.has(key!)) return;
    if (base === null || !isSame(there.attributes, base)) return this.#conflict(path);
    await this.#removeAll({ depth: directory.depth, parent: directory.home!, name, inode: there.inode }, key!, path);
  }

  /** With all that is below it, if the program has seen and removed all that. */
  async #removeAll(removal: Removal, key: string, path: string): Promise<void> {
    const { inode } = removal;
    const depth = removal.depth + 1;
    if (inode.type === S_IFDIR) {
      await allOf(await this.#entries(inode), async ({ name }) => {
        const below = `${key}/${name}`;
        if (this.#moved.has(below)) return;
        const base = this.#overlay.bases!.get(below);
        const there = await this.#homeHas(inode, name);
        if (there === null) return;
        if (base === undefined || !isSame(there.attributes, base)) return this.#conflict(`${path}/${name}`);
        await this.#removeAll({ depth, parent: inode, name, inode: there.inode }, below, `${path}/${name}`);
      });
    }
    this.removals.push(removal);
  }

  async #compareFile({ directory, name, path, inode, attributes, key, base, there }: Compared): Promise<void> {
    if ((there === null) !== (base === null)) return this.#conflict(path);
    const occupied = there !== null && there.inode.type === S_IFDIR;
    if (there !== null && !isSame(there.attributes, base!)) return this.#conflict(path);
    if (occupied && !this.#moved.has(key!))
      await this.#removeAll({ depth: directory.depth, parent: directory.home!, name, inode: there.inode }, key!, path);
    if (directory.home !== null && !occupied) this.#expectations.push({ parent: directory.home, name, base, path });
    const shared = there !== null && there.inode.type === S_IFREG && there.attributes.nlink > 1;
    const inPlace = shared && inode.type === S_IFREG ? there.inode : null;
    this.items.push({ directory, name, path, upper: inode, attributes, base, occupied, inPlace });
  }

  async #compareDirectory(one: Compared): Promise<void> {
    const { directory, name, path, inode, key, base, there } = one;
    const child = { upper: inode, parent: directory, depth: directory.depth + 1, name, path };
    const redirect = await this.#attribute(inode, REDIRECT);
    const isNew = redirect !== null || base === null || (await this.#attribute(inode, OPAQUE)) !== null;
    if (!isNew) {
      if (there === null || !isSame(there.attributes, base)) return this.#conflict(path);
      return this.#visit({ ...child, home: there.inode, key, from: null, occupied: false, base });
    }
    if (there !== null && base === null) {
      // Made by others too: what is in it is compared.
      if (redirect !== null || there.inode.type !== S_IFDIR) return this.#conflict(path);
      return this.#visit({ ...child, home: there.inode, key, from: null, occupied: false, base: null });
    }
    if (there !== null && !this.#moved.has(key!)) await this.#remove(one);
    const occupied = there !== null;
    if (redirect === null) return this.#visit({ ...child, home: null, key: null, from: null, occupied, base: null });
    const from = await this.#find(redirect);
    const moved = from === null ? null : await this.#homeHas(from.parent, from.name);
    const known = this.#overlay.bases!.get(redirect);
    if (moved === null || known === undefined || !isSame(moved.attributes, known)) return this.#conflict(path);
    await this.#visit({ ...child, home: moved.inode, key: redirect, from, occupied, base: known });
  }

  /** The directory at home that holds a path. */
  async #find(path: string): Promise<{ parent: Inode; name: string } | null> {
    const names = path.split('/').filter((name) => name !== '');
    const name = names.pop()!;
    let parent = this.#overlay.lower.root;
    for (const each of names) {
      const found = await this.#homeHas(parent, each);
      if (found === null) return null;
      parent = found.inode;
    }
    return { parent, name };
  }

  #conflict(path: string): void {
    this.conflicts.push(path);
  }
}

interface Compared {
  readonly directory: Directory;
  readonly name: string;
  readonly path: string;
  readonly inode: Inode;
  readonly attributes: Attributes;
  readonly key: string | null;
  readonly base: Base | null;
  readonly there: { readonly inode: Inode; readonly attributes: Attributes } | null;
}

/** Of directories it matters that it is the same one: what is in it is compared by itself. */
function isSame(attributes: Attributes, base: Base): boolean {
  const { ino, mode, size, mtime, ctime } = attributes;
  if (ino !== base.ino || (mode & S_IFMT) !== (base.mode & S_IFMT)) return false;
  return (mode & S_IFMT) === S_IFDIR || (size === base.size && mtime === base.mtime && ctime === base.ctime);
}

export function good<T>(answer: T | number, what: string): T {
  if (failed(answer)) throw new HomeError(`${what}: ${errnoName(answer)}`);
  return answer as T;
}
