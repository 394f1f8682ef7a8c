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
export const SEM_STAT = 18;
export const SEM_INFO = 19;
export const SEM_STAT_ANY = 20;
export const SEMMNI = 32000;
export const SEMVMX = 32767;
export const SEMMSL = 32000;
export const SEMOPM = 500;

export const MSG_STAT = 11;
export const MSG_INFO = 12;
export const MSG_STAT_ANY = 13;
export const MSGMNI = 32000;
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
export const SHM_STAT = 13;
export const SHM_INFO = 14;
export const SHM_STAT_ANY = 15;
export const SHMMAX = 0x7fffffff;
export const SHMMNI = 4096;
/** Pages: ULONG_MAX - (1 << 24). */
export const SHMALL = 0xfeffffff;

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

/** struct seminfo, msginfo, shminfo64 and shm_info: members without the name that they begin with. */
export const seminfoLayout = struct({
  ...{ map: i32, mni: i32, mns: i32, mnu: i32, msl: i32 },
  ...{ opm: i32, ume: i32, usz: i32, vmx: i32, aem: i32 },
});
export const msginfoLayout = struct({
  ...{ pool: i32, map: i32, max: i32, mnb: i32, mni: i32, ssz: i32, tql: i32 },
  ...{ seg: u16, pad: pad(2) },
});
export const shminfoLayout = struct({ max: u32, min: u32, mni: u32, seg: u32, all: u32, unused: pad(16) });
export const shmUseLayout = struct({
  ...{ used: i32, total: u32, resident: u32, swapped: u32, swapAttempts: u32, swapSuccesses: u32 },
});
