/** The names of a served directory, as far as they are known: those that are there, and those that are not. */
import type { Sleeper } from '../../wait/wait.ts';
import type { Freshness, Stamp } from './freshness.ts';
import type { RemoteInode } from './remote-inode.ts';

interface Name {
  readonly inode: RemoteInode | null;
  stamp: Stamp;
  /** The call that took the name away walks once more through it, when it is run again: `a/../a`. */
  readonly before: { by: Sleeper; serial: number; inode: RemoteInode | null } | null;
}

export const NEVER: Stamp = { tick: -1, time: Number.NEGATIVE_INFINITY };

export class NameCache {
  readonly #freshness: Freshness;
  readonly #names = new Map<string, Name>();
  /** When all entries were learnt at once: other names are not there. */
  #complete = NEVER;

  constructor(freshness: Freshness) {
    this.#freshness = freshness;
  }

  /** Null: there is no such name; undefined: not known. */
  find(s: Sleeper, name: string): RemoteInode | null | undefined {
    const known = this.#names.get(name);
    if (known === undefined) return this.#freshness.isFresh(s, this.#complete) ? null : undefined;
    const { before } = known;
    if (before !== null && before.by === s && before.serial === s.serial) return before.inode;
    return this.#freshness.isFresh(s, known.stamp) ? known.inode : undefined;
  }

  /** What was known last. */
  last(name: string): RemoteInode | null {
    return this.#names.get(name)?.inode ?? null;
  }

  learn(name: string, inode: RemoteInode | null, stamp: Stamp): void {
    const known = this.#names.get(name);
    if (known !== undefined && known.stamp.tick > stamp.tick) return;
    this.#names.set(name, { inode, stamp, before: null });
  }

  /** A call has taken the name away, or given it to another inode. */
  replace(s: Sleeper, name: string, inode: RemoteInode | null, stamp: Stamp): void {
    const before = { by: s, serial: s.serial, inode: this.last(name) };
    this.#names.set(name, { inode, stamp, before });
  }

  forget(name: string): void {
    this.#names.delete(name);
    this.#complete = NEVER;
  }

  learnedAll(stamp: Stamp): void {
    this.#complete = stamp;
  }

  /** All of it is to be asked for again. */
  outdate(): void {
    for (const known of this.#names.values()) known.stamp = NEVER;
    this.#complete = NEVER;
  }
}
