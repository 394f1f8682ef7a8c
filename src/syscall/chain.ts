/** Runs a call through its layers: composed once, when layers are installed. */
import { EIO } from '../abi/errno.ts';
import type { Task } from '../kernel/task.ts';
import { BLOCKED, ERESTART_RESTARTBLOCK, ERESTARTSYS, type Plain, WaitQueue } from '../wait/wait.ts';
import { Refusal } from './arg.ts';
import type { AsyncHook, Hook, Hooks, Layer, LayeredCall } from './layer.ts';
import { type CallMaker, callMaker, type DecodedCall, type LayerRecord } from './layered-call.ts';
import type { Declaration, Entry } from './syscall.ts';

/** A layer's hook for one call. */
interface Link {
  readonly layer: Layer;
  readonly hook: Hook<LayeredCall>;
}

/** An asynchronous hook that is under way. Not data: a checkpoint waits for it, or issues it again. */
interface Running {
  readonly queue: WaitQueue;
  /** The hook has called next(). */
  wanted: ((answer: number) => void) | null;
  answer: number | null;
}

const running = new WeakMap<Task, Map<string, Running>>();

const isInterrupted = (answer: number) => answer <= -ERESTARTSYS && answer >= -ERESTART_RESTARTBLOCK;

export class Chain {
  readonly declaration: Declaration;
  readonly #links: readonly Link[];
  readonly #make: CallMaker;

  /** `layers` outermost first. */
  constructor(declaration: Declaration, layers: readonly Layer[]) {
    this.declaration = declaration;
    this.#links = layers.flatMap((layer) => {
      const hook = layer.calls[declaration.name] ?? layer.every;
      return hook === undefined ? [] : [{ layer, hook }];
    });
    this.#make = callMaker(declaration);
  }

  get empty(): boolean {
    return this.#links.length === 0;
  }

  readonly entry: Entry = (task) => {
    const record = task.call.layers as LayerRecord | null;
    const call = this.#make(task, record);
    // Arguments that cannot be decoded: nothing a layer could look at.
    if (call instanceof Refusal) return call.answer;
    task.call.layers = call.record;
    return this.#run(call, 0);
  };

  /** The call ends without the handler's answer: a signal interrupted it. */
  abandon(task: Task, answer: number): void {
    const record = task.call.layers as LayerRecord | null;
    const call = record === null ? null : this.#make(task, record);
    if (call === null || call instanceof Refusal) return;
    for (const { layer, hook } of [...this.#links].reverse()) {
      if (typeof hook !== 'function') this.#leave(call, layer, hook, answer);
    }
    running.delete(task);
  }

  #run(call: DecodedCall, at: number): number {
    const link = this.#links[at];
    if (link === undefined) {
      const values = call.values();
      return values instanceof Refusal ? values.answer : this.declaration.handler(call.task, ...values);
    }
    const { layer, hook } = link;
    if (typeof hook === 'function') return this.#runAsync(call, layer, hook, at);
    const early = this.#enter(call, layer, hook);
    const answer = early ?? this.#run(call, at + 1);
    if (answer === BLOCKED || isInterrupted(answer)) return answer;
    return this.#leave(call, layer, hook, answer);
  }

  /** An answer that ends the call; undefined: goes on. A call that is run again has been here already. */
  #enter(call: DecodedCall, layer: Layer, hook: Hooks<LayeredCall>): number | undefined {
    const { entered } = call.record;
    const known = entered.find(({ name }) => name === layer.name);
    if (known !== undefined) return typeof known.answer === 'number' ? known.answer : undefined;
    call.state = null;
    const wanted = guard(call, layer, () => layer.when?.(call) ?? true) === true;
    const answer = wanted ? guard(call, layer, () => hook.enter?.(call)) : undefined;
    const plain = typeof answer === 'number' ? answer : null;
    entered.push({ name: layer.name, state: wanted ? call.state : SKIPPED, answer: plain });
    return plain ?? undefined;
  }

  #leave(call: DecodedCall, layer: Layer, hook: Hooks<LayeredCall>, result: number): number {
    const { entered } = call.record;
    const index = entered.findIndex(({ name }) => name === layer.name);
    if (index < 0) return result;
    const [{ state }] = entered.splice(index, 1);
    if (state === SKIPPED || hook.exit === undefined) return result;
    call.state = state;
    const changed = guard(call, layer, () => hook.exit?.(call, result));
    return typeof changed === 'number' ? changed : result;
  }

  #runAsync(call: DecodedCall, layer: Layer, hook: AsyncHook<LayeredCall>, at: number): number {
    const { task } = call;
    let hooks = running.get(task);
    if (hooks === undefined) running.set(task, (hooks = new Map()));
    let state = hooks.get(layer.name);
    if (state === undefined) {
      if (layer.when?.(call) === false) return this.#run(call, at + 1);
      state = start(call, layer, hook);
      hooks.set(layer.name, state);
    }
    if (state.wanted !== null) {
      const answer = this.#run(call, at + 1);
      if (answer === BLOCKED || isInterrupted(answer)) return answer;
      state.wanted(answer);
      state.wanted = null;
    }
    if (state.answer === null) return task.block(state.queue);
    hooks.delete(layer.name);
    return state.answer;
  }
}

/** Stands for the state of a call that the layer's `when` did not want. */
const SKIPPED: Plain = 'skipped\0';

function start(call: DecodedCall, layer: Layer, hook: AsyncHook<LayeredCall>): Running {
  const state: Running = { queue: new WaitQueue(), wanted: null, answer: null };
  const next = () =>
    new Promise<number>((resolve) => {
      state.wanted = resolve;
      state.queue.wake();
    });
  const finish = (answer: number) => {
    state.answer = answer;
    state.queue.wake();
  };
  hook(Object.assign(call, { next })).then(finish, (error) => finish(complain(call, layer, error)));
  return state;
}

/** A layer that throws is a broken layer: the call fails, the machine goes on, and its operator is told. */
function guard<T>(call: DecodedCall, layer: Layer, step: () => T): T | number {
  try {
    return step();
  } catch (error) {
    return complain(call, layer, error);
  }
}

function complain(call: DecodedCall, layer: Layer, error: unknown): number {
  call.task.kernel.host.log(`layer ${layer.name}: ${call.name}: ${error instanceof Error ? error.message : error}`);
  return -EIO;
}
