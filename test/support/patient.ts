/** A task that really waits, for file systems whose answers take their time. */
import { RequestTask } from '../../src/remote/request-task.ts';
import { makeCredentials } from '../../src/vfs/credentials.ts';
import { FsContext, type PathContext } from '../../src/vfs/fs-context.ts';
import type { FileSystem } from '../../src/vfs/inode.ts';
import { MountNamespace } from '../../src/vfs/mounts.ts';

const clock = { now: () => performance.now() * 1e6, realtime: () => BigInt(Date.now()) * 1_000_000n };

class Call extends RequestTask implements PathContext {
  readonly credentials = makeCredentials(0, 0);
  readonly fs: FsContext;
  readonly namespace: MountNamespace;

  constructor(task: Patient, operation: (ctx: PathContext) => unknown, done: (answer: unknown) => void) {
    super(clock, (s) => operation(s as Call), done);
    this.fs = task.context;
    this.namespace = task.namespace;
  }
}

export class Patient {
  readonly namespace: MountNamespace;
  readonly context: FsContext;

  constructor(root: FileSystem, namespace = new MountNamespace()) {
    this.namespace = namespace;
    if (namespace.mounts.length === 0) namespace.mount(root, null);
    this.context = new FsContext(namespace.root);
    this.context.umask = 0;
  }

  get root() {
    return this.context.root;
  }

  /** Another task of the same machine. */
  sibling(): Patient {
    return new Patient(this.root.mount.fs, this.namespace);
  }

  /** One system call. */
  run<T>(operation: (ctx: PathContext) => T): Promise<T> {
    return new Promise((resolve) => new Call(this, operation, (answer) => resolve(answer as T)).run());
  }
}
