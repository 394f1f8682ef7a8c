/** CPU time: charged to the task, and to the timers and limits that count it. */
import { SI_KERNEL, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU } from '../abi/signal.ts';
import { RLIM_INFINITY, RLIMIT_CPU } from './limits.ts';
import type { Task } from './task.ts';
import type { IntervalTimer, ThreadGroup } from './thread-group.ts';

/** User and system time of a process: its ended threads and its living ones. */
export function processTimes(group: ThreadGroup): { utime: number; stime: number } {
  let { utime, stime } = group.usage;
  for (const task of group.tasks) {
    utime += task.usage.utime;
    stime += task.usage.stime;
  }
  return { utime, stime };
}

export function chargeTime(task: Task, user: number, system: number): void {
  task.usage.utime += user;
  task.usage.stime += system;
  const { group, kernel } = task;
  const [, virtual, profiling] = group.timers;
  const limit = group.limits[RLIMIT_CPU].soft;
  if (virtual.next === 0 && profiling.next === 0 && limit === RLIM_INFINITY) return;
  const { utime, stime } = processTimes(group);
  if (elapsed(virtual, utime)) kernel.signals.sendToGroup(group, { signo: SIGVTALRM, code: SI_KERNEL });
  if (elapsed(profiling, utime + stime)) kernel.signals.sendToGroup(group, { signo: SIGPROF, code: SI_KERNEL });
  if (limit !== RLIM_INFINITY && !group.zombie) checkCpuLimit(group, (utime + stime) / 1e9);
}

function elapsed(timer: IntervalTimer, time: number): boolean {
  if (timer.next === 0 || time < timer.next) return false;
  timer.next =
    timer.interval === 0 ? 0 : timer.next + timer.interval * Math.ceil((time - timer.next + 1) / timer.interval);
  return true;
}

/** RLIMIT_CPU: SIGXCPU at the soft limit and every second after, SIGKILL at the hard one. */
function checkCpuLimit(group: ThreadGroup, seconds: number): void {
  const limit = group.limits[RLIMIT_CPU];
  const { signals } = group.leader.kernel;
  if (limit.hard !== RLIM_INFINITY && seconds >= limit.hard) {
    signals.sendToGroup(group, { signo: SIGKILL, code: SI_KERNEL });
  } else if (seconds >= limit.soft) {
    limit.soft += 1;
    signals.sendToGroup(group, { signo: SIGXCPU, code: SI_KERNEL });
  }
}
