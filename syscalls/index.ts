/** All declarations: Tallship's table of system calls. */
import { byName, type Declaration, layersFor, trierFor } from '../src/syscall/index.ts';
import * as credentials from './credentials.ts';
import * as dir from './dir.ts';
import * as epoll from './epoll.ts';
import * as eventFiles from './event-files.ts';
import * as extent from './extent.ts';
import * as fd from './fd.ts';
import * as file from './file.ts';
import * as inotify from './inotify.ts';
import * as inspect from './inspect.ts';
import * as io from './io.ts';
import * as ioctl from './ioctl.ts';
import * as ipc from './ipc.ts';
import * as ldt from './ldt.ts';
import * as memfd from './memfd.ts';
import * as memory from './memory.ts';
import * as misc from './misc.ts';
import * as mode from './mode.ts';
import * as mount from './mount.ts';
import * as mqueue from './mqueue.ts';
import * as msg from './msg.ts';
import * as pidfd from './pidfd.ts';
import * as pipe from './pipe.ts';
import * as poll from './poll.ts';
import * as process from './process.ts';
import * as resource from './resource.ts';
import * as sched from './sched.ts';
import * as seccomp from './seccomp.ts';
import * as sem from './sem.ts';
import * as shm from './shm.ts';
import * as signal from './signal.ts';
import * as socket from './socket.ts';
import * as socketIo from './socket-io.ts';
import * as stat from './stat.ts';
import * as thread from './thread.ts';
import * as time from './time.ts';
import * as timer from './timer.ts';
import * as utime from './utime.ts';
import * as xattr from './xattr.ts';

const FAMILIES = {
  credentials,
  dir,
  epoll,
  eventFiles,
  extent,
  fd,
  file,
  inotify,
  inspect,
  io,
  ioctl,
  memfd,
  ipc,
  msg,
  sem,
  shm,
  ldt,
  memory,
  misc,
  mode,
  mount,
  mqueue,
  pidfd,
  pipe,
  poll,
  process,
  resource,
  sched,
  seccomp,
  signal,
  socket,
  socketIo,
  stat,
  thread,
  time,
  timer,
  utime,
  xattr,
};

function isDeclaration(value: unknown): value is Declaration {
  return typeof value === 'object' && value !== null && 'nr' in value && 'entry' in value;
}

/** By number, with the family (the file) that declares each: docs/SYSCALLS.md is made from this. */
export const DECLARATIONS: readonly (Declaration & { readonly family: string })[] = Object.entries(FAMILIES)
  .flatMap(([family, exports]) =>
    Object.values(exports)
      .filter(isDeclaration)
      .filter(({ nr }) => nr >= 0)
      .map((declaration) => Object.assign(declaration, { family })),
  )
  .sort((a, b) => a.nr - b.nr);

type Families = typeof FAMILIES;
/** Every declaration, by its type: names and arguments of the calls. */
export type AnyDeclaration = {
  [F in keyof Families]: Extract<Families[F][keyof Families[F]], Declaration>;
}[keyof Families];

/** layer() for this table: `call.<argument>` has the argument's type. */
export const layer = layersFor<AnyDeclaration>();

/** Tries a layer without a guest: `await test(guard).openat({ path: '/x' })`. */
export const test = trierFor([...byName(DECLARATIONS).values()]);
