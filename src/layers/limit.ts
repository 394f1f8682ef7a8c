/** The limit layer: `written=10M,read=1G,files=100,processes=8,bandwidth=1M`, for the whole machine. */
import { EAGAIN, EDQUOT, EMFILE } from '../abi/errno.ts';
import { type AsyncHook, type Hooks, type Layer, type LayeredCall, layer } from '../syscall/layer.ts';
import type { Plain } from '../wait/wait.ts';
import { count, members } from './kept.ts';

export interface Limits {
  /** Bytes that may be written to, and read from, descriptors. */
  written?: number;
  read?: number;
  /** Files that may be opened. */
  files?: number;
  /** Processes and threads that may be made. */
  processes?: number;
  /** Bytes a second, in both directions. */
  bandwidth?: number;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const NAMES: readonly (keyof Limits)[] = ['written', 'read', 'files', 'processes', 'bandwidth'];

export function parseLimits(text: string): Limits {
  const limits: Limits = {};
  for (const word of text.split(',')) {
    const match = /^(\w+)=(\d+)([kmg]?)$/i.exec(word);
    const name = NAMES.find((known) => known === match?.[1]);
    if (match === null || name === undefined)
      throw new Error(`limit ${word}: NAME=NUMBER[K|M|G]; names are ${NAMES.join(', ')}`);
    limits[name] = Number(match[2]) * UNITS[match[3].toLowerCase()];
  }
  return limits;
}

const WRITES = ['write', 'writev', 'pwrite64', 'pwritev', 'send', 'sendto', 'sendmsg'];
const READS = ['read', 'readv', 'pread64', 'preadv', 'recv', 'recvfrom', 'recvmsg'];
const OPENS = ['open', 'openat', 'openat2', 'creat'];
const FORKS = ['fork', 'vfork', 'clone', 'clone3'];

/** What was used up so far, by the names of limits. */
type Used = { [X in keyof Limits]?: number };

/** Refuses once so much was counted. */
function counted(
  used: Used,
  name: keyof Limits,
  limit: number,
  errno: number,
  amount: (result: number) => number,
): Hooks<LayeredCall> {
  return {
    enter: () => ((used[name] ?? 0) >= limit ? -errno : undefined),
    exit(_call, result) {
      if (result >= 0) used[name] = (used[name] ?? 0) + amount(result);
    },
  };
}

/** Transfers wait until the bytes that were moved have had their time. */
function slowed(bandwidth: number): Layer {
  let free = 0;
  const hook: AsyncHook<LayeredCall> = async (call) => {
    const { next } = call as LayeredCall & { next(): Promise<number> };
    const result = await next();
    if (result <= 0) return result;
    const now = Date.now();
    free = Math.max(free, now) + (result * 1000) / bandwidth;
    if (free - now > 1) await new Promise((resolve) => setTimeout(resolve, free - now));
    return result;
  };
  const calls = Object.fromEntries([...READS, ...WRITES].map((name) => [name, hook]));
  // What is still to be waited for, in milliseconds: the clock of a restored machine is another.
  const image = {
    save: () => ({ wait: Math.max(0, free - Date.now()) }),
    load: (state: Plain) => void (free = Date.now() + count(members(state).wait)),
  };
  return layer('bandwidth', calls, { image });
}

const KINDS = [
  { name: 'written', calls: WRITES, errno: EDQUOT, amount: (result: number) => result },
  { name: 'read', calls: READS, errno: EDQUOT, amount: (result: number) => result },
  { name: 'files', calls: OPENS, errno: EMFILE, amount: () => 1 },
  { name: 'processes', calls: FORKS, errno: EAGAIN, amount: () => 1 },
] as const;

export function limit(limits: Limits): Layer[] {
  const used: Used = {};
  const calls: Record<string, Hooks<LayeredCall>> = {};
  for (const { name, calls: names, errno, amount } of KINDS) {
    const limit = limits[name];
    if (limit === undefined) continue;
    const hooks = counted(used, name, limit, errno, amount);
    for (const each of names) calls[each] = hooks;
  }
  const image: Layer['image'] = {
    save: () => ({ ...used }),
    load(state) {
      for (const { name } of KINDS) used[name] = count(members(state)[name]);
    },
  };
  const layers = [layer('limit', calls, { image })];
  if (limits.bandwidth !== undefined) layers.push(slowed(limits.bandwidth));
  return layers;
}
