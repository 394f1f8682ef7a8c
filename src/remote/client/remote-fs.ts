/** A served tree as a file system: its inodes ask home, and sleep until the answer is there. */
import { EIO, ESTALE } from '../../abi/errno.ts';
import { S_IFMT } from '../../abi/fs.ts';
import type { FileSystem, FileSystemStatus, Traffic, TreeOrigin } from '../../vfs/inode.ts';
import { failed, type Sleeper } from '../../wait/wait.ts';
import type { Found, RemoteOperationName, Step } from '../operations.ts';
import { DataCache } from './data-cache.ts';
import { Freshness, type Stamp } from './freshness.ts';
import { Link, type LinkOptions } from './link.ts';
import { NEVER } from './name-cache.ts';
import type { Pending, Target } from './pending.ts';
import { RemoteInode } from './remote-inode.ts';
import type { RemoteObject, Told } from './remote-object.ts';

/** direct: every call goes home. cached, session: what docs/REMOTE.md says. */
export type IoMode = 'direct' | 'cached' | 'session';

export interface RemoteOptions extends LinkOptions {
  /** The exported directory; empty: what the server gives first. */
  readonly path: string;
  readonly device: number;
  readonly io: IoMode;
  /** What opens it again in a machine that is restored. */
  readonly origin?: TreeOrigin;
}

/** How long attributes and names are believed in, in milliseconds. */
const LIFETIMES: Readonly<Record<IoMode, number>> = { direct: 0, cached: 3000, session: Number.POSITIVE_INFINITY };
/** Answers of looks that are kept for calls under way, and inodes that were just made. */
const MOST_LOOKS = 4096;
const MOST_RECENT = 256;

/** A program's libraries are fetched before they are asked for, up to this size each. */
const MOST_WANTED = 8 << 20;

/** Something asked that changes nothing: shared by all who ask the same at the same time. */
interface Look {
  readonly stamp: Stamp;
  readonly pending: Pending;
}

export class RemoteFs implements FileSystem {
  readonly type = 'tallship';
  readonly device: number;
  readonly readOnly = false;
  readonly volatile = true;
  readonly sleeps = true;
  readonly origin: TreeOrigin | undefined;
  readonly link: Link;
  readonly cached: boolean;
  readonly freshness: Freshness;
  readonly data: DataCache;
  root!: RemoteInode;
  readonly #options: RemoteOptions;
  readonly #inodes = new Map<number, WeakRef<RemoteInode>>();
  readonly #gone = new FinalizationRegistry<Told>(({ node, times, server }) => {
    if (server !== this.link.servers) return;
    if (this.#inodes.get(node)?.deref() === undefined) this.#inodes.delete(node);
    this.link.send('forget', { node, stale: 0 }, [times]).renewed = true;
  });
  readonly #looks = new Map<string, Look>();
  readonly #recent = new Map<number, RemoteInode>();
  /** Of those that a server which is gone knew: the new one has not answered yet whether it has them. */
  readonly #unfound = new Set<RemoteInode>();
  /** Files that are open, or have something to send: they must not be forgotten. */
  readonly held = new Set<RemoteObject>();

  constructor(options: RemoteOptions) {
    this.#options = options;
    this.device = options.device;
    this.origin = options.origin;
    this.cached = options.io !== 'direct';
    this.freshness = new Freshness(LIFETIMES[options.io]);
    this.data = new DataCache();
    this.link = new Link(options);
    this.link.onRestart = () => this.#findAgain();
  }

  /** Connects; rejects with an Error that says why not. */
  static async connect(options: RemoteOptions): Promise<RemoteFs> {
    const fs = new RemoteFs(options);
    await fs.link.connect(await options.dial());
    await fs.attach();
    return fs;
  }

  /** Asks for the root, over a connection that is there: the first time, and when the server was started anew. */
  attach(): Promise<void> {
    const { path } = this.#options;
    return new Promise((resolve, reject) => {
      this.link.sendFirst('attach', null, [path], ({ status, answer }) => {
        if (status < 0) return reject(new Error(`${path || 'the served tree'} is not exported there`));
        const found = answer as Found;
        if (this.root === undefined) this.root = this.inodeOf(found, null, '');
        else this.root.renumber(found.node);
        this.root.learn(found.attributes, this.freshness.stamp());
        this.#inodes.set(found.node, new WeakRef(this.root));
        resolve();
      });
      this.link.flush();
    });
  }

  log(line: string): void {
    this.#options.log(line);
  }

  /** The inode of an answer. */
  inodeOf({ node, attributes }: Found, parent: RemoteInode | null, name: string): RemoteInode {
    let inode = this.#inodes.get(node)?.deref();
    if (inode === undefined) {
      inode = new RemoteInode(this, node, attributes.mode & S_IFMT, parent, name);
      this.#inodes.set(node, new WeakRef(inode));
      this.#gone.register(inode, inode.told);
    } else if (parent !== null) inode.seen(parent, name);
    inode.told.times++;
    // Something is always known: what makes it this file.
    if (inode.known === null) inode.learn(attributes, NEVER);
    return inode;
  }

  /** Keeps an inode that only a number in a call's memory refers to. */
  keep(inode: RemoteInode): void {
    this.#recent.delete(inode.node);
    this.#recent.set(inode.node, inode);
    if (this.#recent.size <= MOST_RECENT) return;
    for (const node of this.#recent.keys()) {
      this.#recent.delete(node);
      return;
    }
  }

  byNode(node: number): RemoteInode | undefined {
    return this.#inodes.get(node)?.deref();
  }

  /**
   * Asks something that changes nothing. 0: answered, `pending.answer` holds it; BLOCKED, or a negative errno. `learn` is
   * called with a good answer when it comes.
   */
  look(
    s: Sleeper,
    key: string,
    operation: RemoteOperationName,
    target: Target,
    values: readonly unknown[],
    learn: ((pending: Pending, stamp: Stamp) => void) | null = null,
  ): Pending | number {
    let look = this.#looks.get(key);
    const start = this.freshness.start(s);
    if (look === undefined || look.stamp.tick < start) {
      const stamp = this.freshness.stamp();
      const pending = this.link.send(operation, target, values, (answered) => {
        if (answered.status === 0) learn?.(answered, stamp);
      });
      look = { stamp, pending };
      this.#looks.delete(key);
      this.#looks.set(key, look);
      if (this.#looks.size > MOST_LOOKS) this.#dropLook();
    }
    const { pending } = look;
    const waited = this.link.wait(s, pending);
    if (waited !== 0) return waited;
    this.link.taken(pending.id);
    return pending.status < 0 ? pending.status : pending;
  }

  /** The answer of a look is not true any more. */
  forgetLook(key: string): void {
    this.#looks.delete(key);
  }

  #dropLook(): void {
    for (const [key, { pending }] of this.#looks) {
      if (!pending.done) continue;
      this.#looks.delete(key);
      return;
    }
  }

  /**
   * Has something done, once however often the call is run: 0 or more, a negative errno, or BLOCKED. `learn` is called with a
   * good answer when it comes; what it returns is the answer that the call remembers.
   */
  effect(
    s: Sleeper,
    operation: RemoteOperationName,
    target: Target,
    values: readonly unknown[],
    learn: (pending: Pending, stamp: Stamp) => number,
  ): number {
    const stamp = this.freshness.stamp();
    const id = s.once(
      () =>
        this.link.send(operation, target, values, (answered) => {
          if (answered.status === 0) answered.status = learn(answered, stamp);
        }).id,
    );
    return s.once<number>(() => {
      const pending = this.link.find(id);
      if (pending === undefined) return -ESTALE;
      const waited = this.link.wait(s, pending);
      if (waited !== 0) return waited;
      this.link.taken(id);
      return pending.status;
    });
  }

  get traffic(): Traffic {
    return this.link.counts;
  }

  status(s: Sleeper): FileSystemStatus | number {
    const answered = this.look(s, 'status', 'status', this.root, []);
    return failed(answered) ? answered : (answered.answer as FileSystemStatus);
  }

  refresh(): void {
    this.freshness.expire();
  }

  /** Everything that programs have written is at home, or there is a line about it. */
  async finish(): Promise<void> {
    for (const inode of [...this.held]) inode.sendDirty();
    await this.link.drain();
    for (const inode of [...this.held]) inode.reportLoss();
  }

  rest(): boolean {
    for (const inode of this.held) inode.sendDirty();
    this.link.interruptWaits();
    this.link.flush();
    return this.link.idle;
  }

  /** Nobody will ask any more. */
  close(): void {
    this.link.close();
  }

  /** Learns what a walk or a listing has found. */
  learn(steps: readonly Step[], stamp: Stamp): void {
    for (const { parent, name, found, target, contents, complete, wanted } of steps) {
      const directory = this.byNode(parent);
      if (complete) directory?.learnedAll(stamp);
      if (found === null) directory?.learnName(name, null, stamp);
      if (directory === undefined || found === null) continue;
      const inode = this.inodeOf(found, directory, name);
      inode.learn(found.attributes, stamp);
      directory.learnName(name, inode, stamp);
      if (target !== null) inode.learnTarget(target, stamp);
      if (contents !== null) inode.data.learnAll(contents);
      else if (wanted && found.attributes.size <= MOST_WANTED) inode.data.want(0, found.attributes.size);
    }
  }

  /** The server was started anew: inodes that are in use are found again by their paths, if they are still the same. */
  async #findAgain(): Promise<void> {
    for (const reference of this.#inodes.values()) {
      const inode = reference.deref();
      if (inode !== undefined && inode !== this.root) this.#unfound.add(inode);
    }
    this.#inodes.clear();
    this.#looks.clear();
    // Whether these were done the server will tell later.
    const moves = this.link.unanswered('rename').map(({ target, values }) => {
      const [name, to, newName] = values as [string, RemoteInode, string];
      return { inode: (target as RemoteInode).lastNamed(name), to, newName };
    });
    await this.attach();
    const missing = await this.#reopenAll([...this.#unfound]);
    for (const { inode, to, newName } of moves) if (inode && missing.includes(inode)) inode.seen(to, newName);
    for (const inode of await this.#reopenAll(missing)) {
      this.#unfound.delete(inode);
      inode.lost(-ESTALE, 'replaced or removed at home while it was open; it gives ESTALE');
    }
  }

  /** Answers those that are not where they were. */
  async #reopenAll(inodes: readonly RemoteInode[]): Promise<RemoteInode[]> {
    const found = await Promise.all(inodes.map((inode) => this.#reopen(inode)));
    return inodes.filter((_, i) => !found[i]);
  }

  #reopen(inode: RemoteInode): Promise<boolean> {
    return new Promise((resolve) => {
      this.link.sendFirst('reopen', this.root, inode.identity(), ({ status, answer }) => {
        resolve(status >= 0);
        if (status < 0) return;
        this.#unfound.delete(inode);
        if (inode.locks.held) return inode.lost(-EIO, 'its lock was lost with the server; it gives EIO');
        const { node } = answer as Found;
        inode.renumber(node);
        this.#inodes.set(node, new WeakRef(inode));
      });
    });
  }
}
