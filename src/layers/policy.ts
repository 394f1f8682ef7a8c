/**
 * The policy layer: what a program may do, as JSON. The first rule that matches decides; `default` decides the rest.
 *
 *   { "default": "allow",
 *     "rules": [
 *       { "calls": "%file", "path": "/etc/shadow", "action": "deny", "errno": "EACCES" },
 *       { "calls": "connect,bind", "address": "10.*:*", "action": "allow" },
 *       { "calls": "%network", "action": "kill" } ] }
 *
 * Paths are resolved: links in them are followed before they are compared. A denied call never reaches the kernel.
 */
import * as errno from '../abi/errno.ts';
import { SIGKILL } from '../abi/signal.ts';
import { compileSelection } from '../syscall/classes.ts';
import { type Layer, type LayeredCall, layer } from '../syscall/layer.ts';
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
  readonly addresses: ((address: string) => boolean) | null;
  readonly action: Action;
  readonly errno: number;
}

const ACTIONS: readonly string[] = ['allow', 'deny', 'kill', 'ask', 'log'] satisfies Action[];
/** A program cannot end without these. */
const ALWAYS = /^(exit|exit_group|rt_sigreturn|sigreturn|restart_syscall)$/;

export function parsePolicy(text: string, known?: ReadonlySet<string>): Policy {
  const policy: Policy = JSON.parse(text);
  if (!Array.isArray(policy.rules)) throw new Error('a policy has "rules": [...]');
  for (const rule of [...policy.rules, { action: policy.default ?? 'allow' } as PolicyRule]) {
    if (!ACTIONS.includes(rule.action)) throw new Error(`"action": "${rule.action}": there are ${ACTIONS.join(', ')}`);
    if (rule.calls !== undefined) compileSelection(rule.calls, known);
    errnoOf(rule);
  }
  return policy;
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
    addresses: rule.address === undefined ? null : addressMatcher(listOf(rule.address)),
    action: rule.action,
    errno: errnoOf(rule),
  };
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
  const enter = (call: LayeredCall) => decide(rules.find((rule) => matches(rule, call)) ?? last, call, outside);
  // A call that every rule lets pass, whatever its arguments are, is not looked at.
  const select = (declaration: Declaration) =>
    !ALWAYS.test(declaration.name) &&
    (last.action !== 'allow' || rules.some((rule) => rule.action !== 'allow' && rule.selects(declaration)));
  return layer('policy', {}, { every: { enter }, scope: { select }, resolves: true });
}

function decide({ action, errno: number }: Compiled, call: LayeredCall, outside: Outside): number | undefined {
  switch (action) {
    case 'allow':
      return undefined;
    case 'deny':
      return -number;
    case 'log':
      outside.error(`policy: [${call.task.tid}] ${call.show()}\n`);
      return undefined;
    case 'ask': {
      const answer = outside.ask(`policy: [${call.task.tid}] ${call.show()}: allow? [y/N] `);
      return answer?.toLowerCase().startsWith('y') ? undefined : -number;
    }
    default:
      call.task.raise(SIGKILL);
      return -number;
  }
}
