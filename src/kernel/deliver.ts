/** Delivery: what a task does about its pending signals before it goes on (get_signal, do_signal). */

import { EINTR } from '../abi/errno.ts';
import {
  bit,
  CLD_STOPPED,
  defaultAction,
  SA_NODEFER,
  SA_RESETHAND,
  SA_RESTART,
  SIG_DFL,
  SIG_IGN,
  SIGSEGV,
  SIGSTOP,
} from '../abi/signal.ts';
import { EAX } from '../cpu/state.ts';
import { ERESTARTNOINTR, ERESTARTSYS } from '../wait/wait.ts';
import { exitGroup, exitTask } from './exit.ts';
import { frameHeld, holdCall } from './held-calls.ts';
import { isOrphaned, notifyParent } from './notify.ts';
import { EIP } from './registers.ts';
import { pushFrame } from './sigframe.ts';
import type { SignalInfo } from './signal-queue.ts';
import { setMask, takeSignal } from './signals.ts';
import type { Task } from './task.ts';
import { DEFAULT_ACTION, type SigAction, type ThreadGroup } from './thread-group.ts';

/** run: on with the instructions. again: the interrupted call runs again. rest: the task has ended or is stopped. */
export type Verdict = 'run' | 'again' | 'rest';

/** `interrupted` is the ERESTART code that the current call answered; 0 where there is none. */
export function deliver(task: Task, interrupted: number): Verdict {
  let restart = interrupted;
  task.call.interrupted = interrupted;
  for (;;) {
    const { group } = task;
    if (task.killed || group.exiting) return end(task);
    if (group.stopSignal !== 0) return rest(task);
    const info = takeSignal(task, ~task.blocked);
    if (info === undefined) break;
    const action = group.actions[info.signo];
    const handled = action.handler !== SIG_IGN && action.handler !== SIG_DFL;
    if (handled && restart !== 0) {
      leaveCall(task, restart, action);
      restart = 0;
    }
    task.kernel.watcher?.signal(task, info);
    if (handled) handle(task, info, action);
    else if (action.handler === SIG_DFL) byDefault(task, info);
  }
  task.attention = false;
  if (restart !== 0) {
    task.call.interrupted = 0;
    return 'again';
  }
  restoreMask(task);
  return 'run';
}

function end(task: Task): Verdict {
  exitTask(task, task.group.exitStatus ?? 0);
  return 'rest';
}

function rest(task: Task): Verdict {
  task.runState = 'stopped';
  return 'rest';
}

/** At the end of sigsuspend, ppoll and the like, where no handler's frame took the old mask. */
export function restoreMask(task: Task): void {
  if (task.savedMask === null) return;
  const mask = task.savedMask;
  task.savedMask = null;
  setMask(task, mask);
}

/** Of a wait status: a core was written. */
const WCOREFLAG = 0x80;

function byDefault(task: Task, info: SignalInfo): void {
  switch (defaultAction(info.signo)) {
    case 'ignore':
    case 'continue':
      return;
    case 'stop':
      if (info.signo === SIGSTOP || !isOrphaned(task.kernel, task.group.processGroup))
        stop(task.group, info.signo, task);
      return;
    case 'core': {
      const dumped = task.kernel.dumpCore?.(task, info) === true;
      exitGroup(task.group, info.signo | (dumped ? WCOREFLAG : 0));
      return;
    }
    default:
      exitGroup(task.group, info.signo);
  }
}

function stop(group: ThreadGroup, signal: number, task: Task): void {
  group.stopSignal = signal;
  group.stopUnreported = true;
  group.continueUnreported = false;
  for (const other of group.tasks) {
    other.attention = true;
    if (other !== task) other.wake();
  }
  notifyParent(task.kernel, group, CLD_STOPPED, signal);
  task.kernel.watcher?.stopped(task, signal);
}

/** The call ends with EINTR, or the instruction before EIP will issue it again after the handler (signal(7)). */
function leaveCall(task: Task, restart: number, action: SigAction): void {
  const { regs, call } = task;
  const again = restart === ERESTARTNOINTR || (restart === ERESTARTSYS && (action.flags & SA_RESTART) !== 0);
  const { table } = task.kernel;
  if (again) {
    regs[EAX] = call.nr;
    regs[EIP] -= 2;
    table.interrupted(task, -restart);
    holdCall(task);
  } else regs[EAX] = table.abandon(task, -EINTR);
  call.nr = -1;
}

function handle(task: Task, info: SignalInfo, action: SigAction): void {
  const { group } = task;
  const taken = { ...action };
  if ((action.flags & SA_RESETHAND) !== 0) group.actions[info.signo] = { ...DEFAULT_ACTION };
  if (pushFrame(task, info, taken) < 0) {
    // The frame has no room: SIGSEGV, and if that was the one, by default.
    if (info.signo === SIGSEGV) group.actions[SIGSEGV] = { ...DEFAULT_ACTION };
    task.kernel.signals.force(task, { signo: SIGSEGV, code: 0x80 });
    return;
  }
  frameHeld(task);
  task.savedMask = null;
  const own = (taken.flags & SA_NODEFER) !== 0 ? 0n : bit(info.signo);
  setMask(task, task.blocked | taken.mask | own);
}
