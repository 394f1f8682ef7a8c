/** Files that are events: eventfd, timerfd, signalfd. */
import { EBADF, EFAULT, EINVAL, EPERM } from '../src/abi/errno.ts';
import { O_CLOEXEC, O_NONBLOCK } from '../src/abi/fs.ts';
import { EFD_SEMAPHORE, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET } from '../src/abi/poll.ts';
import { type Layout, u64 } from '../src/abi/struct.ts';
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  itimerspec32Layout,
  itimerspec64Layout,
  type Timespec,
  toNanoseconds,
  toTimespec,
} from '../src/abi/time.ts';
import { EventFile } from '../src/fs/eventfd.ts';
import { SignalFile } from '../src/fs/signalfd.ts';
import { TimerFile } from '../src/fs/timerfd.ts';
import { signalSourceOf } from '../src/kernel/signals.ts';
import type { Task } from '../src/kernel/task.ts';
import {
  choice,
  fd,
  file,
  flags,
  inStruct,
  optionalOut,
  outStruct,
  pointer,
  readValue,
  size,
  syscall,
  uint,
} from '../src/syscall/index.ts';
import { CAP_WAKE_ALARM, capable } from '../src/vfs/credentials.ts';

const family = { class: 'desc' } as const;

function makeEvent(task: Task, count: number, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | EFD_SEMAPHORE)) !== 0) return -EINVAL;
  const state = { count: BigInt(count), semaphore: (flags & EFD_SEMAPHORE) !== 0 };
  const event = new EventFile(task.kernel.anonymous.anonInode, state, flags & O_NONBLOCK);
  return task.files.install(event, { cloexec: (flags & O_CLOEXEC) !== 0 });
}

export const eventfd = syscall(323, 'eventfd', [uint('initval')], (task, count) => makeEvent(task, count, 0), family);
export const eventfd2 = syscall(
  328,
  'eventfd2',
  [uint('initval'), flags('flags', { EFD_SEMAPHORE, EFD_CLOEXEC: O_CLOEXEC, EFD_NONBLOCK: O_NONBLOCK })],
  makeEvent,
  family,
);

const TIMER_CLOCKS = {
  CLOCK_REALTIME,
  CLOCK_MONOTONIC,
  CLOCK_BOOTTIME,
  CLOCK_REALTIME_ALARM,
  CLOCK_BOOTTIME_ALARM,
} as const;

export const timerfd_create = syscall(
  322,
  'timerfd_create',
  [choice('clockid', TIMER_CLOCKS), flags('flags', { TFD_CLOEXEC: O_CLOEXEC, TFD_NONBLOCK: O_NONBLOCK })],
  (task, clock, flags) => {
    const known = Object.values(TIMER_CLOCKS).some((one) => one === clock);
    if (!known || (flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return -EINVAL;
    const wakesHost = clock === CLOCK_REALTIME_ALARM || clock === CLOCK_BOOTTIME_ALARM;
    if (wakesHost && !capable(task.credentials, CAP_WAKE_ALARM)) return -EPERM;
    const state = { clock, next: -1, interval: 0, ticks: 0n, setFlags: 0 };
    const timer = new TimerFile(task.kernel.anonymous.anonInode, task.kernel, state, flags & O_NONBLOCK);
    return task.files.install(timer, { cloexec: (flags & O_CLOEXEC) !== 0 });
  },
  family,
);

interface ItimerSpec {
  interval: Timespec;
  value: Timespec;
}
const setFlags = flags('flags', { TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET });

function declareSettime(nr: number, name: string, layout: Layout<ItimerSpec>) {
  return syscall(
    nr,
    name,
    [
      file('fd'),
      setFlags,
      inStruct('new_value', 'struct itimerspec', layout),
      optionalOut('old_value', 'struct itimerspec', layout),
    ],
    (_task, timer, flags, wanted, out) => {
      const [interval, value] = [wanted.interval, wanted.value].map(toNanoseconds);
      if ((flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) !== 0) return -EINVAL;
      if (Number.isNaN(interval) || Number.isNaN(value) || !(timer instanceof TimerFile)) return -EINVAL;
      const exact = ({ sec, nsec }: Timespec) => BigInt(sec) * 1_000_000_000n + BigInt(nsec);
      const old = timer.set({ interval: BigInt(interval), value: exact(wanted.value) }, flags);
      return out.write({ interval: toTimespec(old.interval), value: toTimespec(old.value) });
    },
    family,
  );
}
export const timerfd_settime = declareSettime(325, 'timerfd_settime', itimerspec32Layout);
export const timerfd_settime64 = declareSettime(411, 'timerfd_settime64', itimerspec64Layout);

function declareGettime(nr: number, name: string, layout: Layout<ItimerSpec>) {
  return syscall(
    nr,
    name,
    [file('fd'), outStruct('curr_value', 'struct itimerspec', layout)],
    (_task, timer, out) => {
      if (!(timer instanceof TimerFile)) return -EINVAL;
      const { interval, value } = timer.get();
      return out.write({ interval: toTimespec(interval), value: toTimespec(value) });
    },
    family,
  );
}
export const timerfd_gettime = declareGettime(326, 'timerfd_gettime', itimerspec32Layout);
export const timerfd_gettime64 = declareGettime(410, 'timerfd_gettime64', itimerspec64Layout);

function makeSignalFile(task: Task, fd: number, address: number, length: number, flags: number): number {
  if (length !== u64.size || (flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return -EINVAL;
  const mask = readValue(task.mm, address, u64);
  if (mask === undefined) return -EFAULT;
  if (fd === -1) {
    const source = signalSourceOf(task.kernel);
    const signals = new SignalFile(task.kernel.anonymous.anonInode, source, mask, flags & O_NONBLOCK);
    return task.files.install(signals, { cloexec: (flags & O_CLOEXEC) !== 0 });
  }
  const known = task.files.get(fd);
  if (known === undefined) return -EBADF;
  if (!(known instanceof SignalFile)) return -EINVAL;
  known.setMask(mask);
  return fd;
}

const signalArgs = [fd('fd'), pointer('mask'), size('sizemask')] as const;
export const signalfd = syscall(
  321,
  'signalfd',
  signalArgs,
  (task, fd, mask, length) => makeSignalFile(task, fd, mask, length, 0),
  family,
);
export const signalfd4 = syscall(
  327,
  'signalfd4',
  [...signalArgs, flags('flags', { SFD_CLOEXEC: O_CLOEXEC, SFD_NONBLOCK: O_NONBLOCK })],
  makeSignalFile,
  family,
);
