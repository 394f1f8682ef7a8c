/** Which calls a layer wants. What a declaration can tell is decided when chains are composed, so it costs no call. */

import { selects } from './classes.ts';
import type { LayeredCall } from './layer.ts';
import type { Declaration } from './syscall.ts';

export interface Scope {
  /** As strace's -e trace=: names, classes (%file), /regex/, `!` before all of them or before those to be left out. */
  readonly calls?: string;
  /** Paths below this directory, or a glob (`*`, `**`, `?`); also of what a descriptor refers to. One of several is enough. */
  readonly path?: string | readonly string[];
  readonly fd?: number | readonly number[];
  /** Process ids. */
  readonly pid?: number | readonly number[];
  /** Process names (comm). */
  readonly process?: string | readonly string[];
  readonly select?: (declaration: Declaration) => boolean;
  readonly when?: (call: LayeredCall) => boolean;
}

export const SCOPE_KEYS: readonly string[] = [
  'calls',
  'path',
  'fd',
  'pid',
  'process',
  'select',
  'when',
] satisfies (keyof Scope)[];

export type Wants = (call: LayeredCall) => boolean;

const listOf = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T]);

/** False: never; null: always; else what to ask each call. */
export function compileScope(
  scope: Scope | readonly Scope[] | undefined,
  declaration: Declaration,
): Wants | null | false {
  const tests: Wants[] = [];
  for (const one of scope === undefined ? [] : listOf(scope)) {
    if (!addTests(one, declaration, tests)) return false;
  }
  if (tests.length === 0) return null;
  return tests.length === 1 ? tests[0] : (call) => tests.every((test) => test(call));
}

/** False when no call of the declaration matches. */
function addTests(scope: Scope, declaration: Declaration, tests: Wants[]): boolean {
  if (scope.calls !== undefined && !selects(scope.calls, declaration)) return false;
  if (scope.select !== undefined && !scope.select(declaration)) return false;
  if (scope.pid !== undefined) {
    const pids = listOf(scope.pid);
    tests.push((call) => pids.includes(call.task.tgid));
  }
  if (scope.process !== undefined) {
    const names = listOf(scope.process);
    tests.push((call) => names.includes(call.task.comm));
  }
  const descriptors = argumentsWith(declaration, 'fd', 'dirfd');
  if (scope.fd !== undefined) {
    const fds = listOf(scope.fd);
    if (descriptors.length === 0) return false;
    tests.push((call) => descriptors.some((name) => fds.includes(argument(call, name) as number)));
  }
  if (scope.path !== undefined) {
    const paths = argumentsWith(declaration, 'path');
    if (paths.length === 0 && descriptors.length === 0) return false;
    const matches = pathMatcher(listOf(scope.path));
    tests.push(
      (call) =>
        paths.some((name) => matches(call.absolute(name))) ||
        descriptors.some((name) => matches(call.describe(argument(call, name) as number))),
    );
  }
  if (scope.when !== undefined) tests.push(scope.when);
  return true;
}

function argumentsWith(declaration: Declaration, ...roles: string[]): string[] {
  return declaration.args.filter(({ role }) => role !== undefined && roles.includes(role)).map(({ name }) => name);
}

function argument(call: LayeredCall, name: string): unknown {
  return (call as unknown as Record<string, unknown>)[name];
}

/** A pattern without wildcards is a path and everything below it. */
export function pathMatcher(patterns: readonly string[]): (path: string) => boolean {
  const tests = patterns.map((pattern) => {
    if (/[*?]/.test(pattern)) {
      const regex = globRegex(pattern);
      return (path: string) => regex.test(path);
    }
    const plain = pattern.length > 1 ? pattern.replace(/\/+$/, '') : pattern;
    const below = plain === '/' ? '/' : `${plain}/`;
    return (path: string) => path === plain || path.startsWith(below);
  });
  return (path) => tests.some((test) => test(path));
}

function globRegex(pattern: string): RegExp {
  const source = pattern.replace(/\*\*|[*?]|[.+^${}()|[\]\\]/g, (part) => {
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    return part === '?' ? '[^/]' : `\\${part}`;
  });
  return new RegExp(`^${source}$`, 's');
}

/** The same layer for fewer calls. */
export function scoped<L extends { readonly scope?: Scope | readonly Scope[] }>(layer: L, scope: Scope): L {
  return { ...layer, scope: [...(layer.scope === undefined ? [] : listOf(layer.scope)), scope] };
}
