/**
 * The policy layer: what a program may do, as JSON. The first rule that matches decides; `default` decides the rest.
 *
 *   { "default": "allow",
 *     "rules": [
 *       { "calls": "%file", "path": "/etc/shadow", "action": "deny", "errno": "EACCES" },
 *       { "calls": "connect,bind", "address": "10.*:*", "action": "allow" },
 *       { "calls": "%network", "action": "kill" } ] }
 *
 * Paths are resolved: links in them are followed before they are compared. A denied call never reaches the kernel. What paths
 * led to is decided again by the same rules when it is about to be used (InodeHooks).
 */
import * as errno from '../abi/errno.ts';
import { SIGKILL } from '../abi/signal.ts';
import type { Task } from '../kernel/task.ts';
import { compileSelection, type Known } from '../syscall/classes.ts';
import { type InodeHooks, type Layer, type LayeredCall, layer } from '../syscall/layer.ts';
import { pathMatcher } from '../syscall/scope.ts';
import type { Declaration } from '../syscall/syscall.ts';
import type { Outside } from './outside.ts';
import { peerAddress } from './peer-address.ts';

/** allow, deny with an errno, kill the process, ask on the terminal, or log and allow. */
export type Action = 'allow' | 'deny' | 'kill' | 'ask' | 'log';

export interface PolicyRule {
  /** As strace's -e trace=; absent: all calls. */
  readonly calls?: string;
  readonly path?: string | readonly string[];
  /** host:port or a UNIX path, with `*`. */
  readonly address?: string | readonly string[];
  readonly action: Action;
  /** For deny and a refused ask; EACCES. */
  readonly errno?: string;
}

export interface Policy {
  readonly default?: Action;
  readonly rules: readonly PolicyRule[];
}

interface Compiled {
  readonly selects: (declaration: Declaration) => boolean;
  readonly paths: ((path: string) => boolean) | null;
  /** Whether a directory holds what the rule is for. */
  readonly below: (directory: string) => boolean;
  readonly addresses: ((address: string) => boolean) | null;
  readonly action: Action;
  readonly errno: number;
}

const ACTIONS: readonly string[] = ['allow', 'deny', 'kill', 'ask', 'log'] satisfies Action[];
/** Calls that give access to what is in a file. */
const CONTENTS = /^(open(at2?)?|execve(at)?)$/;
/** A program cannot end without these. */
const ALWAYS = /^(exit|exit_group|rt_sigreturn|sigreturn|restart_syscall)$/;

export function parsePolicy(text: string, known?: Known): Policy {
  return checkPolicy(JSON.parse(text), known);
}

/** Throws for whatever a policy says that would do nothing. */
export function checkPolicy(policy: Policy, known?: Known): Policy {
  checkKeys('a policy', policy, ['default', 'rules']);
  if (!Array.isArray(policy.rules)) throw new Error('a policy has "rules": [...]');
  for (const rule of [...policy.rules, { action: policy.default ?? 'allow' } as PolicyRule]) {
    checkKeys('a rule', rule, ['calls', 'path', 'address', 'action', 'errno']);
    if (rule.action === undefined) throw new Error(`a rule has "action": ${ACTIONS.join(', ')}`);
    if (!ACTIONS.includes(rule.action)) throw new Error(`"action": "${rule.action}": there are ${ACTIONS.join(', ')}`);
    if (rule.calls !== undefined) compileSelection(rule.calls, known);
    errnoOf(rule);
  }
  return policy;
}

function checkKeys(what: string, given: object, keys: readonly string[]): void {
  if (typeof given !== 'object' || given === null) throw new Error(`${what} is an object`);
  for (const key of Object.keys(given)) {
    if (!keys.includes(key)) throw new Error(`"${key}": ${what} has ${keys.join(', ')}`);
  }
}

function errnoOf({ errno: name = 'EACCES' }: PolicyRule): number {
  const number = (errno as unknown as Record<string, unknown>)[name];
  if (typeof number !== 'number') throw new Error(`"errno": "${name}": there is no such error`);
  return number;
}

const listOf = (value: string | readonly string[]): readonly string[] => (typeof value === 'string' ? [value] : value);

function compile(rule: PolicyRule): Compiled {
  return {
    selects: rule.calls === undefined ? () => true : compileSelection(rule.calls),
    paths: rule.path === undefined ? null : pathMatcher(listOf(rule.path)),
    below: (directory) => rule.path !== undefined && listOf(rule.path).some((pattern) => mayHold(pattern, directory)),
    addresses: rule.address === undefined ? null : addressMatcher(listOf(rule.address)),
    action: rule.action,
    errno: errnoOf(rule),
  };
}

/** Name by name; a pattern that begins with `**` is for a file wherever it is. */
function mayHold(pattern: string, directory: string): boolean {
  const parts = pattern.split('/');
  const names = directory.split('/');
  for (const [i, name] of names.entries()) {
    const part = parts[i];
    if (part === undefined) return false;
    if (part.includes('**')) return i > 1;
    if (part !== name && !(/[*?]/.test(part) && pathMatcher([`/${part}`])(`/${name}`))) return false;
  }
  return parts.length > names.length;
}

function addressMatcher(patterns: readonly string[]): (address: string) => boolean {
  const tests = patterns.map(
    (pattern) => new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*')}$`),
  );
  return (address) => tests.some((test) => test.test(address));
}

/** Where a call leads: the resolved paths of its arguments, or what its descriptor refers to. */
export function targetsOf(call: LayeredCall): string[] {
  const { args } = call.declaration;
  const paths = args.filter(({ role }) => role === 'path').map(({ name }) => call.resolve(name));
  if (paths.length > 0) return paths;
  const fd = args.find(({ role }) => role === 'fd');
  return fd === undefined ? [] : [call.describe((call as unknown as Record<string, number>)[fd.name])];
}

function matches(rule: Compiled, call: LayeredCall): boolean {
  if (!rule.selects(call.declaration)) return false;
  const { paths, addresses } = rule;
  if (paths !== null && !targetsOf(call).some((path) => paths(path))) return false;
  if (addresses === null) return true;
  const address = peerAddress(call);
  return address !== null && addresses(address);
}

export function policy(given: Policy, outside: Outside): Layer {
  const rules = given.rules.map(compile);
  const last = compile({ action: given.default ?? 'allow' });
  const verdicts = new Verdicts(outside);
  const enter = (call: LayeredCall) => {
    const rule = rules.find((one) => matches(one, call)) ?? last;
    return verdicts.of(rule, call.task, () => call.show());
  };
  // A call that every rule lets pass, whatever its arguments are, is not looked at.
  const select = (declaration: Declaration) =>
    !ALWAYS.test(declaration.name) &&
    (last.action !== 'allow' || rules.some((rule) => rule.action !== 'allow' && rule.selects(declaration)));
  const inodes =
    last.action === 'allow' && !rules.some(decidesPaths) ? undefined : inodeHooks(rules, last, verdicts, given);
  return layer('policy', {}, { every: { enter }, scope: { select }, inodes, resolves: true });
}

const decidesPaths = ({ paths, action }: Compiled) => paths !== null && action !== 'allow';

/** The same rules where calls have led to: interpreters, links, other roots, names that changed since the call was looked at. */
function inodeHooks(rules: readonly Compiled[], last: Compiled, verdicts: Verdicts, given: Policy): InodeHooks {
  const ruleFor = (declaration: Declaration, path: string) =>
    rules.find(
      ({ selects, paths, addresses }) => addresses === null && selects(declaration) && (paths === null || paths(path)),
    ) ?? last;
  const strictest = (found: readonly Compiled[]) => found.find(({ action }) => refuses(action)) ?? found[0];
  return {
    names: given.rules.flatMap(({ path, action }) =>
      path === undefined || action === 'allow' ? [] : plain(listOf(path)),
    ),
    use({ task, declaration, paths }) {
      if (ALWAYS.test(declaration.name)) return 0;
      const rule = strictest(paths.map((path) => ruleFor(declaration, path)));
      return verdicts.of(rule, task, () => `${declaration.name}: ${paths[0]}`);
    },
    // A name that other rules are for would open what this one keeps shut.
    rename({ declarations, paths }, to) {
      for (const declaration of declarations.values()) {
        if (!declaration.args.some(({ role }) => role === 'path')) continue;
        for (const below of ['', '/?']) {
          const rule = strictest(paths.map((path) => ruleFor(declaration, path + below)));
          if (!refuses(rule.action) || (rule === last && !CONTENTS.test(declaration.name))) continue;
          if (ruleFor(declaration, to + below) !== rule) return -rule.errno;
        }
      }
      const holds = rules.find((rule) => refuses(rule.action) && paths.some((path) => rule.below(path)));
      return holds === undefined ? 0 : -holds.errno;
    },
  };
}

const refuses = (action: Action) => action !== 'allow' && action !== 'log';
const plain = (patterns: readonly string[]) =>
  patterns.filter((pattern) => pattern.startsWith('/') && !/[*?]/.test(pattern));

/** What rules decide. Questions are asked, and lines are written, once for each call. */
class Verdicts {
  readonly #outside: Outside;
  readonly #given = new WeakMap<Task, { serial: number; answers: Map<Compiled, number> }>();

  constructor(outside: Outside) {
    this.#outside = outside;
  }

  of(rule: Compiled, task: Task, show: () => string): number | undefined {
    switch (rule.action) {
      case 'allow':
        return undefined;
      case 'deny':
        return -rule.errno;
      case 'kill':
        task.raise(SIGKILL);
        return -rule.errno;
      default:
        return this.#once(rule, task, show) || undefined;
    }
  }

  #once(rule: Compiled, task: Task, show: () => string): number {
    const { serial } = task.call;
    let given = this.#given.get(task);
    if (given === undefined || given.serial !== serial) this.#given.set(task, (given = { serial, answers: new Map() }));
    let answer = given.answers.get(rule);
    if (answer === undefined) given.answers.set(rule, (answer = this.#tell(rule, `policy: [${task.tid}] ${show()}`)));
    return answer;
  }

  #tell({ action, errno: number }: Compiled, text: string): number {
    if (action === 'log') {
      this.#outside.error(`${text}\n`);
      return 0;
    }
    const answer = this.#outside.ask(`${text}: allow? [y/N] `);
    return answer?.toLowerCase().startsWith('y') ? 0 : -number;
  }
}
