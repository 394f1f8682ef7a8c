/**
 * Which system calls go home, and where they may lead: `--forward` of the one side, `--allow forward:` of the other. Calls are
 * framed as the operation `call`: the call's name, its arguments in the order of their declaration (outputs left out, a socket
 * is a number of the client's), its result, and its outputs.
 */
import type { InetAddress } from '../abi/socket-address.ts';
import { asIpv4 } from '../fs/inet-address.ts';

/** What can travel in a call. */
export type ForwardedValue = null | number | bigint | string | Uint8Array | ForwardedValue[] | ForwardedRecord;
export interface ForwardedRecord {
  [name: string]: ForwardedValue;
}

export interface Called {
  result: number;
  outputs: ForwardedValue[];
}

/** What users write for several calls. */
const SETS: Readonly<Record<string, readonly string[]>> = {
  sockets: ['connect', 'listen'],
  hostname: ['uname'],
  time: ['clock_gettime', 'clock_gettime64', 'gettimeofday', 'time'],
};

/** Those that lead somewhere: a rule may say where. */
export const LEADING: readonly string[] = SETS.sockets;

export const FORWARDABLE: ReadonlySet<string> = new Set(['uname', ...SETS.sockets, ...SETS.time]);

/** What is done with sockets that a permitted call has made. */
const FOLLOWING: ReadonlySet<string> = new Set(['accept4', 'sendto', 'recvfrom', 'shutdown', 'close']);

export interface ForwardRule {
  readonly calls: ReadonlySet<string>;
  /** A name or an address; null: any. */
  readonly host: string | null;
  readonly port: number | null;
}

/** `CALLS[@HOST[:PORT]]`: names with commas between; a text answers why not. */
export function parseForward(text: string): ForwardRule | string {
  const at = text.indexOf('@');
  const names = (at < 0 ? text : text.slice(0, at)).split(',');
  const calls = new Set<string>();
  for (const name of names) {
    const all = SETS[name] ?? (FORWARDABLE.has(name) ? [name] : []);
    if (all.length === 0) return `${text}: give ${[...Object.keys(SETS), ...FORWARDABLE].join(', ')}`;
    for (const call of all) calls.add(call);
  }
  if (at < 0) return { calls, host: null, port: null };
  if ([...calls].some((call) => !LEADING.includes(call))) return `${text}: only connect and listen lead to a host`;
  const [, v6, host = v6, port] = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d+|\*))?$/.exec(text.slice(at + 1)) ?? [];
  if (!host || Number(port) > 65535) return `${text}: after @ comes HOST, HOST:PORT or *:PORT`;
  return { calls, host: host === '*' ? null : host, port: port && port !== '*' ? Number(port) : null };
}

/** Whether some rule lets a call through; where it leads, if it does, is looked up by `addresses`. */
export async function permits(
  rules: readonly ForwardRule[],
  call: string,
  target: InetAddress | null,
  addresses: (host: string) => Promise<readonly (readonly number[])[]>,
): Promise<boolean> {
  if (FOLLOWING.has(call)) return rules.some(({ calls }) => LEADING.some((name) => calls.has(name)));
  for (const { calls, host, port } of rules) {
    if (!calls.has(call)) continue;
    if (!LEADING.includes(call) || (host === null && port === null)) return true;
    // Whether it is allowed at all, somewhere.
    if (target === null) return true;
    if (port !== null && port !== target.port) continue;
    if (host === null || (await addresses(host)).some((one) => isSame(one, target.host))) return true;
  }
  return false;
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return String(asIpv4(a) ?? a) === String(asIpv4(b) ?? b);
}
