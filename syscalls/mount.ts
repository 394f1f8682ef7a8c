/** Mounting, inside of the machine: file systems in memory, and places that are there already. */
import { EAGAIN, EBUSY, EFAULT, EINVAL, ENODEV, EPERM } from '../src/abi/errno.ts';
import {
  MNT_DETACH,
  MNT_EXPIRE,
  MNT_FORCE,
  MS_BIND,
  MS_MOVE,
  MS_NOATIME,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_REMOUNT,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
  UMOUNT_NOFOLLOW,
} from '../src/abi/fs.ts';
import type { Task } from '../src/kernel/task.ts';
import { flags, optionalPath, path, pointer, refused, syscall } from '../src/syscall/index.ts';
import { CAP_SYS_ADMIN, capable } from '../src/vfs/credentials.ts';
import type { Location, Mount } from '../src/vfs/location.ts';
import { walk } from '../src/vfs/walk.ts';
import { failed } from '../src/wait/wait.ts';

const family = { class: 'file' } as const;
const FLAGS = {
  MS_RDONLY,
  MS_NOSUID,
  MS_NODEV,
  MS_NOEXEC,
  MS_REMOUNT,
  MS_NOATIME,
  MS_BIND,
  MS_MOVE,
  MS_REC,
  MS_UNBINDABLE,
  MS_PRIVATE,
  MS_SLAVE,
  MS_SHARED,
  MS_RELATIME,
} as const;
const KEPT = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME;
const PROPAGATION = MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED;
/** Programs of Linux 2.2's time set it in the upper half. */
const MAGIC = 0xc0ed0000 | 0;

export const mount = syscall(
  21,
  'mount',
  [optionalPath('source'), path('target'), optionalPath('filesystemtype'), flags('mountflags', FLAGS), pointer('data')],
  (task, source, target, type, given, data) => {
    const bits = (given & 0xffff0000) === MAGIC ? given & 0xffff : given;
    const at = walk(task, task.fs.cwd, target);
    if (failed(at)) return at;
    if (!capable(task.credentials, CAP_SYS_ADMIN)) return -EPERM;
    if ((bits & MS_REMOUNT) !== 0) return remount(at, bits);
    if ((bits & MS_BIND) !== 0) return bind(task, source, at, bits);
    if ((bits & PROPAGATION) !== 0) return at.dentry === at.mount.root ? 0 : -EINVAL;
    if ((bits & MS_MOVE) !== 0) return -EINVAL;
    return mountNew(task, source, at, type, bits, data);
  },
  {
    ...family,
    level: 'partial',
    note: 'tmpfs, proc, devpts and bind mounts; MS_MOVE is EINVAL, propagation has no effect',
  },
);

function remount(at: Location, bits: number): number {
  const { mount } = at;
  if (at.dentry !== mount.root) return -EINVAL;
  if ((mount.lockedFlags & ~bits & KEPT) !== 0) return -EPERM;
  mount.flags = (mount.flags & ~KEPT) | (bits & KEPT);
  return 0;
}

function bind(task: Task, source: string | null, at: Location, bits: number): number {
  if (source === null) return -EINVAL;
  const from = walk(task, task.fs.cwd, source);
  if (failed(from)) return from;
  const { namespace } = task;
  return ours((bits & MS_REC) !== 0 ? namespace.bindAll(from, at) : namespace.bind(from, at));
}

function mountNew(
  task: Task,
  source: string | null,
  at: Location,
  type: string | null,
  bits: number,
  data: number,
): number {
  const make = type === null ? undefined : task.namespace.types.get(type);
  if (make === undefined) return type === null ? -EINVAL : -ENODEV;
  const text = data === 0 ? '' : task.mm.readCString(data, 4096);
  if (failed(text)) return -EFAULT;
  const fs = make(parseOptions(text));
  if (failed(fs)) return fs;
  const mounted = task.namespace.mount(fs, at, bits & KEPT, source ?? 'none');
  if (failed(mounted)) return mounted;
  mounted.lockedFlags = 0;
  return ours(mounted);
}

function ours(mounted: Mount | number): number {
  if (failed(mounted)) return mounted;
  mounted.byGuest = true;
  return 0;
}

function parseOptions(text: string): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (const part of text.split(',')) {
    const equals = part.indexOf('=');
    if (part !== '')
      options.set(equals === -1 ? part : part.slice(0, equals), equals === -1 ? '' : part.slice(equals + 1));
  }
  return options;
}

function unmountAt(task: Task, target: string, bits: number): number {
  if ((bits & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) return -EINVAL;
  const at = walk(task, task.fs.cwd, target, { follow: (bits & UMOUNT_NOFOLLOW) === 0 });
  if (failed(at)) return at;
  if (!capable(task.credentials, CAP_SYS_ADMIN)) return -EPERM;
  if (at.dentry !== at.mount.root || !at.mount.byGuest) return -EINVAL;
  const busy = (bits & MNT_DETACH) === 0 && isUsed(task, at.mount);
  if ((bits & MNT_EXPIRE) !== 0) return busy ? -EBUSY : -EAGAIN;
  return busy ? -EBUSY : task.namespace.unmount(at.mount);
}

/** Somebody stands in it, or has something of it open. */
function isUsed(task: Task, mount: Mount): boolean {
  for (const { fs, files } of task.kernel.tasks.values()) {
    if (fs.cwd.mount === mount || fs.root.mount === mount) return true;
    for (const [, file] of files.entries()) if (file.location?.mount === mount) return true;
  }
  return false;
}

export const umount2 = syscall(
  52,
  'umount2',
  [path('target'), flags('flags', { MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW })],
  unmountAt,
  { ...family, level: 'partial', note: 'only what was mounted inside of the machine' },
);
export const umount = syscall(22, 'umount', [path('target')], (task, target) => unmountAt(task, target, 0), {
  ...family,
  level: 'partial',
  note: 'only what was mounted inside of the machine',
});
export const pivot_root = refused(217, 'pivot_root', EPERM, 'the root mount stays; use chroot', 'file');
