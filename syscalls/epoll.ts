/** epoll(7). */
import { EBADF, EFAULT, EINVAL, EPERM } from '../src/abi/errno.ts';
import { EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, epollEventLayout } from '../src/abi/poll.ts';
import { u64 } from '../src/abi/struct.ts';
import { timespec64Layout, toNanoseconds } from '../src/abi/time.ts';
import { EpollFile, epollOf } from '../src/fs/epoll.ts';
import { deadlineAfter } from '../src/fs/select.ts';
import { setTemporaryMask } from '../src/kernel/signals.ts';
import type { Task } from '../src/kernel/task.ts';
import { choice, fd, file, flags, int, pointer, readValue, size, syscall } from '../src/syscall/index.ts';
import type { OpenFile } from '../src/vfs/open-file.ts';
import { failed } from '../src/wait/wait.ts';

const family = { class: 'desc' } as const;

function create(task: Task, cloexec: boolean): number {
  return task.files.install(new EpollFile(task.kernel.anonymous.anonInode), { cloexec });
}

export const epoll_create = syscall(
  254,
  'epoll_create',
  [int('size')],
  (task, hint) => (hint <= 0 ? -EINVAL : create(task, false)),
  family,
);
export const epoll_create1 = syscall(
  329,
  'epoll_create1',
  [flags('flags', { EPOLL_CLOEXEC })],
  (task, flags) => ((flags & ~EPOLL_CLOEXEC) !== 0 ? -EINVAL : create(task, flags !== 0)),
  family,
);

export const epoll_ctl = syscall(
  255,
  'epoll_ctl',
  [fd('epfd'), choice('op', { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD }), fd('fd'), pointer('event')],
  (task, epfd, op, fd, address) => {
    const event = op === EPOLL_CTL_DEL ? { events: 0, data: 0n } : readValue(task.mm, address, epollEventLayout);
    if (event === undefined) return -EFAULT;
    const [epoll, target] = [task.files.get(epfd), task.files.get(fd)];
    if (epoll === undefined || target === undefined) return -EBADF;
    if (!target.canPoll) return -EPERM;
    const set = epollOf(epoll);
    if (failed(set)) return set;
    if (op === EPOLL_CTL_ADD) return set.add(fd, target, event);
    if (op === EPOLL_CTL_MOD) return set.modify(fd, target, event);
    return op === EPOLL_CTL_DEL ? set.remove(fd, target) : -EINVAL;
  },
  family,
);

const MAX_EVENTS = Math.floor(0x7fffffff / epollEventLayout.size);

/** @param wait nanoseconds; undefined: without end. */
function waitFor(task: Task, epoll: OpenFile, address: number, limit: number, wait: number | undefined): number {
  if (limit <= 0 || limit > MAX_EVENTS) return -EINVAL;
  const set = epollOf(epoll);
  if (failed(set)) return set;
  const events = set.wait(task, limit, deadlineAfter(task, wait));
  if (failed(events)) return events;
  // The array may be shorter than maxevents says: only what there is must fit.
  const out = task.mm.view(address, events.length * epollEventLayout.size, true);
  if (typeof out === 'number') return events.length === 0 ? 0 : -EFAULT;
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  for (const [i, event] of events.entries()) epollEventLayout.write(view, i * epollEventLayout.size, event);
  return events.length;
}

const milliseconds = (timeout: number) => (timeout < 0 ? undefined : timeout * 1e6);
const waitArgs = [file('epfd'), pointer('events'), int('maxevents')] as const;

export const epoll_wait = syscall(
  256,
  'epoll_wait',
  [...waitArgs, int('timeout')],
  (task, epoll, events, limit, timeout) => waitFor(task, epoll, events, limit, milliseconds(timeout)),
  family,
);

function useMask(task: Task, address: number, length: number): number {
  if (address === 0) return 0;
  if (length !== u64.size) return -EINVAL;
  const mask = readValue(task.mm, address, u64);
  if (mask === undefined) return -EFAULT;
  setTemporaryMask(task, mask);
  return 0;
}

export const epoll_pwait = syscall(
  319,
  'epoll_pwait',
  [...waitArgs, int('timeout'), pointer('sigmask'), size('sigsetsize')],
  (task, epoll, events, limit, timeout, mask, maskSize) =>
    useMask(task, mask, maskSize) || waitFor(task, epoll, events, limit, milliseconds(timeout)),
  family,
);
export const epoll_pwait2 = syscall(
  441,
  'epoll_pwait2',
  [...waitArgs, pointer('timeout'), pointer('sigmask'), size('sigsetsize')],
  (task, epoll, events, limit, timeout, mask, maskSize) => {
    const time = timeout === 0 ? null : readValue(task.mm, timeout, timespec64Layout);
    if (time === undefined) return -EFAULT;
    const wait = time === null ? undefined : toNanoseconds(time);
    if (Number.isNaN(wait)) return -EINVAL;
    return useMask(task, mask, maskSize) || waitFor(task, epoll, events, limit, wait);
  },
  family,
);
