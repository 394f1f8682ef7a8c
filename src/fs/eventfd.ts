/** eventfd(2): a 64-bit counter that can be waited for. */
import { EAGAIN, EINVAL } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../abi/fs.ts';
import type { Inode } from '../vfs/inode.ts';
import { OpenFile, POLLERR, POLLIN, POLLOUT } from '../vfs/open-file.ts';
import type { Sleeper } from '../wait/wait.ts';

const MAX = 0xffff_ffff_ffff_ffffn;

export interface EventState {
  count: bigint;
  /** EFD_SEMAPHORE: a read takes 1 instead of all. */
  semaphore: boolean;
}

export class EventFile extends OpenFile {
  readonly inode: Inode;
  readonly state: EventState;

  constructor(inode: Inode, state: EventState, flags = 0) {
    super(O_RDWR | flags);
    this.inode = inode;
    this.state = state;
  }

  describe(): string {
    return 'anon_inode:[eventfd]';
  }

  /** noop_llseek. */
  override seek(): number {
    return this.position;
  }

  override fdinfo(): string {
    return `eventfd-count: ${this.state.count.toString(16).padStart(16)}\n`;
  }

  override read(s: Sleeper, into: Uint8Array): number {
    if (into.length < 8) return -EINVAL;
    const { state } = this;
    if (state.count === 0n) return this.flags & O_NONBLOCK ? -EAGAIN : s.block(this.ready);
    const taken = state.semaphore ? 1n : state.count;
    state.count -= taken;
    new DataView(into.buffer, into.byteOffset).setBigUint64(0, taken, true);
    this.ready.wake(POLLOUT);
    return 8;
  }

  override write(s: Sleeper, from: Uint8Array): number {
    if (from.length !== 8) return -EINVAL;
    const added = new DataView(from.buffer, from.byteOffset).getBigUint64(0, true);
    if (added === MAX) return -EINVAL;
    const { state } = this;
    if (state.count + added >= MAX) return this.flags & O_NONBLOCK ? -EAGAIN : s.block(this.ready);
    state.count += added;
    this.ready.wake(POLLIN);
    return 8;
  }

  override poll(): number {
    const { count } = this.state;
    return (count > 0n ? POLLIN : 0) | (count < MAX - 1n ? POLLOUT : 0) | (count === MAX ? POLLERR : 0);
  }
}
