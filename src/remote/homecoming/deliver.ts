/**
 * Does at home what a plan says. First everything is copied there under other names, so that most that can fail has failed
 * before anything that has a name is touched; then new names are made, changed files replaced in the order in which the
 * program changed them, and last what is gone is removed.
 */
import { EEXIST } from '../../abi/errno.ts';
import { RENAME_NOREPLACE, S_IFDIR } from '../../abi/fs.ts';
import type { Inode } from '../../vfs/inode.ts';
import { type Ask, allOf, levels } from './ask.ts';
import { type Directory, good, type Item, type Plan } from './plan.ts';
import { like, put, write } from './put.ts';

interface Place {
  readonly parent: Inode;
  readonly name: string;
}

export class Delivery {
  readonly #plan: Plan;
  readonly #ask: Ask;
  readonly #mark: string;
  #temporaries = 0;
  /** Where new things lie until they get their names. */
  readonly #staged = new Map<Directory | Item, Place>();
  /** What is made of upper inodes, which may have several names. */
  readonly #made = new Map<Inode, Promise<Inode>>();
  /** What had to make room, and will be moved or removed. */
  readonly #aside = new Map<Inode, Place>();

  /** @param mark in names that nothing at home has. */
  constructor(plan: Plan, ask: Ask, mark: string) {
    this.#plan = plan;
    this.#ask = ask;
    this.#mark = mark;
  }

  #temporary(): string {
    return `.tallship-${this.#mark}-${this.#temporaries++}`;
  }

  /** Everything new is at home, and nobody sees it. */
  async stage(): Promise<void> {
    const { directories, items } = this.#plan;
    for (const level of levels(directories)) await allOf(level, (directory) => this.#makeDirectory(directory));
    await allOf(items, (item) => this.#stageItem(item));
  }

  /** What was staged goes again, as far as home lets us. */
  async abandon(): Promise<void> {
    const { directories, items } = this.#plan;
    const remove = async (one: Directory | Item, operation: 'unlink' | 'rmdir') => {
      const place = this.#staged.get(one);
      if (place !== undefined) await this.#ask((s) => place.parent[operation](s, place.name));
    };
    await allOf(items, (item) => remove(item, 'unlink'));
    for (const level of levels(directories).reverse()) await allOf(level, (one) => remove(one, 'rmdir'));
  }

  async #makeDirectory(directory: Directory): Promise<void> {
    if (directory.home !== null) return;
    const { upper, path } = directory;
    const parent = directory.parent!.home!;
    const name = this.#staged.has(directory.parent!) ? directory.name : this.#temporary();
    const { uid, gid } = good(await this.#ask((s) => upper.attributes(s)), path);
    directory.home = good(await this.#ask((s) => parent.mkdir(s, name, { mode: S_IFDIR | 0o700, uid, gid })), path);
    this.#staged.set(directory, { parent, name });
  }

  async #stageItem(item: Item): Promise<void> {
    if (item.inPlace !== null) return;
    const { directory, upper, attributes, path } = item;
    const parent = directory.home!;
    const name = this.#staged.has(directory) ? item.name : this.#temporary();
    const first = this.#made.get(upper);
    if (first !== undefined) {
      const inode = await first;
      good(await this.#ask((s) => parent.link(s, name, inode)), path);
      this.#staged.set(item, { parent, name });
      return;
    }
    this.#staged.set(item, { parent, name });
    const made = put(this.#ask, parent, name, upper, attributes, path);
    this.#made.set(upper, made);
    await like(this.#ask, await made, upper, attributes, path);
  }

  /** Home gets what it is to have. */
  async commit(): Promise<void> {
    const { directories, items } = this.#plan;
    for (const directory of directories) await this.#placeDirectory(directory);
    // In new directories they have their names already.
    const rest = items.filter(({ directory }) => !this.#staged.has(directory));
    const added = rest.filter(({ base }) => base === null);
    const changed = rest.filter(({ base }) => base !== null);
    changed.sort((a, b) => Number(a.attributes.ctime - b.attributes.ctime));
    await allOf(added, (item) => this.#place(item));
    await allOf(changed, (item) => this.#place(item));
    await this.#remove();
    for (const level of levels(directories).reverse()) await allOf(level, (one) => this.#finishDirectory(one));
  }

  async #placeDirectory(directory: Directory): Promise<void> {
    const { parent, name, path, occupied } = directory;
    const from = this.#whereIs(directory);
    if (from === undefined) return;
    if (occupied) await this.#makeRoom(parent!.home!, name, path);
    const moved = await this.#ask((s) => from.parent.rename(s, from.name, parent!.home!, name, RENAME_NOREPLACE));
    good(moved, path);
  }

  /** A directory that is not at its place; undefined: it is. */
  #whereIs(directory: Directory): Place | undefined {
    const { parent, from, home } = directory;
    if (from !== null) return this.#aside.get(home!) ?? from;
    return parent === null || this.#staged.has(parent) ? undefined : this.#staged.get(directory);
  }

  async #place(item: Item): Promise<void> {
    const { directory, name, path, base, occupied, inPlace, upper, attributes } = item;
    const parent = directory.home!;
    if (inPlace !== null) {
      good(await this.#ask((s) => inPlace.change(s, { size: 0 })), path);
      await write(this.#ask, inPlace, upper, attributes.size, path);
      return like(this.#ask, inPlace, upper, attributes, path);
    }
    if (occupied) await this.#makeRoom(parent, name, path);
    const from = this.#staged.get(item)!;
    const flags = base === null || occupied ? RENAME_NOREPLACE : 0;
    const placed = await this.#ask((s) => from.parent.rename(s, from.name, parent, name, flags));
    good(placed, placed === -EEXIST ? `${path} was made there meanwhile` : path);
  }

  async #makeRoom(parent: Inode, name: string, path: string): Promise<void> {
    const found = await this.#ask((s) => parent.lookup(s, name));
    // It may have moved on already.
    if (typeof found === 'number') return;
    const aside = this.#temporary();
    good(await this.#ask((s) => parent.rename(s, name, parent, aside, RENAME_NOREPLACE)), path);
    this.#aside.set(found, { parent, name: aside });
  }

  async #remove(): Promise<void> {
    for (const level of levels(this.#plan.removals).reverse()) {
      await allOf(level, async ({ parent, name, inode }) => {
        const at = this.#aside.get(inode) ?? { parent, name };
        const operation = inode.type === S_IFDIR ? 'rmdir' : 'unlink';
        good(await this.#ask((s) => at.parent[operation](s, at.name)), name);
      });
    }
  }

  /** The times of directories that were there tell when this was done. */
  async #finishDirectory(directory: Directory): Promise<void> {
    const { upper, home, base, path } = directory;
    const attributes = good(await this.#ask((s) => upper.attributes(s)), path);
    if (this.#staged.has(directory)) return like(this.#ask, home!, upper, attributes, path);
    if (base === null || base.mode === attributes.mode) return;
    good(await this.#ask((s) => home!.change(s, { mode: attributes.mode & 0o7777 })), path);
  }
}
