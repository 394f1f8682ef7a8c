/** The layers that are installed, and the chains that they make of each call. */
import { EINTR } from '../abi/errno.ts';
import { takeHeld, takeLeft } from '../kernel/held-calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Task } from '../kernel/task.ts';
import type { TaskWatcher } from '../kernel/watcher.ts';
import { hex } from './arg.ts';
import { type Below, Chain, dropFrame, type Inner, type Link, linkOf, passing } from './chain.ts';
import { type Frame, levelOf, newFrame } from './change.ts';
import { guardOf } from './inode-guard.ts';
import type { Layer } from './layer.ts';
import { directDeclaration, type Multiplexer, runDirect } from './multiplexer.ts';
import { pointer } from './scalars.ts';
import { type Declaration, type Entry, syscall } from './syscall.ts';

/** Where a layer goes; outermost is the first to see a call and the last to see its result. A number counts from there. */
export type Place = 'outermost' | 'innermost' | number | { readonly before: string } | { readonly after: string };

/** What the stack needs of the table. */
export interface Routes {
  readonly declarations: ReadonlyMap<number, Declaration>;
  readonly size: number;
  readonly absent: Entry;
  define(declaration: Declaration): void;
  undefine(nr: number): void;
  route(nr: number, entry: Entry): void;
}

export class LayerStack implements TaskWatcher {
  readonly #routes: Routes;
  #layers: readonly Layer[] = [];
  hearsSignals = false;
  readonly #chains = new Map<Declaration, Chain>();
  /** Chains of calls that entered before the layers were changed, by the array in their frames. */
  readonly #former = new WeakMap<string[], Chain>();
  readonly #undeclared = new Map<number, Declaration>();
  #kernel: Kernel | null = null;
  readonly #below: Below = {
    resume: (task, frame) => this.#chainOf(this.#declared(task.call.nr), frame).run(task, frame),
    again: (task) => this.#again(task),
  };

  constructor(routes: Routes) {
    this.#routes = routes;
  }

  /** The machine's, once there is one. */
  get kernel(): Kernel | null {
    return this.#kernel;
  }
  set kernel(kernel: Kernel | null) {
    this.#kernel = kernel;
    this.#guard();
  }
  #guard(): void {
    if (this.#kernel !== null) this.#kernel.namespace.guard = guardOf(this.#layers, this.#routes.declarations);
  }

  /** Outermost first. */
  get layers(): readonly Layer[] {
    return this.#layers;
  }

  install(layer: Layer, place: Place = 'outermost'): void {
    if (this.#layers.some(({ name }) => name === layer.name))
      throw new Error(`layer ${layer.name} is installed already`);
    const at = this.#indexOf(place);
    for (const declaration of layer.defines ?? []) this.#routes.define(declaration);
    this.#set([...this.#layers.slice(0, at), layer, ...this.#layers.slice(at)]);
  }

  remove(name: string): boolean {
    const layer = this.#layers.find((other) => other.name === name);
    if (layer === undefined) return false;
    this.#set(this.#layers.filter((other) => other !== layer));
    for (const { nr } of layer.defines ?? []) this.#routes.undefine(nr);
    layer.finish?.();
    return true;
  }

  move(name: string, place: Place): void {
    const layer = this.#layers.find((other) => other.name === name);
    if (layer === undefined) throw new Error(`there is no layer ${name}`);
    const others = this.#layers.filter((other) => other !== layer);
    const at = this.#indexOf(place, others);
    this.#set([...others.slice(0, at), layer, ...others.slice(at)]);
  }

  #indexOf(place: Place, layers = this.#layers): number {
    if (place === 'outermost') return 0;
    if (place === 'innermost') return layers.length;
    if (typeof place === 'number') return Math.min(place, layers.length);
    const [name, behind] = 'before' in place ? [place.before, 0] : [place.after, 1];
    const index = layers.findIndex((layer) => layer.name === name);
    if (index < 0) throw new Error(`there is no layer ${name}`);
    return index + behind;
  }

  /** Calls under way leave through the layers that they entered; those that entered none go on without. */
  #set(layers: readonly Layer[]): void {
    for (const chain of this.#chains.values()) this.#former.set(chain.names, chain);
    this.#layers = layers;
    this.hearsSignals = layers.some(({ events }) => events?.signal !== undefined);
    this.#guard();
    this.#chains.clear();
    const busy = this.#markUnderWay();
    for (const declaration of this.#routes.declarations.values()) this.#compose(declaration, declaration.entry, busy);
    if (!layers.some(({ every }) => every !== undefined) && this.#undeclared.size === 0) return;
    for (let nr = 0; nr < this.#routes.size; nr++) {
      if (!this.#routes.declarations.has(nr)) this.#compose(this.#declarationOf(nr), this.#routes.absent, busy);
    }
  }

  #compose(declaration: Declaration, bare: Entry, busy: ReadonlySet<number>): void {
    const { nr, multiplexer } = declaration;
    const directs = multiplexer === undefined ? [] : [...multiplexer.calls.values(), multiplexer.itself];
    const [chain, ...inner] = [declaration, ...directs].map((each) => this.#chain(each, this.#linksOf(each)));
    const empty = chain.empty && inner.every((each) => each.empty);
    if (!empty) for (const each of [chain, ...inner]) this.#chains.set(each.declaration, each);
    const last = busy.has(nr) ? this.#draining(nr, bare) : bare;
    this.#routes.route(nr, empty ? last : chain.entry);
  }

  #linksOf(declaration: Declaration): Link[] {
    return this.#layers.map((layer) => linkOf(layer, declaration)).filter((link) => link !== null);
  }

  #chain(declaration: Declaration, links: readonly Link[]): Chain {
    const { multiplexer } = declaration;
    const inner = multiplexer === undefined ? null : this.#innerOf(multiplexer);
    return new Chain(declaration, links, this.#below, inner);
  }

  /** Of a multiplexer: the chains of what it stands for. */
  #innerOf(multiplexer: Multiplexer): Inner {
    return {
      run: (task, frame) =>
        runDirect(task, multiplexer, (declaration, words) => {
          const chain = this.#chainOf(declaration, frame.inner);
          frame.inner ??= newFrame(chain.names, words);
          return chain.run(task, frame.inner);
        }),
      abandon: (task, frame, answer) =>
        this.#chainOf(directDeclaration(task, multiplexer), frame).abandon(task, frame, answer),
      tell: (task, frame, what) => this.#chainOf(directDeclaration(task, multiplexer), frame).tell(task, frame, what),
    };
  }

  /** No layer wants the call any more, but some calls have yet to leave those that did. */
  #draining(nr: number, bare: Entry): Entry {
    const entry: Entry = (task) => {
      const frame = (task.call.layers as Frame | null) ?? this.#again(task);
      task.call.layers = frame;
      if (frame !== null) return this.#below.resume(task, frame);
      if (!this.#isUnderWay(nr)) this.#routes.route(nr, bare);
      return bare(task);
    };
    return entry;
  }

  #isUnderWay(nr: number): boolean {
    return this.#tasks().some(
      ({ call, held }) => (call.nr === nr && call.layers !== null) || held.some((one) => one.nr === nr),
    );
  }

  /** The numbers of calls under way; those in no layer get a frame that says so. */
  #markUnderWay(): Set<number> {
    const busy = new Set<number>();
    for (const { call, held } of this.#tasks()) {
      for (const { nr } of held) busy.add(nr);
      if (call.nr < 0) continue;
      busy.add(call.nr);
      if (call.layers !== null) continue;
      const frame = newFrame([]);
      // What it stands for goes on without layers, too.
      if (call.direct !== null) frame.inner = newFrame([], call.direct.words);
      call.layers = frame;
    }
    return busy;
  }

  #tasks(): Task[] {
    return this.kernel === null ? [] : [...this.kernel.tasks.values()];
  }

  #declared(nr: number): Declaration {
    return this.#routes.declarations.get(nr) ?? this.#declarationOf(nr);
  }

  /**
   * The chain that a call entered through, null: has yet to enter. After a restore it is made again, of the layers that are
   * here.
   */
  #chainOf(declaration: Declaration, frame: Frame | null): Chain {
    const current = this.#chains.get(declaration);
    if (frame === null) return current ?? this.#chain(declaration, []);
    if (current !== undefined && current.names === frame.layers) return current;
    let chain = this.#former.get(frame.layers);
    if (chain === undefined) {
      const links = frame.layers.map((name) => this.#linkNamed(name, declaration));
      chain = this.#chain(declaration, links);
      this.#former.set(frame.layers, chain);
    }
    return chain;
  }

  /** For layers that see every call: a number that nobody declared, with its words. */
  #declarationOf(nr: number): Declaration {
    let made = this.#undeclared.get(nr);
    if (made === undefined) {
      const words = [1, 2, 3, 4, 5, 6].map((i) => ({ ...pointer(`arg${i}`), show: (value: number) => hexWord(value) }));
      const declared = syscall(nr, `syscall_0x${nr.toString(16)}`, words, this.#routes.absent, { level: 'fixed' });
      made = { ...declared, entry: this.#routes.absent };
      this.#undeclared.set(nr, made);
    }
    return made;
  }

  #linkNamed(name: string, declaration: Declaration): Link {
    const layer = this.#layers.find((one) => one.name === name);
    return (layer && linkOf(layer, declaration)) ?? passing(name);
  }

  abandon(task: Task, answer: number): number {
    const frame = task.call.layers as Frame | null;
    return frame === null ? answer : this.#chainOf(this.#declared(task.call.nr), frame).abandon(task, frame, answer);
  }

  interrupted(task: Task, answer: number): void {
    const { nr, words, layers } = task.call;
    const frame = layers as Frame | null;
    if (frame === null) return;
    // The task's next calls have words of their own.
    levelOf(frame, 0).words ??= [...words];
    this.#chainOf(this.#declared(nr), frame).tell(task, frame, { interrupted: answer });
  }

  /** The call's frame, if a handler had interrupted it. Calls that handlers have left for good leave their layers. */
  #again(task: Task): Frame | null {
    const { call } = task;
    for (;;) {
      const held = takeHeld(task);
      if (held !== undefined) {
        call.direct = held.direct;
        const frame = held.layers as Frame;
        this.#chainOf(this.#declared(held.nr), frame).tell(task, frame, 'resumed');
        return frame;
      }
      const left = takeLeft(task);
      if (left === undefined) return null;
      const { direct } = call;
      call.direct = left.direct;
      const frame = left.layers as Frame;
      this.#chainOf(this.#declared(left.nr), frame).abandon(task, frame, -EINTR);
      call.direct = direct;
    }
  }

  forget(task: Task): void {
    for (const { layers } of task.held) dropFrame(layers as Frame);
    task.held.length = 0;
  }

  born(child: Task, parent: Task): void {
    for (const { events } of this.#layers) events?.born?.(child, parent);
  }
  signal(...[task, info]: Parameters<TaskWatcher['signal']>): void {
    for (const { events } of this.#layers) events?.signal?.(task, info);
  }
  ignored(...[task, info]: Parameters<TaskWatcher['ignored']>): void {
    for (const { events } of this.#layers) events?.ignored?.(task, info);
  }
  stopped(task: Task, signal: number): void {
    for (const { events } of this.#layers) events?.stopped?.(task, signal);
  }
  ended(task: Task, status: number): void {
    const frame = task.call.layers as Frame | null;
    for (const { events } of this.#layers) events?.ended?.(task, status);
    if (frame !== null && task.call.nr >= 0) dropFrame(frame);
    this.forget(task);
  }
}

const hexWord = (word: number) => (word === 0 ? '0' : hex(word));
