/** A call as one layer sees it: arguments by name, decoded when they are looked at, kept as data while the call sleeps. */
import { contentOf, giveFile } from '../kernel/give-file.ts';
import type { Task } from '../kernel/task.ts';
import type { Plain } from '../wait/wait.ts';
import { type Arg, Refusal, type Shown, type Words } from './arg.ts';
import { Change, type Frame, type Level, levelOf } from './change.ts';
import type { Layer, LayeredCall, State } from './layer.ts';
import { absolutePath, describeFd, resolvedPath } from './locate.ts';
import type { Declaration } from './syscall.ts';

/** A layer looked at an argument that the kernel would refuse: the call gets the kernel's answer. */
export class Undecodable {
  readonly answer: number;
  constructor(answer: number) {
    this.answer = answer;
  }
}

/**
 * Synchronous layers share one view per run of the call, which `index` and `layer` point at each of them in turn: it is
 * theirs until their hook returns.
 */
export abstract class CallView implements LayeredCall {
  declare readonly task: Task;
  declare readonly frame: Frame;
  /** The layer's place in its chain. */
  declare index: number;
  declare layer: Layer;
  /** Null before the call has an answer. */
  declare answer: number | null;
  abstract readonly declaration: Declaration;

  get nr(): number {
    return this.declaration.nr;
  }
  get callName(): string {
    return this.declaration.name;
  }

  get state(): State {
    this.frame.states ??= [];
    const { states } = this.frame;
    while (states.length <= this.index) states.push(null);
    states[this.index] ??= {};
    return states[this.index] as State;
  }
  set state(value: State) {
    this.state;
    this.frame.states![this.index] = value;
  }

  get taskState(): State {
    return stateIn((this.task.notes ??= new Map()), this.layer.name);
  }
  fileState(fd: number): State {
    const file = this.task.files.get(fd);
    return file === undefined ? {} : stateIn((file.notes ??= new Map()), this.layer.name);
  }

  get inputs(): Level {
    return levelOf(this.frame, this.index);
  }
  get words(): Words {
    const words = this.frame.levels === null ? null : this.inputs.words;
    return words === null ? this.task.call.words : Int32Array.from(words);
  }

  /** Argument i for layers. */
  argument(i: number): unknown {
    const arg = this.declaration.args[i];
    const at = this.declaration.at[i];
    if (arg.peek !== undefined && this.answer !== null) return arg.peek(this.task, this.words, at, this.answer);
    if (arg.direction === 'out') return null;
    const level = this.inputs;
    if ((level.known & (1 << i)) !== 0) return level.values[i];
    const decoded = arg.decode(this.task, this.words, at);
    if (decoded instanceof Refusal) throw new Undecodable(decoded.answer);
    const plain = arg.plain === undefined ? decoded : arg.plain(decoded, this.words, at);
    keep(level, i, plain);
    return plain;
  }

  absolute(name?: string): string {
    const i = this.pathArgument(name);
    return i < 0 ? '' : absolutePath(this, i);
  }
  resolve(name?: string): string {
    const i = this.pathArgument(name);
    if (i < 0) return '';
    return this.frame.levels?.length === 1 || this.frame.levels === null
      ? (this.frame.resolved?.[i] ?? resolvedPath(this, i))
      : resolvedPath(this, i);
  }
  pathArgument(name: string | undefined): number {
    return this.declaration.args.findIndex(({ role, name: own }) => role === 'path' && (name ?? own) === own);
  }
  describe(fd: number): string {
    return describeFd(this.task, fd);
  }

  give(content: Uint8Array, flags = 0): number {
    return giveFile(this.task, this.layer.name, content, flags);
  }
  content(fd: number): Uint8Array | null {
    return contentOf(this.task, fd);
  }

  with(changes: Readonly<Record<string, unknown>>): Change {
    return new Change(changes);
  }

  put(outputs: Readonly<Record<string, unknown>>): number {
    let answer = 0;
    for (const [name, value] of Object.entries(outputs)) {
      const i = argumentIndex(this.declaration, name);
      const { poke } = this.declaration.args[i];
      if (poke === undefined) throw new TypeError(`${this.callName}: ${name} is not an output`);
      answer = Math.min(answer, poke(value, this.task, this.words, this.declaration.at[i]));
    }
    return answer;
  }

  show(result?: number): string {
    const { args, at, name } = this.declaration;
    const shown: Shown = { task: this.task, words: this.words, result };
    const texts = args.map((arg, i) => {
      const level = this.frame.levels === null ? null : this.inputs;
      const value = handlerValue(arg, i, level, this.task, shown.words, at[i]);
      return value instanceof Refusal ? `0x${(shown.words[at[i]] >>> 0).toString(16)}` : arg.show(value, shown, at[i]);
    });
    return `${name}(${texts.join(', ')})`;
  }
}

/** What the handler gets for an argument: what layers have seen or changed, else what the guest's memory says now. */
export function handlerValue(
  arg: Arg<unknown>,
  i: number,
  level: Level | null,
  task: Task,
  words: Words,
  at: number,
): unknown {
  if (level === null || arg.direction === 'value' || (level.known & (1 << i)) === 0) return arg.decode(task, words, at);
  const plain = level.values[i];
  return arg.fromPlain === undefined ? plain : arg.fromPlain(plain, task, words, at);
}

function keep(level: Level, i: number, plain: unknown): void {
  while (level.values.length < i) level.values.push(null);
  level.values[i] = plain as Plain;
  level.known |= 1 << i;
}

function stateIn(notes: Map<string, Plain>, name: string): State {
  let state = notes.get(name);
  if (state === undefined) notes.set(name, (state = {}));
  return state as State;
}

function argumentIndex(declaration: Declaration, name: string): number {
  const i = declaration.args.findIndex((arg) => arg.name === name);
  if (i < 0) throw new TypeError(`${declaration.name} has no argument ${name}`);
  return i;
}

/** From here inwards the call has other arguments. */
export function applyChange(view: CallView, change: Change): void {
  const { declaration, frame, index, inputs: level } = view;
  const words = Int32Array.from(view.words);
  const next: Level = { from: index + 1, known: level.known, values: [...level.values], words: null };
  for (const [name, value] of Object.entries(change.values)) {
    const i = argumentIndex(declaration, name);
    const arg = declaration.args[i];
    if (arg.direction === 'out') throw new TypeError(`${declaration.name}: ${name} is an output`);
    arg.encode?.(value, words, declaration.at[i]);
    keep(next, i, value);
  }
  next.words = Array.from(words);
  const levels = frame.levels!;
  while (levels[levels.length - 1].from > index) levels.pop();
  levels.push(next);
}

/** Makes a view for the layer at `index`. */
export type ViewMaker = (task: Task, frame: Frame, index: number, layer: Layer) => CallView;

const makers = new WeakMap<Declaration, ViewMaker>();

/** One prototype per declaration, with its arguments' getters. */
export function viewMaker(declaration: Declaration): ViewMaker {
  let make = makers.get(declaration);
  if (make !== undefined) return make;
  // Not a class: a constructor that calls super() costs more than everything else here.
  function View(this: Record<string, unknown>, task: Task, frame: Frame, index: number, layer: Layer) {
    this.task = task;
    this.frame = frame;
    this.index = index;
    this.layer = layer;
    this.answer = null;
  }
  View.prototype = Object.create(CallView.prototype, {
    declaration: { value: declaration },
    ...Object.fromEntries(declaration.args.map(({ name }, i) => [name, getterOf(declaration, name, i)])),
  });
  const Maker = View as unknown as new (...parts: Parameters<ViewMaker>) => CallView;
  make = (task, frame, index, layer) => new Maker(task, frame, index, layer);
  makers.set(declaration, make);
  return make;
}

function getterOf(declaration: Declaration, name: string, i: number): PropertyDescriptor {
  if (name in CallView.prototype) throw new Error(`${declaration.name}: an argument cannot be called ${name}`);
  return {
    get(this: CallView) {
      return this.argument(i);
    },
  };
}
