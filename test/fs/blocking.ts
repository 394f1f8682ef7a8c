/**
 * A file system that blocks every operation once: whatever a call does, it sleeps before it, and is run again from its
 * start (DESIGN section 4). As real ones do, it remembers by once() what it has done.
 */
import {
  type AttributeChanges,
  type Attributes,
  type Creation,
  type DirectoryEntry,
  type FileSystem,
  type FileSystemStatus,
  Inode,
} from '../../src/vfs/inode.ts';
import type { OpenFile } from '../../src/vfs/open-file.ts';
import { failed, type Plain, type Sleeper, WaitQueue } from '../../src/wait/wait.ts';

export class BlockingFs implements FileSystem {
  readonly type: string;
  readonly device: number;
  readonly readOnly: boolean;
  readonly volatile: boolean;
  readonly sleeps = true;
  readonly root: BlockingInode;
  readonly inner: FileSystem;
  readonly queue = new WaitQueue();
  readonly #wrapped = new WeakMap<Inode, BlockingInode>();
  /** What each task's current call has slept for. */
  readonly #passed = new WeakMap<Sleeper, { calls?: number; steps: Map<object, Set<string>> }>();
  /** How often operations slept. */
  sleepsTaken = 0;

  constructor(inner: FileSystem) {
    this.inner = inner;
    this.type = inner.type;
    this.device = inner.device;
    this.readOnly = inner.readOnly;
    this.volatile = inner.volatile ?? false;
    this.root = this.wrap(inner.root);
  }

  wrap(inode: Inode): BlockingInode {
    let wrapped = this.#wrapped.get(inode);
    if (wrapped === undefined) {
      wrapped = new BlockingInode(this, inode);
      this.#wrapped.set(inode, wrapped);
    }
    return wrapped;
  }

  /**
   * Sleeps the first time a call asks for this, and lets it pass from then on. Not by once(): looks may be served from
   * caches on the next run, and steps are told apart by their order.
   */
  gate(s: Sleeper, inode: object, operation: string): number {
    const { serial: calls } = s;
    let passed = this.#passed.get(s);
    if (passed === undefined || passed.calls !== calls) {
      passed = { calls, steps: new Map() };
      this.#passed.set(s, passed);
    }
    const { steps } = passed;
    let known = steps.get(inode);
    if (known === undefined) steps.set(inode, (known = new Set()));
    if (known.has(operation)) return 0;
    known.add(operation);
    this.sleepsTaken++;
    const answer = s.block(this.queue);
    this.queue.wake();
    return answer;
  }

  status(s: Sleeper): FileSystemStatus | number {
    return this.gate(s, this, 'status') || this.inner.status(s);
  }
}

class BlockingInode extends Inode {
  readonly fs: BlockingFs;
  readonly type: number;
  readonly inner: Inode;

  constructor(fs: BlockingFs, inner: Inode) {
    super();
    this.fs = fs;
    this.inner = inner;
    this.type = inner.type;
    if (inner.magicLink !== undefined) this.magicLink = (s) => inner.magicLink!(s);
  }

  override magicLink?: Inode['magicLink'];

  /** An operation with effects: slept before, done once. */
  #do(s: Sleeper, name: string, operation: () => number): number {
    return this.fs.gate(s, this, name) || s.once(operation);
  }

  /** The same for one that makes an inode: on another run it is found again by its number. */
  #make(s: Sleeper, name: string, operation: () => Inode | number): Inode | number {
    const gate = this.fs.gate(s, this, name);
    if (gate !== 0) return gate;
    const made = s.once<Plain>(() => {
      const inode = operation();
      if (failed(inode)) return inode;
      const id = this.fs.sleepsTaken;
      memory.set(id, inode);
      return { id };
    });
    return typeof made === 'number' ? made : this.fs.wrap(memory.get((made as { id: number }).id)!);
  }

  #innerOf(inode: Inode): Inode {
    return inode instanceof BlockingInode ? inode.inner : inode;
  }

  override attributes(s: Sleeper): Attributes | number {
    return this.fs.gate(s, this, 'attributes') || this.inner.attributes(s);
  }
  override change(s: Sleeper, changes: AttributeChanges): number {
    return this.#do(s, 'change', () => this.inner.change(s, changes));
  }
  override lookup(s: Sleeper, name: string): Inode | number {
    const gate = this.fs.gate(s, this, `lookup ${name}`);
    if (gate !== 0) return gate;
    const found = this.inner.lookup(s, name);
    return failed(found) ? found : this.fs.wrap(found);
  }
  override entries(s: Sleeper, position: number): DirectoryEntry[] | number {
    return this.fs.gate(s, this, 'entries') || this.inner.entries(s, position);
  }
  override create(s: Sleeper, name: string, how: Creation): Inode | number {
    return this.#make(s, 'create', () => this.inner.create(s, name, how));
  }
  override mkdir(s: Sleeper, name: string, how: Creation): Inode | number {
    return this.#make(s, 'mkdir', () => this.inner.mkdir(s, name, how));
  }
  override symlink(s: Sleeper, name: string, target: string, how: Creation): Inode | number {
    return this.#make(s, 'symlink', () => this.inner.symlink(s, name, target, how));
  }
  override tmpfile(s: Sleeper, how: Creation): Inode | number {
    return this.#make(s, 'tmpfile', () => this.inner.tmpfile(s, how));
  }
  override link(s: Sleeper, name: string, inode: Inode): number {
    return this.#do(s, 'link', () => this.inner.link(s, name, this.#innerOf(inode)));
  }
  override unlink(s: Sleeper, name: string): number {
    return this.#do(s, 'unlink', () => this.inner.unlink(s, name));
  }
  override rmdir(s: Sleeper, name: string): number {
    return this.#do(s, 'rmdir', () => this.inner.rmdir(s, name));
  }
  override rename(s: Sleeper, name: string, to: Inode, newName: string, flags: number): number {
    return this.#do(s, 'rename', () => this.inner.rename(s, name, this.#innerOf(to), newName, flags));
  }
  override readlink(s: Sleeper): string | number {
    return this.fs.gate(s, this, 'readlink') || this.inner.readlink(s);
  }
  override opened(s: Sleeper, flags: number): number {
    return this.#do(s, 'opened', () => this.inner.opened(s, flags));
  }
  override closed(flags: number): void {
    this.inner.closed(flags);
  }
  override read(s: Sleeper, position: number, into: Uint8Array): number {
    return this.fs.gate(s, this, `read ${position}`) || this.inner.read(s, position, into);
  }
  override write(s: Sleeper, position: number, from: Uint8Array): number {
    return this.#do(s, 'write', () => this.inner.write(s, position, from));
  }
  override allocate(s: Sleeper, mode: number, offset: number, length: number): number {
    return this.#do(s, 'allocate', () => this.inner.allocate(s, mode, offset, length));
  }
  override fsync(s: Sleeper, dataOnly: boolean): number {
    return this.#do(s, 'fsync', () => this.inner.fsync(s, dataOnly));
  }
  override seekHole(s: Sleeper, offset: number, whence: number): number {
    return this.fs.gate(s, this, 'seekHole') || this.inner.seekHole(s, offset, whence);
  }
  override getxattr(s: Sleeper, name: string): Uint8Array | number {
    return this.fs.gate(s, this, 'getxattr') || this.inner.getxattr(s, name);
  }
  override setxattr(s: Sleeper, name: string, value: Uint8Array, flags: number): number {
    return this.#do(s, 'setxattr', () => this.inner.setxattr(s, name, value, flags));
  }
  override listxattr(s: Sleeper): string[] | number {
    return this.fs.gate(s, this, 'listxattr') || this.inner.listxattr(s);
  }
  override removexattr(s: Sleeper, name: string): number {
    return this.#do(s, 'removexattr', () => this.inner.removexattr(s, name));
  }
  override open(s: Sleeper, flags: number): OpenFile | number | null {
    const gate = this.fs.gate(s, this, 'open');
    return gate !== 0 ? gate : this.inner.open(s, flags);
  }
}

/** Inodes that remembered steps have made. */
const memory = new Map<number, Inode>();
