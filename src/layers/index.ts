/** The layers that come with Tallship: `--layer NAME[:ARGUMENT]`. */
import type { Layer } from '../syscall/layer.ts';
import { type Calls, inject, parseRules } from './inject.ts';
import { learn } from './learn.ts';
import { limit, parseLimits } from './limit.ts';
import { map, parseMap } from './map.ts';
import type { Outside } from './outside.ts';
import { parsePolicy, policy } from './policy.ts';
import { stats } from './stats.ts';
import { parseTime, time } from './time.ts';
import { traceTo } from './trace/index.ts';

export interface Shipped {
  readonly summary: string;
  readonly make: (argument: string | undefined, outside: Outside, known?: Calls) => Layer | readonly Layer[];
}

function required(argument: string | undefined, what: string): string {
  if (argument === undefined || argument === '') throw new Error(`give it ${what}`);
  return argument;
}

export const SHIPPED: Readonly<Record<string, Shipped>> = {
  trace: {
    summary: "trace[:FILE]: system calls in strace's format (more with --strace)",
    make: (argument, outside) => traceTo(argument, outside).layer,
  },
  inject: {
    summary: 'inject:RULE: errors, signals, delays, short transfers; presets disk-full, flaky-network, ...',
    make: (argument, _, known) =>
      inject(parseRules([required(argument, 'a rule, such as openat:error=EACCES')], known)),
  },
  policy: {
    summary: 'policy:FILE.json|FILE.ts: what the program may do; policy:learn=FILE.json writes what it needs',
    make(argument, outside, known) {
      const file = required(argument, 'a JSON or TypeScript file, or learn=FILE.json');
      return file.startsWith('learn=')
        ? learn(outside, file.slice(6))
        : policy(parsePolicy(outside.readText(file), known), outside);
    },
  },
  map: {
    summary: 'map:/FROM=/TO[,...]: other names for paths',
    make: (argument) => map(parseMap(required(argument, '/FROM=/TO'))),
  },
  stats: {
    summary: 'stats[:FILE]: calls, errors, bytes and time, by call and by path',
    make: (argument, outside) => stats(outside, argument),
  },
  limit: {
    summary: 'limit:written=10M,read=1G,files=100,processes=8,bandwidth=1M',
    make: (argument) => limit(parseLimits(required(argument, 'a limit, such as written=10M'))),
  },
  time: {
    summary: 'time:set=DATE,stop,warp=FACTOR: what the clocks show',
    make: (argument) => time(parseTime(required(argument, 'set=DATE, stop or warp=FACTOR'))),
  },
};
