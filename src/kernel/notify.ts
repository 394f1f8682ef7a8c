/** Telling a parent about its child: SIGCHLD and a wake-up for wait (do_notify_parent). */
import { bit, CLD_CONTINUED, CLD_STOPPED, SA_NOCLDSTOP, SA_NOCLDWAIT, SIG_IGN, SIGCHLD } from '../abi/signal.ts';
import type { Kernel } from './kernel.ts';
import type { ThreadGroup } from './thread-group.ts';

/** Clock ticks of 10 ms, as siginfo and times(2) count. */
export function ticks(nanoseconds: number): number {
  return Math.floor(nanoseconds / 1e7);
}

/** True when the parent does not want to wait for its children: the child is reaped at once. */
export function notifyParent(kernel: Kernel, group: ThreadGroup, code: number, status: number): boolean {
  const { parent } = group;
  if (parent === null) {
    if (code === CLD_STOPPED) kernel.onStop?.(group, status);
    return true;
  }
  const action = parent.actions[SIGCHLD];
  const stopping = code === CLD_STOPPED || code === CLD_CONTINUED;
  const signal = stopping ? SIGCHLD : group.exitSignal;
  const quiet = stopping && (action.flags & SA_NOCLDSTOP) !== 0;
  const ignored = action.handler === SIG_IGN;
  if (signal !== 0 && !quiet && !(ignored && signal === SIGCHLD)) {
    kernel.signals.sendToGroup(parent, {
      signo: signal,
      code,
      pid: group.id,
      uid: group.leader.credentials.uid,
      status,
      utime: ticks(group.usage.utime),
      stime: ticks(group.usage.stime),
    });
  }
  parent.childChange.wake();
  return !stopping && signal === SIGCHLD && (ignored || (action.flags & SA_NOCLDWAIT) !== 0);
}

/**
 * A process group is orphaned when no member's parent is in another group of the same session: then nobody would
 * continue it, so terminal stops are ignored.
 */
export function isOrphaned(kernel: Kernel, id: number, without?: ThreadGroup): boolean {
  return !kernel.processGroup(id).some((member) => {
    if (member === without || member.zombie) return false;
    if (member.parent === null) return member.outside;
    return member.parent.session === member.session && member.parent.processGroup !== id;
  });
}

export const CHILD_BIT = bit(SIGCHLD);
