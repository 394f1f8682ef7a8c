/** The trace layer: what strace shows, in its words. */
import { EINTR } from '../../abi/errno.ts';
import { defaultAction, SIG_DFL, signalName } from '../../abi/signal.ts';
import type { SignalInfo } from '../../kernel/signal-queue.ts';
import type { Task } from '../../kernel/task.ts';
import type { CallView } from '../../syscall/call-view.ts';
import { type Layer, type LayeredCall, layer } from '../../syscall/layer.ts';
import type { Scope } from '../../syscall/scope.ts';
import type { Declaration } from '../../syscall/syscall.ts';
import { backtrace } from './backtrace.ts';
import { Clockwork } from './clockwork.ts';
import { Line } from './line.ts';
import type { Expressions } from './options.ts';
import type { Context, ShowOptions } from './parts.ts';
import { errorName, resultText } from './returns.ts';
import { MOST_WORDS, variableCount } from './show-processes.ts';
import { inputs, outputs } from './shown.ts';
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
/** Calls that do not return. */
const FINAL = /^exit(_group)?$/;

class Tracer {
  readonly #options: TraceOptions;
  readonly #clockwork: Clockwork;
  readonly #summary = new Summary();
  readonly #times: boolean;
  /** The call that has been entered last, while nothing else was written. */
  #open: Line | null = null;
  readonly #lines = new Map<Task, Line>();
  /** Looked for first. */
  #recent: Line | null = null;
  /** One for all parts: they look at it while they are asked. */
  readonly #context: { -readonly [K in keyof Context]: Context[K] };
  /** Signals to be shown behind the call that a task is in. */
  readonly #later = new Map<Task, SignalInfo[]>();
  #first: Task | null = null;
  #tasks = 1;
  #looking = false;

  constructor(options: TraceOptions) {
    this.#options = options;
    this.#clockwork = new Clockwork(options);
    this.#times = options.elapsed || options.summary || options.json;
    const nothing = new Int32Array(6);
    this.#context = {
      ...{ task: null as never, words: nothing, result: undefined, notes: undefined },
      ...{ options: options.show, whole: false, verbose: true },
    };
  }

  wants(task: Task): boolean {
    this.#first ??= task;
    return this.#options.follow || task.group === this.#first.group;
  }

  enter(call: LayeredCall): void {
    const view = call as CallView;
    const { task } = view;
    const line = this.#lineOf(task);
    this.#begin(line, view);
    if (this.#options.summary || this.#options.json) return;
    if (this.#options.separate) return;
    if (this.#open !== null) this.#interrupt();
    this.#open = line;
    if (!this.#looking) this.#lookLater();
  }

  #lineOf(task: Task): Line {
    if (this.#recent?.task === task) return this.#recent;
    let line = this.#lines.get(task);
    if (line === undefined) this.#lines.set(task, (line = new Line(task)));
    this.#recent = line;
    return line;
  }

  /** The first half of the line. */
  #begin(line: Line, { task, declaration, words }: CallView): void {
    line.begin(declaration, words, this.#times ? task.now() : 0, this.#options.expressions);
    if (this.#options.summary) return;
    const { name, parts, late, notes } = line.how;
    const c = this.#contextOf(line, undefined);
    if (notes) line.notes = parts.map((part) => part.note?.(c) ?? null);
    if (!this.#options.json) line.text = `${this.#prefix(task)}${name}(${inputs(parts, late, c)}`;
  }

  #contextOf({ task, words, notes, whole, verbose }: Line, result: number | undefined): Context {
    const c = this.#context;
    c.task = task;
    c.words = words;
    c.result = result;
    c.notes = notes;
    c.whole = whole;
    c.verbose = verbose;
    return c;
  }

  /** A call that takes its time is shown as far as it goes, for those who look on. */
  #lookLater(): void {
    const { later } = this.#options;
    if (later === undefined) return;
    const before = this.#open;
    const serial = before?.task.call.serial;
    this.#looking = true;
    later(() => {
      this.#looking = false;
      const open = this.#open;
      if (open === null || open.begun) return;
      if (open !== before || open.task.call.serial !== serial) return this.#lookLater();
      open.begun = true;
      this.#write(open.task, open.text);
    });
  }

  exit(call: LayeredCall, result: number): void {
    const view = call as CallView;
    const { task } = view;
    const line = this.#lineOf(task);
    // After a restore: the call has entered in another machine.
    if (!line.active) this.#begin(line, view);
    line.active = false;
    const spent = this.#times ? task.now() - line.start : 0;
    if (this.#options.summary) return this.#summary.add(view.callName, spent, result < 0 && result > -4096);
    if (!this.#options.expressions.status(result)) return this.#forget(line);
    const { interrupted } = task.call;
    this.#result(line, result === -EINTR && interrupted !== 0 ? -interrupted : result, spent);
    if (this.#options.json) return;
    if (this.#options.backtrace) this.#write(task, backtrace(task));
    if (this.#later.size > 0) this.#tellLater(task);
  }

  #tellLater(task: Task): void {
    const later = this.#later.get(task);
    if (later === undefined) return;
    this.#later.delete(task);
    for (const info of later) this.signal(task, info);
  }

  /** A call has come back, or is left for a signal. */
  #result(line: Line, result: number, spent: number): void {
    const { task } = line;
    const { name, parts, late, returns } = line.how;
    const c = this.#contextOf(line, result);
    if (this.#options.json) {
      const args = parts.map((part) => part.show(c)).filter((text) => text !== '');
      const error = errorName(result);
      return this.#json(task, { call: name, args, result, ...(error && { error }), seconds: spent / 1e9 });
    }
    const rest = late < 0 ? ')' : `${outputs(parts, late, c)})`;
    let text = resultText(returns, c);
    if (task.notes !== null && task.call.nr >= 0) {
      const inject = task.notes.get('inject') as { injected?: boolean } | undefined;
      if (inject?.injected) text += ' (INJECTED)';
    }
    if (this.#options.elapsed) text += ` <${(spent / 1e9).toFixed(6)}>`;
    this.#close(line, name, rest, text);
  }

  /** The end of a call's line, on a line of its own where others came between. */
  #close(line: Line, name: string, rest: string, result: string): void {
    const { task } = line;
    const open = this.#open === line;
    if (open) this.#open = null;
    else this.#interrupt();
    const begin = line.shown ? `${this.#prefix(task)}<... ${name} resumed>` : line.text;
    const text = `${begin}${rest}${padding(begin.length + rest.length)}= ${result}\n`;
    this.#write(task, open && line.begun ? text.slice(begin.length) : text);
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
    const line = this.#lineOf(task);
    if (!line.active || interrupted === 0 || this.#options.json) return;
    line.active = false;
    this.#result(line, -interrupted, this.#times ? task.now() - line.start : 0);
  }

  /** Shown where a debugger would see it: when the task's call has returned. */
  ignored(task: Task, info: SignalInfo): void {
    const later = this.#later.get(task) ?? [];
    if (this.#lineOf(task).active) this.#later.set(task, [...later, info]);
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
    this.#end(task, status);
    this.#tasks--;
  }

  #end(task: Task, status: number): void {
    const line = this.#lineOf(task);
    this.#lines.delete(task);
    this.#recent = null;
    if (!this.wants(task) || this.#options.summary) return;
    if (this.#options.json) return this.#json(task, { ended: status });
    if (line.active) this.#unreturned(line);
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
  started(
    task: Task,
    execve: Declaration,
    path: string,
    argv: readonly string[],
    environment: readonly string[],
  ): void {
    const { show, expressions } = this.#options;
    if (expressions.calls?.(execve) === false) return;
    const whole = expressions.whole(execve);
    const list = (words: readonly string[]) => {
      const texts = words.slice(0, whole ? undefined : MOST_WORDS).map((word) => {
        const bytes = new TextEncoder().encode(word);
        return bytesText(bytes.subarray(0, show.strings), bytes.length > show.strings);
      });
      return `[${texts.join(', ')}${words.length > texts.length ? ', ...' : ''}]`;
    };
    const shown = bytesText(new TextEncoder().encode(path), false);
    const { length } = environment;
    const variables = whole ? list(environment) : variableCount(task.mm.envStart, length);
    const text = `execve(${shown}, ${list(argv)}, ${variables})`;
    if (!this.#options.summary && !this.#options.json) this.#write(task, `${column(this.#prefix(task) + text)}= 0\n`);
  }

  #json(task: Task, fields: Readonly<Record<string, unknown>>): void {
    this.#write(task, `${JSON.stringify({ pid: task.tgid, tid: task.tid, ...fields })}\n`);
  }

  /** exit does not return; others were cut off by the task's end. */
  #unreturned(line: Line): void {
    const { name } = line.how;
    this.#close(line, name, FINAL.test(name) ? ')' : ' <unfinished ...>)', '?');
  }

  #forget(line: Line): void {
    if (this.#open === line) this.#open = null;
  }

  /** Another line comes: the call that is open is cut off. */
  #interrupt(): void {
    const open = this.#open;
    this.#open = null;
    if (open === null) return;
    open.shown = true;
    this.#write(open.task, `${open.begun ? '' : open.text} <unfinished ...>\n`);
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
}

function isFatal({ group }: Task, { signo }: SignalInfo): boolean {
  return group.actions[signo].handler === SIG_DFL && !/^(ignore|continue|stop)$/.test(defaultAction(signo));
}

function column(line: string): string {
  return line + padding(line.length);
}
/** Up to where results stand; one blank at least. */
const padding = (length: number) => BLANKS[Math.min(length, COLUMN - 1)];
const BLANKS = Array.from({ length: COLUMN }, (_, length) => ' '.repeat(COLUMN - length));

export interface Trace {
  readonly layer: Layer;
  /** `execve` is the declaration of the call that it is shown as. */
  started(task: Task, execve: Declaration, path: string, argv: readonly string[], environment: readonly string[]): void;
}

export function trace(options: TraceOptions): Trace {
  const tracer = new Tracer(options);
  const { calls } = options.expressions;
  const scope: Scope = {
    when: options.follow ? undefined : (call) => tracer.wants(call.task),
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
        every: {
          enter: (call) => tracer.enter(call),
          exit: (call, result) => tracer.exit(call, result),
          // A debugger sees two calls.
          interrupted: (call, answer) => tracer.exit(call, answer),
          resumed: (call) => tracer.enter(call),
        },
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
