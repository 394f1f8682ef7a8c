/** What a session's client knows: inodes by number, under the names where they were found last. */
import { O_ACCMODE, O_RDONLY } from '../../abi/fs.ts';
import type { DirectoryEntry, FileSystem, Inode } from '../../vfs/inode.ts';
import type { HiddenFiles } from './hidden.ts';

export interface Export {
  /** Absolute, as the client names it. */
  readonly path: string;
  readonly fs: FileSystem;
}

export interface Node {
  readonly id: number;
  readonly inode: Inode;
  /** The tree it belongs to. */
  readonly root: Export;
  parent: Node | null;
  name: string;
  /** How often the client was told of it. */
  told: number;
  /** Descriptions that are open, by their flags. */
  readonly opens: number[];
  /** Lock owners, by the client's numbers: locks of two clients never meet in one object. */
  readonly owners: Map<number, object>;
  /** A listing that goes over several frames. */
  listing: { entries: DirectoryEntry[] } | null;
  /** Of a large directory: what follows what, to tell who goes through it. */
  order: Order | null;
}

export interface Order {
  /** When the directory was changed last, for the names to be these. */
  readonly mtime: bigint;
  readonly names: readonly string[];
  readonly places: ReadonlyMap<string, number>;
  /** The last one that was asked for or told; -1: none. */
  last: number;
}

/** A client that never forgets is told so. */
const MOST = 1 << 20;

export class NodeTable {
  readonly #nodes = new Map<number, Node>();
  readonly #ids = new Map<Inode, number>();
  #next = 1;
  readonly #hidden: HiddenFiles;
  /** Descriptions that are open. */
  opens = 0;

  constructor(hidden: HiddenFiles) {
    this.#hidden = hidden;
  }

  get(id: number): Node | undefined {
    return this.#nodes.get(id);
  }

  get full(): boolean {
    return this.#nodes.size >= MOST;
  }

  /** The node of an inode, told once more. */
  tell(inode: Inode, root: Export, parent: Node | null, name: string): Node {
    const known = this.#nodes.get(this.#ids.get(inode) ?? 0);
    if (known !== undefined) {
      known.told++;
      if (parent !== null) this.#place(known, parent, name);
      return known;
    }
    const node: Node = {
      id: this.#next++,
      inode,
      root,
      parent,
      name,
      told: 1,
      opens: [],
      owners: new Map(),
      listing: null,
      order: null,
    };
    this.#nodes.set(node.id, node);
    this.#ids.set(inode, node.id);
    return node;
  }

  /** An inode has another name. */
  moved(inode: Inode, parent: Node, name: string): void {
    const known = this.#nodes.get(this.#ids.get(inode) ?? 0);
    if (known !== undefined) this.#place(known, parent, name);
  }

  #place(node: Node, parent: Node, name: string): void {
    for (let at: Node | null = parent; at !== null; at = at.parent) if (at === node) return;
    node.parent = parent;
    node.name = name;
  }

  forget(node: Node, times: number): void {
    node.told -= times;
    if (node.told <= 0 && node.opens.length === 0) this.#drop(node);
  }

  #drop(node: Node): void {
    this.#nodes.delete(node.id);
    this.#ids.delete(node.inode);
  }

  opened(node: Node, flags: number): void {
    node.opens.push(flags);
    this.opens++;
    this.#hidden.opened(node.inode);
  }

  /** False: nobody had opened it like that. */
  closed(node: Node, flags: number): boolean {
    const writes = isWriting(flags);
    const at = node.opens.findIndex((open) => isWriting(open) === writes);
    if (at < 0) return false;
    const [opened] = node.opens.splice(at, 1);
    this.opens--;
    node.inode.closed(opened);
    this.#hidden.closed(node.inode);
    if (node.told <= 0 && node.opens.length === 0) this.#drop(node);
    return true;
  }

  *all(): IterableIterator<Node> {
    yield* this.#nodes.values();
  }
}

function isWriting(flags: number): boolean {
  return (flags & O_ACCMODE) !== O_RDONLY;
}

/** The path of a node, for logs and for finding it again. */
export function pathOf(node: Node): string {
  let path = '';
  let at: Node = node;
  for (; at.parent !== null; at = at.parent) path = `/${at.name}${path}`;
  return `${at.root.path === '/' ? '' : at.root.path}${path}` || '/';
}
