/** The end of threads and processes (kernel/exit.c). */
import { CLD_DUMPED, CLD_EXITED, CLD_KILLED, SI_KERNEL, SI_USER, SIGCONT, SIGHUP } from '../abi/signal.ts';
import { walkRobustList } from './futex.ts';
import type { Kernel } from './kernel.ts';
import { isOrphaned, notifyParent } from './notify.ts';
import { setProgram } from './program.ts';
import type { Task } from './task.ts';
import type { ThreadGroup } from './thread-group.ts';
import { addUsage } from './usage.ts';

/** Every thread of the process is to end, with this wait status (exit_group, a fatal signal). */
export function exitGroup(group: ThreadGroup, status: number): void {
  if (group.exiting) return;
  group.exitStatus = status;
  group.stopSignal = 0;
  for (const task of group.tasks) kill(task);
}

/** Makes a thread end when its turn comes. */
export function kill(task: Task): void {
  task.killed = true;
  task.attention = true;
  if (task.runState === 'stopped') {
    task.runState = 'runnable';
    task.kernel.scheduler.enqueue(task);
  } else task.wake();
}

/** One thread ends; the last one ends the process. `status` is a wait status. */
export function exitTask(task: Task, status: number): void {
  if (task.runState === 'dead') return;
  const { group, kernel } = task;
  kernel.watcher?.ended(task, group.exitStatus ?? status);
  task.leaveQueues();
  walkRobustList(task);
  // Before the address space goes, and the processor's registers with it.
  task.processor.detach();
  releaseMm(task);
  if (kernel.shares.drop(task.files)) task.files.closeAll(kernel.namespace.locks);
  task.runState = 'dead';
  task.call.nr = -1;
  addUsage(group.usage, task.usage);
  group.tasks.delete(task);
  if (task !== group.leader) kernel.tasks.delete(task.tid);
  for (const child of group.children) sendParentDeath(child, task);
  if (group.tasks.size === 0) exitProcess(group, group.exitStatus ?? status);
  else group.threadsGone.wake();
}

/** Gives the address space up: exit and execve. Wakes a parent in vfork, and whoever joins the thread. */
export function releaseMm(task: Task): void {
  if (task.clearChildTid !== 0 && task.mm.users > 1) {
    task.mm.writeU32(task.clearChildTid, 0);
    task.kernel.futexes.wake(task.mm, task.clearChildTid, 1);
  }
  task.clearChildTid = 0;
  task.vforkDone?.wake();
  task.vforkDone = null;
  task.mm.release();
}

function sendParentDeath(child: ThreadGroup, parent: Task): void {
  for (const task of child.tasks) {
    if (task.parentDeathSignal !== 0 && task.parentTask === parent) {
      task.raise(task.parentDeathSignal, { code: SI_USER, pid: parent.tgid, uid: parent.credentials.uid });
    }
  }
}

function exitProcess(group: ThreadGroup, status: number): void {
  const { kernel } = group.leader;
  group.exitStatus = status;
  group.zombie = true;
  setProgram(group, null);
  kernel.timers.remove(group.realTimer);
  for (const timer of group.posixTimers.values()) kernel.timers.remove(timer);
  kernel.semaphores.exit(group);
  kernel.segments.sweep(kernel);
  reparent(group);
  if (group.session.id === group.id) group.session.terminal?.leaderExited();
  if (heldFromOrphanage(group, group.parent)) continueOrphans(kernel, group.processGroup, group);
  kernel.onExit?.(group, status);
  group.ended.wake();
  const signal = status & 0x7f;
  const code = signal === 0 ? CLD_EXITED : (status & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED;
  if (notifyParent(kernel, group, code, signal === 0 ? (status >> 8) & 0xff : signal)) reap(group);
}

/** Children go to the nearest subreaper above, else to init, which waits for them at once. */
function reparent(group: ThreadGroup): void {
  if (group.children.size === 0) return;
  let heir = group.parent;
  while (heir !== null && (!heir.subreaper || heir.exiting)) heir = heir.parent;
  for (const child of [...group.children]) {
    group.children.delete(child);
    child.parent = heir;
    child.exitSignal = 17;
    heir?.children.add(child);
    if (child.zombie) {
      if (heir === null) reap(child);
      else heir.childChange.wake();
    } else if (heldFromOrphanage(child, group)) continueOrphans(child.leader.kernel, child.processGroup);
  }
}

/** A process keeps its group from being orphaned while its parent is in another group of the session. */
function heldFromOrphanage(group: ThreadGroup, parent: ThreadGroup | null): boolean {
  if (parent === null) return group.outside;
  return parent.processGroup !== group.processGroup && parent.session === group.session;
}

/** A process group that has become orphaned with stopped members gets SIGHUP and SIGCONT (kill_orphaned_pgrp). */
function continueOrphans(kernel: Kernel, id: number, without?: ThreadGroup): void {
  if (!isOrphaned(kernel, id, without)) return;
  if (!kernel.processGroup(id).some((member) => member.stopSignal !== 0)) return;
  kernel.signals.sendToProcessGroup(id, { signo: SIGHUP, code: SI_KERNEL });
  kernel.signals.sendToProcessGroup(id, { signo: SIGCONT, code: SI_KERNEL });
}

/** Takes a zombie away: it was waited for, or nobody will. */
export function reap(group: ThreadGroup): void {
  const { kernel } = group.leader;
  if (group.parent !== null) {
    addUsage(group.parent.childrenUsage, group.usage);
    addUsage(group.parent.childrenUsage, group.childrenUsage);
    group.parent.children.delete(group);
  }
  kernel.groups.delete(group.id);
  kernel.tasks.delete(group.id);
  group.ended.wake();
}
