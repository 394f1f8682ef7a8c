/** Trying a layer without a guest: `await tryLayer(guard).openat({ path: '/etc/passwd' })`. */
import { EFAULT } from '../abi/errno.ts';
import type { Task } from '../kernel/task.ts';
import type { Plain } from '../wait/wait.ts';
import { applyChange, type CallView, viewMaker } from './call-view.ts';
import { Change, levelOf, newFrame } from './change.ts';
import type { Layer } from './layer.ts';
import { normalize } from './locate.ts';
import { compileScope } from './scope.ts';
import type { Declaration } from './syscall.ts';

export interface Trial {
  /** What the guest gets. */
  readonly result: number;
  /** The arguments that reached the kernel; null where the layer answered by itself. */
  readonly passed: Readonly<Record<string, unknown>> | null;
  /** What the layer has put into the guest's memory. */
  readonly put: Readonly<Record<string, unknown>>;
  /** What it has logged, and the signals that it has sent. */
  readonly log: readonly string[];
  readonly signals: readonly number[];
}

export interface Circumstances {
  /** What the kernel answers; 0. */
  readonly result?: number;
  /** What it has written, by the argument's name. */
  readonly outputs?: Readonly<Record<string, unknown>>;
  readonly pid?: number;
  readonly process?: string;
  readonly cwd?: string;
}

export type Trier = (args?: Readonly<Record<string, unknown>>, circumstances?: Circumstances) => Promise<Trial>;

/** A function for each call of the table. */
export function trierFor(declarations: readonly Declaration[]) {
  return (layer: Layer): Readonly<Record<string, Trier>> =>
    Object.fromEntries(
      [...declarations, ...(layer.defines ?? [])].map((declaration) => [declaration.name, trier(layer, declaration)]),
    );
}

function trier(layer: Layer, declaration: Declaration): Trier {
  return async (args = {}, circumstances = {}) => {
    const { result = 0, outputs = {} } = circumstances;
    const log: string[] = [];
    const signals: number[] = [];
    const put: Record<string, unknown> = {};
    let passed: Record<string, unknown> | null = null;
    const task = standIn(circumstances, log, signals);
    const view = viewMaker(declaration)(task, newFrame([layer.name]), 0, layer);
    prepare(view, args, outputs, put, circumstances.cwd ?? '/');
    const kernel = (change: Change | null) => {
      if (change !== null) applyChange(view, change);
      const level = levelOf(view.frame, Infinity);
      passed = Object.fromEntries(declaration.args.map(({ name }, i) => [name, level.values[i]]));
      view.answer = result;
      return result;
    };
    const trial = (answer: number): Trial => ({ result: answer, passed, put, log, signals });
    const hook = layer.calls[declaration.name] ?? layer.every;
    const wants = hook === undefined ? false : compileScope(layer.scope, declaration);
    if (hook === undefined || wants === false || wants?.(view) === false) return trial(kernel(null));
    if (typeof hook === 'function') {
      const next = async (changes?: Readonly<Record<string, unknown>>) =>
        kernel(changes === undefined ? null : new Change(changes));
      return trial(await hook(Object.assign(view, { next, aborted: new AbortController().signal })));
    }
    const early = hook.enter?.(view);
    if (typeof early === 'number') return trial(early);
    const answer = kernel(early instanceof Change ? early : null);
    const changed = hook.exit?.(view, answer);
    return trial(typeof changed === 'number' ? changed : answer);
  };
}

/** Arguments are known already, and outputs are what was given: no memory is looked at. */
function prepare(
  view: CallView,
  args: Readonly<Record<string, unknown>>,
  outputs: Readonly<Record<string, unknown>>,
  put: Record<string, unknown>,
  cwd: string,
): void {
  const level = levelOf(view.frame, 0);
  for (const [i, { name, direction, words }] of view.declaration.args.entries()) {
    level.values.push((args[name] ?? (direction === 'value' || words > 1 ? 0 : null)) as Plain);
    level.known |= 1 << i;
  }
  const absolute = (name?: string) => {
    const i = view.pathArgument(name);
    const path = String(levelOf(view.frame, view.index).values[i] ?? '');
    return i < 0 ? '' : normalize(path.startsWith('/') ? path : `${cwd}/${path}`);
  };
  const argument = (i: number) => {
    const { name, direction } = view.declaration.args[i];
    if (view.answer !== null && name in put) return put[name];
    if (view.answer !== null && name in outputs) return outputs[name];
    return direction === 'out' ? null : levelOf(view.frame, view.index).values[i];
  };
  const give = (values: Readonly<Record<string, unknown>>) => {
    for (const name of Object.keys(values)) {
      if (!view.declaration.args.some((arg) => arg.name === name)) return -EFAULT;
    }
    Object.assign(put, values);
    return 0;
  };
  Object.assign(view, { absolute, resolve: absolute, argument, put: give, describe: (fd: number) => `/dev/fd/${fd}` });
}

function standIn({ pid = 2, process = 'test' }: Circumstances, log: string[], signals: number[]): Task {
  const task = {
    tid: pid,
    tgid: pid,
    comm: process,
    notes: null,
    call: { words: new Int32Array(6), layers: null },
    files: new Map(),
    log: (line: string) => log.push(line),
    raise: (signal: number) => signals.push(signal),
    now: () => Math.round(performance.now() * 1e6),
    realtime: () => BigInt(Date.now()) * 1_000_000n,
  };
  return task as unknown as Task;
}
