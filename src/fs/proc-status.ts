/** The text of /proc/PID/{stat,statm,status,limits,io}: layouts of fs/proc/array.c and base.c. */
import type { ProcMapping, ProcMemory, ProcProcess, ProcThread } from './proc-source.ts';

const PAGE = 4096;
const TICK = 10_000_000;
/** PF_FORKNOEXEC of task flags says nothing useful here: what Linux shows for any process that has run exec. */
const TASK_FLAGS = 4194304;

const ticks = (nanoseconds: number) => Math.floor(nanoseconds / TICK);
const kib = (bytes: number) => Math.floor(bytes / 1024);

export interface Sizes {
  total: number;
  resident: number;
  anonymous: number;
  file: number;
  shared: number;
  locked: number;
  data: number;
  stack: number;
  text: number;
  library: number;
}

/** The sums over an address space that several files show, in bytes. */
export function sizesOf(memory: ProcMemory | null): Sizes {
  const sizes: Sizes = {
    ...{ total: 0, resident: 0, anonymous: 0, file: 0, shared: 0, locked: 0, data: 0, stack: 0, text: 0, library: 0 },
  };
  if (memory === null) return sizes;
  let executable = 0;
  for (const map of memory.maps) {
    const size = map.end - map.start;
    sizes.total += size;
    sizes.resident += map.resident;
    if (map.shared && map.inode === 0) sizes.shared += map.resident;
    else if (map.inode !== 0 && (map.prot & 2) === 0) sizes.file += map.resident;
    else sizes.anonymous += map.resident;
    if (map.locked) sizes.locked += size;
    if (map.growsDown) sizes.stack += size;
    else if ((map.prot & 2) !== 0 && !map.shared) sizes.data += size;
    if ((map.prot & 6) === 4) executable += size;
  }
  sizes.text = Math.max(0, Math.ceil(memory.endCode / PAGE) - Math.floor(memory.startCode / PAGE)) * PAGE;
  sizes.library = Math.max(0, executable - sizes.text);
  return sizes;
}

const STATES: Readonly<Record<string, string>> = {
  R: 'R (running)',
  S: 'S (sleeping)',
  D: 'D (disk sleep)',
  T: 'T (stopped)',
  t: 't (tracing stop)',
  Z: 'Z (zombie)',
  X: 'X (dead)',
};

/** `whole`: times and faults of all threads, for /proc/PID; otherwise those of the thread. */
export function statText(process: ProcProcess, thread: ProcThread, whole: boolean): string {
  const { memory } = process;
  const sizes = sizesOf(memory);
  const used = whole ? process : thread;
  const children = whole
    ? [process.childrenMinorFaults, process.childrenMajorFaults, process.childrenUser, process.childrenSystem]
    : [0, 0, 0, 0];
  const rsslim = process.limits[5]?.soft ?? Number.POSITIVE_INFINITY;
  const low = (set: bigint) => Number(set & 0x7fffffffn);
  const realtime = thread.policy === 1 || thread.policy === 2;
  const fields = [
    thread.state,
    process.parent,
    process.processGroup,
    process.session,
    process.terminal?.device ?? 0,
    process.terminal === null ? -1 : process.terminal.foreground || -1,
    TASK_FLAGS,
    ...[used.minorFaults, children[0], used.majorFaults, children[1]],
    ...[used.user, used.system, children[2], children[3]].map(ticks),
    realtime ? -1 - thread.priority : 20 + thread.nice,
    thread.nice,
    process.threads.length,
    0,
    ticks(thread.startTime),
    sizes.total,
    Math.floor(sizes.resident / PAGE),
    Number.isFinite(rsslim) ? rsslim : 4294967295,
    ...[memory?.startCode ?? 0, memory?.endCode ?? 0, memory?.startStack ?? 0],
    ...[thread.esp, thread.eip],
    ...[low(thread.pending), low(thread.blocked), low(process.ignored), low(process.caught)],
    ...[thread.state === 'S' ? 1 : 0, 0, 0],
    thread.tid === process.pid ? process.exitSignal : -1,
    ...[0, realtime ? thread.priority : 0, thread.policy, 0, 0, 0],
    ...[memory?.startData ?? 0, memory?.endData ?? 0, memory?.startBrk ?? 0],
    ...[memory?.argStart ?? 0, memory?.argEnd ?? 0, memory?.envStart ?? 0, memory?.envEnd ?? 0],
    process.exitCode,
  ];
  return `${thread.tid} (${thread.comm}) ${fields.join(' ')}\n`;
}

export function statmText(memory: ProcMemory | null): string {
  const sizes = sizesOf(memory);
  const shared = sizes.file + sizes.shared;
  const all = [sizes.total, sizes.resident, shared, sizes.text, 0, sizes.data + sizes.stack, 0];
  return `${all.map((bytes) => Math.floor(bytes / PAGE)).join(' ')}\n`;
}

export function statusText(process: ProcProcess, thread: ProcThread): string {
  const { credentials: who, files, fs } = thread;
  const memory = process.memory === null ? '' : memoryLines(process.memory);
  const mask = (set: bigint) => set.toString(16).padStart(16, '0');
  const ids = (...all: number[]) =>
    all
      .map((id) => `${id}\t`)
      .join('')
      .slice(0, -1);
  const highest = [...files.entries()].at(-1)?.[0] ?? 0;
  return (
    `Name:\t${thread.comm.replace(/[\\\n]/g, (char) => (char === '\n' ? '\\n' : '\\\\'))}\n` +
    `Umask:\t${fs.umask.toString(8).padStart(4, '0')}\nState:\t${STATES[thread.state] ?? thread.state}\n` +
    `Tgid:\t${process.pid}\nNgid:\t0\nPid:\t${thread.tid}\nPPid:\t${process.parent}\nTracerPid:\t0\n` +
    `Uid:\t${ids(who.uid, who.euid, who.suid, who.fsuid)}\nGid:\t${ids(who.gid, who.egid, who.sgid, who.fsgid)}\n` +
    `FDSize:\t${Math.max(64, 2 ** Math.ceil(Math.log2(highest + 1)))}\n` +
    `Groups:\t${who.groups.map((group) => `${group} `).join('')}\n` +
    `NStgid:\t${process.pid}\nNSpid:\t${thread.tid}\nNSpgid:\t${process.processGroup}\nNSsid:\t${process.session}\n` +
    memory +
    `Threads:\t${process.threads.length}\nSigQ:\t0/${process.limits[11]?.soft ?? 0}\n` +
    `SigPnd:\t${mask(thread.pending)}\nShdPnd:\t${mask(process.pending)}\nSigBlk:\t${mask(thread.blocked)}\n` +
    `SigIgn:\t${mask(process.ignored)}\nSigCgt:\t${mask(process.caught)}\n` +
    `CapInh:\t${mask(who.inheritable)}\nCapPrm:\t${mask(who.permitted)}\nCapEff:\t${mask(who.effective)}\n` +
    `CapBnd:\t${mask(who.bounding)}\nCapAmb:\t${mask(who.ambient)}\n` +
    `NoNewPrivs:\t${thread.noNewPrivileges ? 1 : 0}\nSeccomp:\t${thread.seccomp.mode}\nSeccomp_filters:\t${thread.seccomp.filters}\n` +
    `Speculation_Store_Bypass:\tnot vulnerable\nSpeculationIndirectBranch:\tnot affected\n` +
    `Cpus_allowed:\t1\nCpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0\n` +
    `voluntary_ctxt_switches:\t${thread.voluntarySwitches}\nnonvoluntary_ctxt_switches:\t${thread.involuntarySwitches}\n`
  );
}

function memoryLines(memory: ProcMemory): string {
  const sizes = sizesOf(memory);
  const line = (name: string, bytes: number) => `${name}:\t${String(kib(bytes)).padStart(8)} kB\n`;
  const pageTables = Math.max(1, memory.maps.length >> 2) * PAGE;
  return (
    line('VmPeak', Math.max(memory.peak, sizes.total)) +
    line('VmSize', sizes.total) +
    line('VmLck', sizes.locked) +
    line('VmPin', 0) +
    line('VmHWM', Math.max(memory.peakResident, sizes.resident)) +
    line('VmRSS', sizes.resident) +
    line('RssAnon', sizes.anonymous) +
    line('RssFile', sizes.file) +
    line('RssShmem', sizes.shared) +
    line('VmData', sizes.data) +
    line('VmStk', sizes.stack) +
    line('VmExe', sizes.text) +
    line('VmLib', sizes.library) +
    line('VmPTE', pageTables) +
    line('VmSwap', 0) +
    'CoreDumping:\t0\nTHP_enabled:\t0\nuntag_mask:\t0xffffffff\n'
  );
}

const LIMITS: readonly [name: string, unit: string][] = [
  ['Max cpu time', 'seconds'],
  ['Max file size', 'bytes'],
  ['Max data size', 'bytes'],
  ['Max stack size', 'bytes'],
  ['Max core file size', 'bytes'],
  ['Max resident set', 'bytes'],
  ['Max processes', 'processes'],
  ['Max open files', 'files'],
  ['Max locked memory', 'bytes'],
  ['Max address space', 'bytes'],
  ['Max file locks', 'locks'],
  ['Max pending signals', 'signals'],
  ['Max msgqueue size', 'bytes'],
  ['Max nice priority', ''],
  ['Max realtime priority', ''],
  ['Max realtime timeout', 'us'],
];

export function limitsText(process: ProcProcess): string {
  const value = (limit: number) => (Number.isFinite(limit) ? String(limit) : 'unlimited').padEnd(20);
  let text = 'Limit                     Soft Limit           Hard Limit           Units     \n';
  for (const [i, [name, unit]] of LIMITS.entries()) {
    const { soft, hard } = process.limits[i];
    text += `${name.padEnd(25)} ${value(soft)} ${value(hard)} ${unit === '' ? '' : unit.padEnd(10)}\n`;
  }
  return text;
}

export function mapsText(memory: ProcMemory | null): string {
  return memory === null ? '' : memory.maps.map(mapLine).join('');
}

function mapLine({ start, end, prot, shared, offset, device, inode, name }: ProcMapping): string {
  const hex = (value: number, width: number) => value.toString(16).padStart(width, '0');
  const flag = (bit: number, char: string) => ((prot & bit) !== 0 ? char : '-');
  const rights = flag(1, 'r') + flag(2, 'w') + flag(4, 'x') + (shared ? 's' : 'p');
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  const line = `${hex(start, 8)}-${hex(end, 8)} ${rights} ${hex(offset, 8)} ${hex(major, 2)}:${hex(minor, 2)} ${inode} `;
  return name === '' ? `${line}\n` : `${line.padEnd(49)}${name.replaceAll('\n', '\\012')}\n`;
}

const ROLLUP =
  'Rss Pss Pss_Dirty Shared_Clean Shared_Dirty Private_Clean Private_Dirty Referenced Anonymous KSM LazyFree'
    .concat(' AnonHugePages ShmemPmdMapped FilePmdMapped Shared_Hugetlb Private_Hugetlb Swap SwapPss Locked')
    .split(' ');

/** Pages are counted as private: nobody knows cheaply who else has them. */
function usageLines(resident: number, anonymous: number, locked: number): string {
  const values: Record<string, number> = {
    Rss: resident,
    Pss: resident,
    Pss_Dirty: anonymous,
    Private_Clean: resident - anonymous,
    Private_Dirty: anonymous,
    Referenced: resident,
    Anonymous: anonymous,
    Locked: locked,
  };
  return ROLLUP.map((name) => field(name, values[name] ?? 0)).join('');
}

const field = (name: string, bytes: number) => `${`${name}:`.padEnd(16)}${String(kib(bytes)).padStart(8)} kB\n`;
const anonymousOf = (map: ProcMapping) => (map.inode === 0 || (map.prot & 2) !== 0 ? map.resident : 0);

export function smapsText(memory: ProcMemory | null): string {
  let text = '';
  for (const map of memory?.maps ?? []) {
    const size = map.end - map.start;
    const flags = [
      ...[map.prot & 1 ? 'rd' : '', map.prot & 2 ? 'wr' : '', map.prot & 4 ? 'ex' : '', map.shared ? 'sh' : ''],
      ...['mr', 'mw', 'me', map.growsDown ? 'gd' : '', map.locked ? 'lo' : ''],
    ];
    text +=
      mapLine(map) +
      field('Size', size) +
      field('KernelPageSize', PAGE) +
      field('MMUPageSize', PAGE) +
      usageLines(map.resident, anonymousOf(map), map.locked ? size : 0) +
      `${'THPeligible:'.padEnd(16)}${'0'.padStart(8)}\n` +
      `VmFlags: ${flags.filter((flag) => flag !== '').join(' ')} \n`;
  }
  return text;
}

export function smapsRollupText(memory: ProcMemory | null): string {
  const maps = memory?.maps ?? [];
  if (maps.length === 0) return '';
  const sizes = sizesOf(memory);
  const hex = (address: number) => address.toString(16).padStart(8, '0');
  const range = `${hex(maps[0].start)}-${hex(maps.at(-1)!.end)} ---p 00000000 00:00 0 `;
  const anonymous = maps.reduce((sum, map) => sum + anonymousOf(map), 0);
  return `${range.padEnd(49)}[rollup]\n${usageLines(sizes.resident, anonymous, sizes.locked)}`;
}
