/** Gives a machine again what was recorded, and checks that it does again what it did. */
import { HaltError, type MachineHost } from '../kernel/host.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { SignalInfo } from '../kernel/signal-queue.ts';
import { BLOCKED } from '../wait/wait.ts';
import type { Value } from './codec.ts';
import type { End, Event, EventKind } from './events.ts';
import type { LogReader } from './log.ts';
import { type Fills, type PortLog, type PortShape, port } from './ports.ts';
import type { Waker, Watched } from './record.ts';
import { type CallName, showCall, showEvent } from './show.ts';

/** The machine does something else than what was recorded. */
export class Divergence extends HaltError {
  override name = 'Divergence';
}

/** The recording ends before the machine does: its recorder was killed. */
export class RecordingEnds extends HaltError {
  override name = 'RecordingEnds';
}

export class Replayer implements PortLog {
  readonly host: MachineHost;
  readonly #log: LogReader;
  readonly #callName: CallName;
  /** Lets the event loop of whoever replays have its turn. */
  readonly #breathe: () => Promise<void>;
  readonly #wakers = new Map<string, Waker[]>();
  #kernel: Kernel | undefined;

  constructor(real: Pick<MachineHost, 'yield' | 'log'>, log: LogReader, callName: CallName) {
    this.#log = log;
    this.#callName = callName;
    this.#breathe = () => real.yield();
    this.host = {
      now: () => this.#take('now', () => 'a look at the clock').time,
      realtime: () => this.#take('realtime', () => 'a look at the wall clock').time,
      randomBytes: (count) => this.call('host', 'randomBytes', [count], undefined) as Uint8Array,
      yield: () => this.#pause(),
      idle: () => this.#pause(),
      wake: () => {},
      log: (line) => real.log(line),
    };
  }

  /** The next event, which has to be of this kind. */
  #take<K extends EventKind>(kind: K, doing: () => string): Extract<Event, { kind: K }> {
    const event = this.#log.take(kind);
    if (event !== undefined) return event;
    throw this.#unexpected(doing());
  }

  #unexpected(doing: string, recorded = this.#log.peek()): HaltError {
    if (recorded === undefined) return new RecordingEnds(`after ${this.#instructions} instructions`);
    const { current } = this.#kernel?.scheduler ?? { current: null };
    const who = current === null ? '' : `, in ${this.#name(current)}`;
    return new Divergence(
      `after ${this.#instructions} instructions${who}: recorded was ${showEvent(recorded, this.#callName)}; now it is ${doing}`,
    );
  }

  #name({ tid, comm, call }: NonNullable<Kernel['scheduler']['current']>): string {
    return `thread ${tid} (${comm})${call.nr < 0 ? '' : `, in ${this.#callName(call.nr)}`}`;
  }

  get #instructions(): number {
    return this.#kernel?.scheduler.instructions ?? 0;
  }

  call(name: string, method: string, args: readonly Value[], fills: Fills | undefined): Value {
    const doing = () => showCall(name, method, args);
    const event = this.#take('call', doing);
    if (event.port !== name || event.method !== method || !isSame(event.args, args))
      throw this.#unexpected(doing(), event);
    if (event.filled !== undefined) fills!.buffer.set(event.filled);
    return event.answer;
  }

  port<T extends object>(name: string, shape: PortShape): T {
    return port<T>(name, shape, this);
  }

  watched<T extends Watched>(name: string, shape: PortShape): T {
    const wakers: Waker[] = [];
    this.#wakers.set(name, wakers);
    const whenReady = (_events: number, waker: Waker): void => {
      if (!wakers.includes(waker)) wakers.push(waker);
    };
    return Object.assign(port<T>(name, shape, this), { whenReady });
  }

  attach(kernel: Kernel): void {
    this.#kernel = kernel;
    const { table, scheduler } = kernel;
    const { run } = table;
    table.run = (task) => {
      const { nr } = task.call;
      const answer = run.call(table, task);
      if (answer === BLOCKED) return answer;
      const { instructions } = scheduler;
      const now: Event = { kind: 'syscall', tid: task.tid, nr, answer, instructions };
      const event = this.#take('syscall', () => showEvent(now, this.#callName));
      const isAsRecorded =
        event.tid === task.tid && event.nr === nr && event.answer === answer && event.instructions === instructions;
      if (!isAsRecorded) throw this.#unexpected(showEvent(now, this.#callName), event);
      return answer;
    };
  }

  /** What happened in a pause happens again; nobody waits for it. */
  async #pause(): Promise<void> {
    await this.#breathe();
    for (;;) {
      const event = this.#log.take('ready') ?? this.#log.take('signal');
      if (event === undefined) break;
      if (event.kind === 'ready') this.#wake(event);
      else this.#send(event);
    }
    const doing = () => `a pause after ${this.#instructions} instructions`;
    const event = this.#take('resume', doing);
    if (event.instructions !== this.#instructions) throw this.#unexpected(doing(), event);
  }

  #wake(event: Extract<Event, { kind: 'ready' }>): void {
    const waker = this.#wakers.get(event.port)?.[event.waker];
    if (waker === undefined) throw this.#unexpected('nobody who waits for it', event);
    waker(event.happened);
  }

  #send(event: Extract<Event, { kind: 'signal' }>): void {
    const { signals, groups } = this.#kernel!;
    const info = { ...(event.info as object) } as SignalInfo;
    if (event.target === 'group') return void signals.sendToProcessGroup(event.id, info);
    const group = groups.get(event.id);
    if (group === undefined) throw this.#unexpected('a machine without that process', event);
    signals.sendToGroup(group, info);
  }

  /** The machine has ended: so it must in the recording. Answers how. */
  end(): End {
    const doing = () => `the end after ${this.#instructions} instructions`;
    const event = this.#take('end', doing);
    if (event.instructions !== this.#instructions) throw this.#unexpected(doing(), event);
    return event.end;
  }
}

/** Plain values, compared by content. */
function isSame(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const left = Object.entries(a);
  const right = b as { readonly [key: string]: Value };
  return left.length === Object.keys(b).length && left.every(([key, value]) => isSame(value as Value, right[key]));
}
