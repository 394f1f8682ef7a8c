/** Resource limits (getrlimit(2)). */
import type { MemoryLimits } from '../memory/limits.ts';

export interface Limit {
  soft: number;
  hard: number;
}

/** Of a thread group, what is needed here. */
interface Limited {
  readonly limits: readonly Limit[];
  readonly tasks: Iterable<{ readonly mm: { limits: MemoryLimits }; readonly files: { limit: number } }>;
}

export const RLIM_INFINITY = 2 ** 64;

/** What RLIMIT_NOFILE cannot exceed. */
export const NR_OPEN = 1048576;

export const RLIMIT_CPU = 0;
export const RLIMIT_FSIZE = 1;
export const RLIMIT_DATA = 2;
export const RLIMIT_STACK = 3;
export const RLIMIT_CORE = 4;
export const RLIMIT_NPROC = 6;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_MEMLOCK = 8;
export const RLIMIT_AS = 9;
export const RLIMIT_SIGPENDING = 11;
export const RLIMIT_NICE = 13;
export const RLIMIT_COUNT = 16;

const infinite: Readonly<Limit> = { soft: RLIM_INFINITY, hard: RLIM_INFINITY };

/** What a login shell of a usual distribution has. */
const DEFAULTS: Readonly<Record<number, Limit>> = {
  [RLIMIT_STACK]: { soft: 8 * 1024 * 1024, hard: RLIM_INFINITY },
  [RLIMIT_CORE]: { soft: 0, hard: RLIM_INFINITY },
  [RLIMIT_NPROC]: { soft: 16384, hard: 16384 },
  [RLIMIT_NOFILE]: { soft: 1024, hard: 1048576 },
  [RLIMIT_MEMLOCK]: { soft: 8 * 1024 * 1024, hard: 8 * 1024 * 1024 },
  [RLIMIT_SIGPENDING]: { soft: 16384, hard: 16384 },
  12: { soft: 819200, hard: 819200 },
  [RLIMIT_NICE]: { soft: 0, hard: 0 },
  14: { soft: 0, hard: 0 },
};

export function defaultLimits(): Limit[] {
  return Array.from({ length: RLIMIT_COUNT }, (_, i) => ({ ...(DEFAULTS[i] ?? infinite) }));
}

/** Tells those who obey them: address spaces and descriptor tables. */
export function applyLimits({ limits, tasks }: Limited): void {
  for (const { mm, files } of tasks) {
    mm.limits = memoryLimits(limits);
    files.limit = Math.min(limits[RLIMIT_NOFILE].soft, NR_OPEN);
  }
}

/** What an address space has to know of them. */
export function memoryLimits(limits: readonly Limit[]): MemoryLimits {
  const soft = (index: number) =>
    limits[index].soft === RLIM_INFINITY ? Number.POSITIVE_INFINITY : limits[index].soft;
  return {
    as: soft(RLIMIT_AS),
    data: soft(RLIMIT_DATA),
    stack: soft(RLIMIT_STACK),
    memlock: soft(RLIMIT_MEMLOCK),
  };
}
