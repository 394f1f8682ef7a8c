/** Structs of the i386 ABI in strace's words. */
import { signalName } from '../../abi/signal.ts';
import { CLONE, FILE_TYPES, FS_MAGIC, SA, SOL, SS, STATX_ATTR, STATX_MASK } from './names.ts';
import { address, type Context, choiceText, flagText, hexOf, octalOf, structAt, viewAt } from './parts.ts';
import { bytesText, cString } from './text.ts';

type Show = (view: DataView, c: Context) => string;

export const i32 = (view: DataView, at: number) => view.getInt32(at, true);
export const u32 = (view: DataView, at: number) => view.getUint32(at, true);
const u16 = (view: DataView, at: number) => view.getUint16(at, true);
const u64 = (view: DataView, at: number) => view.getBigUint64(at, true);
const i64 = (view: DataView, at: number) => view.getBigInt64(at, true);

/** S_IFREG|0644. */
export function modeText(mode: number): string {
  const type = Object.entries(FILE_TYPES).find(([, bits]) => bits === (mode & 0o170000))?.[0];
  const special = [
    [0o4000, 'S_ISUID'],
    [0o2000, 'S_ISGID'],
    [0o1000, 'S_ISVTX'],
  ] as const;
  const set = special.filter(([bit]) => (mode & bit) !== 0).map(([, name]) => name);
  return [...(type === undefined ? [] : [type]), ...set, octalOf(mode & 0o777)].join('|');
}

function device(low: number): string {
  const major = (low >>> 8) & 0xfff;
  const minor = (low & 0xff) | ((low >>> 12) & 0xfff00);
  return `makedev(${hexOf(major)}, ${hexOf(minor)})`;
}

const isDevice = (mode: number) => (mode & 0o170000) === 0o20000 || (mode & 0o170000) === 0o60000;

function sizeOrDevice(mode: number, size: bigint, rdev: number, prefix: string): string {
  return isDevice(mode) ? `${prefix}rdev=${device(rdev)}` : `${prefix}size=${size}`;
}

/** struct stat64: what strace shows of it without -v, and with. */
export const stat64: Show = (view, c) => {
  const mode = u32(view, 16);
  const size = sizeOrDevice(mode, i64(view, 44), u32(view, 32), 'st_');
  if (!c.whole) return `{st_mode=${modeText(mode)}, ${size}, ...}`;
  const times = (['atime', 'mtime', 'ctime'] as const).map((name, i) => {
    const at = 64 + i * 8;
    const nsec = u32(view, at + 4);
    return `st_${name}=${i32(view, at)}${dateComment(i32(view, at), nsec)}, st_${name}_nsec=${nsec}`;
  });
  const first = `st_dev=${device(u32(view, 0))}, st_ino=${u64(view, 88)}, st_mode=${modeText(mode)}, st_nlink=${u32(view, 20)}, st_uid=${u32(view, 24)}, st_gid=${u32(view, 28)}`;
  return `{${first}, st_blksize=${u32(view, 52)}, st_blocks=${u64(view, 56)}, ${size}, ${times.join(', ')}}`;
};

export const statx: Show = (view, c) => {
  const mode = u16(view, 28);
  const wanted = flagText(i32(view, 0), STATX_MASK, 'STATX_???');
  const attributes = (at: number) => flagText(i32(view, at), STATX_ATTR, 'STATX_ATTR_???');
  if (!c.whole) {
    const size = isDevice(mode) ? 0 : u64(view, 40);
    return `{stx_mask=${wanted}, stx_attributes=${attributes(8)}, stx_mode=${modeText(mode)}, stx_size=${size}, ...}`;
  }
  const mask = i32(view, 0);
  const times = STATX_TIMES.filter(({ bit }) => bit === 0 || (mask & bit) !== 0).map(({ name, at }) => {
    const [seconds, nsec] = [Number(i64(view, at)), u32(view, at + 8)];
    return `stx_${name}={tv_sec=${seconds}, tv_nsec=${nsec}}${dateComment(seconds, nsec)}`;
  });
  const numbers = STATX_NUMBERS.map((name, i) => `stx_${name}=${u32(view, 128 + 4 * i)}`).join(', ');
  const mount = (mask & STATX_MASK.STATX_MNT_ID) !== 0 ? `, stx_mnt_id=0x${u64(view, 144).toString(16)}` : '';
  return (
    `{stx_mask=${wanted}, stx_blksize=${u32(view, 4)}, stx_attributes=${attributes(8)}, stx_nlink=${u32(view, 16)}, ` +
    `stx_uid=${u32(view, 20)}, stx_gid=${u32(view, 24)}, stx_mode=${modeText(mode)}, stx_ino=${u64(view, 32)}, ` +
    `stx_size=${u64(view, 40)}, stx_blocks=${u64(view, 48)}, stx_attributes_mask=${attributes(56)}, ${times.join(', ')}, ` +
    `${numbers}${mount}}`
  );
};
const STATX_NUMBERS = ['rdev_major', 'rdev_minor', 'dev_major', 'dev_minor'];
const STATX_TIMES = [
  { name: 'atime', at: 64, bit: 0 },
  { name: 'btime', at: 80, bit: 0x800 },
  { name: 'ctime', at: 96, bit: 0 },
  { name: 'mtime', at: 112, bit: 0 },
];

export function dateComment(seconds: number, nsec: number): string {
  if (seconds === 0 && nsec === 0) return '';
  const date = new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, '');
  return ` /* ${date}${nsec === 0 ? '' : `.${String(nsec).padStart(9, '0')}`}+0000 */`;
}

export const timespec: Show = (view) => `{tv_sec=${i32(view, 0)}, tv_nsec=${i32(view, 4)}}`;
export const timespec64: Show = (view) => `{tv_sec=${i64(view, 0)}, tv_nsec=${i64(view, 8)}}`;
export const timeval: Show = (view) => `{tv_sec=${i32(view, 0)}, tv_usec=${i32(view, 4)}}`;
export const itimerval: Show = (view) =>
  `{it_interval=${timeval(view, undefined as never)}, it_value={tv_sec=${i32(view, 8)}, tv_usec=${i32(view, 12)}}}`;

/** Limits that are whole KiB show as such. */
function limit(value: bigint, infinity: bigint): string {
  if (value === infinity) return infinity > 0xffffffffn ? 'RLIM64_INFINITY' : 'RLIM_INFINITY';
  return value > 1024n && value % 1024n === 0n ? `${value / 1024n}*1024` : String(value);
}
export const rlimit: Show = (view) =>
  `{rlim_cur=${limit(BigInt(u32(view, 0)), 0xffffffffn)}, rlim_max=${limit(BigInt(u32(view, 4)), 0xffffffffn)}}`;
export const rlimit64: Show = (view) => {
  const [soft, hard] = [u64(view, 0), u64(view, 8)].map((value) => limit(value, 0xffffffffffffffffn));
  return `{rlim_cur=${soft}, rlim_max=${hard}}`;
};

const shortSignal = (signal: number) => signalText(signal).replace(/^SIG/, '');
export function signalText(signal: number): string {
  if (signal >= 33 && signal <= 64) return `SIGRT_${signal - 32}`;
  return signal === 32 ? 'SIGRTMIN' : signal > 0 && signal < 32 ? signalName(signal) : String(signal);
}

/** [INT CHLD], or ~[...] where most are in it. */
export function sigset(low: number, high: number): string {
  const set = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  const members = Array.from({ length: 64 }, (_, i) => i + 1).filter(
    (signal) => (set & (1n << BigInt(signal - 1))) !== 0n,
  );
  if (members.length < 43) return `[${members.map(shortSignal).join(' ')}]`;
  const others = Array.from({ length: 64 }, (_, i) => i + 1).filter((signal) => !members.includes(signal));
  return `~[${others.map(shortSignal).join(' ')}]`;
}
export const sigset64: Show = (view) => sigset(i32(view, 0), i32(view, 4));

/** struct kernel_sigaction: handler, flags, restorer, mask. */
export const sigaction: Show = (view) => {
  const handler = u32(view, 0);
  const shown = handler === 0 ? 'SIG_DFL' : handler === 1 ? 'SIG_IGN' : address(handler);
  const bits = i32(view, 4);
  const restorer = (bits & SA.SA_RESTORER) !== 0 ? `, sa_restorer=${address(u32(view, 8))}` : '';
  return `{sa_handler=${shown}, sa_mask=${sigset(i32(view, 12), i32(view, 16))}, sa_flags=${flagText(bits, SA, 'SA_???')}${restorer}}`;
};

export const stack: Show = (view) =>
  `{ss_sp=${address(i32(view, 0))}, ss_flags=${flagText(i32(view, 4), SS, 'SS_???')}, ss_size=${u32(view, 8)}}`;

export const userDesc: Show = (view) => {
  const bits = u32(view, 12);
  const bit = (i: number) => (bits >>> i) & 1;
  const limitText = `0x${u32(view, 8).toString(16).padStart(6, '0')}`;
  const entry = i32(view, 0) === -1 ? '-1' : String(u32(view, 0));
  return (
    `{entry_number=${entry}, base_addr=${hexOf(u32(view, 4))}, limit=${limitText}, seg_32bit=${bit(0)}, contents=${(bits >>> 1) & 3}, ` +
    `read_exec_only=${bit(3)}, limit_in_pages=${bit(4)}, seg_not_present=${bit(5)}, useable=${bit(6)}}`
  );
};

const UTS = ['sysname', 'nodename', 'release', 'version', 'machine', 'domainname'];
export const utsname: Show = (view, c) => {
  const texts = UTS.map((name, i) => {
    const bytes = new Uint8Array(view.buffer, view.byteOffset + i * 65, 65).slice();
    return `${name}=${bytesText(bytes.subarray(0, bytes.indexOf(0)), false)}`;
  });
  return c.whole ? `{${texts.join(', ')}}` : `{${texts[0]}, ${texts[1]}, ...}`;
};

export function waitStatus(status: number): string {
  if ((status & 0xff) === 0x7f) return `{WIFSTOPPED(s) && WSTOPSIG(s) == ${signalText((status >> 8) & 0xff)}}`;
  if (status === 0xffff) return '{WIFCONTINUED(s)}';
  if ((status & 0x7f) === 0) return `{WIFEXITED(s) && WEXITSTATUS(s) == ${(status >> 8) & 0xff}}`;
  const core = (status & 0x80) !== 0 ? ' && WCOREDUMP(s)' : '';
  return `{WIFSIGNALED(s) && WTERMSIG(s) == ${signalText(status & 0x7f)}${core}}`;
}

const CHILD_CODES = ['', 'CLD_EXITED', 'CLD_KILLED', 'CLD_DUMPED', 'CLD_TRAPPED', 'CLD_STOPPED', 'CLD_CONTINUED'];
/** siginfo_t of a child that waitid found; all zeros where it found none. */
export const waitInfo: Show = (view) => {
  const [signal, , code, pid, uid, status] = [0, 4, 8, 12, 16, 20].map((at) => i32(view, at));
  if (signal === 0) return '{}';
  const shown = code === 1 ? String(status) : signalText(status);
  return `{si_signo=${signalText(signal)}, si_code=${CHILD_CODES[code] ?? code}, si_pid=${pid}, si_uid=${uid}, si_status=${shown}, si_utime=0, si_stime=0}`;
};

export const statfs64: Show = (view) => {
  const [bsize, namelen, frsize] = [4, 56, 60].map((at) => u32(view, at));
  const [blocks, bfree, bavail, files, ffree] = [8, 16, 24, 32, 40].map((at) => u64(view, at));
  const type = choiceText(i32(view, 0), FS_MAGIC, '???').replace(' /* ??? */', '');
  return (
    `{f_type=${type}, f_bsize=${bsize}, f_blocks=${blocks}, f_bfree=${bfree}, f_bavail=${bavail}, f_files=${files}, f_ffree=${ffree}, ` +
    `f_fsid={val=[${hexOf(i32(view, 48))}, ${hexOf(i32(view, 52))}]}, f_namelen=${namelen}, f_frsize=${frsize}, f_flags=${statfsFlags(u32(view, 64))}}`
  );
};

const ST = {
  ST_VALID: 32,
  ST_RDONLY: 1,
  ST_NOSUID: 2,
  ST_NODEV: 4,
  ST_NOEXEC: 8,
  ST_SYNCHRONOUS: 16,
  ST_MANDLOCK: 64,
  ST_NOATIME: 1024,
  ST_NODIRATIME: 2048,
  ST_RELATIME: 4096,
};
const statfsFlags = (bits: number) => flagText(bits, ST, 'ST_???');

export const sysinfo: Show = (view) => {
  const [total, free, shared, buffers, swap, freeSwap] = [16, 20, 24, 28, 32, 36].map((at) => u32(view, at));
  return (
    `{uptime=${i32(view, 0)}, loads=[${u32(view, 4)}, ${u32(view, 8)}, ${u32(view, 12)}], totalram=${total}, freeram=${free}, sharedram=${shared}, ` +
    `bufferram=${buffers}, totalswap=${swap}, freeswap=${freeSwap}, procs=${u16(view, 40)}, totalhigh=${u32(view, 44)}, freehigh=${u32(view, 48)}, mem_unit=${u32(view, 52)}}`
  );
};

/** struct rusage: user and system time first. */
export const rusage: Show = (view, c) => {
  const times = `ru_utime=${timeval(view, c)}, ru_stime={tv_sec=${i32(view, 8)}, tv_usec=${i32(view, 12)}}`;
  if (!c.whole) return `{${times}, ...}`;
  return `{${times}, ${RUSAGE_FIELDS.map((name, i) => `ru_${name}=${i32(view, 16 + 4 * i)}`).join(', ')}}`;
};
const RUSAGE_FIELDS =
  'maxrss ixrss idrss isrss minflt majflt nswap inblock oublock msgsnd msgrcv nsignals nvcsw nivcsw'.split(' ');

/** struct tms. */
export const tms: Show = (view) =>
  `{${['utime', 'stime', 'cutime', 'cstime'].map((name, i) => `tms_${name}=${u32(view, 4 * i)}`).join(', ')}}`;

/** struct clone_args of 64 bytes and more. */
export const cloneArgs: Show = (view, c) => {
  const bits = i32(view, 0);
  const has = (...names: (keyof typeof CLONE)[]) => names.some((name) => (bits & CLONE[name]) !== 0);
  const parts = [`flags=${flagText(bits, CLONE, 'CLONE_???')}`];
  if (has('CLONE_PIDFD')) parts.push(`pidfd=${address(i32(view, 8))}`);
  if (has('CLONE_CHILD_SETTID', 'CLONE_CHILD_CLEARTID')) parts.push(`child_tid=${address(i32(view, 16))}`);
  if (has('CLONE_PARENT_SETTID')) parts.push(`parent_tid=${address(i32(view, 24))}`);
  parts.push(`exit_signal=${signalText(i32(view, 32))}`, `stack=${address(i32(view, 40))}`);
  parts.push(`stack_size=${hexOf(i32(view, 48))}`);
  if (has('CLONE_SETTLS')) parts.push(`tls=${structAt(c, i32(view, 56), 16, userDesc)}`);
  return `{${parts.join(', ')}}`;
};

/** struct sockaddr of a known length. */
export function socketAddress(c: Context, at: number, length: number): string {
  if (at === 0) return 'NULL';
  const view = length < 2 ? undefined : viewAt(c, at, Math.min(length, 128));
  if (view === undefined) return address(at);
  const family = u16(view, 0);
  if (family === 1) return unixAddress(view, length);
  if (family === 2 && length >= 16) {
    const host = [4, 5, 6, 7].map((i) => view.getUint8(i)).join('.');
    return `{sa_family=AF_INET, sin_port=htons(${view.getUint16(2)}), sin_addr=inet_addr("${host}")}`;
  }
  if (family === 10 && length >= 24) {
    const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + 2 * i).toString(16)).join(':');
    return `{sa_family=AF_INET6, sin6_port=htons(${view.getUint16(2)}), sin6_flowinfo=htonl(${view.getUint32(4)}), inet_pton(AF_INET6, "${shorten(groups)}", &sin6_addr), sin6_scope_id=${length >= 28 ? u32(view, 24) : 0}}`;
  }
  return `{sa_family=${family === 0 ? 'AF_UNSPEC' : hexOf(family)}}`;
}

/** The longest run of zeros as `::`. */
function shorten(groups: string): string {
  const runs = groups.match(/(^|:)0(:0)+(?=:|$)/g) ?? [];
  const longest = runs.sort((a, b) => b.length - a.length)[0];
  return longest === undefined
    ? groups
    : groups
        .replace(longest, longest.startsWith(':') ? ':' : '::')
        .replace(/^:([^:])/, '::$1')
        .replace(/([^:]):$/, '$1::');
}

function unixAddress(view: DataView, length: number): string {
  if (length <= 2) return '{sa_family=AF_UNIX}';
  const bytes = new Uint8Array(view.buffer, view.byteOffset + 2, Math.min(length, 110) - 2).slice();
  if (bytes[0] === 0) return `{sa_family=AF_UNIX, sun_path=@${cString(bytes.subarray(1), 108)}}`;
  const end = bytes.indexOf(0);
  return `{sa_family=AF_UNIX, sun_path=${cString(end < 0 ? bytes : bytes.subarray(0, end), 108)}}`;
}

export function optionLevel(level: number): string {
  return choiceText(level, SOL, 'SOL_???');
}

/** An iovec array; `count` bytes of it have been moved. */
export function iovecs(
  c: Context,
  at: number,
  number: number,
  moved: number,
  bytesAt: (at: number, n: number) => string,
): string {
  if (at === 0) return 'NULL';
  const parts: string[] = [];
  let left = moved;
  for (let i = 0; i < Math.min(number, 32); i++) {
    parts.push(
      structAt(c, at + 8 * i, 8, (view) => {
        const length = u32(view, 4);
        const shown = Math.min(length, left);
        left -= shown;
        return `{iov_base=${bytesAt(u32(view, 0), shown)}, iov_len=${length}}`;
      }),
    );
  }
  return `[${parts.join(', ')}${number > 32 ? ', ...' : ''}]`;
}
