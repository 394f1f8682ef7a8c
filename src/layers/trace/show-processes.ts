/** How calls about processes, memory, signals and time are shown. */
import { RLIMIT } from '../../abi/process.ts';
import * as N from './names.ts';
import type { Context, Part } from './parts.ts';
import * as P from './parts.ts';
import * as S from './structs.ts';
import { hexText } from './text.ts';

/** So many of a program's arguments are shown, unless all are asked for. */
export const MOST_WORDS = 32;

/** ["ls", "-l"] */
const strings = (i: number): Part => ({
  show(c) {
    if (!c.verbose) return P.address(c.words[i]);
    const parts: string[] = [];
    const most = c.whole ? Infinity : MOST_WORDS;
    for (let at = c.words[i]; at !== 0 && parts.length <= most; at += 4) {
      const word = c.task.mm.readU32(at >>> 0);
      if (word < 0) return P.address(c.words[i]);
      if (word === 0) break;
      const bytes = c.task.mm.readCBytes(word, 131072);
      parts.push(typeof bytes === 'number' ? P.address(word) : P.bytesAt(c, word, bytes.length));
    }
    return c.words[i] === 0 ? 'NULL' : `[${parts.slice(0, most).join(', ')}${parts.length > most ? ', ...' : ''}]`;
  },
});
const environment = (i: number): Part => ({
  show(c) {
    if (c.words[i] === 0 || !c.verbose) return P.address(c.words[i]);
    if (c.whole) return strings(i).show(c);
    let count = 0;
    while (c.task.mm.readU32((c.words[i] >>> 0) + 4 * count) > 0) count++;
    return variableCount(c.words[i], count);
  },
});
export function variableCount(at: number, count: number): string {
  return `${P.address(at)} /* ${count} var${count === 1 ? '' : 's'} */`;
}

const cloneFlags = (word: number): string => {
  const signal = word & 0xff;
  const bits = word & ~0xff;
  const names = bits === 0 ? [] : [P.flagText(bits, N.CLONE, 'CLONE_???')];
  return [...names, ...(signal !== 0 || bits === 0 ? [S.signalText(signal)] : [])].join('|');
};
const has = (c: Context, ...bits: number[]) => bits.some((bit) => (c.words[0] & bit) !== 0);
const late = (show: (c: Context) => string): Part => ({ out: 'late', show });
const clone: Part[] = [
  { show: (c) => `child_stack=${P.address(c.words[1])}` },
  { show: (c) => `flags=${cloneFlags(c.words[0])}` },
  late((c) =>
    has(c, N.CLONE.CLONE_PARENT_SETTID) && !P.failed(c)
      ? `parent_tid=${P.structAt(c, c.words[2], 4, (view) => `[${S.i32(view, 0)}]`)}`
      : '',
  ),
  late((c) => (has(c, N.CLONE.CLONE_SETTLS) ? `tls=${P.structAt(c, c.words[3], 16, S.userDesc)}` : '')),
  late((c) =>
    has(c, N.CLONE.CLONE_CHILD_SETTID, N.CLONE.CLONE_CHILD_CLEARTID) ? `child_tidptr=${P.address(c.words[4])}` : '',
  ),
];

const cloneArguments: Part[] = [
  P.output((c) => P.structAt(c, c.words[0], 64, S.cloneArgs) + cloneResults(c)),
  P.uint(1),
];
/** What clone3 has written: ` => {parent_tid=[7]}`. */
function cloneResults(c: Context): string {
  const view = P.failed(c) ? undefined : P.viewAt(c, c.words[0], 64);
  if (view === undefined) return '';
  const written = [
    [N.CLONE.CLONE_PARENT_SETTID, 'parent_tid', 24],
    [N.CLONE.CLONE_PIDFD, 'pidfd', 8],
  ] as const;
  const parts = written
    .filter(([bit]) => (S.i32(view, 0) & bit) !== 0)
    .map(([, name, at]) => `${name}=${P.structAt(c, S.i32(view, at), 4, (word) => `[${S.i32(word, 0)}]`)}`);
  return parts.length === 0 ? '' : ` => {${parts.join(', ')}}`;
}

const status: Part = P.output((c) => {
  if (P.failed(c) || c.words[1] === 0 || c.result === 0) return P.address(c.words[1]);
  return P.structAt(c, c.words[1], 4, (view) => `[${S.waitStatus(S.i32(view, 0))}]`);
});

const shownMap = (off: Part): Part[] => [
  P.ptr(0),
  P.uint(1),
  P.flags(2, N.PROT, 'PROT_???'),
  P.flags(3, N.MAP, 'MAP_???'),
  P.fd(4),
  off,
];
const pages: Part = { show: (c) => (c.words[5] === 0 ? '0' : `0x${((c.words[5] >>> 0) * 4096).toString(16)}`) };

const signal = (i: number): Part => ({ show: (c) => S.signalText(c.words[i]) });
const how: Part = P.choice(0, N.SIG_HOW, 'SIG_???');
const inSet = (i: number): Part => P.struct(i, 8, S.sigset64);
const outSet = (i: number): Part => P.outStruct(i, 8, S.sigset64);

const sleep = (show: typeof S.timespec, size: number): Part[] => [P.struct(0, size, show), remaining(1, size, show)];
const remaining = (i: number, size: number, show: typeof S.timespec): Part =>
  P.output((c) =>
    c.result === 0 || (c.result ?? 0) > -512 ? P.address(c.words[i]) : P.structAt(c, c.words[i], size, show),
  );
const clockSleep = (show: typeof S.timespec, size: number): Part[] => [
  P.choice(0, N.CLOCKS, 'CLOCK_???'),
  P.flags(1, N.TIMER, 'TIMER_???'),
  P.struct(2, size, show),
  remaining(3, size, show),
];

function futexOperation(c: Context): string {
  const word = c.words[1];
  const name = N.FUTEX[word & 0x7f] ?? `FUTEX_???`;
  return `${name}${(word & 128) !== 0 ? '_PRIVATE' : ''}${(word & 256) !== 0 ? '|FUTEX_CLOCK_REALTIME' : ''}`;
}
const futex = (time: typeof S.timespec, size: number): Part[] => {
  const timeout = P.struct(3, size, time);
  const waits = (c: Context) => [0, 6, 9, 11, 13].includes(c.words[1] & 0x7f);
  const bitset = (c: Context) => [9, 10].includes(c.words[1] & 0x7f);
  const requeues = (c: Context) => [3, 4, 5, 11, 12].includes(c.words[1] & 0x7f);
  return [
    P.ptr(0),
    { show: futexOperation },
    {
      show: (c) =>
        [7, 8].includes(c.words[1] & 0x7f) ? '' : String((c.words[1] & 0x7f) === 1 ? c.words[2] : c.words[2] >>> 0),
    },
    { show: (c) => (waits(c) ? timeout.show(c) : requeues(c) ? String(c.words[3]) : '') },
    { show: (c) => (requeues(c) ? P.address(c.words[4]) : '') },
    {
      show(c) {
        if (bitset(c)) return c.words[5] === -1 ? 'FUTEX_BITSET_MATCH_ANY' : P.hexOf(c.words[5]);
        return requeues(c) && (c.words[1] & 0x7f) !== 3 ? String(c.words[5] >>> 0) : '';
      },
    },
  ];
};

const random: Part = P.output((c) => {
  const count = c.result ?? 0;
  const bytes = P.failed(c) ? -1 : c.task.mm.view(c.words[0] >>> 0, Math.min(count, c.options.strings), false);
  return typeof bytes === 'number' ? P.address(c.words[0]) : hexText(bytes, count > c.options.strings);
});

const cpus: Part = P.output((c) => {
  if (P.failed(c)) return P.address(c.words[2]);
  const bytes = c.task.mm.view(c.words[2] >>> 0, c.result ?? 0, false);
  if (typeof bytes === 'number') return P.address(c.words[2]);
  const set = [...bytes].flatMap((byte, i) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte >> bit) & 1).map((bit) => i * 8 + bit),
  );
  return `[${set.join(' ')}]`;
});

const id = P.int(0);
/** -1 leaves an id as it is. */
const user = (i: number): Part => ({ show: (c) => (c.words[i] === -1 ? '-1' : String(c.words[i] >>> 0)) });
/** Of a child that was found; strace shows nothing of it while there is none. */
const usage = (i: number): Part =>
  P.output((c) => (P.failed(c) || c.result === 0 ? P.address(c.words[i]) : P.structAt(c, c.words[i], 72, S.rusage)));
const restoredMask: Part = P.output((c) => {
  const { blocked } = c.task;
  return `{mask=${S.sigset(Number(blocked & 0xffffffffn), Number(blocked >> 32n))}}`;
});

export const PROCESSES: Readonly<Record<string, readonly Part[]>> = {
  execve: [P.path(0), strings(1), environment(2)],
  execveat: [P.dirfd(0), P.path(1), strings(2), environment(3), P.flags(4, N.AT_FLAGS, 'AT_???')],
  brk: [P.ptr(0)],
  mmap2: shownMap(pages),
  munmap: [P.ptr(0), P.uint(1)],
  mprotect: [P.ptr(0), P.uint(1), P.flags(2, N.PROT, 'PROT_???')],
  mremap: [
    P.ptr(0),
    P.uint(1),
    P.uint(2),
    P.flags(3, N.MREMAP, 'MREMAP_???'),
    { show: (c) => ((c.words[3] & 6) !== 0 ? P.address(c.words[4]) : '') },
  ],
  madvise: [P.ptr(0), P.uint(1), P.choice(2, N.MADV, 'MADV_???')],
  msync: [P.ptr(0), P.uint(1), P.flags(2, N.MS_SYNC, 'MS_???')],
  clone,
  clone3: cloneArguments,
  wait4: [id, status, P.flags(2, N.WAIT, 'W???'), usage(3)],
  waitpid: [id, status, P.flags(2, N.WAIT, 'W???')],
  waitid: [
    P.choice(0, { P_ALL: 0, P_PID: 1, P_PGID: 2, P_PIDFD: 3 }, 'P_???'),
    P.int(1),
    P.outStruct(2, 28, S.waitInfo),
    P.flags(3, N.WAIT, 'W???'),
    usage(4),
  ],
  exit: [id],
  exit_group: [id],
  set_thread_area: [P.output((c) => P.structAt(c, c.words[0], 16, (view) => enteredEntry(view, c)))],
  set_tid_address: [P.ptr(0)],
  set_robust_list: [P.ptr(0), P.uint(1)],
  rseq: [P.ptr(0), P.hex(1), P.hex(2), P.hex(3)],
  futex: futex(S.timespec, 8),
  futex_time64: futex(S.timespec64, 16),
  ugetrlimit: [P.choice(0, RLIMIT, 'RLIMIT_???'), P.outStruct(1, 8, S.rlimit)],
  getrlimit: [P.choice(0, RLIMIT, 'RLIMIT_???'), P.outStruct(1, 8, S.rlimit)],
  setrlimit: [P.choice(0, RLIMIT, 'RLIMIT_???'), P.struct(1, 8, S.rlimit)],
  prlimit64: [id, P.choice(1, RLIMIT, 'RLIMIT_???'), P.struct(2, 16, S.rlimit64), P.outStruct(3, 16, S.rlimit64)],
  getrandom: [random, P.uint(1), P.flags(2, N.GRND, 'GRND_???')],
  uname: [P.outStruct(0, 390, S.utsname)],
  sysinfo: [P.outStruct(0, 64, S.sysinfo)],
  sched_getaffinity: [id, P.uint(1), cpus],
  getrusage: [P.choice(0, N.RUSAGE, 'RUSAGE_???'), P.outStruct(1, 72, S.rusage)],
  times: [P.outStruct(0, 16, S.tms)],
  kill: [id, signal(1)],
  tkill: [id, signal(1)],
  tgkill: [id, P.int(1), signal(2)],
  rt_sigaction: [signal(0), P.struct(1, 20, S.sigaction), P.outStruct(2, 20, S.sigaction), P.uint(3)],
  rt_sigprocmask: [how, inSet(1), outSet(2), P.uint(3)],
  rt_sigsuspend: [inSet(0), P.uint(1)],
  rt_sigpending: [outSet(0), P.uint(1)],
  sigaltstack: [P.struct(0, 12, S.stack), P.outStruct(1, 12, S.stack)],
  sigreturn: [restoredMask],
  rt_sigreturn: [restoredMask],
  setuid32: [user(0)],
  setgid32: [user(0)],
  setreuid32: [user(0), user(1)],
  setregid32: [user(0), user(1)],
  setresuid32: [user(0), user(1), user(2)],
  setresgid32: [user(0), user(1), user(2)],
  nanosleep: sleep(S.timespec, 8),
  clock_nanosleep: clockSleep(S.timespec, 8),
  clock_nanosleep_time64: clockSleep(S.timespec64, 16),
  clock_gettime: [P.choice(0, N.CLOCKS, 'CLOCK_???'), P.outStruct(1, 8, S.timespec)],
  clock_gettime64: [P.choice(0, N.CLOCKS, 'CLOCK_???'), P.outStruct(1, 16, S.timespec64)],
  clock_getres: [P.choice(0, N.CLOCKS, 'CLOCK_???'), P.outStruct(1, 8, S.timespec)],
  clock_getres_time64: [P.choice(0, N.CLOCKS, 'CLOCK_???'), P.outStruct(1, 16, S.timespec64)],
  gettimeofday: [P.outStruct(0, 8, S.timeval), P.output((c) => P.address(c.words[1]))],
  setitimer: [P.choice(0, N.ITIMERS, 'ITIMER_???'), P.struct(1, 16, S.itimerval), P.outStruct(2, 16, S.itimerval)],
};

/** What the guest passed had no entry yet: the result is shown behind the call. */
function enteredEntry(view: DataView, c: Context): string {
  const text = S.userDesc(view, c);
  return P.failed(c) ? text : text.replace(/entry_number=\d+/, 'entry_number=-1');
}
