/** What stands for a file of another machine that is not there any more: as an NFS handle of a file that is gone. */
import { ESTALE } from '../abi/errno.ts';
import { type FileSystem, Inode } from '../vfs/inode.ts';

export class StaleInode extends Inode {
  readonly fs: FileSystem;
  readonly type: number;
  readonly #names: readonly string[];

  constructor(fs: FileSystem, type: number, names: readonly string[]) {
    super();
    this.fs = fs;
    this.type = type;
    this.#names = names;
  }

  override path(): readonly string[] {
    return this.#names;
  }
  override attributes(): number {
    return -ESTALE;
  }
  override change(): number {
    return -ESTALE;
  }
  override lookup(): number {
    return -ESTALE;
  }
  override entries(): number {
    return -ESTALE;
  }
  override readlink(): number {
    return -ESTALE;
  }
  override read(): number {
    return -ESTALE;
  }
  override write(): number {
    return -ESTALE;
  }
  override allocate(): number {
    return -ESTALE;
  }
  override fsync(): number {
    return -ESTALE;
  }
}
