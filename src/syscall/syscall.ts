/**
 * The language that syscalls/ is written in (DESIGN section 5).
 *
 *   export const dup2 = syscall(63, 'dup2', [anyFile('oldfd'), fd('newfd')],
 *     (task, file, newfd) => task.files.install(file, newfd), { class: 'desc' });
 *
 * The tuple declares the parameters in the order of the manual page; the handler gets the decoded values in that order
 * (it may leave trailing ones out, it cannot have more or other types). It answers a value >= 0, a negative errno, or
 * BLOCKED after task.block(): then it is run again from its start when the task wakes, with what task.once() and
 * task.progress remember. It never throws for anything the guest did.
 *
 * Errors of decoding are answered in the tuple's order before the handler runs: -EFAULT for unreadable inputs, -EBADF for
 * `file()`. Output structs are checked when they are written, as copy_to_user does. Arguments that count others name them by
 * word, that is by register: 0 = ebx, 1 = ecx, 2 = edx, 3 = esi, 4 = edi, 5 = ebp. A 64-bit value takes two words.
 */
import type { Task } from '../kernel/task.ts';
import { type Arg, type Decoded, Refusal } from './arg.ts';
import type { Multiplexer } from './multiplexer.ts';

/** full: as Linux. partial: the note says what is missing. fixed: a constant but honest answer (uselib: -ENOSYS). */
export type Level = 'full' | 'partial' | 'fixed';

/** Families that layers and `strace -e trace=%class` select by. */
export type Class = 'file' | 'desc' | 'process' | 'memory' | 'signal' | 'network' | 'ipc' | 'time' | 'system';

export interface Options {
  readonly level?: Level;
  /** One sentence for docs/SYSCALLS.md: what is different from Linux. */
  readonly note?: string;
  readonly class?: Class;
  /** An asynchronous layer may issue the call again after a restore. */
  readonly idempotent?: boolean;
}

/** One run of a call: takes the words from task.call, answers as a handler does. */
export type Entry = (task: Task) => number;

export interface Declaration<N extends string = string, A extends readonly Arg<unknown>[] = readonly Arg<unknown>[]> {
  readonly nr: number;
  readonly name: N;
  readonly args: A;
  /** For each argument the index of its first word. */
  readonly at: readonly number[];
  readonly level: Level;
  readonly note: string;
  readonly class: Class;
  readonly idempotent: boolean;
  /** Decodes and calls the handler: the very function that the table calls while no layer wants the call. */
  readonly entry: Entry;
  /** The handler alone, with values that are already decoded. */
  readonly handler: (task: Task, ...values: unknown[]) => number;
  /** It stands for other calls: socketcall(2), ipc(2). */
  readonly multiplexer?: Multiplexer;
  /** The name of the multiplexer that this call is made through. */
  readonly through?: string;
}

export function syscall<const N extends string, const A extends readonly Arg<unknown>[]>(
  nr: number,
  name: N,
  args: A,
  handler: (task: Task, ...values: Decoded<A>) => number,
  options: Options = {},
): Declaration<N, A> {
  const at: number[] = [];
  let words = 0;
  for (const arg of args) {
    at.push(words);
    words += arg.words;
  }
  if (words > 6) throw new Error(`${name}: ${words} argument words, a system call has 6`);
  const general = handler as unknown as Declaration['handler'];
  return {
    nr,
    name,
    args,
    at,
    level: options.level ?? 'full',
    note: options.note ?? '',
    class: options.class ?? 'system',
    idempotent: options.idempotent ?? false,
    entry: compile(args, at, general),
    handler: general,
  };
}

/** The same call under another number: 32-bit and 64-bit variants, old numbers. */
export function alias<const N extends string, A extends readonly Arg<unknown>[]>(
  nr: number,
  name: N,
  of: Declaration<string, A>,
): Declaration<N, A> {
  return { ...of, nr, name };
}

/** A call that honestly is not there: answers the errno, without being counted as a gap. */
export function refused<const N extends string>(
  nr: number,
  name: N,
  errno: number,
  note: string,
  family: Class = 'system',
): Declaration<N, readonly []> {
  return syscall(nr, name, [], () => -errno, { level: 'fixed', note, class: family });
}

/** One function per arity: a loop over the arguments would allocate an array for every call. */
function compile(
  args: readonly Arg<unknown>[],
  at: readonly number[],
  handler: (task: Task, ...values: unknown[]) => number,
): Entry {
  const [a, b, c, d] = args;
  const [i, j, k, l] = at;
  switch (args.length) {
    case 0:
      return (task) => handler(task);
    case 1:
      return (task) => {
        const first = a.decode(task, task.call.words, i);
        return first instanceof Refusal ? first.answer : handler(task, first);
      };
    case 2:
      return (task) => {
        const { words } = task.call;
        const first = a.decode(task, words, i);
        if (first instanceof Refusal) return first.answer;
        const second = b.decode(task, words, j);
        return second instanceof Refusal ? second.answer : handler(task, first, second);
      };
    case 3:
      return (task) => {
        const { words } = task.call;
        const first = a.decode(task, words, i);
        if (first instanceof Refusal) return first.answer;
        const second = b.decode(task, words, j);
        if (second instanceof Refusal) return second.answer;
        const third = c.decode(task, words, k);
        return third instanceof Refusal ? third.answer : handler(task, first, second, third);
      };
    case 4:
      return (task) => {
        const { words } = task.call;
        const first = a.decode(task, words, i);
        if (first instanceof Refusal) return first.answer;
        const second = b.decode(task, words, j);
        if (second instanceof Refusal) return second.answer;
        const third = c.decode(task, words, k);
        if (third instanceof Refusal) return third.answer;
        const fourth = d.decode(task, words, l);
        return fourth instanceof Refusal ? fourth.answer : handler(task, first, second, third, fourth);
      };
    default:
      return (task) => {
        const values = decodeAll(args, at, task);
        return values instanceof Refusal ? values.answer : handler(task, ...values);
      };
  }
}

/** All values of a call, or the first Refusal. */
export function decodeAll(args: readonly Arg<unknown>[], at: readonly number[], task: Task): unknown[] | Refusal {
  const values: unknown[] = [];
  for (let i = 0; i < args.length; i++) {
    const value = args[i].decode(task, task.call.words, at[i]);
    if (value instanceof Refusal) return value;
    values.push(value);
  }
  return values;
}
