/** Birth, programs and death of processes; process groups and sessions. */
import { CLONE_FLAGS, CLONE_PARENT_SETTID, CLONE_PIDFD, CLONE_VFORK, CLONE_VM, CSIGNAL } from '../src/abi/clone.ts';
import { EACCES, EAGAIN, EBADF, EFAULT, EINVAL, ENOENT, EPERM, ESRCH } from '../src/abi/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_NONBLOCK } from '../src/abi/fs.ts';
import { cloneArgsLayout, rusageLayout, waitInfoLayout } from '../src/abi/process.ts';
import { SIGCHLD } from '../src/abi/signal.ts';
import { i32 } from '../src/abi/struct.ts';
import { toTimeval } from '../src/abi/time.ts';
import { execute } from '../src/kernel/exec.ts';
import { exitGroup, exitTask } from '../src/kernel/exit.ts';
import { type CloneArguments, clone as makeClone } from '../src/kernel/fork.ts';
import { makeSession } from '../src/kernel/job-control.ts';
import { openProgram, openProgramAt } from '../src/kernel/program.ts';
import type { Task } from '../src/kernel/task.ts';
import type { Usage } from '../src/kernel/usage.ts';
import {
  __WALL,
  __WCLONE,
  __WNOTHREAD,
  WCONTINUED,
  WEXITED,
  type Which,
  WNOHANG,
  WNOWAIT,
  WSTOPPED,
  WUNTRACED,
  waitForChild,
} from '../src/kernel/wait-children.ts';
import {
  choice,
  dirfd,
  flags,
  int,
  optionalOut,
  path,
  pointer,
  readValue,
  refused,
  size,
  stringArray,
  syscall,
} from '../src/syscall/index.ts';
import { failed } from '../src/wait/wait.ts';
import { pidFileOf } from './pidfd.ts';
import { readTls } from './thread.ts';

const family = { class: 'process' } as const;

export const exit = syscall(
  1,
  'exit',
  [int('status')],
  (task, status) => {
    exitTask(task, (status & 0xff) << 8);
    return 0;
  },
  family,
);
export const exit_group = syscall(
  252,
  'exit_group',
  [int('status')],
  (task, status) => {
    exitGroup(task.group, (status & 0xff) << 8);
    exitTask(task, task.group.exitStatus ?? 0);
    return 0;
  },
  family,
);

const plainFork = { stack: 0, parentTid: 0, childTid: 0, pidfd: 0, tls: null, exitSignal: SIGCHLD };

export const fork = syscall(2, 'fork', [], (task) => makeClone(task, { ...plainFork, flags: 0 }), family);
/** The child borrows the parent's memory until it calls execve or ends. */
export const vfork = syscall(
  190,
  'vfork',
  [],
  (task) => makeClone(task, { ...plainFork, flags: CLONE_VFORK | CLONE_VM }),
  family,
);

/** The words' order is that of i386 (CONFIG_CLONE_BACKWARDS): tls before child_tid. */
export const clone = syscall(
  120,
  'clone',
  [flags('flags', CLONE_FLAGS), pointer('stack'), pointer('parent_tid'), pointer('tls'), pointer('child_tid')],
  (task, bits, stack, parentTid, tls, childTid) => {
    // The descriptor comes back where the thread's id would.
    if ((bits & CLONE_PIDFD) !== 0 && (bits & CLONE_PARENT_SETTID) !== 0) return -EINVAL;
    const segment = readTls(task, bits, tls);
    if (typeof segment === 'number') return segment;
    const exitSignal = bits & CSIGNAL;
    const made = { flags: bits & ~CSIGNAL, exitSignal, stack, parentTid, pidfd: parentTid, childTid, tls: segment };
    return makeClone(task, made);
  },
  { ...family, level: 'partial', note: 'namespaces are EINVAL' },
);

export const clone3 = syscall(
  435,
  'clone3',
  [pointer('cl_args'), size('size')],
  (task, address, length) => {
    if (length < cloneArgsLayout.size) return -EINVAL;
    const args = readValue(task.mm, address, cloneArgsLayout);
    if (args === undefined) return -EFAULT;
    if ((args.flags & CSIGNAL) !== 0 || args.exitSignal < 0 || args.exitSignal > 64) return -EINVAL;
    if ((args.stack === 0) !== (args.stackSize === 0)) return -EINVAL;
    const tls = readTls(task, args.flags, args.tls);
    if (typeof tls === 'number') return tls;
    const request: CloneArguments = {
      flags: args.flags,
      exitSignal: args.exitSignal,
      stack: (args.stack + args.stackSize) % 2 ** 32,
      parentTid: args.parentTid,
      childTid: args.childTid,
      pidfd: args.pidfd,
      tls,
    };
    return makeClone(task, request);
  },
  { ...family, level: 'partial', note: 'namespaces, cgroups and set_tid are EINVAL' },
);

export const execve = syscall(
  11,
  'execve',
  [path('pathname'), stringArray('argv'), stringArray('envp')],
  (task, name, argv, envp) => {
    const program = openProgram(task, task.fs.cwd, name);
    return failed(program) ? program : execute(task, program, argv, envp);
  },
  family,
);

export const execveat = syscall(
  358,
  'execveat',
  [dirfd(), path('pathname'), stringArray('argv'), stringArray('envp'), int('flags')],
  (task, directory, name, argv, envp, how) => {
    if ((how & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) !== 0) return -EINVAL;
    const start = directory === AT_FDCWD || name.startsWith('/') ? task.fs.cwd : task.files.get(directory)?.location;
    if (start === undefined) return task.files.get(directory) === undefined ? -EBADF : -EACCES;
    if (name === '') {
      if ((how & AT_EMPTY_PATH) === 0) return -ENOENT;
      const program = openProgramAt(task, start, `/dev/fd/${directory}`);
      return failed(program) ? program : execute(task, program, argv, envp);
    }
    const program = openProgram(task, start, name, (how & AT_SYMLINK_NOFOLLOW) === 0);
    return failed(program) ? program : execute(task, program, argv, envp);
  },
  family,
);

const WAIT_FLAGS = { WNOHANG, WUNTRACED, WEXITED, WCONTINUED, WNOWAIT, __WNOTHREAD, __WALL, __WCLONE };

export function rusageOf(usage: Usage) {
  return {
    utime: toTimeval(usage.utime),
    stime: toTimeval(usage.stime),
    maxrss: usage.maxResident,
    ...{ ixrss: 0, idrss: 0, isrss: 0, nswap: 0, inblock: 0, oublock: 0, msgsnd: 0, msgrcv: 0, nsignals: 0 },
    minflt: usage.minorFaults,
    majflt: usage.majorFaults,
    nvcsw: usage.voluntarySwitches,
    nivcsw: usage.involuntarySwitches,
  };
}

function whichChild(task: Task, pid: number): Which {
  if (pid > 0) return { kind: 'process', id: pid };
  if (pid === -1) return { kind: 'any' };
  return { kind: 'group', id: pid === 0 ? task.group.processGroup : -pid };
}

const wait4Args = [
  int('pid'),
  optionalOut('wstatus', 'int', i32),
  flags('options', WAIT_FLAGS),
  optionalOut('rusage', 'struct rusage', rusageLayout),
] as const;

function wait4Handler(
  task: Task,
  pid: number,
  status: { write(value: number): number },
  options: number,
  rusage?: { write(value: ReturnType<typeof rusageOf>): number },
): number {
  if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WALL | __WCLONE)) !== 0) return -EINVAL;
  if (pid === -0x80000000) return -ESRCH;
  const event = waitForChild(task, whichChild(task, pid), options | WEXITED);
  if (event === null) return 0;
  if (typeof event === 'number') return event;
  if (status.write(event.status) < 0 || (rusage?.write(rusageOf(event.usage)) ?? 0) < 0) return -EFAULT;
  return event.pid;
}

export const wait4 = syscall(114, 'wait4', wait4Args, wait4Handler, family);
export const waitpid = syscall(
  7,
  'waitpid',
  [wait4Args[0], wait4Args[1], wait4Args[2]],
  (task, pid, status, options) => wait4Handler(task, pid, status, options),
  family,
);

const ID_TYPES = { P_ALL: 0, P_PID: 1, P_PGID: 2, P_PIDFD: 3 };

export const waitid = syscall(
  284,
  'waitid',
  [
    choice('idtype', ID_TYPES),
    int('id'),
    optionalOut('infop', 'siginfo_t', waitInfoLayout),
    flags('options', WAIT_FLAGS),
    optionalOut('rusage', 'struct rusage', rusageLayout),
  ],
  (task, type, id, info, options, rusage) => {
    const known = WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WALL | __WCLONE;
    if ((options & ~known) !== 0 || (options & (WEXITED | WSTOPPED | WCONTINUED)) === 0) return -EINVAL;
    const which = whichById(task, type, id);
    if (typeof which === 'number') return which;
    // PIDFD_NONBLOCK: nothing to tell is an error.
    const hasty =
      type === ID_TYPES.P_PIDFD && (options & WNOHANG) === 0 && (task.files.get(id)!.flags & O_NONBLOCK) !== 0;
    const event = waitForChild(task, which, hasty ? options | WNOHANG : options);
    if (event === null && hasty) return -EAGAIN;
    if (typeof event === 'number') return event;
    const empty = { signo: 0, errno: 0, code: 0, pid: 0, uid: 0, status: 0 };
    const filled = event && {
      signo: SIGCHLD,
      errno: 0,
      code: event.code,
      pid: event.pid,
      uid: event.uid,
      status: event.detail,
    };
    if (info.write(filled ?? empty) < 0) return -EFAULT;
    return event !== null && rusage.write(rusageOf(event.usage)) < 0 ? -EFAULT : 0;
  },
  family,
);

/** No process has this number. */
const NOBODY = -1;

function whichById(task: Task, type: number, id: number): Which | number {
  if (type === ID_TYPES.P_ALL) return { kind: 'any' };
  if (id < 0) return -EINVAL;
  if (type === ID_TYPES.P_PID) return id > 0 ? { kind: 'process', id } : -EINVAL;
  if (type === ID_TYPES.P_PGID) return { kind: 'group', id: id === 0 ? task.group.processGroup : id };
  if (type !== ID_TYPES.P_PIDFD) return -EINVAL;
  const file = pidFileOf(task, id);
  return typeof file === 'number' ? file : { kind: 'process', id: file.process?.id ?? NOBODY };
}

export const getpid = syscall(20, 'getpid', [], (task) => task.tgid, family);
/** 1 stands for whoever started the machine, and for the reaper of orphans. */
export const getppid = syscall(64, 'getppid', [], (task) => task.group.parent?.id ?? 1, family);
export const gettid = syscall(224, 'gettid', [], (task) => task.tid, family);
export const getpgrp = syscall(65, 'getpgrp', [], (task) => task.group.processGroup, family);

export const getpgid = syscall(
  132,
  'getpgid',
  [int('pid')],
  (task, pid) => groupOf(task, pid)?.processGroup ?? -ESRCH,
  family,
);
export const getsid = syscall(
  147,
  'getsid',
  [int('pid')],
  (task, pid) => groupOf(task, pid)?.session.id ?? -ESRCH,
  family,
);

function groupOf(task: Task, pid: number) {
  return pid === 0 ? task.group : task.kernel.tasks.get(pid)?.group;
}

/** Of the caller itself, or of a child that has not called execve yet; within the session. */
export const setpgid = syscall(
  57,
  'setpgid',
  [int('pid'), int('pgid')],
  (task, pid, pgid) => {
    if (pgid < 0) return -EINVAL;
    const target = pid === 0 ? task.group : task.kernel.groups.get(pid);
    if (target === undefined || (target !== task.group && target.parent !== task.group)) return -ESRCH;
    if (target !== task.group && target.session !== task.group.session) return -EPERM;
    if (target !== task.group && target.executed) return -EACCES;
    if (target.session.id === target.id) return -EPERM;
    const id = pgid === 0 ? target.id : pgid;
    const members = task.kernel.processGroup(id);
    if (id !== target.id && !members.some((member) => member.session === task.group.session)) return -EPERM;
    target.processGroup = id;
    return 0;
  },
  family,
);

export const setsid = syscall(
  66,
  'setsid',
  [],
  (task) => {
    const { group, kernel } = task;
    if (kernel.processGroup(group.id).length > 0) return -EPERM;
    group.session = makeSession(group.id);
    group.processGroup = group.id;
    return group.id;
  },
  family,
);

export const ptrace = refused(
  26,
  'ptrace',
  EPERM,
  'guests do not trace each other; use layers or the debugger',
  'process',
);
