/** The trace layer: what strace shows, in its words. */
import { EINTR } from '../../abi/errno.ts';
import { defaultAction, SIG_DFL, signalName } from '../../abi/signal.ts';
import type { SignalInfo } from '../../kernel/signal-queue.ts';
import type { Task } from '../../kernel/task.ts';
import type { CallView } from '../../syscall/call-view.ts';
import { type Layer, type LayeredCall, layer } from '../../syscall/layer.ts';
import type { Scope } from '../../syscall/scope.ts';
import type { Declaration } from '../../syscall/syscall.ts';
import { Clockwork } from './clockwork.ts';
import type { Expressions } from './options.ts';
import type { Context, Part, ShowOptions } from './parts.ts';
import { type Returns, resultText, returnsOf } from './returns.ts';
import { FILES } from './show-files.ts';
import { PROCESSES } from './show-processes.ts';
import { SOCKETCALLS, SOCKETS } from './show-sockets.ts';
import { signalInfo } from './signal-info.ts';
import { Summary } from './summary.ts';
import { bytesText } from './text.ts';

export interface TraceOptions {
  /** Where lines go; with -ff each process has its own. */
  readonly write: (text: string, pid: number) => void;
  readonly expressions: Expressions;
  readonly show: ShowOptions;
  /** Children too. */
  readonly follow: boolean;
  /** The process is named in each line: always in a file with -f, else while there are several. */
  readonly pids: 'always' | 'several' | 'never';
  readonly summary: boolean;
  readonly elapsed: boolean;
  readonly relative: boolean;
  /** 0..3, as -t, -tt, -ttt. */
  readonly timestamps: number;
  readonly only: readonly string[];
  readonly backtrace: boolean;
  /** A JSON object for each line. */
  readonly json: boolean;
  /** Each process has its own file: no line is cut off by another's. */
  readonly separate: boolean;
  /** Runs a function a moment later, while the machine runs. */
  readonly later?: (run: () => void) => void;
}

/** Where results stand. */
const COLUMN = 40;
const TABLES: Readonly<Record<string, readonly Part[]>> = { ...FILES, ...PROCESSES, ...SOCKETS };
/** Calls that do not return. */
const FINAL = /^exit(_group)?$/;

/** What is kept from a call's start. `begun`: its text stands at the end of what was written; `shown`: further up. */
type Partial = { text: string; begun: boolean; shown: boolean; start: number; notes: (number | null)[] | null };
/** A call that its task may never return from. */
interface Inside {
  readonly partial: Partial;
  readonly declaration: Declaration;
  readonly words: Int32Array;
}

/** The call that is shown: socketcall's are shown as what they stand for. */
interface Shown {
  readonly name: string;
  readonly parts: readonly Part[];
  /** The first part that the call's end shows. */
  readonly late: number;
  readonly notes: boolean;
  readonly returns: Returns;
}

class Tracer {
  readonly #options: TraceOptions;
  readonly #clockwork: Clockwork;
  readonly #summary = new Summary();
  readonly #shown = new WeakMap<Declaration, Shown>();
  readonly #times: boolean;
  /** The task whose call has been entered last, while nothing else was written. */
  #open: { task: Task; partial: Partial } | null = null;
  readonly #inside = new Map<Task, Inside>();
  /** Signals to be shown behind the call that a task is in. */
  readonly #later = new Map<Task, SignalInfo[]>();
  #first: Task | null = null;
  #tasks = 1;
  #looking = false;

  constructor(options: TraceOptions) {
    this.#options = options;
    this.#clockwork = new Clockwork(options);
    this.#times = options.elapsed || options.summary || options.json;
  }

  wants(task: Task): boolean {
    this.#first ??= task;
    return this.#options.follow || task.group === this.#first.group;
  }

  enter(call: LayeredCall): void {
    const view = call as CallView;
    const { task } = view;
    const start = this.#times ? task.now() : 0;
    const partial: Partial = { text: '', begun: false, shown: false, start, notes: null };
    (view.state as { trace?: Partial }).trace = partial;
    if (this.#options.summary) return;
    const words = wordsOf(view.declaration, task, view.words);
    const { name, parts, late, notes } = this.#shownOf(view.declaration, view.words);
    const c: Context = { task, words, result: undefined, options: this.#options.show };
    if (notes) partial.notes = parts.map((part) => part.note?.(c) ?? null);
    if (this.#options.json) return;
    if (this.#open !== null) this.#interrupt();
    partial.text = `${this.#prefix(task)}${name}(${inputs(parts, late, c)}`;
    this.#inside.set(task, { partial, declaration: view.declaration, words: view.words });
    if (this.#options.separate) return;
    this.#open = { task, partial };
    if (!this.#looking) this.#lookLater();
  }

  /** A call that takes its time is shown as far as it goes, for those who look on. */
  #lookLater(): void {
    const { later } = this.#options;
    if (later === undefined) return;
    const before = this.#open;
    this.#looking = true;
    later(() => {
      this.#looking = false;
      const open = this.#open;
      if (open === null || open.partial.begun) return;
      if (open !== before) return this.#lookLater();
      open.partial.begun = true;
      this.#write(open.task, open.partial.text);
    });
  }

  exit(call: LayeredCall, result: number): void {
    const view = call as CallView;
    const { task } = view;
    const { trace: partial } = view.state as { trace?: Partial };
    if (partial === undefined) return;
    this.#inside.delete(task);
    const spent = this.#times ? task.now() - partial.start : 0;
    if (this.#options.summary) return this.#summary.add(view.callName, spent, result < 0 && result > -4096);
    if (!this.#options.expressions.status(result)) return this.#forget(task);
    const { interrupted } = task.call;
    const answer = result === -EINTR && interrupted !== 0 ? -interrupted : result;
    this.#result(task, { partial, declaration: view.declaration, words: view.words }, answer, spent);
    if (this.#options.json) return;
    if (this.#options.backtrace) this.#write(task, this.#clockwork.backtrace(task));
    const later = this.#later.get(task);
    if (later === undefined) return;
    this.#later.delete(task);
    for (const info of later) this.signal(task, info);
  }

  /** A call has come back, or is left for a signal. */
  #result(task: Task, { partial, declaration, words }: Inside, result: number, spent: number): void {
    const { name, parts, late, returns } = this.#shownOf(declaration, words);
    const notes = partial.notes ?? undefined;
    const c: Context = { task, words: wordsOf(declaration, task, words), result, options: this.#options.show, notes };
    if (this.#options.json) {
      this.#forget(task);
      return this.#json(task, { call: name, args: parts.map((part) => part.show(c)), result, seconds: spent / 1e9 });
    }
    const injected = task.call.nr >= 0 && (task.notes?.get('inject') as { injected?: boolean } | undefined)?.injected;
    const remark = injected ? ' (INJECTED)' : '';
    const time = this.#options.elapsed ? ` <${(spent / 1e9).toFixed(6)}>` : '';
    const rest = late < 0 ? ')' : `${outputs(parts, late, c)})`;
    this.#close(task, partial, name, rest, `${resultText(returns, c)}${remark}${time}`);
  }

  /** The end of a call's line, on a line of its own where others came between. */
  #close(task: Task, partial: Partial, name: string, rest: string, result: string): void {
    const open = this.#open?.task === task;
    if (open) this.#open = null;
    else this.#interrupt();
    const begin = partial.shown ? `${this.#prefix(task)}<... ${name} resumed>` : partial.text;
    const line = `${column(begin + rest)}= ${result}\n`;
    this.#write(task, open && partial.begun ? line.slice(begin.length) : line);
  }

  signal(task: Task, info: SignalInfo): void {
    if (!this.wants(task) || this.#options.summary) return;
    if (isFatal(task, info)) this.#leave(task);
    const name = signalName(info.signo);
    if (!this.#options.expressions.signals(name)) return;
    if (this.#options.json) return this.#json(task, { signal: name });
    this.#line(task, `--- ${name} ${signalInfo(info)} ---`);
  }

  /** A signal ends the call that the task sleeps in: that comes first. */
  #leave(task: Task): void {
    const { interrupted } = task.call;
    const inside = this.#inside.get(task);
    if (inside === undefined || interrupted === 0 || this.#options.json) return;
    this.#inside.delete(task);
    this.#result(task, inside, -interrupted, this.#times ? task.now() - inside.partial.start : 0);
  }

  /** Shown where a debugger would see it: when the task's call has returned. */
  ignored(task: Task, info: SignalInfo): void {
    const later = this.#later.get(task) ?? [];
    if (this.#inside.has(task)) this.#later.set(task, [...later, info]);
    else this.signal(task, info);
  }

  stopped(task: Task, signal: number): void {
    if (this.wants(task) && !this.#options.summary && !this.#options.json)
      this.#line(task, `--- stopped by ${signalName(signal)} ---`);
  }

  born(): void {
    this.#tasks++;
  }

  ended(task: Task, status: number): void {
    this.#tasks--;
    if (!this.wants(task) || this.#options.summary) return;
    if (this.#options.json) return this.#json(task, { ended: status });
    const inside = this.#inside.get(task);
    this.#inside.delete(task);
    if (inside !== undefined) this.#unreturned(task, inside);
    if (!this.#options.expressions.exits) return;
    const signal = status & 0x7f;
    const core = (status & 0x80) !== 0 ? ' (core dumped)' : '';
    this.#line(
      task,
      signal === 0 ? `+++ exited with ${(status >> 8) & 0xff} +++` : `+++ killed by ${signalName(signal)}${core} +++`,
    );
  }

  finish(): void {
    if (this.#options.summary) this.#options.write(this.#summary.text(), 0);
  }

  /** The first program was started by us: as strace shows what it starts. */
  started(task: Task, path: string, argv: readonly string[], variables: number): void {
    const { strings } = this.#options.show;
    const quoted = argv.map((word) => {
      const bytes = new TextEncoder().encode(word);
      return bytesText(bytes.subarray(0, strings), bytes.length > strings);
    });
    const shown = bytesText(new TextEncoder().encode(path), false);
    const text = `execve(${shown}, [${quoted.slice(0, 32).join(', ')}${quoted.length > 32 ? ', ...' : ''}], 0x${task.mm.envStart.toString(16)} /* ${variables} vars */)`;
    if (!this.#options.summary && !this.#options.json) this.#write(task, `${column(this.#prefix(task) + text)}= 0\n`);
  }

  #json(task: Task, fields: Readonly<Record<string, unknown>>): void {
    this.#write(task, `${JSON.stringify({ pid: task.tgid, tid: task.tid, ...fields })}\n`);
  }

  /** exit does not return; others were cut off by the task's end. */
  #unreturned(task: Task, { partial, declaration, words }: Inside): void {
    const { name } = this.#shownOf(declaration, words);
    this.#close(task, partial, name, FINAL.test(name) ? ')' : ' <unfinished ...>)', '?');
  }

  #forget(task: Task): void {
    if (this.#open?.task === task) this.#open = null;
  }

  /** Another line comes: the call that is open is cut off. */
  #interrupt(): void {
    const open = this.#open;
    this.#open = null;
    if (open === null) return;
    open.partial.shown = true;
    this.#write(open.task, `${open.partial.begun ? '' : open.partial.text} <unfinished ...>\n`);
  }

  #line(task: Task, text: string): void {
    this.#interrupt();
    this.#write(task, `${this.#prefix(task)}${text}\n`);
  }

  #write(task: Task, text: string): void {
    this.#options.write(text, task.tid);
  }

  #prefix(task: Task): string {
    const { pids } = this.#options;
    const pid =
      pids === 'always'
        ? `${task.tid} `
        : pids === 'several' && this.#tasks > 1
          ? `[pid ${String(task.tid).padStart(5)}] `
          : '';
    return pid + this.#clockwork.stamp(task);
  }

  #shownOf(declaration: Declaration, words: Int32Array): Shown {
    const inner = declaration.name === 'socketcall' ? SOCKETCALLS[words[0]] : undefined;
    if (inner !== undefined && TABLES[inner] !== undefined) return makeShown(inner, TABLES[inner]);
    let shown = this.#shown.get(declaration);
    if (shown === undefined) {
      shown = makeShown(declaration.name, TABLES[declaration.name] ?? declaredParts(declaration));
      this.#shown.set(declaration, shown);
    }
    return shown;
  }
}

function isFatal({ group }: Task, { signo }: SignalInfo): boolean {
  return group.actions[signo].handler === SIG_DFL && !/^(ignore|continue|stop)$/.test(defaultAction(signo));
}

function makeShown(name: string, parts: readonly Part[]): Shown {
  const late = parts.findIndex(({ out }) => out);
  return { name, parts, late, notes: parts.some(({ note }) => note !== undefined), returns: returnsOf(name) };
}

/** socketcall's arguments lie in memory. */
function wordsOf({ name }: Declaration, task: Task, words: Int32Array): Int32Array {
  if (name !== 'socketcall' || TABLES[SOCKETCALLS[words[0]]] === undefined) return words;
  const bytes = task.mm.view(words[1] >>> 0, 24, false);
  return typeof bytes === 'number' ? words : new Int32Array(bytes.slice().buffer);
}

/** Arguments up to the first that only the end of the call can show. */
function inputs(parts: readonly Part[], late: number, c: Context): string {
  const end = late < 0 ? parts.length : late;
  let text = '';
  for (let i = 0; i < end; i++) {
    const shown = parts[i].show(c);
    if (shown !== '') text += i === 0 ? shown : `, ${shown}`;
  }
  return late <= 0 || parts[late].out === 'late' ? text : `${text}, `;
}

function outputs(parts: readonly Part[], late: number, c: Context): string {
  const shown = parts
    .slice(late)
    .map((part) => part.show(c))
    .filter((text) => text !== '');
  return `${parts[late].out === 'late' && shown.length > 0 ? ', ' : ''}${shown.join(', ')}`;
}

function column(line: string): string {
  return `${line} `.padEnd(COLUMN);
}

/** As the declaration's own types show themselves. */
function declaredParts(declaration: Declaration): Part[] {
  return declaration.args.map((arg, i) => ({
    out: arg.peek !== undefined,
    show({ task, words, result }) {
      const value = arg.decode(task, words, declaration.at[i]);
      const word = words[declaration.at[i]] >>> 0;
      return typeof value === 'object' && value !== null && 'answer' in value
        ? arg.role === 'fd'
          ? String(word | 0)
          : `0x${word.toString(16)}`
        : arg.show(value, { task, words, result }, declaration.at[i]);
    },
  }));
}

export interface Trace {
  readonly layer: Layer;
  started(task: Task, path: string, argv: readonly string[], variables: number): void;
}

export function trace(options: TraceOptions): Trace {
  const tracer = new Tracer(options);
  const { calls } = options.expressions;
  const scope: Scope = {
    when: (call) => tracer.wants(call.task),
    select: calls ?? undefined,
    path: options.only.length === 0 ? undefined : options.only,
  };
  return {
    started: (...first) => tracer.started(...first),
    layer: layer(
      'trace',
      {},
      {
        scope,
        every: { enter: (call) => tracer.enter(call), exit: (call, result) => tracer.exit(call, result) },
        events: {
          signal: (task, info) => tracer.signal(task, info),
          ignored: (task, info) => tracer.ignored(task, info),
          stopped: (task, signal) => tracer.stopped(task, signal),
          born: () => tracer.born(),
          ended: (task, status) => tracer.ended(task, status),
        },
        finish: () => tracer.finish(),
      },
    ),
  };
}
