/** open(2) of a FIFO: waits for the other end (fifo(7)). */
import { ENXIO } from '../abi/errno.ts';
import { O_ACCMODE, O_NONBLOCK, O_RDONLY, O_RDWR } from '../abi/fs.ts';
import type { Inode } from '../vfs/inode.ts';
import { BLOCKED, type Sleeper } from '../wait/wait.ts';
import { type Pipe, PipeFile } from './pipe.ts';

/**
 * Opens an end of the FIFO whose content is `pipe`: a file system keeps one Pipe per FIFO inode.
 *
 * An open that waits already counts as an end, so that the partner's open finds it; one that is interrupted takes its
 * end away again.
 */
export function openFifo(s: Sleeper, pipe: Pipe, inode: Inode, flags: number, name: string): PipeFile | number {
  const access = flags & O_ACCMODE;
  const { state } = pipe;
  if (access === O_RDWR) {
    pipe.addEnds(flags);
    return new PipeFile(pipe, inode, flags, name);
  }
  const reading = access === O_RDONLY;
  const partners = () => (reading ? state.writers : state.readers);
  const arrivals = () => (reading ? state.writerOpens : state.readerOpens);
  if (flags & O_NONBLOCK) {
    if (!reading && state.readers === 0) return -ENXIO;
    pipe.addEnds(flags);
    return new PipeFile(pipe, inode, flags, name, reading && state.writers === 0 ? state.writerOpens : -1);
  }
  const seen = s.once(() => {
    pipe.addEnds(flags);
    return partners() > 0 ? -1 : arrivals();
  });
  // A partner that has come and gone again counts too.
  if (seen !== -1 && arrivals() === seen) {
    const answer = s.block(reading ? pipe.forReaders : pipe.forWriters);
    if (answer !== BLOCKED) pipe.removeEnds(flags);
    return answer;
  }
  return new PipeFile(pipe, inode, flags, name);
}
