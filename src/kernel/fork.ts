/** New threads and processes (kernel/fork.c). */

import {
  CLONE_CHILD_CLEARTID,
  CLONE_CHILD_SETTID,
  CLONE_CLEAR_SIGHAND,
  CLONE_DETACHED,
  CLONE_FILES,
  CLONE_FS,
  CLONE_NAMESPACES,
  CLONE_PARENT,
  CLONE_PARENT_SETTID,
  CLONE_PIDFD,
  CLONE_SETTLS,
  CLONE_SIGHAND,
  CLONE_THREAD,
  CLONE_VFORK,
  CLONE_VM,
} from '../abi/clone.ts';
import { EAGAIN, EFAULT, EINVAL, EMFILE } from '../abi/errno.ts';
import { SIG_IGN } from '../abi/signal.ts';
import { EAX, ESP, STATE } from '../cpu/state.ts';
import { cloneCredentials } from '../vfs/credentials.ts';
import { BLOCKED, WaitQueue } from '../wait/wait.ts';
import { RLIMIT_NPROC } from './limits.ts';
import { installPidFile } from './pidfd.ts';
import { setProgram } from './program.ts';
import { Task } from './task.ts';
import { DEFAULT_ACTION, type SigActions, ThreadGroup } from './thread-group.ts';
import type { UserDesc } from './user-desc.ts';

export interface CloneArguments {
  flags: number;
  exitSignal: number;
  /** New stack pointer; 0: as the parent's. */
  stack: number;
  parentTid: number;
  childTid: number;
  /** CLONE_PIDFD: where the parent finds its descriptor for the child. */
  pidfd: number;
  tls: { index: number; entry: UserDesc } | null;
}

/** Bitwise test that also works above bit 31 (clone3). */
const has = (flags: number, bit: number) => Math.floor(flags / bit) % 2 === 1;

/** fork, vfork, clone, clone3: the child's id in the parent, or a negative errno. With CLONE_VFORK, BLOCKED until it is let go. */
export function clone(task: Task, args: CloneArguments): number {
  const { flags } = args;
  const child = task.once(() => makeChild(task, args));
  if (child < 0 || !has(flags, CLONE_VFORK)) return child;
  const done = task.kernel.tasks.get(child)?.vforkDone;
  if (done == null) return child;
  return sleepDeaf(task, done) === BLOCKED ? BLOCKED : child;
}

/** Sleeps without looking at pending signals, only at its end (TASK_KILLABLE). */
export function sleepDeaf(task: Task, queue: WaitQueue): number {
  const { attention } = task;
  task.attention = task.killed || task.group.exiting;
  const answer = task.block(queue);
  task.attention = attention;
  return answer;
}

function invalid(task: Task, flags: number): boolean {
  if (has(flags, CLONE_THREAD) && !has(flags, CLONE_SIGHAND)) return true;
  if (has(flags, CLONE_SIGHAND) && !has(flags, CLONE_VM)) return true;
  if (has(flags, CLONE_PIDFD) && (has(flags, CLONE_THREAD) || has(flags, CLONE_DETACHED))) return true;
  if (has(flags, CLONE_SIGHAND) && has(flags, CLONE_CLEAR_SIGHAND)) return true;
  return (flags & CLONE_NAMESPACES) !== 0 || (has(flags, CLONE_PARENT) && task.group.parent === null);
}

function makeChild(task: Task, args: CloneArguments): number {
  const { kernel } = task;
  const { flags } = args;
  if (invalid(task, flags)) return -EINVAL;
  if (kernel.tasks.size >= task.group.limits[RLIMIT_NPROC].soft) return -EAGAIN;
  if (has(flags, CLONE_PIDFD)) {
    if (!task.files.hasRoom()) return -EMFILE;
    if (task.mm.writeU32(args.pidfd, 0) < 0) return -EFAULT;
  }
  const shared = has(flags, CLONE_VM);
  const mm = shared ? task.mm.retain() : task.mm.fork();
  if (typeof mm === 'number') return mm;
  const child = new Task(kernel, {
    tid: kernel.allocatePid(),
    comm: task.comm,
    mm,
    processor: shared ? task.processor : kernel.processorFor(mm, task.processor),
    files: kernel.shares.hold(has(flags, CLONE_FILES) ? task.files : task.files.clone()),
    fs: has(flags, CLONE_FS) ? task.fs : task.fs.clone(),
    credentials: cloneCredentials(task.credentials),
  });
  inherit(task, child, flags);
  child.group = has(flags, CLONE_THREAD) ? task.group : makeGroup(task, child, args);
  child.parentTask = has(flags, CLONE_THREAD) || has(flags, CLONE_PARENT) ? task.parentTask : task;
  child.group.tasks.add(child);
  kernel.tasks.set(child.tid, child);
  kernel.forks++;
  kernel.watcher?.born(child, task);
  copyRegisters(task, child, args);
  storeIds(task, child, args);
  if (has(flags, CLONE_VFORK)) child.vforkDone = new WaitQueue();
  kernel.scheduler.enqueue(child);
  return child.tid;
}

function inherit(task: Task, child: Task, flags: number): void {
  child.blocked = task.blocked;
  child.nice = task.nice;
  child.policy = task.policy;
  child.priority = task.priority;
  child.timerSlack = task.timerSlack;
  child.noNewPrivileges = task.noNewPrivileges;
  child.seccomp = task.seccomp;
  child.keepCapabilities = task.keepCapabilities;
  child.personality = task.personality;
  if (task.notes !== null) child.notes = structuredClone(task.notes);
  child.tls.splice(0, 3, ...task.tls.map((entry) => entry && { ...entry }));
  // A thread with an address space of its parent's must not run on the parent's alternate stack; vfork's child may.
  if (!has(flags, CLONE_VM) || has(flags, CLONE_VFORK)) child.altStack = { ...task.altStack };
}

function makeGroup(task: Task, child: Task, args: CloneArguments): ThreadGroup {
  const { flags } = args;
  const { kernel, group } = task;
  const parent = has(flags, CLONE_PARENT) ? group.parent : group;
  const made = new ThreadGroup(child.tid, child, parent, group.session, kernel.clock.now());
  made.processGroup = group.processGroup;
  made.exitSignal = has(flags, CLONE_PARENT) ? group.exitSignal : args.exitSignal;
  made.actions = has(flags, CLONE_SIGHAND)
    ? group.actions
    : copyActions(group.actions, has(flags, CLONE_CLEAR_SIGHAND));
  made.limits = group.limits.map((limit) => ({ ...limit }));
  made.dumpable = group.dumpable;
  setProgram(made, group.program);
  kernel.groups.set(made.id, made);
  parent?.children.add(made);
  return made;
}

function copyActions(actions: SigActions, clear: boolean): SigActions {
  return actions.map((action) => ({ ...(clear && action.handler !== SIG_IGN ? DEFAULT_ACTION : action) }));
}

function copyRegisters(task: Task, child: Task, args: CloneArguments): void {
  const { processor } = task;
  if (processor.current === task) processor.cpu.save(child.registers);
  else child.registers.set(task.registers);
  const state = new DataView(child.registers.buffer);
  state.setUint32(STATE.gpr + 4 * EAX, 0, true);
  state.setBigUint64(STATE.retired, 0n, true);
  if (args.stack !== 0) state.setUint32(STATE.gpr + 4 * ESP, args.stack, true);
  if (has(args.flags, CLONE_SETTLS) && args.tls !== null) child.setTls(args.tls.index, args.tls.entry);
}

function storeIds(task: Task, child: Task, args: CloneArguments): void {
  if (has(args.flags, CLONE_PARENT_SETTID)) task.mm.writeU32(args.parentTid, child.tid);
  if (has(args.flags, CLONE_PIDFD)) task.mm.writeU32(args.pidfd, installPidFile(task, child.group));
  if (has(args.flags, CLONE_CHILD_SETTID)) child.mm.writeU32(args.childTid, child.tid);
  child.clearChildTid = has(args.flags, CLONE_CHILD_CLEARTID) ? args.childTid : 0;
}
