/** Starting a program from outside: the machine's first process, or another one beside it. */

import type { ControllingTerminal } from '../fs/caller.ts';
import type { Credentials } from '../vfs/credentials.ts';
import { FdTable } from '../vfs/fd-table.ts';
import { FsContext } from '../vfs/fs-context.ts';
import type { Location } from '../vfs/location.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import { walkToDirectory } from '../vfs/walk.ts';
import { BLOCKED, failed } from '../wait/wait.ts';
import { execute, makeMm, STARTING } from './exec.ts';
import { exitGroup, exitTask } from './exit.ts';
import { makeSession, type Session } from './job-control.ts';
import type { Kernel } from './kernel.ts';
import { applyLimits, defaultLimits, type Limit } from './limits.ts';
import { openProgram } from './program.ts';
import { Task } from './task.ts';
import { ThreadGroup } from './thread-group.ts';

export interface SpawnRequest {
  /** The program's file, in the guest's name space. */
  path: string;
  argv: readonly string[];
  envp: readonly string[];
  cwd: string;
  credentials: Credentials;
  umask: number;
  /** Descriptors by number; null: closed. */
  fds: readonly (OpenFile | null)[];
  /** Absent: those of a login shell. */
  limits?: readonly Limit[];
  /** The process is a foreground job of a shell outside, on this terminal. */
  terminal?: ControllingTerminal & { attach(session: Session, group: number): void };
}

/** Session and leader of what a shell outside starts: the shell, as the guest sees it. */
const OUTSIDE = 1;

/**
 * Makes a process and starts its program. Answers it, or a negative errno; a start that has to wait goes on by itself.
 * Throws HostLimitError where the host has no address space to give.
 */
export function spawn(kernel: Kernel, request: SpawnRequest): ThreadGroup | number {
  const task = makeTask(kernel, request);
  task.call.begin(STARTING);
  kernel.hostLimit = null;
  const answer = start(task, request);
  if (answer === 0) {
    kernel.scheduler.enqueue(task);
    return task.group;
  }
  if (answer !== BLOCKED) {
    exitTask(task, 127 << 8);
    if (kernel.hostLimit !== null) throw kernel.hostLimit;
    return answer;
  }
  task.startup = () => {
    const later = start(task, request);
    if (later === BLOCKED) return later;
    task.startup = null;
    if (later !== 0) exitGroup(task.group, 127 << 8);
    return later;
  };
  return task.group;
}

function start(task: Task, request: SpawnRequest): number {
  const directory = walkToDirectory(task, task.fs.root, request.cwd);
  if (failed(directory)) return directory;
  task.fs.cwd = directory;
  const program = openProgram(task, directory, request.path);
  return failed(program) ? program : execute(task, program, request.argv, request.envp);
}

function makeTask(kernel: Kernel, request: SpawnRequest): Task {
  const { namespace } = kernel;
  const top: Location = { mount: namespace.mounts[0], dentry: namespace.mounts[0].root };
  const fs = new FsContext(namespace.cover(top));
  fs.umask = request.umask;
  // The program's own: execute() need not make another.
  const mm = makeMm(kernel, request.limits ?? defaultLimits(), true);
  const files = new FdTable();
  const task = new Task(kernel, {
    tid: kernel.allocatePid(),
    comm: 'tallship',
    mm,
    processor: kernel.processorFor(mm),
    files: kernel.shares.hold(files),
    fs,
    credentials: request.credentials,
  });
  const session = makeSession(request.terminal === undefined ? task.tid : OUTSIDE);
  const group = new ThreadGroup(task.tid, task, null, session, kernel.clock.now());
  group.processGroup = task.tid;
  group.outside = request.terminal !== undefined;
  request.terminal?.attach(session, group.processGroup);
  task.group = group;
  group.tasks.add(task);
  if (request.limits !== undefined) group.limits = request.limits.map((limit) => ({ ...limit }));
  kernel.tasks.set(task.tid, task);
  kernel.groups.set(group.id, group);
  kernel.forks++;
  for (const [fd, file] of request.fds.entries()) {
    if (file !== null) files.install(file, { from: fd });
  }
  // Now: descriptors above the limit may be passed on.
  applyLimits(group);
  return task;
}
