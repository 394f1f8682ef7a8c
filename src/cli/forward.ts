/** --forward: chosen calls of a machine's programs are made at home. --allow: what of that a server lets its clients do. */
import { EACCES } from '../abi/errno.ts';
import { HomeCalls } from '../host/home-calls.ts';
import { forward } from '../layers/forward.ts';
import type { Machine } from '../machine.ts';
import { HomeNetwork } from '../remote/client/home-network.ts';
import type { Link } from '../remote/client/link.ts';
import {
  type Called,
  type ForwardedValue,
  type ForwardRule,
  LEADING,
  parseForward,
  permits,
} from '../remote/forward.ts';
import type { CallsAtHome } from '../remote/server/forwarded-calls.ts';
import { CliError, EXIT } from './error.ts';

/** @param option what the user wrote before each text. */
export function forwardRules(texts: readonly string[], option: string): ForwardRule[] {
  return texts.map((text) => {
    const rule = parseForward(text);
    if (typeof rule === 'string') throw new CliError(EXIT.failure, `${option}${rule}`);
    return rule;
  });
}

/** `--allow forward:CALLS[@HOST[:PORT]]` */
export function allowedRules(texts: readonly string[]): ForwardRule[] {
  const other = texts.find((text) => !text.startsWith('forward:'));
  if (other !== undefined) throw new CliError(EXIT.failure, `--allow ${other}: give forward:CALLS[@HOST[:PORT]]`);
  const named = texts.map((text) => text.slice('forward:'.length));
  return forwardRules(named, '--allow forward:');
}

/** What makes the calls of one client, for a server that allows some. */
export function callsFor(rules: readonly ForwardRule[]): (() => CallsAtHome) | undefined {
  if (rules.length === 0) return undefined;
  return () => new HomeCalls((call, target, addresses) => permits(rules, call, target, addresses));
}

/** Sends what the rules name home over a link; one that home does not allow is an error now. */
export async function forwardOver(
  machine: Machine,
  link: Link,
  rules: readonly ForwardRule[],
  log: (line: string) => void,
): Promise<void> {
  const calls = new Set(rules.flatMap((rule) => [...rule.calls]));
  const make = (name: string, inputs: readonly unknown[]) => makeAtHome(link, name, inputs as ForwardedValue[]);
  await Promise.all(
    [...calls].map(async (name) => {
      const { result } = await make(name, []);
      if (result === -EACCES) throw new CliError(EXIT.failure, `--forward ${name}: home does not allow it`);
    }),
  );
  if (LEADING.some((name) => calls.has(name))) {
    machine.kernel.socketNames.outer = new HomeNetwork(link, machine.kernel.host, calls, log);
  }
  const others = [...calls].filter((name) => !LEADING.includes(name));
  if (others.length > 0) machine.layers.install(forward(others, make), 'innermost');
}

function makeAtHome(link: Link, name: string, inputs: ForwardedValue[]): Promise<Called> {
  return new Promise((resolve) => {
    link.send('call', null, [name, inputs], ({ status, answer }) => {
      resolve(status < 0 ? { result: status, outputs: [] } : (answer as Called));
    });
    link.flush();
  });
}
