/** Runs a call through its layers: composed once, when layers are installed. */
import { EINTR } from '../abi/errno.ts';
import type { Task } from '../kernel/task.ts';
import { BLOCKED } from '../wait/wait.ts';
import { Refusal } from './arg.ts';
import { AsyncRun, checkedAnswer, complain, isUnfinished, runsOf } from './async-run.ts';
import { applyChange, type CallView, handlerValue, Undecodable, type ViewMaker, viewMaker } from './call-view.ts';
import { Change, type Frame, type Level, levelOf, newFrame } from './change.ts';
import type { AsyncHook, Hook, Hooks, Layer, LayeredCall } from './layer.ts';
import { resolveFrom } from './locate.ts';
import { withWords } from './multiplexer.ts';
import { compileScope, type Wants } from './scope.ts';
import type { Declaration, Entry } from './syscall.ts';

/** What a chain needs of the stack that it belongs to. */
export interface Below {
  /** Runs calls that entered through another chain. */
  resume(task: Task, frame: Frame): number;
  /** The frame of a call that is issued again after a handler. */
  again(task: Task): Frame | null;
}

/** What lies below the layers of a multiplexer: the call that it stands for, with layers of its own. */
export interface Inner {
  run(task: Task, frame: Frame): number;
  abandon(task: Task, inner: Frame, answer: number): number;
  tell(task: Task, inner: Frame, what: Told): void;
}
/** What layers are told of a call that a handler interrupts: its answer, or that it goes on. */
export type Told = { readonly interrupted: number } | 'resumed';

/** A layer's hook for one call. */
export interface Link {
  readonly layer: Layer;
  readonly wants: Wants | null;
  readonly hooks: Hooks<LayeredCall>;
  readonly run: AsyncHook<LayeredCall> | null;
}

/** Null: the layer does not want the call. */
export function linkOf(layer: Layer, declaration: Declaration): Link | null {
  const hook = hookOf(layer, declaration);
  const wants = hook === undefined ? false : compileScope(layer.scope, declaration);
  if (hook === undefined || wants === false) return null;
  return typeof hook === 'function' ? { layer, wants, hooks: {}, run: hook } : { layer, wants, hooks: hook, run: null };
}

/** Of a layer that calls have entered, and that does not want them any more, or is not there. */
export const passing = (name: string): Link => ({ layer: { name, calls: {} }, wants: null, hooks: {}, run: null });

/** Layers for every call join once where one stands for another: at that, if they do not name the multiplexer. */
function hookOf({ calls, every }: Layer, { name, through, multiplexer }: Declaration): Hook | undefined {
  const own = through === name ? undefined : calls[name];
  const joins = multiplexer === undefined && (through === undefined || calls[through] === undefined);
  return own ?? (joins ? every : undefined);
}

export class Chain {
  readonly declaration: Declaration;
  /** Frames of calls that entered through this chain have this very array. */
  readonly names: string[];
  readonly #links: readonly Link[];
  readonly #view: ViewMaker;
  readonly #resolves: boolean;
  readonly #below: Below;
  readonly #inner: Inner | null;

  /** `links` outermost first. */
  constructor(declaration: Declaration, links: readonly Link[], below: Below, inner: Inner | null = null) {
    this.declaration = declaration;
    this.#links = links;
    this.names = this.#links.map(({ layer }) => layer.name);
    this.#view = viewMaker(declaration);
    this.#resolves =
      this.#links.some(({ layer }) => layer.resolves) && declaration.args.some(({ role }) => role === 'path');
    this.#below = below;
    this.#inner = inner;
  }

  get empty(): boolean {
    return this.#links.length === 0;
  }

  readonly entry: Entry = (task) => {
    const { call, held } = task;
    let frame = call.layers as Frame | null;
    if (frame === null) {
      frame = (held.length === 0 ? null : this.#below.again(task)) ?? newFrame(this.names);
      call.layers = frame;
    }
    return frame.layers === this.names ? this.run(task, frame) : this.#below.resume(task, frame);
  };

  run(task: Task, frame: Frame): number {
    if (this.#resolves && frame.resolved === null && frame.entered === 0 && !this.#resolve(task, frame)) return BLOCKED;
    return this.#step(task, frame, 0);
  }

  /** The call ends without the handler's answer: a signal interrupted it. Answers what its layers make of that. */
  abandon(task: Task, frame: Frame, answer: number): number {
    return this.#unwind(task, frame, 0, answer);
  }

  /** A handler has interrupted the call, or has returned. */
  tell(task: Task, frame: Frame, what: Told): void {
    for (let i = 0; i < frame.entered; i++) {
      const link = this.#links[i];
      if ((frame.passed & (1 << i)) !== 0) continue;
      const view = this.#view(task, frame, i, link.layer);
      try {
        if (what === 'resumed') link.hooks.resumed?.(view);
        else link.hooks.interrupted?.(view, what.interrupted);
      } catch (error) {
        complain(view, error);
      }
    }
    if (frame.inner !== null && this.#inner !== null) this.#inner.tell(task, frame.inner, what);
  }

  #unwind(task: Task, frame: Frame, down: number, interrupted: number): number {
    let answer = interrupted;
    if (frame.inner !== null && this.#inner !== null) answer = this.#inner.abandon(task, frame.inner, answer);
    frame.inner = null;
    const runs = runsOf(frame);
    for (let i = frame.entered - 1; i >= down; i--) {
      const link = this.#links[i];
      frame.entered = i;
      if (link.run === null) answer = this.#leave(link, this.#view(task, frame, i, link.layer), answer);
      else runs[i]?.abort();
      runs[i] = undefined;
    }
    return answer;
  }

  #step(task: Task, frame: Frame, i: number): number {
    const links = this.#links;
    let view: CallView | null = null;
    let answer: number;
    let j = i;
    for (; ; j++) {
      if (j === links.length) {
        answer = this.#handle(task, frame);
        break;
      }
      const link = links[j];
      if (link.run !== null) {
        answer = this.#stepAsync(task, frame, j, link, link.run);
        break;
      }
      if (frame.entered > j) continue;
      frame.entered = j + 1;
      view = this.#at(view, task, frame, j, link);
      const early = this.#enter(link, view);
      if (early !== undefined) {
        frame.entered = j;
        answer = early;
        break;
      }
    }
    if (isUnfinished(answer) || task.runState === 'dead') return answer;
    for (j--; j >= i; j--) {
      frame.entered = j;
      const link = links[j];
      if (link.hooks.exit === undefined) continue;
      view = this.#at(view, task, frame, j, link);
      answer = this.#leave(link, view, answer);
    }
    return answer;
  }

  #at(view: CallView | null, task: Task, frame: Frame, index: number, { layer }: Link): CallView {
    if (view === null) return this.#view(task, frame, index, layer);
    view.index = index;
    view.layer = layer;
    return view;
  }

  /** An answer that ends the call; undefined: goes on. */
  #enter(link: Link, view: CallView): number | undefined {
    try {
      if (link.wants !== null && !link.wants(view)) {
        view.frame.passed |= 1 << view.index;
        return undefined;
      }
      const answer = link.hooks.enter?.(view);
      if (answer === undefined) return undefined;
      if (!(answer instanceof Change)) return checkedAnswer(view, answer);
      applyChange(view, answer);
      return undefined;
    } catch (error) {
      return error instanceof Undecodable ? error.answer : complain(view, error);
    }
  }

  #leave(link: Link, view: CallView, answer: number): number {
    if ((view.frame.passed & (1 << view.index)) !== 0) return answer;
    view.answer = answer;
    try {
      const changed = link.hooks.exit?.(view, answer);
      return changed === undefined ? answer : checkedAnswer(view, changed);
    } catch (error) {
      return error instanceof Undecodable ? answer : complain(view, error);
    }
  }

  #stepAsync(task: Task, frame: Frame, i: number, link: Link, hook: AsyncHook<LayeredCall>): number {
    const runs = runsOf(frame);
    if ((frame.passed & (1 << i)) !== 0) return this.#step(task, frame, i + 1);
    if (frame.entered > i && runs[i] === undefined) {
      // The machine was restored meanwhile.
      this.#unwind(task, frame, i + 1, -EINTR);
      if (link.layer.idempotent !== true) return -EINTR;
      frame.entered = i;
    }
    if (frame.entered <= i) {
      frame.entered = i + 1;
      const view = this.#view(task, frame, i, link.layer);
      if (link.wants !== null && !link.wants(view)) {
        frame.passed |= 1 << i;
        return this.#step(task, frame, i + 1);
      }
      runs[i] = new AsyncRun(view, hook);
    }
    const run = runs[i]!;
    run.flush();
    if (run.wanted !== null) {
      const answer = this.#runInner(task, frame, i, run);
      if (isUnfinished(answer) || task.runState === 'dead') return answer;
      run.answerNext(answer);
    }
    if (run.answer === null) return task.block(run.queue);
    runs[i] = undefined;
    frame.entered = i;
    return run.answer;
  }

  /** The layers below, for next(): each time as a call of its own. */
  #runInner(task: Task, frame: Frame, i: number, run: AsyncRun): number {
    const wanted = run.wanted!;
    if (!wanted.begun) {
      wanted.begun = true;
      frame.entered = i + 1;
      frame.passed &= (1 << (i + 1)) - 1;
      frame.states?.splice(i + 1);
      while (frame.levels !== null && levelOf(frame, Infinity).from > i) frame.levels.pop();
      if (this.#inner !== null) {
        frame.inner = null;
        task.call.direct = null;
      }
      forgetSteps(task);
      if (wanted.change !== null) applyChange(run.view, wanted.change);
    }
    return this.#step(task, frame, i + 1);
  }

  #handle(task: Task, frame: Frame): number {
    const level = frame.levels === null ? null : levelOf(frame, Infinity);
    if (level === null || level.words === null) return this.#runBare(task, frame, level);
    return withWords(task, level.words, () => this.#runBare(task, frame, level));
  }

  #runBare(task: Task, frame: Frame, level: Level | null): number {
    if (this.#inner !== null) return this.#inner.run(task, frame);
    const { entry, args, at, handler, through } = this.declaration;
    const refused = through === undefined ? 0 : (task.call.direct?.refused ?? 0);
    if (refused !== 0) return refused;
    if (level === null || level.known === 0) return entry(task);
    const { words } = task.call;
    const values: unknown[] = [];
    for (let i = 0; i < args.length; i++) values.push(handlerValue(args[i], i, level, task, words, at[i]));
    const refusal = values.find((value) => value instanceof Refusal);
    return refusal instanceof Refusal ? refusal.answer : handler(task, ...values);
  }

  /** Walks the call's paths, for layers that must know where they lead; false: the walk sleeps. */
  #resolve(task: Task, frame: Frame): boolean {
    const view = this.#view(task, frame, 0, this.#links[0].layer);
    const resolved: (string | null)[] = [];
    for (const [i, { role }] of this.declaration.args.entries()) {
      const found = role === 'path' ? this.#walk(view, i) : null;
      if (found === BLOCKED) return false;
      resolved.push(typeof found === 'string' ? found : null);
    }
    frame.resolved = resolved;
    forgetSteps(task);
    return true;
  }

  #walk(view: CallView, i: number): string | number | null {
    try {
      return resolveFrom(view.task, view, i);
    } catch (error) {
      if (error instanceof Undecodable) return null;
      throw error;
    }
  }
}

/** The task is gone; its call leaves no layers. */
export function dropFrame(frame: Frame): void {
  for (const run of runsOf(frame)) run?.abort();
  frame.entered = 0;
  if (frame.inner !== null) dropFrame(frame.inner);
}

/** What follows is run from its start: the steps that the call has done so far are others'. */
function forgetSteps({ call }: Task): void {
  call.pending.length = 0;
  call.progress = 0;
  call.step = 0;
  call.depth = 0;
}
