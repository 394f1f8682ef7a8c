import { EINTR } from '../abi/errno.ts';
import { SIGKILL } from '../abi/signal.ts';
import { Exit, type ExitReason } from '../cpu/exit.ts';
import { EAX, EBP, EBX, ECX, EDI, EDX, ESI } from '../cpu/state.ts';
import { BLOCKED, ERESTART_RESTARTBLOCK, ERESTARTSYS } from '../wait/wait.ts';
import { chargeTime } from './accounting.ts';
import { deliver, restoreMask } from './deliver.ts';
import { exitGroup, exitTask } from './exit.ts';
import { raiseFault } from './fault.ts';
import { HaltError } from './host.ts';
import type { Kernel } from './kernel.ts';
import { forbids, type Seccomp } from './seccomp.ts';
import type { Task } from './task.ts';

/** Guest instructions in one run of the CPU: 50 us, or 2 ms while V8 has not optimised the interpreter yet. */
const SLICE = 100_000;
/** The time-stamp counter is read by the kernel, in place of the instruction. */
const isEmulated = (reason: ExitReason): boolean => reason === Exit.rdtsc;
/** Nanoseconds until a task has to let others run, and until Node's event loop has its turn. */
const TURN = 3_000_000;
const EVENT_LOOP = 6_000_000;
/** System calls between two looks at the clock. */
const CALLS_PER_LOOK = 64;
const CALLS_PER_SAMPLE = 16;

/** Round robin over the runnable tasks, on one thread. */
export class Scheduler {
  readonly #kernel: Kernel;
  readonly #queue: Task[] = [];
  #head = 0;
  /** The task that runs now. */
  current: Task | null = null;
  #stopping = false;
  #held: Promise<void> | null = null;
  /** Instructions that all tasks have executed. */
  instructions = 0;
  /** Where run() returns, with every task as data; exactly there when the machine counts exactly. */
  haltAt = Infinity;
  /** Instructions rest: tasks run only as far as the call goes that they are in. For a moment, before an image is made. */
  onlyCalls = false;
  #yielding = false;
  /** Of the current turn, estimated. */
  #systemTime = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** A task became runnable. */
  enqueue(task: Task): void {
    this.#queue.push(task);
    if (this.current === null) this.#kernel.host.wake();
  }

  /**
   * A sleeper was woken. A thread of the running process comes next, at the end of the call that woke it (Linux's wake-up
   * preemption): whoever hands a lock over would otherwise take it again within its own turn, and starve the other.
   */
  wakeUp(task: Task): void {
    if (this.current === null || this.current === task || this.current.group !== task.group) return this.enqueue(task);
    if (this.#head > 0) this.#queue[--this.#head] = task;
    else this.#queue.unshift(task);
    this.#yielding = true;
  }

  get runnable(): number {
    return this.#queue.length - this.#head;
  }

  /** Those that are to run, in their order. */
  get queued(): Task[] {
    return [...new Set(this.#queue.slice(this.#head))].filter(({ runState }) => runState === 'runnable');
  }

  /** sched_yield: the current task's turn ends with its call. */
  yieldNow(): void {
    this.#yielding = this.runnable > 0;
  }

  /** Returns from run() at the next slice boundary, with every task as data. */
  stop(): void {
    this.#stopping = true;
    this.#kernel.host.wake();
  }

  /** Nothing runs until the answer is called: an image is complete, or cannot be made. */
  hold(): () => void {
    let release = () => {};
    this.#held = new Promise<void>((resolve) => {
      release = () => {
        this.#held = null;
        resolve();
      };
    });
    return release;
  }

  /** Runs until no process is left, or stop(). */
  async run(): Promise<void> {
    const { host, timers, clock, groups } = this.#kernel;
    this.#stopping = false;
    while (groups.size > 0 && !this.#stopping) {
      if (this.#held !== null) {
        await this.#held;
        continue;
      }
      timers.expire(clock.now());
      if (this.runnable > 0) {
        this.#runFor(EVENT_LOOP);
        if (groups.size > 0) await host.yield();
        continue;
      }
      const { next } = timers;
      await host.idle(next === undefined ? undefined : Math.max(0, next - clock.now()));
    }
  }

  #runFor(nanoseconds: number): void {
    const { clock, timers } = this.#kernel;
    let now = clock.now();
    const until = now + nanoseconds;
    const resting: Task[] = [];
    while (this.runnable > 0 && now < until && !this.#stopping) {
      const task = this.#next();
      if (task.runState !== 'runnable') continue;
      if (this.onlyCalls && task.call.nr < 0) {
        resting.push(task);
        continue;
      }
      this.current = task;
      try {
        this.#turn(task, now);
      } catch (error) {
        this.#fail(task, error);
      }
      this.current = null;
      now = clock.now();
      if (timers.next !== undefined) timers.expire(now);
    }
    this.#queue.push(...resting);
  }

  #next(): Task {
    const task = this.#queue[this.#head++];
    if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    return task;
  }

  /** One task's turn: until it sleeps, ends, or its time is up. */
  #turn(task: Task, start: number): void {
    const { clock } = this.#kernel;
    this.#systemTime = 0;
    task.mm.activate();
    task.processor.attach(task);
    if (task.call.nr >= 0 && !this.#resumeCall(task)) return this.#account(task, start);
    if (this.onlyCalls) {
      this.enqueue(task);
      return this.#account(task, start);
    }
    let calls = 0;
    let budget = SLICE;
    for (;;) {
      if (task.attention && deliver(task, 0) !== 'run') break;
      const reason = this.#slice(task, budget);
      if (reason === Exit.syscall) {
        budget = SLICE;
        const each = calls < CALLS_PER_LOOK ? CALLS_PER_SAMPLE : CALLS_PER_LOOK;
        const goesOn = calls % each === 0 ? this.#timedCall(task, each) : this.#enterCall(task);
        if (!goesOn) break;
        if (++calls % CALLS_PER_LOOK !== 0 && !this.#yielding) continue;
      } else if (reason !== Exit.budget && raiseFault(task, reason)) {
        // Which pages are put in place on use differs with their protection: the slice goes on.
        budget -= task.processor.cpu.used;
        continue;
      } else budget = SLICE;
      if (this.#yielding || clock.now() - start >= TURN || this.#stopping) {
        this.#yielding = false;
        if (this.runnable > 0) task.usage.involuntarySwitches++;
        this.enqueue(task);
        break;
      }
    }
    this.#account(task, start);
  }

  /** Some instructions of the task, up to its slice's end or to where the machine is to halt. */
  #slice(task: Task, length: number): ExitReason {
    const { processor, usage } = task;
    const budget = Math.min(length, this.haltAt - this.instructions);
    const reason = budget > 0 ? processor.run(budget) : Exit.budget;
    const used = budget > 0 ? processor.cpu.used + Number(isEmulated(reason)) : 0;
    this.instructions += used;
    usage.instructions += used;
    if (this.instructions >= this.haltAt) this.#stopping = true;
    return reason;
  }

  /** An error of ours must not take the other processes along: this one ends, and whoever runs the machine is told. */
  #fail(task: Task, error: unknown): void {
    if (error instanceof HaltError) throw error;
    const what = error instanceof Error ? error.stack : error;
    this.#kernel.host.log(`internal error in process ${task.tgid} (${task.comm}), which is killed: ${what}`);
    task.startup = null;
    exitGroup(task.group, SIGKILL);
    exitTask(task, SIGKILL);
  }

  #account(task: Task, start: number): void {
    if (task.runState === 'sleeping') task.usage.voluntarySwitches++;
    const total = this.#kernel.clock.now() - start;
    const system = Math.min(this.#systemTime, total);
    chargeTime(task, total - system, system);
  }

  /** One of so many calls is timed and stands for the others: reading the clock costs more than a short call. */
  #timedCall(task: Task, calls: number): boolean {
    const { clock } = this.#kernel;
    const start = clock.now();
    const goesOn = this.#enterCall(task);
    this.#systemTime += (clock.now() - start) * calls;
    return goesOn;
  }

  #enterCall(task: Task): boolean {
    const { regs, call } = task;
    call.begin(regs[EAX] | 0);
    const { words } = call;
    words[0] = regs[EBX];
    words[1] = regs[ECX];
    words[2] = regs[EDX];
    words[3] = regs[ESI];
    words[4] = regs[EDI];
    words[5] = regs[EBP];
    return task.seccomp === null ? this.#runCall(task) : this.#filterCall(task, task.seccomp);
  }

  /** The program itself may have forbidden the call: then neither layers nor the table see it. */
  #filterCall(task: Task, seccomp: Seccomp): boolean {
    const answer = forbids(task, seccomp);
    if (answer === null) return this.#runCall(task);
    if (answer !== 'gone') task.regs[EAX] = answer;
    task.call.nr = -1;
    return task.runState !== 'dead';
  }

  /** A call whose task has slept goes on, unless the task is to end. */
  #resumeCall(task: Task): boolean {
    if ((task.killed || task.group.exiting) && deliver(task, ERESTARTSYS) !== 'again') return false;
    if (task.group.stopSignal !== 0 && deliver(task, ERESTARTSYS) === 'rest') return false;
    return this.#runCall(task);
  }

  /** Runs the handler; true when the task goes on with its instructions. */
  #runCall(task: Task): boolean {
    const { call } = task;
    for (;;) {
      call.rerun();
      const answer = task.startup === null ? this.#kernel.table.run(task) : task.startup();
      if (answer === BLOCKED || task.runState === 'dead') return false;
      if (task.runState === 'sleeping') task.stay();
      // execve and sigreturn have replaced the registers: there is nothing to answer.
      if (call.nr < 0) return true;
      if (answer > -ERESTARTSYS || answer < -ERESTART_RESTARTBLOCK) {
        task.regs[EAX] = answer;
        call.nr = -1;
        // An interrupted wait keeps its mask until the signal was delivered.
        if (answer !== -EINTR) restoreMask(task);
        return true;
      }
      const verdict = deliver(task, -answer);
      if (verdict !== 'again') return verdict === 'run';
    }
  }
}
