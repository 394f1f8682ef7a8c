/** System V shared memory. */
import { EACCES, EFAULT, EINVAL, EPERM } from '../src/abi/errno.ts';
import * as IPC from '../src/abi/ipc.ts';
import { ipcAllows, ipcOwns, setPerm } from '../src/kernel/ipc.ts';
import type { Task } from '../src/kernel/task.ts';
import { flags, int, pointer, readValue, size, syscall, writeValue } from '../src/syscall/index.ts';
import { failed } from '../src/wait/wait.ts';
import { ipcFamily as family, GET, key } from './ipc-arguments.ts';

const PAGE = 4096;

export const shmget = syscall(
  395,
  'shmget',
  [key, size('size'), flags('shmflg', GET)],
  (task, key, length, bits) => task.kernel.segments.find(task, key, length, bits),
  family,
);

function attach(task: Task, id: number, address: number, bits: number): number {
  const { segments } = task.kernel;
  const segment = segments.get(task, id);
  return failed(segment) ? segment : segments.attach(task, segment, address, bits);
}

export function shmctl(task: Task, id: number, command: number, address: number): number {
  const { kernel } = task;
  if (id < 0 || command < 0) return -EINVAL;
  if (command === IPC.IPC_INFO) return tellLimits(task, address);
  if (command === IPC.SHM_INFO) return tellUse(task, address);
  const segment = kernel.segments.subject(task, id, command, IPC.SHM_STAT);
  if (failed(segment)) return segment;
  switch (command) {
    case IPC.IPC_RMID:
      if (!ipcOwns(task, segment)) return -EPERM;
      kernel.segments.remove(task, segment);
      return 0;
    case IPC.IPC_SET: {
      const wanted = readValue(task.mm, address, IPC.shmidLayout);
      return wanted === undefined ? -EFAULT : setPerm(task, segment, wanted.perm);
    }
    case IPC.IPC_STAT:
    case IPC.SHM_STAT:
    case IPC.SHM_STAT_ANY: {
      if (command !== IPC.SHM_STAT_ANY && !ipcAllows(task, segment, 4)) return -EACCES;
      const { perm, atime, dtime, ctime, creator, lastPid } = segment;
      const nattch = kernel.segments.attachments(kernel, segment);
      const status = { perm, size: segment.size, atime, dtime, ctime, cpid: creator, lpid: lastPid, nattch };
      return writeValue(task.mm, address, IPC.shmidLayout, status) || (command === IPC.IPC_STAT ? 0 : segment.id);
    }
    case IPC.SHM_LOCK:
    case IPC.SHM_UNLOCK:
      return ipcOwns(task, segment) ? 0 : -EPERM;
    default:
      return -EINVAL;
  }
}

/** IPC_INFO and SHM_INFO answer the highest index. */
function tellLimits({ kernel: { segments }, mm }: Task, address: number): number {
  const limits = { max: IPC.SHMMAX, min: 1, mni: IPC.SHMMNI, seg: IPC.SHMMNI, all: IPC.SHMALL };
  return writeValue(mm, address, IPC.shminfoLayout, limits) || segments.highestIndex;
}
function tellUse({ kernel: { segments }, mm }: Task, address: number): number {
  const all = [...segments.objects.values()];
  const total = all.reduce((sum, segment) => sum + Math.ceil(segment.size / PAGE), 0);
  const use = { used: all.length, total, resident: total, swapped: 0, swapAttempts: 0, swapSuccesses: 0 };
  return writeValue(mm, address, IPC.shmUseLayout, use) || segments.highestIndex;
}

export const shmat = syscall(
  397,
  'shmat',
  [int('shmid'), pointer('shmaddr'), int('shmflg')],
  (task, id, address, bits) => attach(task, id, address, bits) | 0,
  family,
);
export const shmdt = syscall(
  398,
  'shmdt',
  [pointer('shmaddr')],
  (task, address) => task.kernel.segments.detach(task, address),
  family,
);
export const shmctlArgs = [int('shmid'), int('cmd'), pointer('buf')] as const;
export const shmctlCall = syscall(396, 'shmctl', shmctlArgs, shmctl, family);
