/**
 * Trees of other machines, before a machine is made of an image: nothing can be waited for while it is. Connects to them,
 * finds the inodes that the image refers to, and opens those that are open; what is mapped is fetched before anything runs.
 */
import { ESTALE } from '../abi/errno.ts';
import type { NodeImage } from '../fs/image/index.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { fillPages } from '../memory/fill.ts';
import type { FileSystem, Inode, TreeOrigin } from '../vfs/inode.ts';
import { Mapping } from '../vfs/page-cache.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import { ImageError } from './image.ts';
import { StaleInode } from './stale-inode.ts';
import type { OpenedImage } from './thaw.ts';

export interface AheadOptions {
  /** Connects to a tree of another machine; null: it is one of this host's. */
  connect(origin: TreeOrigin, device: number): Promise<FileSystem> | null;
  /** What `look` answers, run again until it need not wait. */
  ask<T>(look: (s: Sleeper) => T): Promise<T>;
  warn(line: string): void;
}

interface TreeInodeFields {
  readonly fs: number;
  readonly names: readonly string[];
  readonly type: number;
  readonly mark?: { readonly ino: number; readonly btime: bigint };
}

export class Ahead {
  readonly #image: OpenedImage;
  readonly #options: AheadOptions;
  /** By the numbers of their nodes, and of their devices. */
  readonly #trees = new Map<number, FileSystem>();
  readonly #devices = new Map<number, FileSystem>();
  readonly #found = new Map<string, Promise<Inode | number>>();
  /** By tree and path: for whoever makes the objects. */
  readonly #inodes = new Map<FileSystem, Map<string, Inode>>();
  readonly #opened: (() => void)[] = [];

  private constructor(image: OpenedImage, options: AheadOptions) {
    this.#image = image;
    this.#options = options;
  }

  static async look(image: OpenedImage, options: AheadOptions): Promise<Ahead> {
    const ahead = new Ahead(image, options);
    await ahead.#connectAll();
    if (ahead.#trees.size > 0) await ahead.#findAll();
    return ahead;
  }

  /** The tree with this device number, if it is another machine's. */
  tree(device: number): FileSystem | undefined {
    return this.#devices.get(device);
  }

  inode(fs: FileSystem, names: readonly string[]): Inode | undefined {
    return this.#inodes.get(fs)?.get(names.join('/'));
  }

  /** The machine is there, and nothing has run. */
  async finish({ tasks }: Kernel): Promise<void> {
    for (const close of this.#opened.splice(0)) close();
    if (this.#trees.size === 0) return;
    const spaces = new Set([...tasks.values()].filter(({ runState }) => runState !== 'dead').map(({ mm }) => mm));
    for (const mm of spaces) {
      for (const vma of mm.vmas) {
        const backing = vma.object?.backing;
        if (!(backing instanceof Mapping) || backing.node.fs.sleeps !== true || !vma.shared) continue;
        const answer = await this.#options.ask((s) => backing.prefetch(s, vma.offset, vma.end - vma.start));
        if (answer < 0) throw new ImageError(`${backing.path} cannot be read (errno ${-answer})`);
        if (!vma.lazy) fillPages(mm.guest, vma, vma.start, vma.end);
      }
    }
  }

  /** It cannot be made. */
  abandon(): void {
    for (const fs of this.#devices.values()) fs.close?.();
  }

  async #connectAll(): Promise<void> {
    const { nodes } = this.#image;
    await Promise.all(
      [...nodes.entries()].map(async ([id, { kind, fields }]) => {
        if (kind !== 'tree') return;
        const { origin, device } = fields as unknown as { origin: TreeOrigin; device: number };
        const connecting = this.#options.connect(origin, device);
        if (connecting === null) return;
        const fs = await connecting;
        this.#trees.set(id, fs);
        this.#devices.set(device, fs);
        this.#inodes.set(fs, new Map());
      }),
    );
  }

  async #findAll(): Promise<void> {
    const { nodes } = this.#image;
    const found = new Map<number, Inode>();
    await Promise.all(
      [...nodes.entries()].map(async ([id, node]) => {
        const inode = node.kind === 'tree-inode' ? await this.#find(node) : undefined;
        if (inode !== undefined) found.set(id, inode);
      }),
    );
    for (const { kind, fields } of nodes) {
      const inode = kind === 'regular' ? found.get(this.#realInode(fields)) : undefined;
      if (inode !== undefined) await this.#open(inode, fields.flags as number);
    }
  }

  /** Undefined: it lies in no tree of another machine. */
  async #find({ fields }: NodeImage): Promise<Inode | undefined> {
    const { fs: tree, names, type, mark } = fields as unknown as TreeInodeFields;
    const fs = this.#trees.get(tree);
    if (fs === undefined) return undefined;
    const path = names.join('/');
    let inode = await this.#walk(fs, names);
    if (!failed(inode) && mark !== undefined && mark !== null) {
      const now = await this.#options.ask((s) => (inode as Inode).attributes(s));
      if (failed(now)) inode = now;
      else if (now.ino !== mark.ino || now.btime !== mark.btime) inode = -ESTALE;
    }
    if (failed(inode) || inode.type !== type) {
      this.#options.warn(`${path} was replaced or removed at ${fs.origin?.source}: it gives ESTALE`);
      inode = new StaleInode(fs, type, names);
    }
    this.#inodes.get(fs)!.set(path, inode);
    return inode;
  }

  #walk(fs: FileSystem, names: readonly string[]): Promise<Inode | number> {
    if (names.length === 0) return Promise.resolve(fs.root);
    const key = `${fs.device} ${names.join('/')}`;
    let walking = this.#found.get(key);
    if (walking === undefined) {
      walking = this.#walk(fs, names.slice(0, -1)).then((parent) =>
        failed(parent) ? parent : this.#options.ask((s) => parent.lookup(s, names.at(-1)!)),
      );
      this.#found.set(key, walking);
    }
    return walking;
  }

  /** Below copy-on-write, it is the lower one that is open, until there is an upper one. */
  #realInode({ at }: NodeImage['fields']): number {
    const { nodes } = this.#image;
    const inode = nodes[(at as number[])[1]].fields.inode as number;
    const node = nodes[inode];
    if (node?.kind !== 'overlay-inode') return inode;
    return node.fields.upper === -1 ? (node.fields.lower as number) : -1;
  }

  async #open(inode: Inode, flags: number): Promise<void> {
    const opened = await this.#options.ask((s) => inode.opened(s, flags));
    if (opened < 0) throw new ImageError(`${inode.path?.()?.join('/')} cannot be opened again (errno ${-opened})`);
    this.#opened.push(() => inode.closed(flags));
  }
}
