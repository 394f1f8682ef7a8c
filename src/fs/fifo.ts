/** open(2) of a FIFO: waits for the other end (fifo(7)). */
import { ENXIO } from '../abi/errno.ts';
import { O_ACCMODE, O_NONBLOCK, O_RDONLY, O_RDWR } from '../abi/fs.ts';
import type { Inode } from '../vfs/inode.ts';
import type { Sleeper } from '../wait/wait.ts';
import { type Pipe, PipeFile } from './pipe.ts';

/** Opens an end of the FIFO whose content is `pipe`: there is one Pipe per FIFO inode. */
export function openFifo(s: Sleeper, pipe: Pipe, inode: Inode, flags: number, name: string): PipeFile | number {
  const access = flags & O_ACCMODE;
  const reading = access === O_RDONLY;
  const { state } = pipe;
  if (access !== O_RDWR && pipe.claimEnd(flags)) return new PipeFile(pipe, inode, flags, name);
  const partners = reading
    ? state.writers + pipe.openingWriters.waiters.size
    : state.readers + pipe.openingReaders.waiters.size;
  const alone = access !== O_RDWR && partners === 0;
  if (alone && (flags & O_NONBLOCK) === 0) return s.block(reading ? pipe.openingReaders : pipe.openingWriters);
  if (alone && !reading) return -ENXIO;
  pipe.addEnds(flags);
  return new PipeFile(pipe, inode, flags, name, alone ? state.writerOpens : -1);
}
