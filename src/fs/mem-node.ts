/**
 * Nodes and links of memfs (its node level), with what it lacks for our rules: times in nanoseconds from the machine's
 * clock, content in a PageStore, extended attributes, and directory positions that survive changes.
 */
import { Link, Node, type Superblock } from '@jsonjoy.com/fs-core';
import { S_IFDIR, S_IFMT } from '../abi/fs.ts';
import { PageStore } from './page-store.ts';

export class MemNode extends Node {
  readonly content = new PageStore();
  accessed: bigint;
  modified: bigint;
  changed: bigint;
  readonly born: bigint;
  /** Modified since it was last read: relatime(8) then updates the access time. */
  stale = true;
  xattrs: Map<string, Uint8Array> | null = null;
  /** Descriptions open over the content: a node without links lives until the last one goes. */
  openCount = 0;

  constructor(ino: number, mode: number, uid: number, gid: number, now: bigint) {
    super(ino, mode, uid, gid);
    this.accessed = this.modified = this.changed = this.born = now;
  }
}

export class MemLink extends Link {
  /** Where readdir goes on after this entry. */
  cookie = 0;
  #lastCookie = 0;

  /** Enters a node under a name. */
  add(name: string, node: MemNode): MemLink {
    const link = new MemLink(this.vol, this, name);
    link.setNode(node);
    if ((node.mode & S_IFMT) === S_IFDIR) {
      link.children.set('.', link);
      node.nlink++;
    }
    this.setChild(name, link);
    link.cookie = ++this.#lastCookie;
    return link;
  }

  /** Moves a link here; its old directory has let it go. */
  adopt(link: MemLink, name: string): void {
    link.name = name;
    this.setChild(name, link);
    link.syncSteps();
    link.cookie = ++this.#lastCookie;
  }

  child(name: string): MemLink | undefined {
    return this.children.get(name) as MemLink | undefined;
  }

  /** Names and what they lead to, without the dots, in the order of their cookies. */
  entries(): { name: string; ino: number; cookie: number; target: MemNode }[] {
    const found = [];
    for (const [name, link] of this.children) {
      if (name === '.' || name === '..') continue;
      const { ino, cookie, target } = link as MemLink;
      found.push({ name, ino, cookie, target });
    }
    return found;
  }

  get empty(): boolean {
    for (const name of this.children.keys()) {
      if (name !== '.' && name !== '..') return false;
    }
    return true;
  }

  get target(): MemNode {
    return this.getNode() as MemNode;
  }
}

/** Replaces the superblock's root, which has neither our node nor our link. */
export function makeRoot(superblock: Superblock, node: MemNode): MemLink {
  const root = new MemLink(superblock, undefined, '');
  root.setNode(node);
  node.nlink = 2;
  superblock.root = root;
  return root;
}
