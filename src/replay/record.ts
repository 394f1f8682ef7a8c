/**
 * Records what a machine gets from outside: looks at clocks, answers of ports, and what happens while it pauses. Everything
 * else follows from these, as long as slices end at the same instruction (MachineOptions.exact).
 */
import type { MachineHost } from '../kernel/host.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { BLOCKED } from '../wait/wait.ts';
import type { Value } from './codec.ts';
import type { End } from './events.ts';
import type { LogWriter } from './log.ts';
import { type Fills, filledPart, type PortLog, type PortShape, port } from './ports.ts';

export type Waker = (events?: number) => void;

/** A port that says when it is ready. */
export interface Watched {
  whenReady(events: number, waker: Waker): void;
}

export class Recorder implements PortLog {
  readonly host: MachineHost;
  readonly #log: LogWriter;
  readonly #real: MachineHost;
  /** The machine pauses: who asks now is not the machine, unless something is being delivered to it. */
  #pausing = false;
  #delivering = false;
  #stopped = false;
  #instructions: () => number = () => 0;

  constructor(real: MachineHost, log: LogWriter) {
    this.#real = real;
    this.#log = log;
    this.host = {
      now: () => this.#now(),
      realtime: () => this.#realtime(),
      randomBytes: (count) =>
        this.call('host', 'randomBytes', [count], undefined, () => real.randomBytes(count)) as Uint8Array,
      yield: () => this.#pause(false, () => real.yield()),
      idle: (nanoseconds) => this.#pause(true, () => real.idle(nanoseconds)),
      wake: () => real.wake(),
      log: (line) => real.log(line),
    };
  }

  get #listens(): boolean {
    return !this.#stopped && (!this.#pausing || this.#delivering);
  }

  #now(): number {
    const time = this.#real.now();
    if (this.#listens) this.#log.now(time);
    return time;
  }

  #realtime(): bigint {
    const time = this.#real.realtime();
    if (this.#listens) this.#log.write({ kind: 'realtime', time });
    return time;
  }

  call(name: string, method: string, args: readonly Value[], fills: Fills | undefined, run: () => Value): Value {
    const answer = run();
    if (this.#listens) {
      const filled = fills && filledPart(fills, answer);
      this.#log.write({ kind: 'call', port: name, method, args, answer, filled });
    }
    return answer;
  }

  port<T extends object>(name: string, shape: PortShape, real: T): T {
    return port(name, shape, this, real);
  }

  /** A port that says when it is ready, which only happens while the machine pauses. */
  watched<T extends Watched>(name: string, shape: PortShape, real: T): T {
    const known = new Map<Waker, Waker>();
    const whenReady = (events: number, waker: Waker): void => {
      let ours = known.get(waker);
      if (ours === undefined) {
        const index = known.size;
        ours = (happened) => {
          const wake = () => waker(happened);
          this.#deliver(() => this.#log.write({ kind: 'ready', port: name, waker: index, happened }), wake);
        };
        known.set(waker, ours);
      }
      real.whenReady(events, ours);
    };
    return Object.assign(port(name, shape, this, real), { whenReady });
  }

  /** Listens to the machine itself: its system calls, and signals that others send. */
  attach(kernel: Kernel): void {
    const { signals, table, scheduler } = kernel;
    this.#instructions = () => scheduler.instructions;
    const { sendToGroup, sendToProcessGroup } = signals;
    signals.sendToGroup = (group, info) => {
      const send = () => sendToGroup.call(signals, group, info);
      this.#outside('process', group.id, info, send);
    };
    signals.sendToProcessGroup = (id, info) =>
      this.#outside('group', id, info, () => sendToProcessGroup.call(signals, id, info));
    const { run } = table;
    table.run = (task) => {
      const { nr } = task.call;
      const answer = run.call(table, task);
      if (answer !== BLOCKED && this.#listens) {
        const { instructions } = scheduler;
        this.#log.write({ kind: 'syscall', tid: task.tid, nr, answer, instructions });
      }
      return answer;
    };
  }

  /** A signal that somebody sends while the machine pauses is from outside; others follow from what is known. */
  #outside<T>(target: 'process' | 'group', id: number, info: object, send: () => T): T {
    if (!this.#pausing || this.#delivering) return send();
    return this.#deliver(() => this.#log.write({ kind: 'signal', target, id, info: { ...info } }), send);
  }

  #deliver<T>(write: () => void, deliver: () => T): T {
    if (this.#stopped) return deliver();
    write();
    const outer = this.#delivering;
    this.#delivering = true;
    try {
      return deliver();
    } finally {
      this.#delivering = outer;
    }
  }

  async #pause(long: boolean, wait: () => Promise<void>): Promise<void> {
    if (this.#stopped) return wait();
    this.#log.pause(this.#real.now(), long);
    this.#pausing = true;
    try {
      await wait();
    } finally {
      this.#pausing = false;
    }
    if (!this.#stopped) this.#log.write({ kind: 'resume', instructions: this.#instructions() });
  }

  /** The machine has ended; what is asked from now on is not its doing. */
  end(end: End): void {
    this.#log.write({ kind: 'end', end, instructions: this.#instructions() });
    this.#stopped = true;
    this.#log.flush();
  }

  /** Nothing was run, or nobody knows how it ended. */
  stop(): void {
    this.#stopped = true;
    this.#log.flush();
  }
}
