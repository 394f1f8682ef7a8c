/** The time layer: `set=2000-01-01T00:00:00Z`, `stop`, `warp=60` (a minute each second), together with commas. */
import { type Layer, type LayeredCall, layer } from '../syscall/layer.ts';
import type { Plain } from '../wait/wait.ts';
import { members } from './kept.ts';

export interface TimeOptions {
  /** What the wall clock shows at the start: nanoseconds since 1970. */
  set?: bigint;
  /** How fast time goes: 0 stops it. */
  warp: number;
}

export function parseTime(text: string): TimeOptions {
  const options: TimeOptions = { warp: 1 };
  for (const word of text.split(',')) {
    const [name, value = ''] = [word.slice(0, word.search(/=|$/)), word.slice(word.search(/=|$/) + 1)];
    if (name === 'stop') options.warp = 0;
    else if (name === 'warp' && Number(value) >= 0 && value !== '') options.warp = Number(value);
    else if (name === 'set' && !Number.isNaN(Date.parse(value))) options.set = BigInt(Date.parse(value)) * 1_000_000n;
    else throw new Error(`time ${word}: set=DATE, stop or warp=FACTOR`);
  }
  return options;
}

const SECOND = 1_000_000_000n;
/** Clocks that show the date; the others start with the machine. */
const WALL = [0, 5, 8, 11];
const RUNNING = [1, 4, 6, 7, 9];

type Time = { sec: number; nsec?: number; usec?: number };

/** What guests read of the clocks. How long they sleep is not changed. */
export function time(options: TimeOptions): Layer {
  let start: { wall: bigint; running: bigint } | null = null;
  const wall = (call: LayeredCall) => {
    start ??= { wall: call.task.realtime(), running: BigInt(call.task.now()) };
    return (options.set ?? start.wall) + warped(call.task.realtime() - start.wall);
  };
  const running = (call: LayeredCall) => {
    start ??= { wall: call.task.realtime(), running: BigInt(call.task.now()) };
    return start.running + warped(BigInt(call.task.now()) - start.running);
  };
  const warped = (passed: bigint) => (passed * BigInt(Math.round(options.warp * 1e6))) / 1_000_000n;
  const clock = {
    exit(call: LayeredCall & { clockid?: number }, result: number) {
      const id = call.clockid ?? -1;
      if (result !== 0 || !(WALL.includes(id) || RUNNING.includes(id))) return undefined;
      const now = WALL.includes(id) ? wall(call) : running(call);
      return call.put({ tp: { sec: Number(now / SECOND), nsec: Number(now % SECOND) } satisfies Time });
    },
  };
  const calls: Layer['calls'] = {
    clock_gettime: clock,
    clock_gettime64: clock,
    gettimeofday: {
      exit(call, result) {
        const now = wall(call);
        const { tv } = call as unknown as { tv: Time | null };
        if (result !== 0 || tv === null) return result;
        return call.put({ tv: { sec: Number(now / SECOND), usec: Number((now % SECOND) / 1000n) } satisfies Time });
      },
    },
    time: {
      exit(call) {
        const seconds = Number(wall(call) / SECOND);
        if ((call as unknown as { tloc: number | null }).tloc !== null) call.put({ tloc: seconds });
        return seconds;
      },
    },
  };
  // Since when it counts.
  const image = {
    save: () => start,
    load(state: Plain) {
      const { wall, running } = members(state);
      if (typeof wall === 'bigint' && typeof running === 'bigint') start = { wall, running };
    },
  };
  return layer('time', calls, { image });
}
