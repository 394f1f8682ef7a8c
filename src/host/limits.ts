/** Resource limits that our caller set, for the guest: what a program sees that runs natively in our place. */
import { readFileSync } from 'node:fs';

export interface CallersLimit {
  soft: number;
  hard: number;
}

/** RLIM_INFINITY. */
const UNLIMITED = 2 ** 64;

/** The names in /proc/PID/limits, in the order of the RLIMIT_* numbers of i386. */
const NAMES = [
  'cpu time',
  'file size',
  'data size',
  'stack size',
  'core file size',
  'resident set',
  'processes',
  'open files',
  'locked memory',
  'address space',
  'file locks',
  'pending signals',
  'msgqueue size',
  'nice priority',
  'realtime priority',
  'realtime timeout',
];
const OPEN_FILES = NAMES.indexOf('open files');

/** undefined: the host cannot tell. */
export function callersLimits(): CallersLimit[] | undefined {
  const own = limitsOf('self');
  if (own === undefined) return undefined;
  // Node raises its own soft limit of descriptors to the hard one. Our parent still has it, unless it set another for us.
  const parents = limitsOf(process.ppid)?.[OPEN_FILES];
  const files = own[OPEN_FILES];
  if (parents?.hard === files.hard) files.soft = Math.min(files.soft, parents.soft);
  return own;
}

function limitsOf(pid: number | 'self'): CallersLimit[] | undefined {
  try {
    return parseLimits(readFileSync(`/proc/${pid}/limits`, 'latin1'));
  } catch {
    return undefined;
  }
}

/** The text of /proc/PID/limits; undefined where a limit is missing in it. */
export function parseLimits(text: string): CallersLimit[] | undefined {
  const limits = NAMES.flatMap((name) => {
    const values = new RegExp(`^Max ${name} +(\\w+) +(\\w+)`, 'm').exec(text);
    return values === null ? [] : [{ soft: parse(values[1]), hard: parse(values[2]) }];
  });
  return limits.length === NAMES.length ? limits : undefined;
}

function parse(value: string): number {
  return value === 'unlimited' ? UNLIMITED : Number(value);
}
