/** Places in a served tree on which something of ours is mounted. They are never made at home. */
import { EEXIST, EINTR } from '../../abi/errno.ts';
import { S_IFDIR } from '../../abi/fs.ts';
import { MemFs } from '../../fs/memfs.ts';
import type { Inode } from '../../vfs/inode.ts';
import { failed, type Sleeper } from '../../wait/wait.ts';
import type { RemoteFs } from './remote-fs.ts';
import type { RemoteInode } from './remote-inode.ts';

/** Where every machine mounts its own: what is there at home is not even looked at. */
const OWN = ['dev', 'proc', 'sys', 'tmp'];

/** Files in memory never sleep. */
const NOBODY: Sleeper = {
  serial: 0,
  progress: 0,
  block: () => -EINTR,
  once: (step) => step(),
  now: () => 0,
  realtime: () => BigInt(Date.now()) * 1_000_000n,
};

export class MountPoints {
  readonly #root: RemoteInode;
  readonly #places: MemFs;

  constructor(fs: RemoteFs, device: number) {
    this.#root = fs.root;
    this.#places = new MemFs({ device, now: NOBODY.realtime() });
    for (const name of OWN) this.#root.pin(name, this.#place(name));
  }

  /** Makes sure that a directory can be mounted at a path, from the root, by those who cannot wait. */
  async reserve(path: string): Promise<void> {
    const names = path.split('/').filter((name) => name !== '');
    let at = this.#root;
    for (const name of names) {
      const found = await at.lookupNow(name);
      if (found === null) {
        return at.pin(name, this.#place(`${at.node} ${name}`));
      }
      at.pin(name, found);
      at = found;
    }
  }

  #place(name: string): Inode {
    const { root } = this.#places;
    const made = root.mkdir(NOBODY, name, { mode: S_IFDIR | 0o755, uid: 0, gid: 0 });
    const found = made === -EEXIST ? root.lookup(NOBODY, name) : made;
    if (failed(found)) throw new Error('a place to mount on cannot be made');
    return found;
  }
}
