/** System V IPC (asm/ipcbuf.h, sembuf.h, msgbuf.h, shmbuf.h): the 64-bit layouts, which all current programs use. */
import { i16, i32, pad, struct, u16, u32 } from './struct.ts';

export const IPC_PRIVATE = 0;
export const IPC_CREAT = 0o1000;
export const IPC_EXCL = 0o2000;
export const IPC_NOWAIT = 0o4000;
export const IPC_RMID = 0;
export const IPC_SET = 1;
export const IPC_STAT = 2;
export const IPC_INFO = 3;
/** Or'ed into commands by libraries that know the 64-bit layouts. */
export const IPC_64 = 0x100;

export const GETPID = 11;
export const GETVAL = 12;
export const GETALL = 13;
export const GETNCNT = 14;
export const GETZCNT = 15;
export const SETVAL = 16;
export const SETALL = 17;
export const SEM_UNDO = 0x1000;
export const SEMVMX = 32767;
export const SEMMSL = 32000;
export const SEMOPM = 500;

export const MSG_NOERROR = 0o10000;
export const MSG_EXCEPT = 0o20000;
export const MSGMAX = 8192;
export const MSGMNB = 16384;

export const SHM_RDONLY = 0o10000;
export const SHM_RND = 0o20000;
export const SHM_REMAP = 0o40000;
export const SHM_EXEC = 0o100000;
export const SHM_DEST = 0o1000;
export const SHM_LOCK = 11;
export const SHM_UNLOCK = 12;

export const permLayout = struct({
  key: i32,
  uid: u32,
  gid: u32,
  cuid: u32,
  cgid: u32,
  mode: u16,
  pad1: pad(2),
  seq: u16,
  pad2: pad(2),
  unused: pad(8),
});

/** Times are two words, of which the second is the upper half. */
const time = { low: u32, high: u32 };
export const timeLayout = struct(time);

export const semidLayout = struct({
  perm: permLayout,
  otime: timeLayout,
  ctime: timeLayout,
  nsems: u32,
  unused: pad(8),
});
export const sembufLayout = struct({ num: u16, op: i16, flags: i16 });

export const msqidLayout = struct({
  perm: permLayout,
  stime: timeLayout,
  rtime: timeLayout,
  ctime: timeLayout,
  cbytes: u32,
  qnum: u32,
  qbytes: u32,
  lspid: i32,
  lrpid: i32,
  unused: pad(8),
});

export const shmidLayout = struct({
  perm: permLayout,
  size: u32,
  atime: timeLayout,
  dtime: timeLayout,
  ctime: timeLayout,
  cpid: i32,
  lpid: i32,
  nattch: u32,
  unused: pad(8),
});
