/** What files and directories of a served tree have in common: attributes, contents, locks; and how they ask. */
import { EINTR } from '../../abi/errno.ts';
import { O_ACCMODE, O_RDONLY, S_IFDIR, S_IFREG, S_IRGRP, S_IROTH, S_IRUSR } from '../../abi/fs.ts';
import { type AttributeChanges, type Attributes, Inode } from '../../vfs/inode.ts';
import { failed, type Sleeper } from '../../wait/wait.ts';
import { LARGEST_DATA } from '../frames.ts';
import type { RemoteOperationName } from '../operations.ts';
import { FileData } from './file-data.ts';
import type { Stamp } from './freshness.ts';
import { NEVER } from './name-cache.ts';
import type { Pending } from './pending.ts';
import type { RemoteFs } from './remote-fs.ts';
import { RemoteLocks } from './remote-locks.ts';

export interface Told {
  node: number;
  times: number;
  /** Which of the servers that there were. */
  server: number;
}

export abstract class RemoteObject extends Inode {
  readonly fs: RemoteFs;
  readonly type: number;
  /** What the server calls it. */
  node: number;
  /** An errno, when the server has another file under the name, or has lost our locks, after it was started anew. */
  stale = 0;
  /** How often which server has told us of it, as what: for when we forget it. */
  readonly told: Told;
  readonly data: FileData;
  override readonly locks: RemoteLocks;
  /** Just made by this machine: still open there. */
  ours = false;
  #parent: RemoteObject | null;
  #name: string;
  #attributes: Attributes | null = null;
  #stamp = NEVER;
  /** Descriptions that are open, and those of them that write. */
  #opens = 0;
  #writes = 0;

  constructor(fs: RemoteFs, node: number, type: number, parent: RemoteObject | null, name: string) {
    super();
    this.fs = fs;
    this.node = node;
    this.type = type;
    this.#parent = parent;
    this.#name = name;
    this.told = { node, times: 0, server: fs.link.servers };
    this.data = new FileData(this);
    this.locks = new RemoteLocks(this);
  }

  seen(parent: RemoteObject, name: string): void {
    this.#parent = parent;
    this.#name = name;
  }

  override path(): readonly string[] | null {
    if (this.#attributes?.nlink === 0) return null;
    return this.#parent === null ? [] : [...(this.#parent.path() ?? []), this.#name];
  }

  /** Path from the root, and what makes it this file: for a server that was started anew. */
  identity(): unknown[] {
    let path = '';
    for (let at: RemoteObject = this; at.#parent !== null; at = at.#parent) path = `/${at.#name}${path}`;
    const { ino = 0, btime = 0n } = this.#attributes ?? {};
    return [path, ino, this.type, btime, this.#opens, this.#writes];
  }

  renumber(node: number): void {
    this.node = node;
    this.told.node = node;
    this.told.times = 1;
    this.told.server = this.fs.link.servers;
    this.#stamp = NEVER;
  }

  /** Nothing can be done with it any more. */
  lost(errno: number, reason: string): void {
    this.stale = errno;
    if (this.#opens > 0) this.fs.log(`${this.#name}: ${reason}`);
  }

  // Attributes

  learn(attributes: Attributes, stamp: Stamp, own = false): void {
    if (stamp.tick < this.#stamp.tick) return;
    this.data.learn(attributes, own);
    this.#attributes = attributes;
    this.#stamp = stamp;
  }

  /** The same for what was written behind. */
  learnOwn(attributes: Attributes, stamp: Stamp): void {
    this.learn(attributes, { ...this.#stamp, tick: Math.max(stamp.tick, this.#stamp.tick) }, true);
  }

  /** What was last known, with what we have not sent yet. */
  get known(): Attributes | null {
    return this.#attributes;
  }

  /** A reply tells what an operation of ours has made of the inode. */
  learnResult(pending: Pending, stamp: Stamp): number {
    if (pending.attributes !== null)
      this.learn(pending.attributes, { ...stamp, tick: Math.max(stamp.tick, this.#stamp.tick) }, true);
    return 0;
  }

  override attributes(s: Sleeper): Attributes | number {
    if (this.stale !== 0) return this.stale;
    if (!this.fs.freshness.isFresh(s, this.#stamp)) {
      const answered = this.ask(s, 'attributes', [], '', (pending, stamp) =>
        this.learn(pending.answer as Attributes, stamp),
      );
      // Who cannot sleep (it looks from outside of the machine) takes what was known last.
      if (failed(answered) && (answered !== -EINTR || this.#attributes === null)) return answered;
    }
    const size = Math.max(this.#attributes!.size, this.data.writes.end);
    return { ...this.#attributes!, size };
  }

  /** What is known is not true any more. */
  outdated(): void {
    this.#stamp = NEVER;
    this.fs.forgetLook(`${this.node} attributes `);
  }

  ask(
    s: Sleeper,
    operation: RemoteOperationName,
    values: readonly unknown[],
    key = '',
    learn: ((pending: Pending, stamp: Stamp) => void) | null = null,
  ): Pending | number {
    return this.fs.look(s, `${this.node} ${operation} ${key}`, operation, this, values, learn);
  }

  act(
    s: Sleeper,
    operation: RemoteOperationName,
    values: readonly unknown[],
    learn: (pending: Pending, stamp: Stamp) => number = (pending, stamp) => this.learnResult(pending, stamp),
  ): number {
    return this.fs.effect(s, operation, this, values, learn);
  }

  override change(s: Sleeper, changes: AttributeChanges): number {
    if (changes.size !== undefined || changes.mtime !== undefined) this.data.writes.send();
    return this.act(s, 'change', [changes], (pending, stamp) => {
      if (changes.size !== undefined) this.data.cut(changes.size);
      return this.learnResult(pending, stamp);
    });
  }

  // Contents

  override opened(s: Sleeper, flags: number): number {
    if (this.type !== S_IFREG) return 0;
    const opened = () => {
      this.#opens++;
      this.ours = false;
      if ((flags & O_ACCMODE) !== O_RDONLY) this.#writes++;
      this.fs.held.add(this);
    };
    if (this.#mayOpen(flags)) {
      return s.once(() => {
        opened();
        const stamp = this.fs.freshness.stamp();
        const sent = this.fs.link.send('opened', this, [flags], ({ status, attributes }) => {
          if (status < 0) this.lost(status, 'could not be opened after all');
          // As it is at the open: contents that are older go.
          else if (attributes !== null && this.#writes === 0) this.learn(attributes, stamp);
        });
        sent.renewed = true;
        return 0;
      });
    }
    return this.act(s, 'opened', [flags], (pending, stamp) => {
      opened();
      return this.learnResult(pending, stamp);
    });
  }

  /** That the server can open it is not in doubt: nobody need wait for that. */
  #mayOpen(flags: number): boolean {
    const writes = (flags & O_ACCMODE) !== O_RDONLY;
    // It is open like that already.
    if (this.#opens > 0 && (!writes || this.#writes > 0)) return true;
    if (!this.fs.cached || this.#attributes === null) return false;
    if (this.ours) return true;
    if (writes) return false;
    const { uid, gid, groups } = this.fs.link.welcome;
    const { mode } = this.#attributes;
    if (uid === 0) return true;
    if (this.#attributes.uid === uid) return (mode & S_IRUSR) !== 0;
    return gid === this.#attributes.gid || groups.includes(this.#attributes.gid)
      ? (mode & S_IRGRP) !== 0
      : (mode & S_IROTH) !== 0;
  }

  override closed(flags: number): void {
    if (this.type !== S_IFREG) return;
    this.data.writes.send();
    this.fs.link.send('closed', this, [flags]).renewed = true;
    this.#opens--;
    if ((flags & O_ACCMODE) !== O_RDONLY) this.#writes--;
    this.release();
  }

  /** Nothing is open, nothing is to be sent: it may be forgotten. */
  release(): void {
    if (this.#opens <= 0 && !this.data.writes.busy) this.fs.held.delete(this);
  }

  sendDirty(): void {
    this.data.writes.send();
  }

  /** Nobody asks any more whether it was written. */
  reportLoss(): void {
    const failure = this.data.writes.takeFailure();
    if (failure < 0) this.fs.log(`${this.#name}: what was written last is lost (errno ${-failure})`);
  }

  override read(s: Sleeper, position: number, into: Uint8Array): number {
    if (this.stale !== 0) return this.stale;
    return this.data.read(s, position, into);
  }
  override willNeed(s: Sleeper, position: number, length: number): void {
    if (this.fs.cached && this.stale === 0) this.data.want(position, length);
  }
  override write(s: Sleeper, position: number, from: Uint8Array): number {
    if (this.fs.cached) return this.data.writes.write(s, position, from, false);
    const part = from.subarray(0, LARGEST_DATA);
    return this.act(s, 'write', [position, part.slice()], (pending, stamp) => {
      this.learnResult(pending, stamp);
      return pending.answer as number;
    });
  }
  /** Where the file ends then: what others append meanwhile is not written over. */
  override append(s: Sleeper, from: Uint8Array): number {
    const part = from.subarray(0, LARGEST_DATA);
    const attributes = this.attributes(s);
    if (failed(attributes)) return attributes;
    if (!this.fs.cached) {
      return this.act(s, 'append', [part.slice(), attributes.size], (pending, stamp) => {
        this.learnResult(pending, stamp);
        return pending.answer as number;
      });
    }
    const end = s.once(() => attributes.size + part.length);
    const written = this.data.writes.write(s, end - part.length, part, true);
    return written < 0 ? written : end;
  }
  override flush(s: Sleeper): number {
    return this.data.writes.settle(s);
  }
  override fsync(s: Sleeper, dataOnly: boolean): number {
    if (this.type === S_IFDIR) return 0;
    this.data.writes.send();
    return this.act(s, 'fsync', [dataOnly]) || this.data.writes.settle(s);
  }
  override allocate(s: Sleeper, mode: number, offset: number, length: number): number {
    this.data.writes.send();
    return this.act(s, 'allocate', [mode, offset, length], (pending, stamp) => {
      this.data.drop();
      return this.learnResult(pending, stamp);
    });
  }
  override seekHole(s: Sleeper, offset: number, whence: number): number {
    const settled = this.data.writes.settle(s);
    if (settled < 0) return settled;
    const answered = this.ask(s, 'seekHole', [offset, whence], `${offset} ${whence}`);
    return failed(answered) ? answered : (answered.answer as number);
  }

  // Extended attributes

  override getxattr(s: Sleeper, name: string): Uint8Array | number {
    const answered = this.ask(s, 'getxattr', [name], name);
    return failed(answered) ? answered : (answered.answer as Uint8Array);
  }
  override setxattr(s: Sleeper, name: string, value: Uint8Array, flags: number): number {
    return this.act(s, 'setxattr', [name, value.slice(), flags]);
  }
  override listxattr(s: Sleeper): string[] | number {
    const answered = this.ask(s, 'listxattr', []);
    return failed(answered) ? answered : (answered.answer as string[]);
  }
  override removexattr(s: Sleeper, name: string): number {
    return this.act(s, 'removexattr', [name]);
  }
}
