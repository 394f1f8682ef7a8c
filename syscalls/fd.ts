/** Descriptors: closing, duplicating, flags and locks. */
import { EBADF, EFAULT, EINVAL, EMFILE, EPERM, ESRCH } from '../src/abi/errno.ts';
import {
  F_ADD_SEALS,
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_DUPFD_QUERY,
  F_GET_SEALS,
  F_GETFD,
  F_GETFL,
  F_GETLEASE,
  F_GETLK,
  F_GETLK64,
  F_GETOWN,
  F_GETOWN_EX,
  F_GETPIPE_SZ,
  F_GETSIG,
  F_NOTIFY,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_SETFD,
  F_SETFL,
  F_SETLEASE,
  F_SETLK,
  F_SETLK64,
  F_SETLKW,
  F_SETLKW64,
  F_SETOWN,
  F_SETOWN_EX,
  F_SETPIPE_SZ,
  F_SETSIG,
  F_UNLCK,
  FD_CLOEXEC,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  MAX_LFS_FILESIZE,
  O_CLOEXEC,
  O_NOATIME,
  O_PATH,
  SETFL_MASK,
} from '../src/abi/fs.ts';
import { flock64Layout, flockLayout, ownerLayout } from '../src/abi/stat.ts';
import type { Layout } from '../src/abi/struct.ts';
import { type Flock, getRecordLock, setRecordLock } from '../src/kernel/record-lock.ts';
import type { Task } from '../src/kernel/task.ts';
import {
  anyFile,
  choice,
  fd,
  file,
  flags,
  pointer,
  readValue,
  syscall,
  uint,
  writeValue,
} from '../src/syscall/index.ts';
import type { OpenFile } from '../src/vfs/open-file.ts';
import { ownerOrCapable } from '../src/vfs/permission.ts';
import { failed } from '../src/wait/wait.ts';

const family = { class: 'desc' } as const;

export const close = syscall(
  6,
  'close',
  [fd()],
  (task, number) => task.files.close(task, number, task.namespace.locks),
  family,
);

const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;

export const close_range = syscall(
  436,
  'close_range',
  [uint('first'), uint('last'), flags('flags', { CLOSE_RANGE_UNSHARE, CLOSE_RANGE_CLOEXEC })],
  (task, first, last, bits) => {
    if ((bits & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) !== 0 || first > last) return -EINVAL;
    if ((bits & CLOSE_RANGE_UNSHARE) !== 0) task.unshareFiles();
    for (const [number] of [...task.files.entries()]) {
      if (number < first || number > last) continue;
      if ((bits & CLOSE_RANGE_CLOEXEC) !== 0) task.files.setCloseOnExec(number, true);
      else task.files.close(task, number, task.namespace.locks);
    }
    return 0;
  },
  family,
);

export const dup = syscall(41, 'dup', [anyFile('oldfd')], (task, opened) => task.files.install(opened), family);

export const dup2 = syscall(
  63,
  'dup2',
  [anyFile('oldfd'), fd('newfd')],
  (task, opened, number) => {
    if (task.files.get(number) === opened && task.call.words[0] === number) return number;
    return task.files.replace(task, number, opened, false, task.namespace.locks);
  },
  family,
);
export const dup3 = syscall(
  330,
  'dup3',
  [fd('oldfd'), fd('newfd'), flags('flags', { O_CLOEXEC })],
  (task, old, number, bits) => {
    if ((bits & ~O_CLOEXEC) !== 0 || old === number) return -EINVAL;
    const opened = task.files.get(old);
    if (opened === undefined) return -EBADF;
    return task.files.replace(task, number, opened, bits !== 0, task.namespace.locks);
  },
  family,
);

// --- fcntl

const COMMANDS = {
  F_DUPFD,
  F_GETFD,
  F_SETFD,
  F_GETFL,
  F_SETFL,
  F_GETLK,
  F_SETLK,
  F_SETLKW,
  F_SETOWN,
  F_GETOWN,
  F_SETSIG,
  F_GETSIG,
  F_GETLK64,
  F_SETLK64,
  F_SETLKW64,
  F_SETOWN_EX,
  F_GETOWN_EX,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_SETLEASE,
  F_GETLEASE,
  F_NOTIFY,
  F_DUPFD_QUERY,
  F_DUPFD_CLOEXEC,
  F_SETPIPE_SZ,
  F_GETPIPE_SZ,
  F_ADD_SEALS,
  F_GET_SEALS,
} as const;

/** What O_PATH descriptors allow (fs/fcntl.c check_fcntl_cmd). */
const PATH_COMMANDS = new Set<number>([F_DUPFD, F_DUPFD_CLOEXEC, F_DUPFD_QUERY, F_GETFD, F_SETFD, F_GETFL]);

function duplicate(task: Task, opened: OpenFile, from: number, cloexec: boolean): number {
  if (from < 0 || from >= task.files.limit) return -EINVAL;
  if (!task.files.hasRoom(from)) return -EMFILE;
  return task.files.install(opened, { from, cloexec });
}

function setStatusFlags(task: Task, opened: OpenFile, wanted: number): number {
  if ((wanted & ~opened.flags & O_NOATIME) !== 0) {
    const attributes = opened.attributes(task);
    if (failed(attributes)) return attributes;
    if (!ownerOrCapable(task, attributes)) return -EPERM;
  }
  opened.flags = (opened.flags & ~SETFL_MASK) | (wanted & SETFL_MASK);
  return 0;
}

/** Negative: a process group. */
function setOwner(task: Task, opened: OpenFile, id: number): number {
  const { groups } = task.kernel;
  const exists =
    id < 0 ? [...groups.values()].some((group) => group.processGroup === -id) : id === 0 || task.kernel.tasks.has(id);
  if (!exists) return -ESRCH;
  opened.owner = id;
  return 0;
}

const F_OWNER_TID = 0;
const F_OWNER_PID = 1;
const F_OWNER_PGRP = 2;

function setOwnerEx(task: Task, opened: OpenFile, address: number): number {
  const owner = readValue(task.mm, address, ownerLayout);
  if (owner === undefined) return -EFAULT;
  if (owner.type < 0 || owner.type > F_OWNER_PGRP) return -EINVAL;
  return setOwner(task, opened, owner.type === F_OWNER_PGRP ? -owner.pid : owner.pid);
}

function getOwnerEx(task: Task, opened: OpenFile, address: number): number {
  const { owner } = opened;
  const type = owner === 0 ? F_OWNER_TID : owner < 0 ? F_OWNER_PGRP : F_OWNER_PID;
  return writeValue(task.mm, address, ownerLayout, { type, pid: Math.abs(owner) });
}

function setLock(
  task: Task,
  opened: OpenFile,
  address: number,
  layout: Layout<Flock>,
  wait: boolean,
  ofd = false,
): number {
  const lock = readValue(task.mm, address, layout);
  return lock === undefined ? -EFAULT : setRecordLock(task, opened, lock, wait, ofd);
}

function getLock(task: Task, opened: OpenFile, address: number, layout: Layout<Flock>, ofd = false): number {
  const lock = readValue(task.mm, address, layout);
  if (lock === undefined) return -EFAULT;
  const limit = layout === flockLayout ? 0x7fffffff : MAX_LFS_FILESIZE;
  const found = getRecordLock(task, opened, lock, ofd, limit);
  return failed(found) ? found : writeValue(task.mm, address, layout, found);
}

function fcntlWith(task: Task, opened: OpenFile, command: number, argument: number): number {
  const number = task.call.words[0];
  if ((opened.flags & O_PATH) !== 0 && !PATH_COMMANDS.has(command)) return -EBADF;
  switch (command) {
    case F_DUPFD:
      return duplicate(task, opened, argument | 0, false);
    case F_DUPFD_CLOEXEC:
      return duplicate(task, opened, argument | 0, true);
    case F_DUPFD_QUERY:
      return task.files.get(argument | 0) === undefined ? -EBADF : Number(task.files.get(argument | 0) === opened);
    case F_GETFD:
      return task.files.isCloseOnExec(number) ? FD_CLOEXEC : 0;
    case F_SETFD:
      task.files.setCloseOnExec(number, (argument & FD_CLOEXEC) !== 0);
      return 0;
    case F_GETFL:
      return opened.flags;
    case F_SETFL:
      return setStatusFlags(task, opened, argument);
    case F_GETLK:
      return getLock(task, opened, argument, flockLayout);
    case F_SETLK:
      return setLock(task, opened, argument, flockLayout, false);
    case F_SETLKW:
      return setLock(task, opened, argument, flockLayout, true);
    case F_OFD_GETLK:
      return getLock(task, opened, argument, flock64Layout, true);
    case F_OFD_SETLK:
      return setLock(task, opened, argument, flock64Layout, false, true);
    case F_OFD_SETLKW:
      return setLock(task, opened, argument, flock64Layout, true, true);
    case F_SETOWN:
      return setOwner(task, opened, argument | 0);
    case F_GETOWN:
      return opened.owner;
    case F_SETOWN_EX:
      return setOwnerEx(task, opened, argument);
    case F_GETOWN_EX:
      return getOwnerEx(task, opened, argument);
    case F_SETSIG:
      if (argument > 64) return -EINVAL;
      opened.ownerSignal = argument;
      return 0;
    case F_GETSIG:
      return opened.ownerSignal;
    case F_GETLEASE:
      return F_UNLCK;
    case F_SETLEASE:
    case F_NOTIFY:
      return -EINVAL;
    default:
      return opened.fcntl(task, command, argument);
  }
}

function fcntl64With(task: Task, opened: OpenFile, command: number, argument: number): number {
  if ((opened.flags & O_PATH) !== 0) return fcntlWith(task, opened, command, argument);
  switch (command) {
    case F_GETLK64:
      return getLock(task, opened, argument, flock64Layout);
    case F_SETLK64:
      return setLock(task, opened, argument, flock64Layout, false);
    case F_SETLKW64:
      return setLock(task, opened, argument, flock64Layout, true);
    default:
      return fcntlWith(task, opened, command, argument);
  }
}

const note = 'leases (F_SETLEASE) and directory notification (F_NOTIFY) are EINVAL';
export const fcntl = syscall(55, 'fcntl', [anyFile(), choice('cmd', COMMANDS), pointer('arg')], fcntlWith, {
  ...family,
  level: 'partial',
  note,
});
export const fcntl64 = syscall(221, 'fcntl64', [anyFile(), choice('cmd', COMMANDS), pointer('arg')], fcntl64With, {
  ...family,
  level: 'partial',
  note,
});

export const flock = syscall(
  143,
  'flock',
  [file(), flags('operation', { LOCK_SH, LOCK_EX, LOCK_NB, LOCK_UN })],
  (task, opened, operation) => {
    const kind = operation & ~LOCK_NB;
    if (kind !== LOCK_SH && kind !== LOCK_EX && kind !== LOCK_UN) return -EINVAL;
    const exclusive = kind === LOCK_UN ? null : kind === LOCK_EX;
    return task.namespace.locks.flock(task, opened.inode, opened, exclusive, (operation & LOCK_NB) === 0);
  },
  family,
);
