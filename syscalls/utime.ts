/** Setting file times: from utime(2) to utimensat(2), with 32-bit and 64-bit seconds. */
import { EBADF, EFAULT, EINVAL } from '../src/abi/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, UTIME_NOW, UTIME_OMIT } from '../src/abi/fs.ts';
import { utimbufLayout } from '../src/abi/stat.ts';
import { array } from '../src/abi/struct.ts';
import { type Timespec, timespec32Layout, timespec64Layout, timevalLayout } from '../src/abi/time.ts';
import { placeOf, walkAt } from '../src/kernel/file-access.ts';
import type { Task } from '../src/kernel/task.ts';
import { dirfd, flags, optionalIn, optionalPath, path, syscall } from '../src/syscall/index.ts';
import { type NewTime, setTimes } from '../src/vfs/attributes.ts';
import type { Location } from '../src/vfs/location.ts';
import { failed } from '../src/wait/wait.ts';

const family = { class: 'file' } as const;

/** undefined: not a valid time. */
function toNewTime({ sec, nsec }: Timespec): NewTime | undefined {
  if (nsec === UTIME_NOW) return 'now';
  if (nsec === UTIME_OMIT) return 'omit';
  return nsec < 0 || nsec >= 1_000_000_000 ? undefined : BigInt(sec) * 1_000_000_000n + BigInt(nsec);
}

function fromTimeval({ sec, usec }: { sec: number; usec: number }): NewTime | undefined {
  return usec < 0 || usec >= 1_000_000 ? undefined : BigInt(sec) * 1_000_000_000n + BigInt(usec) * 1000n;
}

/** Times by path, by descriptor (a null path), or by either with AT_EMPTY_PATH. */
function setTimesAt(
  task: Task,
  directory: number,
  name: string | null,
  times: readonly (NewTime | undefined)[],
  bits = 0,
): number {
  const [atime, mtime] = times;
  if ((bits & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  if (atime === 'omit' && mtime === 'omit') return 0;
  if (name === null) {
    if (directory === AT_FDCWD) return -EFAULT;
    if (bits !== 0) return -EINVAL;
    const opened = task.files.get(directory);
    return opened === undefined ? -EBADF : setBoth(task, placeOf(opened), times);
  }
  const follow = (bits & AT_SYMLINK_NOFOLLOW) === 0;
  const place = walkAt(task, directory, name, { follow, empty: (bits & AT_EMPTY_PATH) !== 0 });
  return failed(place) ? place : setBoth(task, place, times);
}

/** Times that cannot be are told when the file has been found. */
function setBoth(task: Task, place: Location, [atime, mtime]: readonly (NewTime | undefined)[]): number {
  return atime === undefined || mtime === undefined ? -EINVAL : setTimes(task, place, atime, mtime);
}

const NOW: readonly NewTime[] = ['now', 'now'];
const pairOf = (pair: readonly Timespec[] | null) => (pair === null ? NOW : pair.map(toNewTime));

export const utimensat = syscall(
  320,
  'utimensat',
  [
    dirfd(),
    optionalPath(),
    optionalIn('times', 'struct timespec', array(timespec32Layout, 2)),
    flags('flags', { AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH }),
  ],
  (task, directory, name, times, bits) => setTimesAt(task, directory, name, pairOf(times), bits),
  family,
);
export const utimensat_time64 = syscall(
  412,
  'utimensat_time64',
  [
    dirfd(),
    optionalPath(),
    optionalIn('times', 'struct timespec64', array(timespec64Layout, 2)),
    flags('flags', { AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH }),
  ],
  (task, directory, name, times, bits) => setTimesAt(task, directory, name, pairOf(times), bits),
  family,
);
export const futimesat = syscall(
  299,
  'futimesat',
  [dirfd(), optionalPath(), optionalIn('times', 'struct timeval', array(timevalLayout, 2))],
  (task, directory, name, times) => setTimesAt(task, directory, name, times === null ? NOW : times.map(fromTimeval)),
  family,
);
export const utimes = syscall(
  271,
  'utimes',
  [path(), optionalIn('times', 'struct timeval', array(timevalLayout, 2))],
  (task, name, times) => setTimesAt(task, AT_FDCWD, name, times === null ? NOW : times.map(fromTimeval)),
  family,
);
export const utime = syscall(
  30,
  'utime',
  [path(), optionalIn('times', 'struct utimbuf', utimbufLayout)],
  (task, name, times) => {
    const seconds = (value: number) => BigInt(value) * 1_000_000_000n;
    const pair = times === null ? NOW : [seconds(times.actime), seconds(times.modtime)];
    return setTimesAt(task, AT_FDCWD, name, pair);
  },
  family,
);
