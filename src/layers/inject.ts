/**
 * The inject layer: tampers with calls, in strace's grammar and beyond.
 *
 *   SET:error=ENOSPC | retval=N | signal=SIG | delay_enter=US | delay_exit=US | short=BYTES
 *      :when=FIRST[..LAST][+STEP] | if=ARG~/REGEX/ | probability=P[@SEED] | after=BYTES
 *
 * Several rules for one call are tried in order: the first whose conditions hold is applied.
 */
import * as errno from '../abi/errno.ts';
import * as signals from '../abi/signal.ts';
import { compileSelection } from '../syscall/classes.ts';
import { type AsyncHook, type Hooks, type Layer, type LayeredCall, layer } from '../syscall/layer.ts';
import type { Declaration } from '../syscall/syscall.ts';
import type { Plain } from '../wait/wait.ts';
import { count, items } from './kept.ts';

interface Rule {
  readonly text: string;
  readonly selects: (declaration: Declaration) => boolean;
  readonly answer: number | null;
  readonly signal: number | null;
  /** Nanoseconds. */
  readonly before: number;
  readonly after: number;
  /** Transfers are cut to this. */
  readonly short: number | null;
  readonly when: (count: number) => boolean;
  readonly condition: ((call: LayeredCall) => boolean) | null;
  readonly chance: { readonly share: number; readonly seed: number } | null;
  /** Only once so many bytes were written. */
  readonly bytes: number;
}

/** Descriptors as `path` shows them: files on a disk, and what a signal interrupts a transfer of (signal(7)). */
const ON_DISK = 'if=path~/^\\/(?!dev\\/|proc\\/|sys\\/)/';
const SLOW = 'if=path~/^([^\\/]|\\/dev\\/(tty|pts|console))/';

/** Whole situations, by name. */
const PRESETS: Readonly<Record<string, readonly string[]>> = {
  'disk-full': [`write,writev,pwrite64,pwritev,mkdir,mkdirat,symlink,symlinkat:error=ENOSPC:${ON_DISK}`],
  'flaky-network': [
    'connect:error=ECONNREFUSED:probability=0.2',
    'recv,recvfrom,recvmsg,send,sendto,sendmsg:error=ECONNRESET:probability=0.05',
  ],
  interrupted: [
    `read,write,readv,writev:error=EINTR:when=1+3:${SLOW}`,
    'recv,recvfrom,recvmsg,send,sendto,sendmsg,accept,accept4,poll,wait4,waitpid:error=EINTR:when=1+3',
  ],
  'short-transfers': ['read,write,readv,writev,recv,recvfrom,send,sendto:short=1:when=1+2'],
};

/** The calls that there are, by name: for messages about those that are not. */
export type Calls = ReadonlyMap<string, Declaration>;

export class RuleError extends Error {
  override name = 'RuleError';
}

export function parseRules(texts: readonly string[], known?: Calls): Rule[] {
  return texts
    .flatMap((text) => (Object.hasOwn(PRESETS, text) ? PRESETS[text] : [text]))
    .map((text) => parseRule(text, known));
}

function parseRule(text: string, known?: Calls): Rule {
  const [set, ...words] = splitRule(text);
  if (words.length === 0)
    throw new RuleError(`inject ${text}: give SET:WHAT, or one of ${Object.keys(PRESETS).join(', ')}`);
  const values = new Map(words.map((word) => [word.slice(0, word.search(/=|$/)), word.slice(word.search(/=|$/) + 1)]));
  const number = (name: string) => {
    const value = values.get(name);
    if (value !== undefined && !Number.isFinite(Number(value)))
      throw new RuleError(`inject ${name}=${value}: no number`);
    return value === undefined ? null : Number(value);
  };
  for (const name of values.keys()) {
    if (!WORDS.includes(name)) throw new RuleError(`inject ${text}: what is ${name}? There are ${WORDS.join(', ')}`);
  }
  if (values.has('error') && values.has('retval')) throw new RuleError(`inject ${text}: error or retval, not both`);
  const signal = values.get('signal');
  const selects = selectionOf(set, text, known);
  return {
    text,
    selects,
    answer: answerOf(values),
    signal: signal === undefined ? null : signalOf(signal),
    before: (number('delay_enter') ?? 0) * 1000,
    after: (number('delay_exit') ?? 0) * 1000,
    short: number('short'),
    when: parseWhen(values.get('when')),
    condition: parseCondition(values.get('if'), [...(known?.values() ?? [])].filter(selects)),
    chance: parseChance(values.get('probability')),
    bytes: number('after') ?? 0,
  };
}

function selectionOf(set: string, text: string, known?: Calls): Rule['selects'] {
  try {
    return compileSelection(set, known);
  } catch (error) {
    throw new RuleError(`inject ${text}: ${(error as Error).message}`);
  }
}

const WORDS = [
  'error',
  'retval',
  'signal',
  'delay_enter',
  'delay_exit',
  'short',
  'when',
  'if',
  'probability',
  'after',
  'syscall',
];

/** Colons separate, except inside of /regex/. */
function splitRule(text: string): string[] {
  return text.match(/(?:~?\/(?:\\.|[^/\\])*\/|[^:])+/g) ?? [];
}

function answerOf(values: ReadonlyMap<string, string>): number | null {
  const error = values.get('error');
  if (error !== undefined) {
    const number =
      (errno as unknown as Record<string, unknown>)[error] ?? (/^\d+$/.test(error) ? Number(error) : undefined);
    if (typeof number !== 'number') throw new RuleError(`inject error=${error}: there is no such error`);
    return -number;
  }
  const retval = values.get('retval');
  if (retval === undefined) return null;
  if (!Number.isFinite(Number(retval))) throw new RuleError(`inject retval=${retval}: no number`);
  return Number(retval);
}

function signalOf(text: string): number {
  const name = text.startsWith('SIG') ? text : `SIG${text}`;
  const number = /^\d+$/.test(text) ? Number(text) : (signals as unknown as Record<string, unknown>)[name];
  if (typeof number !== 'number') throw new RuleError(`inject signal=${text}: there is no such signal`);
  return number;
}

/** first, first..last, first+, first+step, first..last+step. */
function parseWhen(text: string | undefined): Rule['when'] {
  if (text === undefined) return () => true;
  const match = /^(\d+)(?:\.\.(\d+))?(?:\+(\d*))?$/.exec(text);
  if (match === null) throw new RuleError(`inject when=${text}: FIRST, FIRST..LAST, FIRST+ or FIRST+STEP`);
  const first = Number(match[1]);
  const endless = match[3] !== undefined;
  const last = match[2] !== undefined ? Number(match[2]) : endless ? Infinity : first;
  if (first === 0 || last < first || Number(match[3] || 1) === 0)
    throw new RuleError(
      `inject when=${text}: calls are counted from 1, LAST is not before FIRST, and STEP is 1 or more`,
    );
  const step = match[3] ? Number(match[3]) : 1;
  return (count) => count >= first && count <= last && (count - first) % step === 0;
}

/** path~/\.db$/, fd==3, count>100: an argument by its name; `path` also stands for the absolute path. */
function parseCondition(text: string | undefined, calls: readonly Declaration[]): Rule['condition'] {
  if (text === undefined) return null;
  const match = /^(\w+)(?:(!?~)\/(.*)\/|(==|!=|<|>)(.*))$/.exec(text);
  if (match === null) throw new RuleError(`inject if=${text}: ARGUMENT~/REGEX/ or ARGUMENT==VALUE`);
  const [, name, like, source, compare, value] = match;
  const names = [...new Set(['path', ...calls.flatMap(({ args }) => args.map((arg) => arg.name))])];
  if (calls.length > 0 && !names.includes(name))
    throw new RuleError(`inject if=${text}: there is no argument ${name}; there are ${names.slice(0, 12).join(', ')}`);
  const read = (call: LayeredCall) =>
    name === 'path' ? call.absolute() || call.describe(Number(argument(call, 'fd'))) : argument(call, name);
  if (like !== undefined) {
    const regex = regexOf(source, `inject if=${text}`);
    return (call) => regex.test(String(read(call) ?? '')) === (like === '~');
  }
  const compared: Record<string, (a: unknown) => boolean> = {
    '==': (a) => String(a) === value,
    '!=': (a) => String(a) !== value,
    '<': (a) => Number(a) < Number(value),
    '>': (a) => Number(a) > Number(value),
  };
  return (call) => compared[compare](read(call));
}

function regexOf(source: string, where: string): RegExp {
  try {
    return new RegExp(source);
  } catch (error) {
    throw new RuleError(`${where}: ${(error as Error).message}`);
  }
}

function argument(call: LayeredCall, name: string): unknown {
  return (call as unknown as Record<string, unknown>)[name];
}

/** P or P@SEED: a generator of its own, so that a run can be repeated. */
function parseChance(text: string | undefined): Rule['chance'] {
  if (text === undefined) return null;
  const [share, seed = '1'] = text.split('@');
  if (!(Number(share) >= 0 && Number(share) <= 1)) throw new RuleError(`inject probability=${text}: between 0 and 1`);
  return { share: Number(share), seed: Number(seed) >>> 0 };
}

/** From 0 to 1, for a state of mulberry32 that goes on by STEP each time. */
function randomOf(state: number): number {
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

const STEP = 0x6d2b79f5;

/** A rule, and what has come of it so far. */
interface Entry {
  readonly rule: Rule;
  count: number;
  written: number;
  /** Of the generator behind its probability. */
  state: number;
}

/** Counts a rule's calls and decides; conditions come before the count, as a rule's own calls are what `when` counts. */
class Injector {
  readonly #entries: readonly Entry[];

  constructor(rules: readonly Rule[]) {
    this.#entries = rules.map((rule) => ({ rule, count: 0, written: 0, state: rule.chance?.seed ?? 0 }));
  }

  save(): Plain {
    return this.#entries.map(({ rule, count, written, state }) => [rule.text, count, written, state]);
  }

  /** Rules that are others now begin anew. */
  load(saved: Plain): void {
    for (const [i, item] of items(saved).entries()) {
      const [text, calls, written, state] = items(item);
      const entry = this.#entries[i];
      if (entry?.rule.text !== text) continue;
      Object.assign(entry, { count: count(calls), written: count(written), state: count(state) >>> 0 });
    }
  }

  choose(call: LayeredCall): Rule | null {
    let chosen: Rule | null = null;
    for (const entry of this.#entries) {
      const { rule } = entry;
      if (!rule.selects(call.declaration) || rule.condition?.(call) === false) continue;
      entry.count++;
      const written = entry.written;
      if (rule.bytes > 0) entry.written += Number(argument(call, 'count') ?? argument(call, 'len') ?? 0);
      if (chosen === null && written >= rule.bytes && rule.when(entry.count) && happens(entry)) chosen = rule;
    }
    return chosen;
  }
}

function happens(entry: Entry): boolean {
  const { chance } = entry.rule;
  if (chance === null) return true;
  entry.state = (entry.state + STEP) >>> 0;
  return randomOf(entry.state) < chance.share;
}

/** What is done without waiting. */
function apply(call: LayeredCall, rule: Rule): ReturnType<NonNullable<Hooks<LayeredCall>['enter']>> {
  if (rule.signal !== null) call.task.raise(rule.signal);
  if (rule.answer !== null) return rule.answer;
  if (rule.short === null) return undefined;
  const buffer = call.declaration.args.find(({ name }) => name === 'buf');
  if (buffer?.direction === 'in') return call.with({ buf: (argument(call, 'buf') as Uint8Array).slice(0, rule.short) });
  const count = ['count', 'len'].find((name) => call.declaration.args.some((arg) => arg.name === name));
  return count === undefined
    ? undefined
    : call.with({ [count]: Math.min(rule.short, argument(call, count) as number) });
}

const sleep = (nanoseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, nanoseconds / 1e6));

export function inject(rules: readonly Rule[]): Layer {
  const injector = new Injector(rules);
  const scope = { select: (declaration: Declaration) => rules.some((rule) => rule.selects(declaration)) };
  const image = { save: () => injector.save(), load: (state: Plain) => injector.load(state) };
  const waits = rules.some(({ before, after }) => before > 0 || after > 0);
  if (!waits) {
    const every: Hooks<LayeredCall> = {
      enter(call) {
        const rule = injector.choose(call);
        return rule === null ? undefined : apply(call, rule);
      },
    };
    return layer('inject', {}, { every, scope, image });
  }
  const every: AsyncHook<LayeredCall & Next> = async (call) => {
    const rule = injector.choose(call);
    if (rule === null) return call.next();
    if (rule.before > 0) await sleep(rule.before);
    const applied = apply(call, rule);
    const answer = typeof applied === 'number' ? applied : await call.next(applied?.values);
    if (rule.after > 0) await sleep(rule.after);
    return answer;
  };
  return layer('inject', {}, { every: every as AsyncHook<LayeredCall>, scope, image });
}

interface Next {
  next(changes?: Readonly<Record<string, unknown>>): Promise<number>;
}
