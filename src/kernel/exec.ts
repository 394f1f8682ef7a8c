/** execve (fs/exec.c). */
import { findProgram, type Program } from '../../loader/interp.ts';
import { type Loaded, load } from '../../loader/load.ts';
import { isUnloadable, type Unloadable } from '../../loader/program-file.ts';
import { ENOMEM } from '../abi/errno.ts';
import { MS_NOSUID, S_ISGID, S_ISUID, S_IXGRP } from '../abi/fs.ts';
import { SIG_IGN, SIGCHLD } from '../abi/signal.ts';
import { HostLimitError } from '../memory/limits.ts';
import { Mm } from '../memory/mm.ts';
import { ALL_CAPABILITIES, type Credentials, cloneCredentials } from '../vfs/credentials.ts';
import { failed } from '../wait/wait.ts';
import { kill, releaseMm } from './exit.ts';
import { sleepDeaf } from './fork.ts';
import type { Kernel } from './kernel.ts';
import { type Limit, memoryLimits } from './limits.ts';
import { type OpenProgram, openProgram, setProgram } from './program.ts';
import { startRegisters } from './registers.ts';
import type { Task } from './task.ts';
import { DEFAULT_ACTION } from './thread-group.ts';

const ADDR_NO_RANDOMIZE = 0x0040000;
const READ_IMPLIES_EXEC = 0x0400000;
/** Personality bits that a set-user-id program does not keep. */
const PER_CLEAR_ON_SETID = 0x0400000 | 0x0040000 | 0x0200000 | 0x0100000;

/** The call number of a task that is being started (spawn.ts): no system call has it. Nothing is in its address space yet. */
export const STARTING = 0x7fffffff;

/** Replaces the task's program by one that is open; answers 0, a negative errno or BLOCKED. Closes the file. */
export function execute(task: Task, first: OpenProgram, argv: readonly string[], envp: readonly string[]): number {
  const opened: OpenProgram[] = [first];
  const open = (path: string) => {
    const file = openProgram(task, task.fs.cwd, path);
    if (!failed(file)) opened.push(file);
    return file;
  };
  const program = findProgram(first, argv, open);
  const answer = isUnloadable(program) ? refuse(task, first, program) : replace(task, first, program, envp);
  for (const file of opened) file.close();
  return answer;
}

/** Remembers why, for whoever started the machine: an errno alone does not say what is wrong with a program. */
function refuse(task: Task, file: OpenProgram, { errno, reason }: Unloadable): number {
  task.kernel.lastExecFailure = `cannot run ${file.path}: ${reason}`;
  return -errno;
}

function replace(task: Task, first: OpenProgram, program: Program, envp: readonly string[]): number {
  const alone = endOtherThreads(task);
  if (alone < 0) return alone;
  const runs = (program.file as OpenProgram).open;
  const credentials = credentialsFor(task, runs);
  if (failed(credentials)) return credentials;
  const isStarting = task.call.nr === STARTING;
  const mm = isStarting ? task.mm : newMm(task);
  if (failed(mm)) return mm;
  const secure = credentials.euid !== task.credentials.uid || credentials.egid !== task.credentials.gid;
  const loaded = load(mm, program, envp, {
    execfn: first.path,
    credentials,
    secure,
    hwcap: task.kernel.hwcap,
    hwcap2: 0,
    random: (length) => task.kernel.random.bytes(length),
    readImpliesExec: (task.personality & READ_IMPLIES_EXEC) !== 0,
    randomize: (task.personality & ADDR_NO_RANDOMIZE) === 0,
  });
  if (isUnloadable(loaded)) {
    if (!isStarting) mm.release();
    return refuse(task, first, loaded);
  }
  setProgram(task.group, runs);
  if (secure) task.personality &= ~PER_CLEAR_ON_SETID;
  commit(task, mm, credentials, loaded, first.path);
  return 0;
}

/** Throws HostLimitError. */
export function makeMm(kernel: Kernel, limits: readonly Limit[], randomize: boolean): Mm {
  return new Mm({
    protection: kernel.protection,
    random: randomize ? () => kernel.random.u32() : undefined,
    limits: memoryLimits(limits),
    objects: kernel.objects,
  });
}

function newMm(task: Task): Mm | number {
  const { kernel } = task;
  const randomize = (task.personality & ADDR_NO_RANDOMIZE) === 0;
  try {
    return makeMm(kernel, task.group.limits, randomize);
  } catch (error) {
    if (!(error instanceof HostLimitError)) throw error;
    kernel.hostLimit = error;
    return -ENOMEM;
  }
}

/** de_thread(): only this thread goes on, as the process's leader. */
function endOtherThreads(task: Task): number {
  const { group, kernel } = task;
  for (const other of group.tasks) if (other !== task && !other.killed) kill(other);
  if (group.tasks.size > 1) return sleepDeaf(task, group.threadsGone);
  if (group.leader === task) return 0;
  kernel.tasks.delete(task.tid);
  task.tid = group.id;
  kernel.tasks.set(task.tid, task);
  group.leader = task;
  return 0;
}

/** Set-user-id and set-group-id programs (bprm_fill_uid, cap_bprm_creds_from_file). */
function credentialsFor(task: Task, file: OpenProgram['open']): Credentials | number {
  const credentials = cloneCredentials(task.credentials);
  const attributes = file.attributes(task);
  if (failed(attributes)) return attributes;
  const mount = file.location?.mount;
  const trusted = mount !== undefined && (mount.flags & MS_NOSUID) === 0 && !task.noNewPrivileges;
  if (trusted && (attributes.mode & S_ISUID) !== 0) credentials.euid = attributes.uid;
  if (trusted && (attributes.mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP)) credentials.egid = attributes.gid;
  credentials.suid = credentials.fsuid = credentials.euid;
  credentials.sgid = credentials.fsgid = credentials.egid;
  const root = credentials.euid === 0 || credentials.uid === 0;
  credentials.permitted = root ? ALL_CAPABILITIES & credentials.bounding : credentials.ambient;
  credentials.effective = credentials.euid === 0 ? credentials.permitted : credentials.ambient;
  return credentials;
}

/** The point of no return: the old program is gone (begin_new_exec, setup_new_exec). */
function commit(task: Task, mm: Mm, credentials: Credentials, loaded: Loaded, path: string): void {
  const { kernel, group } = task;
  task.processor.detach();
  if (mm !== task.mm) {
    releaseMm(task);
    task.mm = mm;
    task.processor = kernel.processorFor(mm);
  }
  mm.activate();
  task.processor.attach(task);
  task.unshareFiles();
  task.files.closeMarked(kernel.namespace.locks);
  task.credentials = credentials;
  task.comm = path.slice(path.lastIndexOf('/') + 1).slice(0, 15);
  task.robustList = 0;
  task.altStack = { sp: 0, size: 0, flags: 0 };
  task.keepCapabilities = false;
  task.tls.fill(null);
  task.lastTrap = { trapno: 0, err: 0, cr2: 0 };
  group.actions = group.actions.map((action) =>
    action.handler === SIG_IGN ? { ...DEFAULT_ACTION, handler: SIG_IGN } : { ...DEFAULT_ACTION },
  );
  for (const timer of group.posixTimers.values()) kernel.timers.remove(timer);
  group.posixTimers.clear();
  group.exitSignal = SIGCHLD;
  group.executed = true;
  startRegisters(task, loaded.entry, loaded.esp);
  kernel.table.forget(task);
  task.call.nr = -1;
}
