/**
 * Files that are unlinked while clients have them open, kept under names that nobody sees: a server that is started anew finds
 * them there. They lie in a directory at the top of their exported tree and go when the last description is closed, or when
 * the session that held them cannot come back any more.
 */
import { S_IFREG } from '../../abi/fs.ts';
import type { Clock } from '../../vfs/attendant.ts';
import type { Inode } from '../../vfs/inode.ts';
import { failed, type Sleeper } from '../../wait/wait.ts';
import { RequestTask } from '../request-task.ts';
import type { JournalStore } from './journal.ts';
import type { Export, Node } from './nodes.ts';
import type { Session } from './session.ts';

/** No request may name it. */
export const HIDDEN = '.tallship-unlinked';

interface Place {
  readonly root: Export;
  readonly name: string;
}

export class HiddenFiles {
  readonly #clock: Clock;
  readonly #places = new Map<Inode, Place>();
  /** Descriptions that are open, over all sessions. */
  readonly #opens = new Map<Inode, number>();
  /** Null: a server that is gone is gone for good, and so are its files. */
  readonly #sessions: Pick<JournalStore, 'has'> | null;

  constructor(clock: Clock, sessions: Pick<JournalStore, 'has'> | null) {
    this.#clock = clock;
    this.#sessions = sessions;
  }

  has(inode: Inode): boolean {
    return this.#places.has(inode);
  }

  opened(inode: Inode): void {
    this.#opens.set(inode, (this.#opens.get(inode) ?? 0) + 1);
  }

  closed(inode: Inode): void {
    const left = (this.#opens.get(inode) ?? 1) - 1;
    if (left > 0) {
      this.#opens.set(inode, left);
      return;
    }
    this.#opens.delete(inode);
    const place = this.#places.get(inode);
    this.#places.delete(inode);
    if (place !== undefined) this.#now((s) => remove(s, place.root, place.name));
  }

  unlink(session: Session, s: Sleeper, node: Node, name: string): number {
    const inode = node.inode.lookup(s, name);
    const place = this.#placeFor(session, s, node.root, inode);
    if (place === null) return node.inode.unlink(s, name);
    const hidden = node.inode.rename(s, name, place.directory, place.name, 0);
    // Other file systems below the root, directories that are not ours: as long as the server runs.
    if (hidden < 0) return node.inode.unlink(s, name);
    this.#places.set(inode as Inode, place);
    return 0;
  }

  rename(session: Session, s: Sleeper, node: Node, name: string, to: Node, newName: string, flags: number): number {
    const replaced = flags === 0 ? to.inode.lookup(s, newName) : -1;
    const place = this.#placeFor(session, s, to.root, replaced);
    const moves = place !== null && node.inode.lookup(s, name) !== replaced;
    // A second name first: at no time is the old one without a file.
    const kept = moves && place.directory.link(s, place.name, replaced as Inode) === 0;
    const renamed = node.inode.rename(s, name, to.inode, newName, flags);
    if (!kept) return renamed;
    if (renamed < 0) place.directory.unlink(s, place.name);
    else this.#places.set(replaced as Inode, place);
    return renamed;
  }

  /** Where a file goes when its last name is taken away; null: there is no need. */
  #placeFor(session: Session, s: Sleeper, root: Export, inode: Inode | number) {
    if (this.#sessions === null || failed(inode) || inode.type !== S_IFREG || !this.#opens.has(inode)) return null;
    const attributes = inode.attributes(s);
    if (failed(attributes) || attributes.nlink !== 1) return null;
    const found = directoryOf(s, root);
    const directory = found === null ? makeDirectory(s, root) : found;
    return directory === null ? null : { directory, root, name: `${attributes.ino}-${session.id}` };
  }

  /** One that a server which is gone has hidden. */
  find(s: Sleeper, root: Export, ino: number, btime: bigint): { inode: Inode; name: string } | null {
    if (this.#sessions === null) return null;
    const directory = directoryOf(s, root);
    const entries = directory?.entries(s, 0) ?? 0;
    if (directory === null || failed(entries)) return null;
    for (const { name } of entries) {
      if (!name.startsWith(`${ino}-`)) continue;
      const inode = directory.lookup(s, name);
      const attributes = failed(inode) ? inode : inode.attributes(s);
      if (failed(inode) || failed(attributes) || attributes.ino !== ino || attributes.btime !== btime) continue;
      this.#places.set(inode, { root, name });
      return { inode, name };
    }
    return null;
  }

  /** Removes what sessions have left that cannot come back. */
  sweep(exports: readonly Export[]): void {
    const held = new Set([...this.#places.values()].map(({ root, name }) => `${root.path}/${name}`));
    for (const root of exports) {
      if (root.fs.readOnly) continue;
      this.#now((s) => {
        const entries = directoryOf(s, root)?.entries(s, 0) ?? [];
        for (const { name } of failed(entries) ? [] : entries) {
          const session = Number(/^\d+-(\d+)$/.exec(name)?.[1]);
          if (!held.has(`${root.path}/${name}`) && !this.#sessions!.has(session)) remove(s, root, name);
        }
      });
    }
  }

  #now(operation: (s: Sleeper) => void): void {
    new RequestTask(
      this.#clock,
      (s) => {
        operation(s);
        return 0;
      },
      () => {},
    ).run();
  }
}

function directoryOf(s: Sleeper, { fs }: Export): Inode | null {
  const directory = fs.root.lookup(s, HIDDEN);
  return failed(directory) ? null : directory;
}

function makeDirectory(s: Sleeper, { fs }: Export): Inode | null {
  const owner = fs.root.attributes(s);
  if (failed(owner)) return null;
  const made = fs.root.mkdir(s, HIDDEN, { mode: 0o700, uid: owner.uid, gid: owner.gid });
  return failed(made) ? null : made;
}

/** And the directory, when it was the last. */
function remove(s: Sleeper, root: Export, name: string): void {
  directoryOf(s, root)?.unlink(s, name);
  root.fs.root.rmdir(s, HIDDEN);
}
