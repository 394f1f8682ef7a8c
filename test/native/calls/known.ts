/** What the two kernels cannot agree on, and why: calls that are not made, results and memory that are not compared. */
import { EACCES, EBADF, EFAULT, EINVAL, ENOTSOCK, EOPNOTSUPP, EOVERFLOW, EPERM } from '../../../src/abi/errno.ts';
import { oldStatLayout, stat64Layout, statLayout, statxLayout } from '../../../src/abi/stat.ts';

/** Calls that are not made. */
export const NOT_MADE: Readonly<Record<string, string>> = {
  ...reasons('end the child or its stub', ['exit', 'exit_group', 'sigreturn', 'rt_sigreturn', 'execve', 'execveat']),
  ...reasons('make processes that outlive the comparison', ['fork', 'vfork', 'clone', 'clone3', 'unshare', 'setns']),
  ...reasons('sleep until a signal comes', ['pause', 'sigsuspend', 'rt_sigsuspend', 'restart_syscall']),
  ...reasons('give files of a file system (pidfs) that Linux has had since 6.9', ['pidfd_open']),
  ...reasons('end or stop at a time of their own', ['alarm', 'setitimer', 'timer_settime', 'timer_settime64']),
  ...reasons('answer with addresses of the host', ['brk', 'mmap', 'mmap2', 'mremap', 'shmat', 'remap_file_pages']),
  ...reasons('take memory away from the stub', ['munmap', 'mprotect', 'pkey_mprotect', 'madvise', 'process_madvise']),
  ...reasons('are of the whole host, where the machine has its own', [
    'sync',
    'syslog',
    'sysinfo',
    'quotactl',
    'ustat',
  ]),
  ...reasons('differ by what the host is built and run with', ['iopl', 'ioperm', 'init_module', 'finit_module']),
  ...reasons('differ by what the host is built and run with', [
    'mlockall',
    'get_mempolicy',
    'set_mempolicy',
    'sched_setaffinity',
  ]),
  ...reasons('differ by what the host is built and run with', ['delete_module', 'memfd_secret', 'uselib', 'acct']),
  ...reasons('differ by what the host is built and run with', ['adjtimex', 'clock_adjtime', 'name_to_handle_at']),
  ...reasons('differ by what the host is built and run with', [
    'bpf',
    'perf_event_open',
    'add_key',
    'keyctl',
    'request_key',
  ]),
  ...reasons('are documented as not there', ['io_setup', 'io_uring_setup', 'landlock_create_ruleset', 'fanotify_init']),
  ...reasons('are documented as not there', [
    'seccomp',
    'ptrace',
    'rseq',
    'userfaultfd',
    'vm86',
    'vm86old',
    'futex_waitv',
  ]),
  ...reasons('multiply: the direct calls are made', ['socketcall', 'ipc', 'select']),
  ...reasons('stop the terminal of whoever runs the test', ['vhangup', 'reboot', 'kexec_load']),
  ...reasons('tell inode numbers in 16 bits', ['oldstat', 'oldfstat', 'oldlstat', 'stat', 'fstat', 'lstat']),
  ...reasons('change limits that end the child at a time of their own', ['setrlimit', 'prlimit64']),
};

/** Bits and values that are taken out of words: what docs/SYSCALLS.md says is not there, or the host's file system has not. */
export const TAMED: Readonly<Record<string, (words: number[]) => void>> = {
  ...masked(['renameat2'], 4, 4), // RENAME_WHITEOUT
  ...masked(['memfd_create'], 1, 0x7c000004), // huge pages
  ...masked(['open'], 1, 0o40000), // O_DIRECT: not on the host's tmpfs
  ...masked(['openat', 'openat2'], 2, 0o40000),
  ...chosen(
    ['clock_gettime', 'clock_gettime64', 'clock_getres', 'clock_getres_time64', 'timer_create'],
    0,
    [2, 3, 8, 9],
    0,
  ),
  ...chosen(['fcntl', 'fcntl64'], 1, [0x400, 0x401, 0x402, 0x409, 0x40a, 0x40b], 1), // leases, F_NOTIFY, seals of tmpfs, hints
  ...chosen(['socket', 'socketpair'], 0, [16], 1), // netlink
  ...chosen(['splice'], 4, [0], 1),
  ...chosen(['tee'], 2, [0], 1),
  ...chosen(['flistxattr'], 0, [4, 5], 0), // sockets have system.sockprotoname
  ...chosen(['ioctl'], 1, [1], 2), // FIBMAP
  ...each(['fallocate'], (words) => {
    words[1] &= ~0xfc; // what tmpfs has not
    if (words[4] === 0x7fffffff) words[4] = 70000; // tmpfs takes 2 GiB of memory
  }),
  ...masked(['sendto', 'sendmmsg', 'recvfrom', 'recvmmsg', 'recvmmsg_time64'], 3, 1), // MSG_OOB: as AF_UNIX is built
  ...masked(['sendmsg', 'recvmsg'], 2, 1),
  ...each(['vmsplice'], (words) => {
    words[3] |= 2; // a pipe holds 16 pieces of pages, however short
  }),
  ...masked(['shmget'], 1, 0x80000000),
  ...chosen(['futex', 'futex_time64'], 1, [6, 7, 8, 11, 12, 13], 1), // priority inheritance
  ...masked(['linkat'], 4, 0x1000), // AT_EMPTY_PATH: for everybody since Linux 6.10
  ...each(['clock_nanosleep', 'clock_nanosleep_time64'], (words) => {
    if ((words[1] & 1) !== 0 || words[0] === 2) words[0] = 0; // TIMER_ABSTIME: the machine has been up for less time
  }),
  ...each(['getcpu'], (words) => {
    if (words[0] < 0) words[0] = 0; // the stack lies elsewhere
  }),
};

function masked(names: readonly string[], word: number, bits: number) {
  return each(names, (words) => {
    words[word] &= ~bits;
  });
}
function chosen(names: readonly string[], word: number, values: readonly number[], instead: number) {
  return each(names, (words) => {
    if (values.includes(words[word])) words[word] = instead;
  });
}
function each(names: readonly string[], change: (words: number[]) => void) {
  return Object.fromEntries(names.map((name) => [name, change]));
}

/**
 * Two things are wrong with a call, and the kernels tell different ones. Nothing was done then, and no program can rely on
 * the order; all that is compared is that both refuse.
 */
export const ORDER_OF_CHECKS: ReadonlySet<number> = new Set([EFAULT, EBADF, EINVAL, ENOTSOCK]);

/** Results that differ for a reason: of the calls, where the host's and this one's are so. */
export const OTHER_RESULTS: readonly {
  calls: ReadonlySet<string>;
  host: (result: number) => boolean;
  here: (result: number) => boolean;
}[] = [
  {
    // Since Linux 6.16 the attributes of anonymous inodes cannot be changed at all.
    calls: new Set(['fchmod', 'fchown', 'fchown32', 'utimensat', 'utimensat_time64', 'futimesat']),
    host: (result) => result === -EOPNOTSUPP,
    here: (result) => result === -EPERM || result === -EACCES,
  },
  {
    // A kernel for 64 bits cuts positions from 2 GiB on to 32 bits; one for i386 says so.
    calls: new Set(['lseek']),
    host: (result) => result !== result >>> 0,
    here: (result) => result === -EOVERFLOW,
  },
  {
    // Linux looks at an address when there is something to be moved, here a buffer is looked at before that is known.
    calls: new Set([
      ...['read', 'pread64', 'readv', 'preadv', 'preadv2', 'listxattr', 'llistxattr', 'flistxattr', 'recvfrom'],
    ]),
    host: (result) => result === 0,
    here: (result) => result === -EFAULT,
  },
];

/** What results must have in common that are no errors: numbers and times of the host nothing, orders whether things are equal. */
export const RESULT_VARIES: ReadonlyMap<string, (result: number) => unknown> = new Map([
  ...varying(() => true, ['time', 'times', 'getpid', 'getppid', 'getpgid', 'getsid', 'gettid', 'set_tid_address']),
  ...varying(() => true, ['getcpu', 'getpgrp', 'setsid', 'sched_getaffinity', 'getrandom', 'uname']),
  ...varying(() => true, ['listxattr', 'llistxattr', 'flistxattr']),
  ...varying((result) => result === 0, ['kcmp']),
]);

function varying(common: (result: number) => unknown, names: readonly string[]) {
  return names.map((name) => [name, common] as const);
}

/** Memory that holds what only this kernel knows: times, inode numbers, random bytes. */
export const MEMORY_VARIES = new Set([
  ...['time', 'times', 'gettimeofday', 'clock_gettime', 'clock_gettime64', 'clock_getres', 'clock_getres_time64'],
  ...['getrandom', 'getdents', 'getdents64', 'readdir', 'getrusage', 'wait4', 'waitid', 'uname', 'olduname'],
  ...['oldolduname', 'statfs', 'statfs64', 'fstatfs', 'fstatfs64', 'adjtimex', 'clock_adjtime', 'sched_getaffinity'],
  ...['timerfd_gettime', 'timerfd_gettime64', 'timerfd_settime', 'timerfd_settime64', 'getcpu', 'listxattr'],
  ...['llistxattr', 'flistxattr', 'name_to_handle_at', 'nanosleep', 'clock_nanosleep', 'clock_nanosleep_time64'],
  ...['sched_getattr', 'getcwd', 'getitimer', 'timer_gettime'],
  ...[
    'getrlimit',
    'ugetrlimit',
    'socketpair',
    'timer_gettime64',
    'sched_rr_get_interval',
    'sched_rr_get_interval_time64',
    'get_robust_list',
  ],
]);

const TIMES = ['atime', 'atimeNsec', 'mtime', 'mtimeNsec', 'ctime', 'ctimeNsec', 'btime'];
/** Fields of structs in memory that are not compared, by the kind of the argument. */
export const FIELDS_VARY: Readonly<Record<string, readonly number[]>> = {
  'struct __old_kernel_stat *': fields(oldStatLayout, ['dev', 'ino', ...TIMES]),
  'struct stat *': fields(statLayout, ['dev', 'ino', 'rdev', 'blksize', 'blocks', ...TIMES]),
  'struct stat64 *': fields(stat64Layout, [
    'dev',
    'pad0',
    'pad3',
    'shortIno',
    'ino',
    'rdev',
    'blksize',
    'blocks',
    ...TIMES,
  ]),
  'struct statx *': fields(statxLayout, [
    ...['blksize', 'attributes', 'attributesMask', 'mask', 'ino', 'blocks', 'devMajor', 'devMinor', 'mountId', 'rest'],
    ...TIMES,
  ]),
};

function reasons(why: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, why]));
}

/** Offsets of the bytes of some fields: from each to the next one. */
function fields(
  layout: { size: number; offsets: Readonly<Record<string, number>> },
  names: readonly string[],
): number[] {
  const starts = [...Object.values(layout.offsets), layout.size].sort((a, b) => a - b);
  return names.flatMap((name) => {
    const start = layout.offsets[name];
    if (start === undefined) return [];
    const end = starts.find((other) => other > start) ?? layout.size;
    return Array.from({ length: end - start }, (_, i) => start + i);
  });
}
