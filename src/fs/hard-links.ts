/** Where a host file with several names was seen: when one goes, it is found under another. */
import type { HostInode } from './host-inode.ts';

type Place = readonly [parent: HostInode | null, name: string];

/** Names that are remembered beside the current one. */
const MOST = 16;

export class HardLinks {
  #others: Place[] = [];

  add(parent: HostInode | null, name: string): void {
    this.remove(parent, name);
    this.#others.push([parent, name]);
    if (this.#others.length > MOST) this.#others.shift();
  }

  remove(parent: HostInode | null, name: string): void {
    if (this.#others.length > 0) this.#others = this.#others.filter(([at, other]) => at !== parent || other !== name);
  }

  /** The name that was seen last of those that are left. */
  take(): Place | undefined {
    return this.#others.pop();
  }
}
