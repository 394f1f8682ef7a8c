/** The table of system calls: from a number to the function that runs. */
import { ENOSYS } from '../abi/errno.ts';
import type { Task } from '../kernel/task.ts';
import { LayerStack, type Routes } from './layer-stack.ts';
import type { Declaration, Entry } from './syscall.ts';

/** Linux's numbers end below this; layers may define their own above them, up to here. */
const TABLE_SIZE = 1024;

export class SyscallTable implements Routes {
  readonly size = TABLE_SIZE;
  readonly declarations = new Map<number, Declaration>();
  /** What a call of each number runs: a declaration's own entry, or a chain of layers around it. */
  readonly #entries: Entry[];
  /** What a number that nobody declared runs. */
  readonly absent: Entry = (task) => this.#absent(task.call.nr);
  /** The layers in front of the table. */
  readonly layers = new LayerStack(this);
  /** Calls of numbers that nobody declared. */
  readonly missing = new Map<number, number>();
  /** Calls per number, where counting is on. */
  counts: Uint32Array | null = null;

  constructor(declarations: Iterable<Declaration>) {
    this.#entries = new Array(TABLE_SIZE).fill(this.absent);
    for (const declaration of declarations) this.define(declaration);
  }

  define(declaration: Declaration): void {
    const { nr, name } = declaration;
    const known = this.declarations.get(nr);
    if (known !== undefined) throw new Error(`system call ${nr} is declared twice: ${known.name} and ${name}`);
    if (!(nr >= 0 && nr < TABLE_SIZE)) throw new Error(`system call number ${nr} of ${name} is out of range`);
    this.declarations.set(nr, declaration);
    this.#entries[nr] = declaration.entry;
  }

  /** The function that runs for a number: while no layer wants the call, its declaration's own. */
  entry(nr: number): Entry {
    return this.#entries[nr];
  }

  undefine(nr: number): void {
    this.declarations.delete(nr);
    this.#entries[nr] = this.absent;
  }
  /** Puts a chain of layers in front of a call, or takes it away again. */
  route(nr: number, entry: Entry): void {
    this.#entries[nr] = entry;
  }

  /** Runs the call in task.call once: a value, a negative errno or BLOCKED. */
  run(task: Task): number {
    const { nr } = task.call;
    if (!(nr >= 0 && nr < TABLE_SIZE)) return this.#absent(nr);
    if (this.counts !== null && task.call.runs === 1) this.counts[nr]++;
    return this.#entries[nr](task);
  }

  abandon(task: Task, answer: number): number {
    return this.layers.abandon(task, answer);
  }
  interrupted(task: Task, answer: number): void {
    this.layers.interrupted(task, answer);
  }
  forget(task: Task): void {
    this.layers.forget(task);
  }

  /** From now on calls are counted by number, for --stats. */
  count(): void {
    this.counts ??= new Uint32Array(TABLE_SIZE);
  }

  #absent(nr: number): number {
    this.missing.set(nr, (this.missing.get(nr) ?? 0) + 1);
    return -ENOSYS;
  }
}
