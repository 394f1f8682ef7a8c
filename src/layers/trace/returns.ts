/** What stands behind the equals sign. */
import { ERRNO_NAMES } from './errno-names.ts';
import { MESSAGES } from './errors.ts';
import * as N from './names.ts';
import { address, type Context, fdText, flagText, hexOf, octalOf, structAt } from './parts.ts';
import { openFlagText } from './show-files.ts';
import { fdSet, polledList } from './show-sockets.ts';
import { i32, timespec, timespec64, timeval } from './structs.ts';

/** Interrupted calls that may yet be restarted: numbers that programs never see. */
const RESTARTS: Readonly<Record<number, readonly [name: string, meaning: string]>> = {
  512: ['ERESTARTSYS', 'To be restarted if SA_RESTART is set'],
  513: ['ERESTARTNOINTR', 'To be restarted'],
  514: ['ERESTARTNOHAND', 'To be restarted if no handler'],
  516: ['ERESTART_RESTARTBLOCK', 'Interrupted by signal'],
};

const ADDRESSES = /^(mmap2?|mremap|brk|shmat)$/;
const DESCRIPTORS =
  /^(open|openat2?|creat|dup[23]?|socket|accept4?|epoll_create1?|eventfd2?|signalfd4?|timerfd_create|inotify_init1?|memfd_create)$/;

/** How a call's results are shown, by its name: looked up once per declaration. */
export type Returns = (c: Context, result: number) => string;

export function returnsOf(name: string): Returns {
  if (ADDRESSES.test(name)) return (_c, result) => (result === 0 ? 'NULL' : address(result));
  if (DESCRIPTORS.test(name)) return fdText;
  // What the handler's end brings back in EAX: the result of the call that the signal came in.
  if (/^(rt_)?sigreturn$/.test(name))
    return (c) => resultText((_c, eax) => String(eax), { ...c, result: c.task.regs[0] | 0 });
  if (name === 'umask') return (_c, result) => octalOf(result);
  if (name === 'fcntl' || name === 'fcntl64') return fcntlResult;
  if (!/^(p?poll|_newselect|pselect6|set_thread_area)/.test(name)) return (_c, result) => String(result);
  return (c, result) => `${result}${remark(name, c, result)}`;
}

export function resultText(returns: Returns, c: Context): string {
  const result = c.result as number;
  if (result >= 0 || result <= -4096) return returns(c, result);
  const restart = RESTARTS[-result];
  if (restart !== undefined) return `? ${restart[0]} (${restart[1]})`;
  const errno = ERRNO_NAMES.get(-result);
  return errno === undefined ? `-1 (errno ${-result})` : `-1 ${errno} (${MESSAGES[errno] ?? 'Unknown error'})`;
}

/** The name of the error that a result is. */
export function errorName(result: number): string | undefined {
  if (result >= 0 || result <= -4096) return undefined;
  return RESTARTS[-result]?.[0] ?? ERRNO_NAMES.get(-result);
}

function fcntlResult(c: Context, result: number): string {
  if (c.words[1] === N.FCNTL.F_GETFD)
    return result === 0 ? '0' : `${hexOf(result)} (flags ${flagText(result, { FD_CLOEXEC: 1 }, 'FD_???')})`;
  if (c.words[1] === N.FCNTL.F_GETFL) return `${hexOf(result)} (flags ${openFlagText(result)})`;
  return c.words[1] === N.FCNTL.F_DUPFD || c.words[1] === N.FCNTL.F_DUPFD_CLOEXEC ? fdText(c, result) : String(result);
}

function remark(name: string, c: Context, result: number): string {
  if (name === 'poll' || name.startsWith('ppoll')) return result === 0 ? ' (Timeout)' : ` (${polledList(c)})`;
  if (name === '_newselect' || name.startsWith('pselect6')) return result === 0 ? ' (Timeout)' : ready(name, c);
  if (name === 'set_thread_area')
    return ` (entry_number=${structAt(c, c.words[0], 4, (view) => String(i32(view, 0)))})`;
  return '';
}

/** What a select has left in its sets. */
/** Linux writes what was left of the time. */
function timeLeft(name: string, c: Context): string[] {
  if (c.words[4] === 0) return [];
  const wide = name === 'pselect6_time64';
  const show = name === '_newselect' ? timeval : wide ? timespec64 : timespec;
  return [`left ${structAt(c, c.words[4], wide ? 16 : 8, show)}`];
}

function ready(name: string, c: Context): string {
  const sets = ['in', 'out', 'except'].map((name, i) => ({ name, text: fdSet(c, c.words[1 + i], c.words[0]) }));
  const shown = sets.filter(({ text }) => text !== 'NULL' && text !== '[]');
  const left = timeLeft(name, c);
  return ` (${[...shown.map(({ name, text }) => `${name} ${text}`), ...left].join(', ')})`;
}
