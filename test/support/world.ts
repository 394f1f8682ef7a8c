/** A task in a name space, for tests of src/vfs and src/fs: runs path operations to their end, however often they sleep. */
import { S_IFDIR } from '../../src/abi/fs.ts';
import { MemFs } from '../../src/fs/memfs.ts';
import { makeCredentials } from '../../src/vfs/credentials.ts';
import { FdTable } from '../../src/vfs/fd-table.ts';
import { FsContext, type PathContext } from '../../src/vfs/fs-context.ts';
import type { FileSystem } from '../../src/vfs/inode.ts';
import type { Location } from '../../src/vfs/location.ts';
import { MountNamespace } from '../../src/vfs/mounts.ts';
import { openPath } from '../../src/vfs/open.ts';
import type { OpenFile } from '../../src/vfs/open-file.ts';
import { walk } from '../../src/vfs/walk.ts';
import { BLOCKED, failed } from '../../src/wait/wait.ts';
import { FakeCaller, FakeClock } from './sleeper.ts';

export class World extends FakeCaller implements PathContext {
  readonly namespace: MountNamespace;
  readonly fs: FsContext;
  readonly files = new FdTable();

  constructor(root: FileSystem, namespace = new MountNamespace(), clock = new FakeClock()) {
    super(1, clock);
    this.namespace = namespace;
    if (namespace.mounts.length === 0) namespace.mount(root, null);
    this.fs = new FsContext(namespace.root);
    this.fs.umask = 0;
  }

  /** Another task of the same machine. */
  sibling(uid = 0, gid = uid): World {
    const other = new World(this.namespace.root.mount.fs, this.namespace, this.clock);
    other.credentials = makeCredentials(uid, gid);
    return other;
  }

  /** Runs an operation as the kernel runs a call: again after every sleep. */
  run<T>(operation: () => T): T {
    let answer = this.start(operation);
    for (let sleeps = 0; (answer as unknown) === BLOCKED; sleeps++) {
      if (sleeps > 10000) throw new Error('sleeps for ever');
      answer = this.resume();
    }
    return answer;
  }

  get cwd(): Location {
    return this.fs.cwd;
  }

  place(path: string, follow = true): Location {
    const found = this.run(() => walk(this, this.cwd, path, { follow }));
    if (failed(found)) throw new Error(`${path}: ${found}`);
    return found;
  }

  open(path: string, flags = 0, mode = 0o644): OpenFile {
    const file = this.run(() => openPath(this, this.cwd, path, flags, mode));
    if (failed(file)) throw new Error(`${path}: ${file}`);
    return file.hold();
  }

  /** Creates or replaces a file. */
  put(path: string, content: string | Uint8Array, mode = 0o644): void {
    const file = this.open(path, 0o1101, mode);
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    for (let done = 0; done < bytes.length; ) {
      const count = this.run(() => file.write(this, bytes.subarray(done)));
      if (count <= 0) throw new Error(`${path}: ${count}`);
      done += count;
    }
    file.drop();
  }

  text(path: string): string {
    const file = this.open(path);
    const text = this.readAll(file);
    file.drop();
    return text;
  }

  readAll(file: OpenFile): string {
    let text = '';
    const buffer = new Uint8Array(4096);
    for (;;) {
      const count = this.run(() => file.read(this, buffer));
      if (count < 0) throw new Error(`read: ${count}`);
      if (count === 0) return text;
      text += new TextDecoder().decode(buffer.subarray(0, count));
    }
  }

  /** Names in a directory, sorted, without the dots. */
  list(path: string): string[] {
    const file = this.open(path, 0o200000);
    const names: string[] = [];
    for (;;) {
      const entries = this.run(() => file.entries(this));
      if (failed(entries)) throw new Error(`${path}: ${entries}`);
      if (entries.length === 0) break;
      for (const entry of entries) names.push(entry.name);
      file.position = entries[entries.length - 1].next;
    }
    file.drop();
    return names.filter((name) => name !== '.' && name !== '..').sort();
  }

  mode(path: string, follow = true): number {
    const inode = this.place(path, follow).dentry.inode!;
    const attributes = this.run(() => inode.attributes(this));
    if (failed(attributes)) throw new Error(`${path}: ${attributes}`);
    return attributes.mode;
  }

  isDirectory(path: string): boolean {
    return this.place(path).dentry.inode!.type === S_IFDIR;
  }
}

/** Its root belongs to whoever runs the tests, as a directory of the host would. */
export function memoryFs(device = 20, firstInode = 1): MemFs {
  const [uid, gid] = [process.getuid!(), process.getgid!()];
  return new MemFs({ device, firstInode, uid, gid, now: 1_700_000_000_000_000_000n });
}
