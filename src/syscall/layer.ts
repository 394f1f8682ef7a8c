/**
 * Layers: anyone's handlers in front of system calls, stacked (DESIGN section 5).
 *
 *   layer('guard', {
 *     openat: {
 *       enter(call) { if (call.absolute().startsWith('/etc/')) return -EACCES; },   // an answer; or nothing: pass on
 *       exit(call, result) { call.task.log(`${call.path} = ${result}`); },          // may change the result
 *     },
 *     async connect(call) { await ask(call.addr); return call.next(); },            // the task is parked meanwhile
 *   })
 *
 * `call` has the call's arguments by name, decoded and copied in once: what a layer has looked at is what the layers below
 * and the handler get. A call enters each layer once and leaves it once, however often it sleeps in between; a layer that
 * answers by itself has left. Hooks that throw fail the call with EIO and say so to the operator.
 */

import type { SignalInfo } from '../kernel/signal-queue.ts';
import type { Task } from '../kernel/task.ts';
import type { Plain } from '../wait/wait.ts';
import type { Named } from './arg.ts';
import type { Change } from './change.ts';
import type { Scope } from './scope.ts';
import type { Declaration } from './syscall.ts';

export type State = { [key: string]: Plain };

/** A call as layers see it, beside its arguments. */
export interface LayeredCall<S = State> {
  readonly nr: number;
  /** The call's name; `call.name` may be an argument. */
  readonly callName: string;
  readonly task: Task;
  readonly declaration: Declaration;
  /** What this layer keeps from enter to exit: plain data, which travels in an image. */
  state: S;
  /** What this layer keeps for the task: a child starts with a copy of its parent's. */
  readonly taskState: State;
  /** What this layer keeps for an open file: shared by dup and fork, gone with the last descriptor. */
  fileState(fd: number): State;
  /** A path argument (by name; absent: the first) as an absolute path, without looking at the file system. */
  absolute(name?: string): string;
  /** The same with symbolic links followed. A layer with `resolves` gets it on file systems that sleep, too. */
  resolve(name?: string): string;
  /** What a descriptor refers to, as in /proc/self/fd. */
  describe(fd: number): string;
  /**
   * Opens a file with this content for the guest, in memory and without a name: its descriptor, or -EMFILE. Of `flags`,
   * O_APPEND, O_NONBLOCK and O_CLOEXEC count.
   */
  give(content: Uint8Array, flags?: number): number;
  /** All that the file behind a descriptor holds; null where that cannot be read at once. */
  content(fd: number): Uint8Array | null;
  /** `enter() { return call.with({ path }) }`: goes on with other arguments. */
  with(changes: { readonly [name: string]: unknown }): Change;
  /** Writes outputs to the guest's memory: 0, or -EFAULT. */
  put(outputs: { readonly [name: string]: unknown }): number;
  /** Its text in the manner of strace, with the outputs once there is a result. */
  show(result?: number): string;
}

/** The call with its arguments' names and types. An output is null before the call has written it. */
export type CallOf<A extends Declaration['args'], S = State> = Omit<LayeredCall<S>, 'with' | 'put'> &
  Readonly<Named<A>> & {
    with(changes: Partial<Named<A>>): Change;
    put(outputs: Partial<Named<A>>): number;
  };

/** For asynchronous hooks: the rest of the chain. */
export interface Continuation<A extends Declaration['args']> {
  /** Runs the layers below and the handler, any number of times; resolves with their answer. */
  next(changes?: Partial<Named<A>>): Promise<number>;
  /** Aborted when a signal has ended the call, or the task is gone. */
  readonly aborted: AbortSignal;
}

// biome-ignore lint/suspicious/noConfusingVoidType: hooks that only look at a call return nothing.
type Answer = number | undefined | void;

export interface Hooks<C> {
  /** An answer ends the call here; call.with() passes it on with other arguments, nothing passes it on as it is. */
  enter?(call: C): Answer | Change;
  /** A number replaces the result. */
  exit?(call: C, result: number): Answer;
  /** A signal's handler runs before the call goes on (SA_RESTART); `answer` is the kernel's own, such as -512 (ERESTARTSYS). */
  interrupted?(call: C, answer: number): void;
  /** The handler has returned: the call goes on, with the arguments that were seen. */
  resumed?(call: C): void;
}
export type AsyncHook<C> = (call: C) => Promise<number>;

export type HookFor<A extends Declaration['args'], S> = Hooks<CallOf<A, S>> | AsyncHook<CallOf<A, S> & Continuation<A>>;
/** A hook as chains run it. */
export type Hook = Hooks<LayeredCall> | AsyncHook<LayeredCall>;

/** What layer() takes for a table of declarations D: hooks by name of the call. */
export type HooksFor<D extends Declaration, S> = {
  [X in D as string extends X['name'] ? never : X['name']]?: HookFor<X['args'], S>;
};

/** What happens to tasks beside their calls. */
export interface Events {
  /** A child was made; its taskState is a copy already. */
  born?(child: Task, parent: Task): void;
  /** A signal is about to be handled by the task, or to end it. */
  signal?(task: Task, info: SignalInfo): void;
  /** A signal comes that does nothing by default. */
  ignored?(task: Task, info: SignalInfo): void;
  stopped?(task: Task, signal: number): void;
  /** A thread has ended; `status` is a wait status. A call that it was in does not leave its layers. */
  ended?(task: Task, status: number): void;
}

/** An operation on a file that a path led to, on behalf of a call: what a layer is asked about. */
export interface InodeUse {
  readonly task: Task;
  /** The call that is under way. */
  readonly declaration: Declaration;
  readonly declarations: ReadonlyMap<number, Declaration>;
  /** Where it is, from the machine's root; and those of the hooks' names that are the same file. */
  readonly paths: readonly string[];
}

/**
 * Beside what a call's arguments say: symbolic links as they are at that moment, interpreters of programs, links in /proc,
 * hard links, other roots. An errno refuses; nothing lets pass. May be asked again for the same operation.
 */
export interface InodeHooks {
  /** Files to be recognised under other names, too. */
  readonly names?: readonly string[];
  use?(use: InodeUse): Answer;
  /** It gets a second name, or another one. */
  rename?(use: InodeUse, to: string): Answer;
}

export interface LayerOptions {
  /** Only calls that match; looked at once, when they enter. */
  readonly scope?: Scope | readonly Scope[];
  /** Hooks for every call that has none of its own, undeclared numbers included: traces, statistics, limits. */
  readonly every?: Hook;
  readonly events?: Events;
  /** Asked before inode operations. */
  readonly inodes?: InodeHooks;
  /** Calls with new numbers. */
  readonly defines?: readonly Declaration[];
  /** Paths are walked before the call enters, so that resolve() is exact even where the walk has to sleep. */
  readonly resolves?: boolean;
  /** The machine's last process has ended, or the layer was removed: summaries. */
  finish?(): void;
  /** What it keeps for the machine as a whole, beside what it keeps for calls, tasks and files: part of images. */
  readonly image?: { save(): Plain; load(state: Plain): void };
  /** Its asynchronous hooks may be run again after a restore. */
  readonly idempotent?: boolean;
}

export interface Layer extends LayerOptions {
  readonly name: string;
  readonly calls: Readonly<Record<string, Hook>>;
}

/** layer() for one table: its calls' names and arguments are checked. */
export function layersFor<D extends Declaration>() {
  return <S = State>(name: string, calls: HooksFor<D, S>, options: LayerOptions = {}): Layer => ({
    ...options,
    name,
    calls: calls as unknown as Layer['calls'],
  });
}

/** layer() for calls that are not known when it is written. */
export function layer(name: string, calls: Layer['calls'], options: LayerOptions = {}): Layer {
  return { ...options, name, calls };
}
