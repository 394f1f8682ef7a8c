/** How System V IPC is shown. */
import * as IPC from '../../abi/ipc.ts';
import type { Context, Names, Part } from './parts.ts';
import * as P from './parts.ts';
import * as S from './structs.ts';

const key: Part = { show: (c) => P.styled(c, c.words[0], c.words[0] === 0 ? 'IPC_PRIVATE' : P.hexOf(c.words[0])) };
const GET = { IPC_CREAT: IPC.IPC_CREAT, IPC_EXCL: IPC.IPC_EXCL, SHM_HUGETLB: 0o4000, SHM_NORESERVE: 0o10000 };
/** What to do and permissions in one word. */
const getFlags = (i: number): Part => ({
  show(c) {
    const bits = c.words[i] & ~0o777;
    const mode = P.octalOf(c.words[i] & 0o777);
    return bits === 0 ? mode : `${P.flagText(bits, GET, 'IPC_???')}|${mode}`;
  },
});

const ipcFlags = (i: number, names: Names) => P.flags(i, { ...names, IPC_NOWAIT: IPC.IPC_NOWAIT }, 'IPC_???');
const MESSAGE = { MSG_NOERROR: IPC.MSG_NOERROR, MSG_EXCEPT: IPC.MSG_EXCEPT };
const ATTACH = {
  ...{ SHM_RDONLY: IPC.SHM_RDONLY, SHM_RND: IPC.SHM_RND, SHM_REMAP: IPC.SHM_REMAP, SHM_EXEC: IPC.SHM_EXEC },
};

const operations: Part = {
  show(c) {
    const { size } = IPC.sembufLayout;
    return P.structAt(c, c.words[1], size * Math.min(c.words[2] >>> 0, IPC.SEMOPM), (view) => {
      const shown: string[] = [];
      for (let at = 0; at < view.byteLength; at += size) {
        const { num, op, flags } = IPC.sembufLayout.read(view, at);
        const bits = P.flagText(flags, { SEM_UNDO: IPC.SEM_UNDO, IPC_NOWAIT: IPC.IPC_NOWAIT }, 'SEM_???');
        shown.push(`{sem_num=${num}, sem_op=${op}, sem_flg=${bits}}`);
      }
      return `[${shown.join(', ')}]`;
    });
  },
};

const text = (c: Context) =>
  P.structAt(
    c,
    c.words[1],
    4,
    (view) => `{mtype=${S.i32(view, 0)}, mtext=${P.bytesAt(c, c.words[1] + 4, c.words[2] >>> 0)}}`,
  );

const COMMANDS = { IPC_RMID: IPC.IPC_RMID, IPC_SET: IPC.IPC_SET, IPC_STAT: IPC.IPC_STAT, IPC_INFO: IPC.IPC_INFO };
const OF_SEMAPHORES = {
  ...{ GETPID: IPC.GETPID, GETVAL: IPC.GETVAL, GETALL: IPC.GETALL, GETNCNT: IPC.GETNCNT, GETZCNT: IPC.GETZCNT },
  ...{ SETVAL: IPC.SETVAL, SETALL: IPC.SETALL },
};
const OF_SEGMENTS = { SHM_LOCK: IPC.SHM_LOCK, SHM_UNLOCK: IPC.SHM_UNLOCK };
const commandOf = (word: number) => word & ~IPC.IPC_64;

function command(i: number, names: Names, unknown: string): Part {
  const all = { ...COMMANDS, ...names };
  return {
    show(c) {
      const name = P.choiceText(commandOf(c.words[i]), all, unknown);
      return P.styled(c, c.words[i], (c.words[i] & IPC.IPC_64) === 0 ? name : `IPC_64|${name}`);
    },
  };
}

type Perm = ReturnType<typeof IPC.permLayout.read>;
const changed = (prefix: string, { uid, gid, mode }: Perm) =>
  `${prefix}_perm={uid=${uid}, gid=${gid}, mode=${P.octalOf(mode)}`;
const owner = (prefix: string, perm: Perm) =>
  `${changed(prefix, perm)}, key=${perm.key}, cuid=${perm.cuid}, cgid=${perm.cgid}}`;

interface Described {
  readonly size: number;
  read(view: DataView, at: number): { perm: Perm };
}

/** The object's description, where the command is about that. */
function description<L extends Described>(
  i: number,
  prefix: string,
  layout: L,
  members: (value: ReturnType<L['read']>) => string,
  settable: (value: ReturnType<L['read']>) => string = () => '',
): Part {
  return P.output((c) => {
    const at = c.words[i + 1];
    const does = commandOf(c.words[i]);
    const read = (view: DataView) => layout.read(view, 0) as ReturnType<L['read']>;
    if (does === IPC.IPC_SET)
      return P.structAt(c, at, layout.size, (view) => {
        const value = read(view);
        return `{${changed(prefix, value.perm)}}${settable(value)}}`;
      });
    if (does !== IPC.IPC_STAT || P.failed(c)) return P.address(at);
    return P.structAt(c, at, layout.size, (view) => {
      const value = read(view);
      return `{${owner(prefix, value.perm)}, ${members(value)}}`;
    });
  });
}

const queue = description(
  1,
  'msg',
  IPC.msqidLayout,
  ({ stime, rtime, ctime, qnum, qbytes, lspid, lrpid }) =>
    `msg_stime=${stime.low}, msg_rtime=${rtime.low}, msg_ctime=${ctime.low}, msg_qnum=${qnum}, msg_qbytes=${qbytes}, msg_lspid=${lspid}, msg_lrpid=${lrpid}`,
  ({ qbytes }) => `, msg_qbytes=${qbytes}`,
);
const segment = description(
  1,
  'shm',
  IPC.shmidLayout,
  ({ size, cpid, lpid, nattch, atime, dtime, ctime }) =>
    `shm_segsz=${size}, shm_cpid=${cpid}, shm_lpid=${lpid}, shm_nattch=${nattch}, shm_atime=${atime.low}, shm_dtime=${dtime.low}, shm_ctime=${ctime.low}`,
);
const set = description(
  2,
  'sem',
  IPC.semidLayout,
  ({ otime, ctime, nsems }) => `sem_otime=${otime.low}, sem_ctime=${ctime.low}, sem_nsems=${nsems}`,
);
/** union semun; ipc(2) is given where it lies. */
const semun: Part = P.output((c) => {
  const { direct } = c.task.call;
  const does = commandOf(c.words[2]);
  if (direct === null) return does === IPC.IPC_STAT || does === IPC.IPC_SET ? set.show(c) : P.address(c.words[3]);
  return direct.refused === 0 ? `[${P.hexOf(c.words[3])}]` : P.address(c.words[3]);
});

const semop = [P.int(0), operations, P.uint(2)];

export const IPCS: Readonly<Record<string, readonly Part[]>> = {
  ipc: [P.int(0), P.int(1), P.int(2), P.int(3), P.hex(4), P.int(5)],
  semget: [key, P.int(1), getFlags(2)],
  semop,
  semtimedop: [...semop, P.struct(3, 8, S.timespec)],
  semtimedop_time64: [...semop, P.struct(3, 16, S.timespec64)],
  semctl: [P.int(0), P.int(1), command(2, OF_SEMAPHORES, 'SEM_???'), semun],
  msgget: [key, getFlags(1)],
  msgsnd: [P.int(0), { show: text }, P.uint(2), ipcFlags(3, MESSAGE)],
  msgrcv: [
    P.int(0),
    P.output((c) => (P.failed(c) ? P.address(c.words[1]) : text(c))),
    P.uint(2),
    P.int(3),
    ipcFlags(4, MESSAGE),
  ],
  msgctl: [P.int(0), command(1, {}, 'MSG_???'), queue],
  shmget: [key, P.uint(1), getFlags(2)],
  shmat: [P.int(0), P.ptr(1), P.flags(2, ATTACH, 'SHM_???')],
  shmdt: [P.ptr(0)],
  shmctl: [P.int(0), command(1, OF_SEGMENTS, 'SHM_???'), segment],
};
