/** wait4 and waitid: what a child has done since it was last asked (do_wait). */
import { ECHILD } from '../abi/errno.ts';
import { CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, SIGCHLD, SIGCONT } from '../abi/signal.ts';
import { reap } from './exit.ts';
import type { Task } from './task.ts';
import type { ThreadGroup } from './thread-group.ts';
import { addUsage, emptyUsage, type Usage } from './usage.ts';

export const WNOHANG = 1;
export const WUNTRACED = 2;
export const WSTOPPED = 2;
export const WEXITED = 4;
export const WCONTINUED = 8;
export const WNOWAIT = 0x01000000;
export const __WNOTHREAD = 0x20000000;
export const __WALL = 0x40000000;
export const __WCLONE = 0x80000000;

/** Which children: 'any', one process, or a process group. */
export type Which = { readonly kind: 'any' } | { readonly kind: 'process' | 'group'; readonly id: number };

/** A child's change of state. */
export interface ChildEvent {
  pid: number;
  uid: number;
  /** Wait status, as wait4 stores it. */
  status: number;
  /** si_code and si_status of waitid. */
  code: number;
  detail: number;
  usage: Usage;
}

/** The event; null with WNOHANG when there is none; a negative errno or BLOCKED. */
export function waitForChild(task: Task, which: Which, options: number): ChildEvent | null | number {
  let eligible = false;
  for (const child of task.group.children) {
    if (!matches(task, child, which, options)) continue;
    eligible = true;
    const event = look(child, options);
    if (event !== null) return event;
  }
  if (!eligible) return -ECHILD;
  return (options & WNOHANG) !== 0 ? null : task.block(task.group.childChange);
}

function matches(task: Task, child: ThreadGroup, which: Which, options: number): boolean {
  if (which.kind === 'process' && child.id !== which.id) return false;
  if (which.kind === 'group' && child.processGroup !== which.id) return false;
  if ((options & __WNOTHREAD) !== 0 && child.leader.parentTask !== task) return false;
  // A "clone" child announces its end by another signal than SIGCHLD.
  const clone = child.exitSignal !== SIGCHLD;
  return (options & __WALL) !== 0 || clone === ((options & __WCLONE) !== 0);
}

function look(child: ThreadGroup, options: number): ChildEvent | null {
  const keep = (options & WNOWAIT) !== 0;
  if (child.zombie) return (options & WEXITED) === 0 ? null : ended(child, keep);
  if (child.stopUnreported && child.stopSignal !== 0 && (options & WSTOPPED) !== 0) {
    if (!keep) child.stopUnreported = false;
    return event(child, (child.stopSignal << 8) | 0x7f, CLD_STOPPED, child.stopSignal);
  }
  if (child.continueUnreported && (options & WCONTINUED) !== 0) {
    if (!keep) child.continueUnreported = false;
    return event(child, 0xffff, CLD_CONTINUED, SIGCONT);
  }
  return null;
}

function ended(child: ThreadGroup, keep: boolean): ChildEvent {
  const status = child.exitStatus ?? 0;
  const signal = status & 0x7f;
  const code = signal === 0 ? CLD_EXITED : (status & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED;
  const found = event(child, status, code, signal === 0 ? (status >> 8) & 0xff : signal);
  if (!keep) reap(child);
  return found;
}

function event(child: ThreadGroup, status: number, code: number, detail: number): ChildEvent {
  const usage = emptyUsage();
  addUsage(usage, child.usage);
  addUsage(usage, child.childrenUsage);
  return { pid: child.id, uid: child.leader.credentials.uid, status, code, detail, usage };
}
