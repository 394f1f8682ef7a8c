/**
 * Waits until host descriptors are ready, without keeping the event loop: one poll(2) over all that are waited for, on a
 * thread of libuv's pool. Watches fire once.
 */
import { libc } from './libc.ts';

export const POLLIN = 1;
export const POLLOUT = 4;

const POLLFD_SIZE = 8;
/** Without koffi nobody can ask the host: everyone waiting looks again after this time. */
const LOOK_AGAIN_MS = 4;

interface Watch {
  readonly fd: number;
  events: number;
  readonly wakers: Set<Waker>;
}

/** Called with the POLL* bits that hold, or without where the host cannot tell. */
export type Waker = (events?: number) => void;

const watches = new Map<number, Watch>();
let polling = false;
let scheduled = false;
/** A pipe that ends the poll in flight when the set of watches has grown: [read, write]. */
let alarm: [number, number] | undefined;

/** Calls `waker` once, when one of the events (or an error or hang-up) holds. */
export function watch(fd: number, events: number, waker: Waker): void {
  const known = watches.get(fd);
  if (known === undefined) watches.set(fd, { fd, events, wakers: new Set([waker]) });
  else if ((known.events & events) === events && known.wakers.has(waker)) return;
  else {
    known.events |= events;
    known.wakers.add(waker);
  }
  schedule();
}

/** Nobody waits for this descriptor any more: it is about to be closed. */
export function unwatch(fd: number): void {
  if (watches.delete(fd)) interrupt();
}

/** The events among `events` that hold now; undefined where the host cannot be asked. */
export function pollNow(fd: number, events: number): number | undefined {
  const c = libc();
  if (c === null) return undefined;
  const fds = pollFds([{ fd, events }]);
  return c.poll(fds, 1, 0) > 0 ? new DataView(fds.buffer).getInt16(6, true) : 0;
}

function schedule(): void {
  if (polling) interrupt();
  else if (!scheduled) {
    scheduled = true;
    setImmediate(start);
  }
}

function start(): void {
  scheduled = false;
  if (polling || watches.size === 0) return;
  polling = true;
  const asked = [...watches.values()];
  const c = libc();
  if (c === null) {
    setTimeout(() => {
      polling = false;
      for (const one of asked) fire(one);
    }, LOOK_AGAIN_MS);
    return;
  }
  const wake = alarm ?? openAlarm();
  const fds = pollFds([{ fd: wake[0], events: POLLIN }, ...asked]);
  c.pollAsync(fds, asked.length + 1, -1, () => {
    polling = false;
    const answers = new DataView(fds.buffer);
    if (answers.getInt16(6, true) !== 0) c.read(wake[0], new Uint8Array(64), 64);
    asked.forEach((one, i) => {
      const happened = answers.getInt16((i + 1) * POLLFD_SIZE + 6, true);
      if (happened !== 0) fire(one, happened);
    });
    if (watches.size > 0) schedule();
  });
}

function fire(one: Watch, happened?: number): void {
  if (watches.get(one.fd) !== one) return;
  watches.delete(one.fd);
  for (const waker of one.wakers) waker(happened);
}

function openAlarm(): [number, number] {
  const ends = new Int32Array(2);
  libc()!.pipe2(ends, 0o2004000 /* O_CLOEXEC | O_NONBLOCK */);
  alarm = [ends[0], ends[1]];
  // Node joins its pool's threads when it exits: one that still waits in poll(2) would hold it.
  process.on('exit', interrupt);
  return alarm;
}

function interrupt(): void {
  if (alarm !== undefined) libc()!.write(alarm[1], new Uint8Array(1), 1);
}

function pollFds(entries: readonly { fd: number; events: number }[]): Uint8Array {
  const fds = new Uint8Array(entries.length * POLLFD_SIZE);
  const view = new DataView(fds.buffer);
  entries.forEach(({ fd, events }, i) => {
    view.setInt32(i * POLLFD_SIZE, fd, true);
    view.setInt16(i * POLLFD_SIZE + 4, events, true);
  });
  return fds;
}
