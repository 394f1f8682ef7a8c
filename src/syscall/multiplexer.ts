/**
 * Calls that stand for others: socketcall(2) and ipc(2). Layers see what they stand for, by its own name and arguments:
 * declarations whose number is the multiplexer's, and whose `through` is its name.
 */
import { ENOSYS } from '../abi/errno.ts';
import type { Direct } from '../kernel/call.ts';
import type { Task } from '../kernel/task.ts';
import { BLOCKED } from '../wait/wait.ts';
import type { Arg, Words } from './arg.ts';
import { type Declaration, type Options, syscall } from './syscall.ts';

export interface Multiplexer {
  /** The calls that it stands for, by name. */
  readonly calls: ReadonlyMap<string, Declaration>;
  /** What layers see of one that stands for no call: itself. Answers its errno. */
  readonly itself: Declaration;
  /** Looks what the words stand for; a negative errno where that is no call. */
  read(task: Task, words: Words): Direct | number;
  /** What the multiplexer does with an answer that is no error. */
  finish(task: Task, name: string, answer: number): number;
}

interface MultiplexerOptions extends Options, Pick<Multiplexer, 'read'>, Partial<Pick<Multiplexer, 'finish'>> {
  readonly calls: readonly Declaration[];
}

export function multiplexer<const N extends string, const A extends readonly Arg<unknown>[]>(
  nr: number,
  name: N,
  args: A,
  { calls, read, finish = (_task, _name, answer) => answer, ...options }: MultiplexerOptions,
): Declaration<N, A> {
  const runItself = (task: Task) =>
    runDirect(task, it, ({ entry }, words) => directOf(task, it).refused || withWords(task, words, () => entry(task)));
  const declared = {
    ...syscall<N, A>(nr, name, args, (task, ..._decoded) => runItself(task), options),
    entry: runItself,
  };
  const it: Multiplexer = {
    calls: new Map(calls.map((of) => [of.name, { ...of, nr, through: name }])),
    // An image that was made elsewhere may name a call that is none of these.
    itself: { ...declared, through: name, entry: () => -ENOSYS },
    read,
    finish,
  };
  return { ...declared, multiplexer: it };
}

/** What the task's call stands for. Memory is looked at once for each call. */
function directOf(task: Task, it: Multiplexer): Direct {
  const { call } = task;
  if (call.direct === null) {
    const found = it.read(task, call.words);
    call.direct = typeof found === 'number' ? { name: '', words: [...call.words], refused: found } : found;
  }
  return call.direct;
}

/** Its declaration. */
export function directDeclaration(task: Task, it: Multiplexer): Declaration {
  return it.calls.get(directOf(task, it).name) ?? it.itself;
}

/** Runs what a call stands for, whose words are not those in task.call. */
export function runDirect(
  task: Task,
  it: Multiplexer,
  run: (declaration: Declaration, words: number[]) => number,
): number {
  const { name, words } = directOf(task, it);
  const answer = run(directDeclaration(task, it), words);
  return answer < 0 && answer >= BLOCKED ? answer : it.finish(task, name, answer);
}

/** Runs something with other words in the task's call. */
export function withWords(task: Task, words: readonly number[], run: () => number): number {
  const own = task.call.words.slice();
  task.call.words.set(words);
  const answer = run();
  task.call.words.set(own);
  return answer;
}

/** Every call that can be named, those that only a multiplexer has among them. */
export function byName(declarations: Iterable<Declaration>): Map<string, Declaration> {
  const named = new Map<string, Declaration>();
  const add = (one: Declaration) => named.has(one.name) || named.set(one.name, one);
  const all = [...declarations];
  for (const one of all) add(one);
  for (const { multiplexer: it } of all) for (const one of it?.calls.values() ?? []) add(one);
  return named;
}
