/** Waiting for files: poll and select in all their forms. */
import { EBADF, EFAULT, EINVAL } from '../src/abi/errno.ts';
import { O_PATH } from '../src/abi/fs.ts';
import { pollfdLayout } from '../src/abi/poll.ts';
import { type Layout, struct, u32, u64, type Value } from '../src/abi/struct.ts';
import {
  type Timespec,
  timespec32Layout,
  timespec64Layout,
  timevalLayout,
  toNanoseconds,
  toTimespec,
} from '../src/abi/time.ts';
import { deadlineAfter, eventsOf, sleepOn, type Watched } from '../src/fs/select.ts';
import { setTemporaryMask } from '../src/kernel/signals.ts';
import type { Task } from '../src/kernel/task.ts';
import { int, pointer, readValue, size, structArray, syscall, uint, writeValue } from '../src/syscall/index.ts';
import {
  type OpenFile,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from '../src/vfs/open-file.ts';
import { BLOCKED } from '../src/wait/wait.ts';

const family = { class: 'desc' } as const;
const MAX_FDS = 1 << 20;
const SIGSET_SIZE = 8;

interface PollFds {
  values: Value<typeof pollfdLayout>[];
  address: number;
}
const pollFds = structArray('fds', 'struct pollfd', pollfdLayout, 1, { count: MAX_FDS, errno: EINVAL });

/** Descriptors of O_PATH count as closed. */
function watchable(task: Task, fd: number): OpenFile | undefined {
  const file = task.files.get(fd);
  return file !== undefined && (file.flags & O_PATH) === 0 ? file : undefined;
}

/** One round of poll(2): the answer, with revents written, or BLOCKED. */
function pollOnce(task: Task, { values, address }: PollFds, deadline: number | undefined): number {
  if (values.length > task.files.limit) return -EINVAL;
  const watched: Watched[] = [];
  let count = 0;
  for (const entry of values) {
    entry.revents = 0;
    if (entry.fd < 0) continue;
    const one = { file: watchable(task, entry.fd), events: entry.events };
    watched.push(one);
    entry.revents = eventsOf(one);
    if (entry.revents !== 0) count++;
  }
  const answer = count > 0 ? count : sleepOn(task, watched, deadline);
  if (answer === BLOCKED) return BLOCKED;
  const out = values.length === 0 ? new Uint8Array(0) : task.mm.view(address, values.length * pollfdLayout.size, true);
  if (typeof out === 'number') return -EFAULT;
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  for (const [i, { revents }] of values.entries()) view.setInt16(i * pollfdLayout.size + 6, revents, true);
  return answer;
}

export const poll = syscall(
  168,
  'poll',
  [pollFds, uint('nfds'), int('timeout')],
  (task, fds, _count, timeout) => pollOnce(task, fds, deadlineAfter(task, timeout < 0 ? undefined : timeout * 1e6)),
  family,
);

/** The time that a caller of ppoll or pselect gave: nanoseconds, undefined without end, or a negative errno. */
function readTimeout(task: Task, address: number, layout: Layout<Timespec>): { wait: number | undefined } | number {
  if (address === 0) return { wait: undefined };
  const time = readValue(task.mm, address, layout);
  if (time === undefined) return -EFAULT;
  const wait = toNanoseconds(time);
  return Number.isNaN(wait) ? -EINVAL : { wait };
}

/** Linux tells how much time was left. */
function writeRemaining(task: Task, address: number, layout: Layout<Timespec>, deadline: number | undefined): void {
  if (address !== 0 && deadline !== undefined) {
    writeValue(task.mm, address, layout, toTimespec(Math.max(0, deadline - task.now())));
  }
}

function useMask(task: Task, address: number, length: number): number {
  if (address === 0) return 0;
  if (length !== SIGSET_SIZE) return -EINVAL;
  const mask = readValue(task.mm, address, u64);
  if (mask === undefined) return -EFAULT;
  setTemporaryMask(task, mask);
  return 0;
}

/** A wait with a timeout in a timespec, which is updated when it ends. */
function timed(
  task: Task,
  timeout: number,
  layout: Layout<Timespec>,
  wait: (deadline: number | undefined) => number,
): number {
  const given = task.once(() => {
    const time = readTimeout(task, timeout, layout);
    return typeof time === 'number' ? time : [time.wait ?? null];
  });
  if (typeof given === 'number') return given;
  const deadline = deadlineAfter(task, (given as (number | null)[])[0] ?? undefined);
  const answer = wait(deadline);
  if (answer !== BLOCKED) writeRemaining(task, timeout, layout, deadline);
  return answer;
}

function declarePpoll(nr: number, name: string, layout: Layout<Timespec>) {
  return syscall(
    nr,
    name,
    [pollFds, uint('nfds'), pointer('tmo_p'), pointer('sigmask'), size('sigsetsize')],
    (task, fds, _count, timeout, mask, maskSize) => {
      const masked = useMask(task, mask, maskSize);
      return masked < 0 ? masked : timed(task, timeout, layout, (deadline) => pollOnce(task, fds, deadline));
    },
    family,
  );
}
export const ppoll = declarePpoll(309, 'ppoll', timespec32Layout);
export const ppoll_time64 = declarePpoll(414, 'ppoll_time64', timespec64Layout);

const READABLE = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR | POLLNVAL;
const WRITABLE = POLLWRNORM | POLLWRBAND | POLLOUT | POLLERR | POLLNVAL;
const SETS = [READABLE, WRITABLE, POLLPRI | POLLNVAL] as const;

interface Selected extends Watched {
  fd: number;
  set: number;
}

/** Descriptors that are in the three sets; -EBADF when one is not open. */
function readSets(task: Task, count: number, addresses: readonly number[]): Selected[] | number {
  const selected: Selected[] = [];
  for (const [set, address] of addresses.entries()) {
    if (address === 0 || count === 0) continue;
    const bits = task.mm.view(address, Math.ceil(count / 32) * 4, false);
    if (typeof bits === 'number') return -EFAULT;
    for (let fd = 0; fd < count; fd++) {
      if ((bits[fd >> 3] & (1 << (fd & 7))) === 0) continue;
      if (task.files.get(fd) === undefined) return -EBADF;
      selected.push({ fd, set, file: watchable(task, fd), events: SETS[set] });
    }
  }
  return selected;
}

function writeSets(task: Task, count: number, addresses: readonly number[], ready: readonly Selected[]): number {
  for (const [set, address] of addresses.entries()) {
    if (address === 0 || count === 0) continue;
    const bits = task.mm.view(address, Math.ceil(count / 32) * 4, true);
    if (typeof bits === 'number') return -EFAULT;
    bits.fill(0);
    for (const one of ready) if (one.set === set) bits[one.fd >> 3] |= 1 << (one.fd & 7);
  }
  return ready.length;
}

/** One round of select(2). Sets are left alone when a signal ended the wait. */
function selectOnce(task: Task, nfds: number, addresses: readonly number[], deadline: number | undefined): number {
  if (nfds < 0) return -EINVAL;
  const count = Math.min(nfds, task.files.limit);
  const selected = readSets(task, count, addresses);
  if (typeof selected === 'number') return selected;
  const ready = selected.filter((one) => eventsOf(one) !== 0);
  if (ready.length === 0) {
    const answer = sleepOn(task, selected, deadline);
    if (answer !== 0) return answer;
  }
  return writeSets(task, count, addresses, ready);
}

function selectTimeval(task: Task, nfds: number, sets: readonly number[], timeout: number): number {
  return timed(task, timeout, timevalAsTimespec, (deadline) => selectOnce(task, nfds, sets, deadline));
}

/** struct timeval, seen as a timespec; select takes microseconds beyond a second and carries them over. */
const timevalAsTimespec: Layout<Timespec> = {
  size: timevalLayout.size,
  align: timevalLayout.align,
  read(view, at) {
    const { sec, usec } = timevalLayout.read(view, at);
    return usec < 0 ? { sec, nsec: usec } : { sec: sec + Math.floor(usec / 1e6), nsec: (usec % 1e6) * 1000 };
  },
  write: (view, at, { sec, nsec }) => timevalLayout.write(view, at, { sec, usec: Math.floor(nsec / 1000) }),
};

const setArgs = [
  int('nfds'),
  pointer('readfds'),
  pointer('writefds'),
  pointer('exceptfds'),
  pointer('timeout'),
] as const;

export const _newselect = syscall(
  142,
  '_newselect',
  setArgs,
  (task, nfds, read, write, except, timeout) => selectTimeval(task, nfds, [read, write, except], timeout),
  family,
);

const oldSelectLayout = struct({ nfds: u32, read: u32, write: u32, except: u32, timeout: u32 });

/** Number 82 takes one pointer to its five arguments. */
export const select = syscall(
  82,
  'select',
  [pointer('args')],
  (task, address) => {
    const args = readValue(task.mm, address, oldSelectLayout);
    if (args === undefined) return -EFAULT;
    return selectTimeval(task, args.nfds | 0, [args.read, args.write, args.except], args.timeout);
  },
  family,
);

const maskArgument = struct({ address: u32, size: u32 });

function declarePselect(nr: number, name: string, layout: Layout<Timespec>) {
  return syscall(
    nr,
    name,
    [...setArgs, pointer('sigmask')],
    (task, nfds, read, write, except, timeout, argument) => {
      const mask = argument === 0 ? { address: 0, size: 0 } : readValue(task.mm, argument, maskArgument);
      if (mask === undefined) return -EFAULT;
      const masked = useMask(task, mask.address, mask.size);
      if (masked < 0) return masked;
      return timed(task, timeout, layout, (deadline) => selectOnce(task, nfds, [read, write, except], deadline));
    },
    family,
  );
}
export const pselect6 = declarePselect(308, 'pselect6', timespec32Layout);
export const pselect6_time64 = declarePselect(413, 'pselect6_time64', timespec64Layout);
