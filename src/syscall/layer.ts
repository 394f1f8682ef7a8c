/**
 * Layers: handlers of anyone's in front of system calls, stacked (DESIGN section 5).
 *
 *   layer('guard', {
 *     openat: {
 *       enter(call) { if (call.path.startsWith('/etc/')) return -EACCES; },     // an answer; or nothing: pass on
 *       exit(call, result) { call.task.log(`${call.path} = ${result}`); },      // may change the result
 *     },
 *     async connect(call) { await ask(call.addr); return call.next(); },        // the task is parked meanwhile
 *   })
 *
 * `call` has the call's arguments by name, decoded and copied in once; what a layer assigns to them is what the layers
 * below and the handler get. A call enters each layer once and leaves it once, however often it sleeps in between.
 */
import type { Task } from '../kernel/task.ts';
import type { Plain } from '../wait/wait.ts';
import type { Named } from './arg.ts';
import type { Declaration } from './syscall.ts';

/** A call as layers see it, beside its arguments. */
export interface LayeredCall {
  readonly nr: number;
  readonly name: string;
  readonly task: Task;
  readonly declaration: Declaration;
  /** Where this layer keeps what it needs from enter to exit: plain data, which travels in an image. */
  state: Plain;
  /** Its text in the manner of strace, with the outputs once there is a result. */
  show(result?: number): string;
}

/** For asynchronous hooks: the rest of the chain. */
export interface Continuation {
  /** Runs the layers below and the handler; resolves with their answer. */
  next(): Promise<number>;
}

type Answer = number | undefined | void;

export interface Hooks<C> {
  /** An answer ends the call here; nothing passes it on. */
  enter?(call: C): Answer;
  /** A number replaces the result. */
  exit?(call: C, result: number): Answer;
}
export type AsyncHook<C> = (call: C & Continuation) => Promise<number>;
export type Hook<C> = Hooks<C> | AsyncHook<C>;

/** What layer() takes for a table of declarations D: hooks by name of the call. */
export type HooksFor<D extends Declaration> = {
  [X in D as string extends X['name'] ? never : X['name']]?: Hook<LayeredCall & Named<X['args']>>;
};

export interface LayerOptions {
  /** Only calls for which it answers true; asked once, when they enter. */
  readonly when?: (call: LayeredCall) => boolean;
  /** Hooks for every call that has none of its own: traces, statistics, limits. */
  readonly every?: Hooks<LayeredCall>;
  /** Calls with new numbers. */
  readonly defines?: readonly Declaration[];
}

export interface Layer extends LayerOptions {
  readonly name: string;
  readonly calls: Readonly<Record<string, Hook<LayeredCall>>>;
}

/** layer() for one table: its calls' names and arguments are checked. */
export function layersFor<D extends Declaration>() {
  return (name: string, calls: HooksFor<D>, options: LayerOptions = {}): Layer => ({
    ...options,
    name,
    calls: calls as unknown as Layer['calls'],
  });
}

/** layer() for calls that are not known when it is written. */
export function layer(name: string, calls: Layer['calls'], options: LayerOptions = {}): Layer {
  return { ...options, name, calls };
}
