/** The limit layer: `written=10M,read=1G,files=100,processes=8,bandwidth=1M`, for the whole machine. */
import { EAGAIN, EDQUOT, EMFILE } from '../abi/errno.ts';
import { type AsyncHook, type Hooks, type Layer, type LayeredCall, layer } from '../syscall/layer.ts';

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

const WRITES = ['write', 'writev', 'pwrite64', 'pwritev', 'sendto', 'sendmsg'];
const READS = ['read', 'readv', 'pread64', 'preadv', 'recvfrom', 'recvmsg'];
const OPENS = ['open', 'openat', 'openat2', 'creat'];
const FORKS = ['fork', 'vfork', 'clone', 'clone3'];

/** Refuses once so much was counted. */
function counted(limit: number, errno: number, amount: (result: number) => number): Hooks<LayeredCall> {
  let used = 0;
  return {
    enter: () => (used >= limit ? -errno : undefined),
    exit(_call, result) {
      if (result >= 0) used += amount(result);
    },
  };
}

/** Waits until the bytes that were moved have had their time. */
function slowed(bandwidth: number): AsyncHook<LayeredCall> {
  let free = 0;
  return async (call) => {
    const { next } = call as LayeredCall & { next(): Promise<number> };
    const result = await next();
    if (result <= 0) return result;
    const now = Date.now();
    free = Math.max(free, now) + (result * 1000) / bandwidth;
    if (free - now > 1) await new Promise((resolve) => setTimeout(resolve, free - now));
    return result;
  };
}

export function limit(limits: Limits): Layer[] {
  const { written, read, files, processes, bandwidth } = limits;
  const calls: Record<string, Hooks<LayeredCall>> = {};
  const put = (names: readonly string[], hooks: Hooks<LayeredCall>) => {
    for (const name of names) calls[name] = hooks;
  };
  if (written !== undefined)
    put(
      WRITES,
      counted(written, EDQUOT, (result) => result),
    );
  if (read !== undefined)
    put(
      READS,
      counted(read, EDQUOT, (result) => result),
    );
  if (files !== undefined)
    put(
      OPENS,
      counted(files, EMFILE, () => 1),
    );
  if (processes !== undefined)
    put(
      FORKS,
      counted(processes, EAGAIN, () => 1),
    );
  const layers = [layer('limit', calls)];
  if (bandwidth !== undefined) {
    const hook = slowed(bandwidth);
    layers.push(layer('bandwidth', Object.fromEntries([...READS, ...WRITES].map((name) => [name, hook]))));
  }
  return layers;
}
