/** Interval timers and POSIX timers (setitimer(2), timer_create(2)). Clock times are nanoseconds. */
import { SI_KERNEL, SI_TIMER, SIGALRM } from '../abi/signal.ts';
import { processTimes } from './accounting.ts';
import type { IntervalTimer, ThreadGroup } from './thread-group.ts';
import type { Expiring } from './timer-queue.ts';

export const ITIMER_REAL = 0;
export const ITIMER_VIRTUAL = 1;
export const ITIMER_PROF = 2;
export const SIGEV_SIGNAL = 0;
export const SIGEV_NONE = 1;
export const SIGEV_THREAD = 2;
export const SIGEV_THREAD_ID = 4;

/** ITIMER_REAL and alarm: SIGALRM when it runs out. */
export class RealTimer implements Expiring {
  readonly #group: ThreadGroup;

  constructor(group: ThreadGroup) {
    this.#group = group;
  }

  expire(now: number): void {
    const timer = this.#group.timers[ITIMER_REAL];
    const { kernel } = this.#group.leader;
    kernel.signals.sendToGroup(this.#group, { signo: SIGALRM, code: SI_KERNEL });
    timer.next = timer.interval === 0 ? 0 : nextAfter(timer, now);
    if (timer.next !== 0) kernel.timers.add(timer.next, this);
  }
}

function nextAfter(timer: IntervalTimer, now: number): number {
  return timer.next + timer.interval * (Math.floor((now - timer.next) / timer.interval) + 1);
}

/** The clock that one of setitimer's timers counts. */
function clockOf(group: ThreadGroup, which: number): number {
  if (which === ITIMER_REAL) return group.leader.kernel.clock.now();
  const { utime, stime } = processTimes(group);
  return which === ITIMER_VIRTUAL ? utime : utime + stime;
}

/** What is left, and the interval; an armed timer never shows 0. */
export function readTimer(group: ThreadGroup, which: number): { value: number; interval: number } {
  const { next, interval } = group.timers[which];
  return { value: next === 0 ? 0 : Math.max(1000, next - clockOf(group, which)), interval };
}

export function setTimer(group: ThreadGroup, which: number, value: number, interval: number): void {
  const timer = group.timers[which];
  timer.interval = value === 0 ? 0 : interval;
  timer.next = value === 0 ? 0 : clockOf(group, which) + value;
  if (which !== ITIMER_REAL) return;
  const { timers } = group.leader.kernel;
  if (timer.next === 0) timers.remove(group.realTimer);
  else timers.add(timer.next, group.realTimer);
}

/** One timer_create timer. */
export class PosixTimer implements Expiring {
  readonly #group: ThreadGroup;
  readonly id: number;
  readonly clock: number;
  readonly notify: number;
  readonly signo: number;
  readonly value: number;
  /** SIGEV_THREAD_ID's thread; 0: the process. */
  readonly tid: number;
  /** Monotonic; 0: disarmed. */
  next = 0;
  interval = 0;
  /** Expirations since the signal that is pending was sent; shown when it is delivered. */
  overrun = 0;

  constructor(
    group: ThreadGroup,
    id: number,
    clock: number,
    event: { notify: number; signo: number; value: number; tid: number },
  ) {
    this.#group = group;
    this.id = id;
    this.clock = clock;
    this.notify = event.notify;
    this.signo = event.signo;
    this.value = event.value;
    this.tid = event.tid;
  }

  arm(next: number, interval: number): void {
    const { timers } = this.#group.leader.kernel;
    this.next = next;
    this.interval = interval;
    this.overrun = 0;
    if (next === 0) timers.remove(this);
    else timers.add(next, this);
  }

  expire(now: number): void {
    const periods = this.interval === 0 ? 0 : Math.floor((now - this.next) / this.interval);
    this.next = this.interval === 0 ? 0 : this.next + this.interval * (periods + 1);
    if (this.next !== 0) this.#group.leader.kernel.timers.add(this.next, this);
    this.#send(periods);
  }

  #send(missed: number): void {
    if (this.notify === SIGEV_NONE) return;
    const { kernel } = this.#group.leader;
    const task = this.tid === 0 ? undefined : kernel.tasks.get(this.tid);
    const queue = task === undefined ? this.#group.pending : task.pending;
    const queued = queue.entries.find((entry) => entry.code === SI_TIMER && entry.timer === this.id);
    if (queued !== undefined) {
      queued.overrun = (queued.overrun ?? 0) + 1 + missed;
      this.overrun = queued.overrun;
      return;
    }
    this.overrun = missed;
    const info = { signo: this.signo, code: SI_TIMER, timer: this.id, overrun: missed, value: this.value };
    if (task !== undefined) kernel.signals.sendToTask(task, info);
    else if (this.tid === 0) kernel.signals.sendToGroup(this.#group, info);
  }
}
