/** How calls about files and descriptors are shown. */
import * as N from './names.ts';
import type { Context, Part } from './parts.ts';
import * as P from './parts.ts';
import * as S from './structs.ts';
import { cString } from './text.ts';

/** O_RDONLY and its like are a number, not flags. */
function openFlags(i: number): Part {
  return { show: (c) => P.styled(c, c.words[i], openFlagText(c.words[i])) };
}
export function openFlagText(word: number): string {
  const rest = word & ~3;
  const mode = N.ACCESS_MODES[word & 3];
  return rest === 0 ? mode : `${mode}|${P.flagText(rest, N.OPEN_FLAGS, 'O_???').replace(' /* O_??? */', '')}`;
}

/** The mode is only an argument where something may be created. */
const CREATES = 0o100 | 0o20000000;
const opening = (flags: number): Part[] => [
  openFlags(flags),
  { show: (c) => ((c.words[flags] & CREATES) !== 0 ? P.octalOf(c.words[flags + 1]) : '') },
];

const stat = P.outStruct(1, 96, S.stat64);

const statx: Part[] = [
  P.dirfd(0),
  P.path(1),
  { show: (c) => statxFlags(c.words[2]) },
  P.flags(3, N.STATX_MASK, 'STATX_???'),
  P.outStruct(4, 256, S.statx),
];
function statxFlags(word: number): string {
  const sync = P.choiceText(word & 0x6000, N.STATX_FLAGS, 'AT_STATX_???');
  const rest = word & ~0x6000;
  return rest === 0 ? sync : `${sync}|${P.flagText(rest, N.AT_FLAGS, 'AT_???')}`;
}

const readVectors = (c: Context) =>
  S.iovecs(c, c.words[1], c.words[2] >>> 0, c.result ?? 0, (at, n) => P.bytesAt(c, at, n));
const iovOut: Part = P.output((c) => (P.failed(c) ? P.address(c.words[1]) : readVectors(c)));
const iovIn: Part = {
  show: (c) => S.iovecs(c, c.words[1], c.words[2] >>> 0, Infinity, (at, n) => P.bytesAt(c, at, n)),
};

/** Entries are counted; listed when they are to be shown whole. */
function entries(c: Context): string {
  if (P.failed(c)) return P.address(c.words[1]);
  const view = P.viewAt(c, c.words[1], c.result ?? 0);
  if (view === undefined) return P.address(c.words[1]);
  const texts: string[] = [];
  for (let at = 0, length: number; at < view.byteLength; at += length) {
    length = view.getUint16(at + 16, true);
    if (length === 0) break;
    texts.push(c.whole ? entry(new DataView(view.buffer, view.byteOffset + at, length)) : '');
  }
  return c.whole ? `[${texts.join(', ')}]` : `${P.address(c.words[1])} /* ${texts.length} entries */`;
}

/** struct linux_dirent64. */
function entry(view: DataView): string {
  const name = new Uint8Array(view.buffer, view.byteOffset + 19, view.byteLength - 19).slice();
  const type = P.choiceText(view.getUint8(18), N.DT, 'DT_???');
  const place = `d_ino=${view.getBigUint64(0, true)}, d_off=${view.getBigInt64(8, true)}, d_reclen=${view.byteLength}`;
  return `{${place}, d_type=${type}, d_name=${cString(name.subarray(0, name.indexOf(0)), 4096)}}`;
}

const fcntl: Part[] = [
  P.fd(0),
  P.choice(1, N.FCNTL, 'F_???'),
  {
    show(c) {
      const [, command, argument] = c.words;
      if ([1, 3, 9, 11, 1025, 1032, 1034].includes(command)) return '';
      if (command === 2) return P.flagText(argument, { FD_CLOEXEC: 1 }, 'FD_???');
      if (command === 4) return openFlagText(argument);
      if ([5, 6, 7, 12, 13, 14].includes(command)) return lock(c);
      return command === 10 ? S.signalText(argument) : String(argument);
    },
  },
];
function lock(c: Context): string {
  const wide = c.words[1] >= 12;
  return P.structAt(c, c.words[2], wide ? 24 : 16, (view) => {
    const type = ['F_RDLCK', 'F_WRLCK', 'F_UNLCK'][view.getInt16(0, true)] ?? String(view.getInt16(0, true));
    const whence = P.choiceText(view.getInt16(2, true), N.SEEK, 'SEEK_???');
    const [start, length] = wide
      ? [view.getBigInt64(4, true), view.getBigInt64(12, true)]
      : [S.i32(view, 4), S.i32(view, 8)];
    const pid = c.words[1] === 5 || c.words[1] === 12 ? `, l_pid=${S.i32(view, wide ? 20 : 12)}` : '';
    return `{l_type=${type}, l_whence=${whence}, l_start=${start}, l_len=${length}${pid}}`;
  });
}

const ioctl: Part[] = [
  P.fd(0),
  { show: (c) => P.choiceText(c.words[1], N.IOCTLS, '???').replace(/ \/\*.*/, '') },
  P.output(ioctlArgument),
];
function ioctlArgument(c: Context): string {
  const [, request, argument] = c.words;
  const at = P.address(argument);
  switch (request) {
    case N.IOCTLS.TCXONC:
    case N.IOCTLS.TCFLSH:
    case N.IOCTLS.TCSBRK:
    case N.IOCTLS.TIOCSCTTY:
    case N.IOCTLS['BTRFS_IOC_CLONE or FICLONE']:
      return String(argument);
    case N.IOCTLS.FIOCLEX:
    case N.IOCTLS.FIONCLEX:
    case N.IOCTLS.TIOCNOTTY:
      return '';
    case N.IOCTLS.FIONBIO:
    case N.IOCTLS.TIOCSPGRP:
    case N.IOCTLS.TIOCSPTLCK:
      return P.structAt(c, argument, 4, (view) => `[${S.i32(view, 0)}]`);
    case N.IOCTLS.FIONREAD:
    case N.IOCTLS.TIOCGPGRP:
    case N.IOCTLS.TIOCGSID:
      return P.failed(c) ? at : P.structAt(c, argument, 4, (view) => `[${S.i32(view, 0)}]`);
    case N.IOCTLS.TIOCGWINSZ:
      if (P.failed(c)) return at;
      return P.structAt(c, argument, 8, (view) => {
        const [rows, columns, x, y] = [0, 2, 4, 6].map((offset) => view.getUint16(offset, true));
        return `{ws_row=${rows}, ws_col=${columns}, ws_xpixel=${x}, ws_ypixel=${y}}`;
      });
    default:
      return at;
  }
}

function readlinkTarget(at: number): Part {
  return P.output((c) => (P.failed(c) ? P.address(c.words[at]) : P.bytesAt(c, c.words[at], c.result ?? 0)));
}

/** [0] of an _llseek. */
const position: Part = P.output((c) =>
  P.failed(c) ? P.address(c.words[3]) : P.structAt(c, c.words[3], 8, (view) => `[${view.getBigInt64(0, true)}]`),
);
const offset: Part = { show: (c) => String(P.wide(c.words[2], c.words[1])) };

const pair = (i: number): Part => P.outStruct(i, 8, (view) => `[${S.i32(view, 0)}, ${S.i32(view, 4)}]`);

const utime = (show: (view: DataView, c: Context) => string, size: number): Part => ({
  show: (c) =>
    P.structAt(
      c,
      c.words[2],
      2 * size,
      (view, inside) =>
        `[${[0, size].map((at) => utimeOf(new DataView(view.buffer, view.byteOffset + at, size), inside, show)).join(', ')}]`,
    ),
});
function utimeOf(view: DataView, c: Context, show: (view: DataView, c: Context) => string): string {
  const nsec = view.getUint32(view.byteLength === 8 ? 4 : 8, true);
  return nsec === 0x3fffffff
    ? 'UTIME_NOW'
    : nsec === 0x3ffffffe
      ? 'UTIME_OMIT'
      : `${show(view, c)}${S.dateComment(view.getInt32(0, true), nsec)}`;
}

const cwd: Part = P.output((c) => {
  if (P.failed(c)) return P.address(c.words[0]);
  const bytes = c.task.mm.view(c.words[0] >>> 0, (c.result ?? 1) - 1, false);
  return typeof bytes === 'number' ? P.address(c.words[0]) : cString(bytes, 4096);
});

/** Names of extended attributes, each with its zero; asked for their length only: where they would go. */
const attributeNames: Part = P.output((c) =>
  P.failed(c) || c.words[2] === 0 || c.result === 0 ? P.address(c.words[1]) : P.bytesAt(c, c.words[1], c.result ?? 0),
);

export const FILES: Readonly<Record<string, readonly Part[]>> = {
  open: [P.path(0), ...opening(1)],
  openat: [P.dirfd(0), P.path(1), ...opening(2)],
  creat: [P.path(0), P.octal(1)],
  access: [P.path(0), P.flags(1, N.ACCESS, '?_OK')],
  faccessat: [P.dirfd(0), P.path(1), P.flags(2, N.ACCESS, '?_OK')],
  faccessat2: [P.dirfd(0), P.path(1), P.flags(2, N.ACCESS, '?_OK'), P.flags(3, N.AT_EACCESS, 'AT_???')],
  read: [P.fd(0), P.filled(1), P.uint(2)],
  write: [P.fd(0), P.buffer(1, 2), P.uint(2)],
  pread64: [P.fd(0), P.filled(1), P.uint(2), P.u64(3)],
  pwrite64: [P.fd(0), P.buffer(1, 2), P.uint(2), P.u64(3)],
  readv: [P.fd(0), iovOut, P.uint(2)],
  writev: [P.fd(0), iovIn, P.uint(2)],
  close: [P.fd(0)],
  dup: [P.fd(0)],
  dup2: [P.fd(0), P.fd(1)],
  dup3: [P.fd(0), P.fd(1), P.flags(2, N.OPEN_FLAGS, 'O_???')],
  fstat64: [P.fd(0), stat],
  stat64: [P.path(0), stat],
  lstat64: [P.path(0), stat],
  fstatat64: [P.dirfd(0), P.path(1), P.outStruct(2, 96, S.stat64), P.flags(3, N.AT_FLAGS, 'AT_???')],
  statx,
  statfs64: [P.path(0), P.uint(1), P.outStruct(2, 84, S.statfs64)],
  fstatfs64: [P.fd(0), P.uint(1), P.outStruct(2, 84, S.statfs64)],
  lseek: [P.fd(0), P.int(1), P.choice(2, N.SEEK, 'SEEK_???')],
  _llseek: [P.fd(0), offset, position, P.choice(4, N.SEEK, 'SEEK_???')],
  getdents64: [P.fd(0), P.output(entries), P.uint(2)],
  getcwd: [cwd, P.uint(1)],
  readlink: [P.path(0), readlinkTarget(1), P.uint(2)],
  readlinkat: [P.dirfd(0), P.path(1), readlinkTarget(2), P.uint(3)],
  listxattr: [P.path(0), attributeNames, P.uint(2)],
  llistxattr: [P.path(0), attributeNames, P.uint(2)],
  flistxattr: [P.fd(0), attributeNames, P.uint(2)],
  mkdir: [P.path(0), P.octal(1)],
  mkdirat: [P.dirfd(0), P.path(1), P.octal(2)],
  chmod: [P.path(0), P.octal(1)],
  fchmod: [P.fd(0), P.octal(1)],
  fchmodat: [P.dirfd(0), P.path(1), P.octal(2)],
  umask: [P.octal(0)],
  unlink: [P.path(0)],
  unlinkat: [P.dirfd(0), P.path(1), P.flags(2, N.AT_FLAGS, 'AT_???')],
  renameat2: [P.dirfd(0), P.path(1), P.dirfd(2), P.path(3), P.flags(4, N.RENAME, 'RENAME_???')],
  linkat: [P.dirfd(0), P.path(1), P.dirfd(2), P.path(3), P.flags(4, N.AT_FLAGS, 'AT_???')],
  fchownat: [P.dirfd(0), P.path(1), P.int(2), P.int(3), P.flags(4, N.AT_FLAGS, 'AT_???')],
  ftruncate64: [P.fd(0), P.u64(1)],
  truncate64: [P.path(0), P.u64(1)],
  fadvise64_64: [P.fd(0), P.u64(1), P.u64(3), P.choice(5, N.POSIX_FADV, 'POSIX_FADV_???')],
  fadvise64: [P.fd(0), P.u64(1), P.uint(3), P.choice(4, N.POSIX_FADV, 'POSIX_FADV_???')],
  utimensat: [P.dirfd(0), P.path(1), utime(S.timespec, 8), P.flags(3, N.AT_FLAGS, 'AT_???')],
  utimensat_time64: [P.dirfd(0), P.path(1), utime(S.timespec64, 16), P.flags(3, N.AT_FLAGS, 'AT_???')],
  fcntl,
  fcntl64: fcntl,
  ioctl,
  flock: [P.fd(0), P.flags(1, N.FLOCK, 'LOCK_???')],
  pipe: [pair(0)],
  pipe2: [pair(0), P.flags(1, N.OPEN_FLAGS, 'O_???')],
  eventfd2: [P.uint(0), P.flags(1, N.EFD, 'EFD_???')],
  sendfile64: [
    P.fd(0),
    P.fd(1),
    { show: (c) => P.structAt(c, c.words[2], 8, (view) => `[${view.getBigInt64(0, true)}]`) },
    P.uint(3),
  ],
};
