/** Sets of calls, in strace's words: `open,read`, `%file`, `/^sched_/`, `!%desc`, `%file,!stat`, `all`, `none`. */
import type { Declaration } from './syscall.ts';

const has = (declaration: Declaration, ...roles: string[]) =>
  declaration.args.some(({ role }) => role !== undefined && roles.includes(role));
const named = (pattern: RegExp) => (declaration: Declaration) => pattern.test(declaration.name);

const WORKING_DIRECTORY = /^(getcwd|chdir|chroot|execve|execveat|umount2?|mount|pivot_root)$/;
const DESCRIPTORS =
  /^(pipe2?|select|_newselect|pselect6.*|poll|ppoll.*|mmap2?|epoll_create1?|eventfd2?|fanotify_init)$/;
const SIGNALS = /^(kill|tkill|tgkill|pause|signalfd4?|rt_tgsigqueueinfo|pidfd_send_signal)$/;
const PROCESSES =
  /^(fork|vfork|clone3?|execve(at)?|exit(_group)?|wait4|waitpid|waitid|kill|tkill|tgkill|unshare|rt_(tg)?sigqueueinfo|pidfd_send_signal)$/;
const MEMORY =
  /^(brk|mmap2?|munmap|mremap|mprotect|pkey_mprotect|madvise|msync|mincore|m(un)?lock(2|all)?|remap_file_pages|mbind|[gs]et_mempolicy|migrate_pages|move_pages|shmat|shmdt)$/;
const CREDENTIALS = /^(capget|capset|prctl|[gs]et(e|re|res|fs)?[ug]id(32)?|[gs]etgroups(32)?)$/;
const CLOCKS = /^(time|stime|gettimeofday|settimeofday|adjtimex|clock_(gettime|settime|getres|adjtime)(64|_time64)?)$/;
const PURE = /^(get(p|pp|t|u|eu|g|eg)id(32)?|getpgrp|getpgid|getsid|sched_get_priority_(max|min)|sgetmask|umask)$/;

const CLASSES: Readonly<Record<string, (declaration: Declaration) => boolean>> = {
  file: (declaration) => has(declaration, 'path') || WORKING_DIRECTORY.test(declaration.name),
  desc: (declaration) =>
    has(declaration, 'fd', 'dirfd') || declaration.class === 'desc' || DESCRIPTORS.test(declaration.name),
  process: named(PROCESSES),
  network: (declaration) => declaration.class === 'network' || /^sendfile/.test(declaration.name),
  signal: (declaration) => declaration.class === 'signal' || SIGNALS.test(declaration.name),
  ipc: (declaration) => declaration.class === 'ipc',
  memory: named(MEMORY),
  creds: named(CREDENTIALS),
  clock: named(CLOCKS),
  pure: named(PURE),
  stat: named(/^(old)?stat(64|x)?$|^fstatat64$|^oldstat$/),
  lstat: named(/^(old)?lstat(64)?$/),
  fstat: named(/^(old)?fstat(64|at64)?$/),
  '%stat': named(/^((old)?[fl]?stat(64)?|fstatat64|statx)$/),
  statfs: named(/^statfs(64)?$/),
  fstatfs: named(/^fstatfs(64)?$/),
  '%statfs': named(/^(f?statfs(64)?|ustat)$/),
};
/** strace's old spellings without the percent sign. */
const OLD_SPELLINGS = ['file', 'desc', 'process', 'network', 'signal', 'ipc', 'memory'];

export class SelectionError extends Error {
  override name = 'SelectionError';
}

/** Names that exist, for messages about those that do not. */
export interface Known {
  has(name: string): boolean;
}

/** One set of -e; throws SelectionError for a name or class that nobody knows, where `known` is given. */
export function compileSelection(text: string, known?: Known): (declaration: Declaration) => boolean {
  const negated = text.startsWith('!');
  const body = negated ? text.slice(1) : text;
  const items: ((declaration: Declaration) => boolean)[] = [];
  const excluded: typeof items = [];
  for (const item of splitItems(body)) {
    const excludes = item.startsWith('!');
    (excludes && !negated ? excluded : items).push(compileItem(excludes ? item.slice(1) : item, known));
  }
  return (declaration) =>
    items.some((item) => item(declaration)) !== negated && !excluded.some((item) => item(declaration));
}

/** Commas separate, except inside of /regex/. */
function splitItems(text: string): string[] {
  return text.match(/!?\??\/(?:\\.|[^/\\])*\/|[^,]+/g) ?? [];
}

function compileItem(item: string, known: Known | undefined): (declaration: Declaration) => boolean {
  if (item === 'all') return () => true;
  if (item === 'none') return () => false;
  const optional = item.startsWith('?');
  const word = optional ? item.slice(1) : item;
  if (word.startsWith('/')) return named(regex(word));
  const group = word.startsWith('%') ? word.slice(1) : OLD_SPELLINGS.includes(word) ? word : undefined;
  if (group !== undefined) {
    const found = CLASSES[group];
    if (found === undefined) {
      const all = Object.keys(CLASSES).map((name) => `%${name}`);
      throw new SelectionError(`there is no class %${group}; there are ${all.join(', ')}`);
    }
    return found;
  }
  const name = word.replace(/@(64|32|x32)$/, '');
  if (known !== undefined && !known.has(name) && !optional) {
    throw new SelectionError(`there is no system call ${name}`);
  }
  return (declaration) => declaration.name === name || declaration.through === name;
}

function regex(word: string): RegExp {
  try {
    return new RegExp(word.slice(1, -1));
  } catch (error) {
    throw new SelectionError((error as Error).message);
  }
}

const compiled = new Map<string, (declaration: Declaration) => boolean>();

/** Whether a set contains a call. */
export function selects(text: string, declaration: Declaration): boolean {
  let selection = compiled.get(text);
  if (selection === undefined) compiled.set(text, (selection = compileSelection(text)));
  return selection(declaration);
}
