/** Looking into another process: its memory, and what it shares with others. */
import { EBADF, EFAULT, EINVAL, EPERM, ESRCH } from '../src/abi/errno.ts';
import type { Task } from '../src/kernel/task.ts';
import { int, iovecIn, iovecOut, pointer, syscall, uint } from '../src/syscall/index.ts';
import { mayInspect } from '../src/vfs/credentials.ts';

const family = { class: 'process' } as const;
const IOV_MAX = 1024;

/** The other task, if the caller may look into it; a negative errno. */
function inspected(task: Task, pid: number): Task | number {
  const found = task.kernel.tasks.get(pid);
  if (found === undefined || found.runState === 'dead') return -ESRCH;
  return found.group === task.group || mayInspect(task.credentials, found.credentials) ? found : -EPERM;
}

interface Piece {
  address: number;
  length: number;
}

function remotePieces(task: Task, table: number, count: number): Piece[] | number {
  if (count > IOV_MAX) return -EINVAL;
  const entries = task.mm.view(table, count * 8, false);
  if (typeof entries === 'number') return count === 0 ? [] : -EFAULT;
  const words = new DataView(entries.buffer, entries.byteOffset, entries.byteLength);
  const pieces = Array.from({ length: count }, (_, i) => ({
    address: words.getUint32(i * 8, true),
    length: words.getInt32(i * 8 + 4, true),
  }));
  return pieces.some(({ length }) => length < 0) ? -EINVAL : pieces;
}

/** Moves bytes between the caller's views and another address space, until either side ends; then -EFAULT if none moved. */
function transfer(other: Task, local: readonly Uint8Array[], remote: readonly Piece[], write: boolean): number {
  let total = 0;
  let view = 0;
  let used = 0;
  for (let { address, length } of remote) {
    while (length > 0) {
      while (view < local.length && used === local[view].length) {
        view++;
        used = 0;
      }
      if (view === local.length) return total;
      const there = other.mm.viewPrefix(address, Math.min(length, local[view].length - used), write);
      if (typeof there === 'number') return total || there;
      const here = local[view].subarray(used, used + there.length);
      if (write) there.set(here);
      else here.set(there);
      used += there.length;
      total += there.length;
      address += there.length;
      length -= there.length;
    }
  }
  return total;
}

type Handler = (
  task: Task,
  pid: number,
  local: Uint8Array[],
  locals: number,
  remote: number,
  remotes: number,
  bits: number,
) => number;

const handler =
  (write: boolean): Handler =>
  (task, pid, local, _locals, remote, remotes, bits) => {
    if (bits !== 0) return -EINVAL;
    if (local.every((view) => view.length === 0)) return 0;
    const pieces = remotePieces(task, remote, remotes);
    if (typeof pieces === 'number') return pieces;
    if (pieces.length === 0) return 0;
    const other = inspected(task, pid);
    return typeof other === 'number' ? other : transfer(other, local, pieces, write);
  };

const rest = [uint('liovcnt'), pointer('remote_iov'), uint('riovcnt'), uint('flags')] as const;
export const process_vm_readv = syscall(
  347,
  'process_vm_readv',
  [int('pid'), iovecOut('local_iov', 2), ...rest],
  handler(false),
  family,
);
export const process_vm_writev = syscall(
  348,
  'process_vm_writev',
  [int('pid'), iovecIn('local_iov', 2), ...rest],
  handler(true),
  family,
);

const KCMP = { FILE: 0, VM: 1, FILES: 2, FS: 3, SIGHAND: 4, IO: 5, SYSVSEM: 6 } as const;

/** What tasks have that lack something: it compares as equal. */
const NONE = {};

/** What kcmp compares, of one task; undefined: there is no such descriptor. */
const SUBJECTS: Record<number, (task: Task, index: number) => object | undefined> = {
  [KCMP.FILE]: (task, fd) => task.files.get(fd),
  [KCMP.VM]: (task) => task.mm,
  [KCMP.FILES]: (task) => task.files,
  [KCMP.FS]: (task) => task.fs,
  [KCMP.SIGHAND]: (task) => task.group.actions,
  // Nobody has an input and output context of its own.
  [KCMP.IO]: () => NONE,
  [KCMP.SYSVSEM]: ({ kernel, group }) =>
    [...kernel.semaphores.objects.values()].some(({ undo }) => undo.has(group)) ? group : NONE,
};

/** Numbers that objects get when they are compared first: an order to sort by, anew after a restore. */
const ranks = new WeakMap<object, number>();
let lastRank = 0;
function rankOf(object: object): number {
  const known = ranks.get(object);
  if (known !== undefined) return known;
  ranks.set(object, ++lastRank);
  return lastRank;
}

export const kcmp = syscall(
  349,
  'kcmp',
  [int('pid1'), int('pid2'), int('type'), uint('idx1'), uint('idx2')],
  (task, pid1, pid2, type, index1, index2) => {
    const first = inspected(task, pid1);
    if (typeof first === 'number') return first;
    const second = inspected(task, pid2);
    if (typeof second === 'number') return second;
    const subject = SUBJECTS[type];
    if (subject === undefined) return -EINVAL;
    const one = subject(first, index1);
    const other = subject(second, index2);
    if (one === undefined || other === undefined) return -EBADF;
    if (one === other) return 0;
    return rankOf(one) < rankOf(other) ? 1 : 2;
  },
  { ...family, level: 'partial', note: 'KCMP_EPOLL_TFD is EINVAL' },
);
