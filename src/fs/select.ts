/** What poll(2), select(2) and their kin share: looking at files, and sleeping until one may be ready. */
import { type OpenFile, POLLERR, POLLHUP, POLLNVAL } from '../vfs/open-file.ts';
import { ERESTART_RESTARTBLOCK, ERESTARTSYS, type Sleeper, type WaitQueue } from '../wait/wait.ts';

export interface Watched {
  /** undefined: not open. */
  file: OpenFile | undefined;
  /** POLL* bits that are asked for. */
  events: number;
}

/** What holds of what was asked for; errors and hang-ups always do. */
export function eventsOf({ file, events }: Watched): number {
  return file === undefined ? POLLNVAL : file.poll() & (events | POLLERR | POLLHUP);
}

/**
 * Sleeps until one of the files may be ready. BLOCKED, 0 when the time is up, or the restart code that ends a poll with
 * EINTR for a handler and goes on, with the same deadline, where there is none.
 */
export function sleepOn(s: Sleeper, watched: readonly Watched[], deadline: number | undefined): number {
  const queues = new Set<WaitQueue>();
  for (const { file } of watched) if (file?.canPoll) queues.add(file.ready);
  const answer = s.block([...queues], deadline);
  return answer === -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : answer;
}

/** The end of a wait of so many nanoseconds from the call's start; undefined: without end. */
export function deadlineAfter(s: Sleeper, nanoseconds: number | undefined): number | undefined {
  return nanoseconds === undefined ? undefined : s.once(() => s.now() + nanoseconds);
}
