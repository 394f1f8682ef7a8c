/** What led outside, in a machine that has been restored where it does not: at its end, or a broken connection. */
import { ECONNRESET } from '../abi/errno.ts';
import type { Inode } from '../vfs/inode.ts';
import { OpenFile, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../vfs/open-file.ts';

export type Loss = 'eof' | 'error';

export class LostFile extends OpenFile {
  readonly inode: Inode;
  /** What it was. */
  readonly name: string;
  readonly loss: Loss;

  constructor(inode: Inode, flags: number, name: string, loss: Loss) {
    super(flags);
    this.inode = inode;
    this.name = name;
    this.loss = loss;
  }

  describe(): string {
    return this.name;
  }
  override read(): number {
    return this.loss === 'eof' ? 0 : -ECONNRESET;
  }
  /** Where nobody is, bytes go nowhere: as at /dev/null. */
  override write(_s: unknown, from: Uint8Array): number {
    return this.loss === 'eof' ? from.length : -ECONNRESET;
  }
  override poll(): number {
    const ready = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM;
    return this.loss === 'eof' ? ready : ready | POLLERR | POLLHUP;
  }
}
