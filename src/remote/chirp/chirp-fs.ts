/**
 * A Chirp server's files as a file system. Names are paths at the server, looked at each time; what was learnt holds for a
 * second. The server decides who may do what, so all files are shown as the machine's owner's.
 */
import { EIO, ENOENT } from '../../abi/errno.ts';
import { S_IFDIR } from '../../abi/fs.ts';
import type { FileSystem, FileSystemStatus, TreeOrigin } from '../../vfs/inode.ts';
import { failed, type Plain, type Sleeper } from '../../wait/wait.ts';
import { ChirpInode } from './chirp-inode.ts';
import {
  type Answer,
  ChirpConnection,
  type ChirpOptions,
  type Handle,
  type Request,
  type Shape,
} from './connection.ts';
import { type ChirpStat, nameOf, parseStat, quoteName } from './protocol.ts';

/** How long attributes hold, in nanoseconds. */
const FRESH = 1_000_000_000;
/** Files kept open that nobody uses. */
const IDLE_HANDLES = 32;
/** Attributes that are remembered at a time. */
const MOST_KNOWN = 20_000;

export interface ChirpFsOptions extends ChirpOptions {
  readonly device: number;
  /** The directory at the server that is the root. */
  readonly path: string;
  readonly uid: number;
  readonly gid: number;
  /** What opens it again in a machine that is restored. */
  readonly origin?: TreeOrigin;
}

/** A request as data, its answer to be. */
export interface Ask {
  readonly line: () => string | number;
  readonly body?: Uint8Array;
  readonly shape: Shape;
  readonly done?: Request['done'];
  /** Runs when the answer comes, before whoever waits is woken. */
  readonly arrived?: (answer: Answer) => void;
}

interface Look {
  answer: Answer | null;
}

export class ChirpFs implements FileSystem {
  readonly type = 'chirp';
  readonly device: number;
  readonly readOnly = false;
  readonly volatile = true;
  readonly sleeps = true;
  readonly origin: TreeOrigin | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly root: ChirpInode;
  readonly connection: ChirpConnection;
  readonly #base: string;
  readonly #inodes = new Map<number, WeakRef<ChirpInode>>();
  readonly #gone = new FinalizationRegistry<number>((ino) => {
    if (this.#inodes.get(ino)?.deref() === undefined) this.#inodes.delete(ino);
  });
  /** What is known of paths: attributes, or that there is nothing. */
  readonly #known = new Map<string, { stat: ChirpStat | null; time: number }>();
  readonly #looks = new WeakMap<Sleeper, { serial: number; looks: Map<string, Look> }>();
  /** Answers of requests that change something, until whoever asked takes them. */
  readonly #changes = new Map<number, Answer | null>();
  #requests = 0;
  readonly #idle = new Set<ChirpInode>();
  /** Counts changes: what was asked before one is not remembered. */
  #epoch = 0;

  private constructor(options: ChirpFsOptions, connection: ChirpConnection, stat: ChirpStat) {
    this.device = options.device;
    this.origin = options.origin;
    this.uid = options.uid;
    this.gid = options.gid;
    this.connection = connection;
    this.#base = options.path.replace(/\/+$/, '');
    this.root = this.inodeOf(stat, null, '');
  }

  /** Connects and looks at the root; rejects with one line that says what went wrong. */
  static async open(options: ChirpFsOptions): Promise<ChirpFs> {
    const connection = new ChirpConnection(options);
    await connection.open();
    const path = quoteName(options.path === '' ? '/' : options.path, connection.dialect);
    const answer = await new Promise<Answer>((resolve) =>
      connection.send({ line: () => `stat ${path}`, shape: 'stat', answered: resolve }),
    );
    const { stat } = answer;
    if (stat === undefined || (stat.mode & 0o170000) !== S_IFDIR) {
      connection.close();
      const why =
        stat !== undefined ? 'is no directory' : answer.result === -ENOENT ? 'is not there' : 'cannot be read';
      throw new Error(`${options.where}: ${options.path || '/'} ${why}`);
    }
    return new ChirpFs(options, connection, stat);
  }

  close(): void {
    this.connection.close();
  }

  rest(): boolean {
    return ![...this.#changes.values()].includes(null);
  }

  // Requests

  /** A look: asked once in a call, whoever in it wants to know. */
  look(s: Sleeper, key: string, ask: Ask): Answer | number {
    let mine = this.#looks.get(s);
    if (mine === undefined || mine.serial !== s.serial)
      this.#looks.set(s, (mine = { serial: s.serial, looks: new Map() }));
    let look = mine.looks.get(key);
    if (look === undefined) {
      const asked: Look = { answer: null };
      mine.looks.set(key, (look = asked));
      this.#send(ask, (answer) => {
        asked.answer = answer;
      });
    }
    if (look.answer === null) return s.block(this.connection.answers, undefined, true);
    return look.answer.result < 0 ? look.answer.result : look.answer;
  }

  /** A change: made once in a call, at its place in the order of changes. Answers its result. */
  change(s: Sleeper, ask: Ask): number {
    const id = s.once<number>(() => {
      const number = ++this.#requests;
      this.#changes.set(number, null);
      this.#send(ask, (answer) => {
        this.#changes.set(number, answer);
        this.changed();
      });
      return number;
    });
    return s.once<Plain>(() => {
      const answer = this.#changes.get(id);
      if (answer === null) return s.block(this.connection.answers, undefined, true);
      this.#changes.delete(id);
      this.#looks.get(s)?.looks.clear();
      return answer?.result ?? -EIO;
    }) as number;
  }

  #send(ask: Ask, answered: (answer: Answer) => void): void {
    this.connection.send({
      ...ask,
      answered: (answer) => {
        ask.arrived?.(answer);
        answered(answer);
      },
    });
  }

  // What is known

  changed(): void {
    this.#epoch++;
    this.#known.clear();
  }

  /** lstat(2) of a path of this file system. */
  statOf(s: Sleeper, path: string): ChirpStat | number {
    const known = this.#known.get(path);
    if (known !== undefined && s.now() - known.time < FRESH) return known.stat ?? -ENOENT;
    const epoch = this.#epoch;
    const answer = this.look(s, `lstat ${path}`, {
      line: () => `lstat ${this.quote(path)}`,
      shape: 'stat',
      arrived: ({ result, stat }) => {
        if (epoch !== this.#epoch) return;
        if (stat !== undefined) this.learn(path, stat, s.now());
        else if (result === -ENOENT) this.learn(path, null, s.now());
      },
    });
    return failed(answer) ? answer : (answer as Answer).stat!;
  }

  learn(path: string, stat: ChirpStat | null, time: number): void {
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(path, { stat, time });
  }

  /** A listing, with attributes where the server gives them. */
  list(s: Sleeper, path: string): { name: string; stat: ChirpStat }[] | number {
    const answer = this.look(s, `list ${path}`, { line: () => `getlongdir ${this.quote(path)}`, shape: 'lines' });
    if (failed(answer)) return answer;
    const lines = (answer as Answer).lines ?? [];
    const entries: { name: string; stat: ChirpStat }[] = [];
    for (let i = 0; i + 1 < lines.length; i += 2) {
      const name = nameOf(lines[i]);
      const stat = parseStat(lines[i + 1]);
      if (stat === null || name === '.' || name === '..') continue;
      entries.push({ name, stat });
      this.learn(`${path}/${name}`, stat, s.now());
    }
    return entries;
  }

  /** A path as requests name it. */
  quote(path: string): string {
    const whole = `${this.#base}${path}`;
    return quoteName(whole === '' ? '/' : whole, this.connection.dialect);
  }

  /** Any other word. */
  quoteText(text: string): string {
    return quoteName(text, this.connection.dialect);
  }

  inodeOf(stat: ChirpStat, parent: ChirpInode | null, name: string): ChirpInode {
    const known = this.#inodes.get(stat.ino)?.deref();
    if (known?.is(stat) === true) {
      if (parent !== null) known.seen(parent, name);
      return known;
    }
    const inode = new ChirpInode(this, stat, parent, name);
    this.#inodes.set(stat.ino, new WeakRef(inode));
    this.#gone.register(inode, stat.ino);
    return inode;
  }

  /** The inode that was last seen under a name. */
  find(parent: ChirpInode, name: string): ChirpInode | undefined {
    for (const ref of this.#inodes.values()) {
      const inode = ref.deref();
      if (inode?.parent === parent && inode.name === name) return inode;
    }
    return undefined;
  }

  // Files that are open

  /** Kept open for the next who comes; the oldest is closed when there are many. */
  idle(inode: ChirpInode): void {
    this.#idle.delete(inode);
    this.#idle.add(inode);
    if (this.#idle.size <= IDLE_HANDLES) return;
    const [oldest] = this.#idle;
    this.#idle.delete(oldest);
    oldest.closeHandle();
  }

  /** A name has gone, or will: what was kept open of it without need is closed. */
  dropIdle(parent: ChirpInode, name: string): void {
    for (const inode of this.#idle) {
      if (inode.parent !== parent || inode.name !== name) continue;
      this.#idle.delete(inode);
      inode.closeHandle();
    }
  }

  busy(inode: ChirpInode): void {
    this.#idle.delete(inode);
  }

  closeHandle(handle: Handle): void {
    this.connection.handles.delete(handle);
    if (handle.failure !== 0) return;
    const line = () => (handle.failure !== 0 ? handle.failure : `close ${handle.fd}`);
    this.connection.send({ line, shape: 'nothing', answered: () => {} });
  }

  status(s: Sleeper): FileSystemStatus | number {
    const answer = this.look(s, 'statfs', { line: () => `statfs ${this.quote('')}`, shape: 'line' });
    if (failed(answer)) return answer;
    const [type, bsize, blocks, bfree, bavail, files, ffree] = (answer as Answer).lines![0].split(' ').map(Number);
    return { type, bsize, blocks, bfree, bavail, files, ffree, namelen: 255, flags: 0 };
  }
}
