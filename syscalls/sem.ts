/** System V semaphores. */
import { E2BIG, EACCES, EFAULT, EFBIG, EINVAL, EPERM, ERANGE } from '../src/abi/errno.ts';
import * as IPC from '../src/abi/ipc.ts';
import { array, u16 } from '../src/abi/struct.ts';
import { type Timespec, timespec32Layout, timespec64Layout, toNanoseconds } from '../src/abi/time.ts';
import { ipcAllows, ipcOwns, ipcTime, setPerm } from '../src/kernel/ipc.ts';
import type { SemaphoreSet } from '../src/kernel/semaphores.ts';
import type { Task } from '../src/kernel/task.ts';
import { flags, int, pointer, readValue, size, syscall, writeValue } from '../src/syscall/index.ts';
import { failed } from '../src/wait/wait.ts';
import { ipcFamily as family, GET, key } from './ipc-arguments.ts';

export const semget = syscall(
  393,
  'semget',
  [key, int('nsems'), flags('semflg', GET)],
  (task, key, count, bits) => task.kernel.semaphores.find(task, key, count, bits),
  family,
);

type TimeLayout = typeof timespec32Layout | typeof timespec64Layout;

function operate(
  task: Task,
  id: number,
  operations: number,
  count: number,
  timeout: number,
  layout: TimeLayout,
): number {
  if (id < 0 || count < 1) return -EINVAL;
  if (count > IPC.SEMOPM) return -E2BIG;
  const deadline = timeout === 0 ? undefined : semDeadline(task, timeout, layout);
  if (deadline !== undefined && deadline < 0) return deadline;
  const list = readValue(task.mm, operations, array(IPC.sembufLayout, count));
  if (list === undefined) return -EFAULT;
  const { semaphores } = task.kernel;
  const set = semaphores.get(task, id);
  if (failed(set)) return set;
  if (list.some(({ num }) => num >= set.values.length)) return -EFBIG;
  const alters = list.some(({ op }) => op !== 0);
  if (!ipcAllows(task, set, alters ? 2 : 4)) return -EACCES;
  return semaphores.operate(task, set, list, deadline);
}

function semDeadline(task: Task, address: number, layout: TimeLayout): number {
  const time = readValue<Timespec>(task.mm, address, layout);
  if (time === undefined) return -EFAULT;
  const nanoseconds = toNanoseconds(time);
  return Number.isNaN(nanoseconds) ? -EINVAL : task.once(() => task.now() + nanoseconds);
}

export const semop = syscall(
  -1,
  'semop',
  [int('semid'), pointer('sops'), size('nsops')],
  (task, id, list, count) => operate(task, id, list, count, 0, timespec32Layout),
  family,
);

const semtimedopArgs = [int('semid'), pointer('sops'), size('nsops'), pointer('timeout')] as const;
export const semtimedop_time64 = syscall(
  420,
  'semtimedop_time64',
  semtimedopArgs,
  (task, id, list, count, timeout) => operate(task, id, list, count, timeout, timespec64Layout),
  family,
);
export const semtimedop = syscall(
  -1,
  'semtimedop',
  semtimedopArgs,
  (task, id, list, count, timeout) => operate(task, id, list, count, timeout, timespec32Layout),
  family,
);

/** `argument` is union semun: a value or an address. */
export function semctl(task: Task, id: number, num: number, command: number, argument: number): number {
  const { semaphores } = task.kernel;
  if (id < 0 || command < 0) return -EINVAL;
  if (command === IPC.IPC_INFO || command === IPC.SEM_INFO) return tellLimits(task, command, argument);
  const set = semaphores.subject(task, id, command, IPC.SEM_STAT);
  if (failed(set)) return set;
  const { values } = set;
  switch (command) {
    case IPC.IPC_RMID:
      if (!ipcOwns(task, set)) return -EPERM;
      semaphores.objects.delete(id);
      set.changed.wake();
      return 0;
    case IPC.IPC_SET: {
      const wanted = readValue(task.mm, argument, IPC.semidLayout);
      return wanted === undefined ? -EFAULT : setPerm(task, set, wanted.perm);
    }
    case IPC.SETVAL:
    case IPC.SETALL:
      return ipcAllows(task, set, 2) ? setValues(task, set, num, command, argument) : -EACCES;
    case IPC.IPC_STAT:
    case IPC.SEM_STAT:
    case IPC.SEM_STAT_ANY: {
      if (command !== IPC.SEM_STAT_ANY && !ipcAllows(task, set, 4)) return -EACCES;
      const { perm, otime, ctime } = set;
      const status = { perm, otime, ctime, nsems: values.length };
      return writeValue(task.mm, argument, IPC.semidLayout, status) || (command === IPC.IPC_STAT ? 0 : set.id);
    }
    default:
      return ipcAllows(task, set, 4) ? readSet(task, set, values, num, command, argument) : -EACCES;
  }
}

/** IPC_INFO tells the limits, SEM_INFO what there is; both answer the highest index. */
function tellLimits({ kernel: { semaphores }, mm }: Task, command: number, address: number): number {
  const sets = [...semaphores.objects.values()];
  const use =
    command === IPC.SEM_INFO
      ? { usz: sets.length, aem: sets.reduce((sum, { values }) => sum + values.length, 0) }
      : { usz: 20, aem: IPC.SEMVMX };
  const all = IPC.SEMMNI * IPC.SEMMSL;
  const limits = { map: all, mni: IPC.SEMMNI, mns: all, mnu: all, msl: IPC.SEMMSL, opm: IPC.SEMOPM, ume: IPC.SEMOPM };
  return writeValue(mm, address, IPC.seminfoLayout, { ...limits, vmx: IPC.SEMVMX, ...use }) || semaphores.highestIndex;
}

function setValues(task: Task, set: SemaphoreSet, num: number, command: number, argument: number): number {
  const { values, pids } = set;
  if (command === IPC.SETVAL) {
    if (num < 0 || num >= values.length) return -EINVAL;
    if (argument > IPC.SEMVMX) return -ERANGE;
    values[num] = argument;
    pids[num] = task.tgid;
    for (const adjustments of set.undo.values()) adjustments[num] = 0;
  } else {
    const all = readValue(task.mm, argument, array(u16, values.length));
    if (all === undefined) return -EFAULT;
    if (all.some((value) => value > IPC.SEMVMX)) return -ERANGE;
    values.set(all);
    pids.fill(task.tgid);
    set.undo.clear();
  }
  set.ctime = ipcTime(task);
  set.changed.wake();
  return 0;
}

function readSet(
  task: Task,
  set: SemaphoreSet,
  values: Int32Array,
  num: number,
  command: number,
  argument: number,
): number {
  if (command === IPC.GETALL) return writeValue(task.mm, argument, array(u16, values.length), [...values]);
  if (num < 0 || num >= values.length) return -EINVAL;
  switch (command) {
    case IPC.GETVAL:
      return values[num];
    case IPC.GETPID:
      return set.pids[num];
    case IPC.GETNCNT:
      return set.waiters(num, false);
    case IPC.GETZCNT:
      return set.waiters(num, true);
    default:
      return -EINVAL;
  }
}
export const semctlArgs = [int('semid'), int('semnum'), int('cmd'), pointer('arg')] as const;
export const semctlCall = syscall(394, 'semctl', semctlArgs, semctl, family);
