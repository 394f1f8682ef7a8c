/**
 * System V IPC: the calls, and ipc(2), which the C library of i386 makes all of them through. There its commands carry
 * IPC_64; the calls with numbers of their own take no such bit.
 */
import { E2BIG, EACCES, EFAULT, EINVAL, ENOSYS, EPERM, ERANGE } from '../src/abi/errno.ts';
import * as IPC from '../src/abi/ipc.ts';
import { array, i32, u16, u32 } from '../src/abi/struct.ts';
import { type Timespec, timespec32Layout, timespec64Layout, toNanoseconds } from '../src/abi/time.ts';
import { ipcAllows, ipcOwns, ipcTime, setPerm } from '../src/kernel/ipc.ts';
import type { SemaphoreSet } from '../src/kernel/semaphores.ts';
import type { Task } from '../src/kernel/task.ts';
import { flags, int, pointer, readValue, size, syscall, writeValue } from '../src/syscall/index.ts';
import { failed } from '../src/wait/wait.ts';

const family = { class: 'ipc' } as const;
const GET = { IPC_CREAT: IPC.IPC_CREAT, IPC_EXCL: IPC.IPC_EXCL };
const key = int('key');

// Semaphores

export const semget = syscall(
  393,
  'semget',
  [key, int('nsems'), flags('semflg', GET)],
  (task, key, count, bits) => task.kernel.semaphores.find(task, key, count, bits),
  family,
);

type TimeLayout = typeof timespec32Layout | typeof timespec64Layout;

function semop(task: Task, id: number, operations: number, count: number, timeout: number, layout: TimeLayout): number {
  if (id < 0 || count < 1) return -EINVAL;
  if (count > IPC.SEMOPM) return -E2BIG;
  const deadline = timeout === 0 ? undefined : semDeadline(task, timeout, layout);
  if (deadline !== undefined && deadline < 0) return deadline;
  const list = readValue(task.mm, operations, array(IPC.sembufLayout, count));
  if (list === undefined) return -EFAULT;
  const { semaphores } = task.kernel;
  const set = semaphores.get(task, id);
  if (failed(set)) return set;
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

const semtimedopArgs = [int('semid'), pointer('sops'), size('nsops'), pointer('timeout')] as const;
export const semtimedop_time64 = syscall(
  420,
  'semtimedop_time64',
  semtimedopArgs,
  (task, id, list, count, timeout) => semop(task, id, list, count, timeout, timespec64Layout),
  family,
);

/** `argument` is union semun: a value or an address. */
function semctl(task: Task, id: number, num: number, command: number, argument: number): number {
  const { semaphores } = task.kernel;
  const set = semaphores.get(task, id);
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
    default:
      return ipcAllows(task, set, 4) ? readSet(task, set, values, num, command, argument) : -EACCES;
  }
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
  if (command === IPC.IPC_STAT) {
    const { perm, otime, ctime } = set;
    return writeValue(task.mm, argument, IPC.semidLayout, { perm, otime, ctime, nsems: values.length });
  }
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
export const semctlCall = syscall(
  394,
  'semctl',
  [int('semid'), int('semnum'), int('cmd'), pointer('arg')],
  semctl,
  family,
);

// Message queues

export const msgget = syscall(
  399,
  'msgget',
  [key, flags('msgflg', GET)],
  (task, key, bits) => task.kernel.messages.find(task, key, bits),
  family,
);

function send(task: Task, id: number, address: number, length: number, bits: number): number {
  if (length > IPC.MSGMAX || id < 0) return -EINVAL;
  const type = readValue(task.mm, address, i32);
  const data = task.mm.copyIn(address + 4, length);
  if (type === undefined || typeof data === 'number') return -EFAULT;
  const queue = task.kernel.messages.get(task, id);
  if (failed(queue)) return queue;
  return ipcAllows(task, queue, 2) ? queue.send(task, { type, data }, bits) : -EACCES;
}

function receive(task: Task, id: number, address: number, length: number, type: number, bits: number): number {
  if (length > 0x7fffffff || id < 0) return -EINVAL;
  const queue = task.kernel.messages.get(task, id);
  if (failed(queue)) return queue;
  if (!ipcAllows(task, queue, 4)) return -EACCES;
  const message = queue.receive(task, length, type, bits);
  if (failed(message)) return message;
  if (writeValue(task.mm, address, i32, message.type) < 0) return -EFAULT;
  return task.mm.copyOut(address + 4, message.data) || message.data.length;
}

function msgctl(task: Task, id: number, command: number, address: number): number {
  const { messages } = task.kernel;
  const queue = messages.get(task, id);
  if (failed(queue)) return queue;
  switch (command) {
    case IPC.IPC_RMID:
      if (!ipcOwns(task, queue)) return -EPERM;
      messages.objects.delete(id);
      queue.arrived.wake();
      queue.left.wake();
      return 0;
    case IPC.IPC_SET: {
      const wanted = readValue(task.mm, address, IPC.msqidLayout);
      if (wanted === undefined) return -EFAULT;
      const denied = setPerm(task, queue, wanted.perm);
      if (denied === 0) queue.limit = wanted.qbytes;
      queue.left.wake();
      return denied;
    }
    case IPC.IPC_STAT: {
      if (!ipcAllows(task, queue, 4)) return -EACCES;
      const { perm, stime, rtime, ctime, bytes, limit, lastSender, lastReceiver } = queue;
      const counts = {
        cbytes: bytes,
        qnum: queue.messages.length,
        qbytes: limit,
        lspid: lastSender,
        lrpid: lastReceiver,
      };
      return writeValue(task.mm, address, IPC.msqidLayout, { perm, stime, rtime, ctime, ...counts });
    }
    default:
      return -EINVAL;
  }
}
export const msgsnd = syscall(
  400,
  'msgsnd',
  [int('msqid'), pointer('msgp'), size('msgsz'), int('msgflg')],
  send,
  family,
);
export const msgrcv = syscall(
  401,
  'msgrcv',
  [int('msqid'), pointer('msgp'), size('msgsz'), int('msgtyp'), int('msgflg')],
  receive,
  family,
);
export const msgctlCall = syscall(402, 'msgctl', [int('msqid'), int('cmd'), pointer('buf')], msgctl, family);

// Shared memory

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

function shmctl(task: Task, id: number, command: number, address: number): number {
  const { kernel } = task;
  const segment = kernel.segments.get(task, id);
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
    case IPC.IPC_STAT: {
      if (!ipcAllows(task, segment, 4)) return -EACCES;
      const { perm, atime, dtime, ctime, creator, lastPid } = segment;
      const nattch = kernel.segments.attachments(kernel, segment);
      const status = { perm, size: segment.size, atime, dtime, ctime, cpid: creator, lpid: lastPid, nattch };
      return writeValue(task.mm, address, IPC.shmidLayout, status);
    }
    case IPC.SHM_LOCK:
    case IPC.SHM_UNLOCK:
      return ipcOwns(task, segment) ? 0 : -EPERM;
    default:
      return -EINVAL;
  }
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
export const shmctlCall = syscall(396, 'shmctl', [int('shmid'), int('cmd'), pointer('buf')], shmctl, family);

// All of them by one number

const CALL = {
  SEMOP: 1,
  SEMGET: 2,
  SEMCTL: 3,
  SEMTIMEDOP: 4,
  MSGSND: 11,
  MSGRCV: 12,
  MSGGET: 13,
  MSGCTL: 14,
  SHMAT: 21,
  SHMDT: 22,
  SHMGET: 23,
  SHMCTL: 24,
} as const;

function multiplex(
  task: Task,
  call: number,
  first: number,
  second: number,
  third: number,
  address: number,
  fifth: number,
) {
  const { kernel, mm } = task;
  const version = call >> 16;
  switch (call & 0xffff) {
    case CALL.SEMOP:
      return semop(task, first, address, second, 0, timespec32Layout);
    case CALL.SEMTIMEDOP:
      return semop(task, first, address, second, fifth, timespec32Layout);
    case CALL.SEMGET:
      return kernel.semaphores.find(task, first, second, third);
    case CALL.SEMCTL: {
      const argument = readValue(mm, address, u32);
      if (address === 0) return -EINVAL;
      return argument === undefined ? -EFAULT : semctl(task, first, second, third & ~IPC.IPC_64, argument);
    }
    case CALL.MSGSND:
      return send(task, first, address, second, third);
    case CALL.MSGRCV: {
      if (version !== 0) return receive(task, first, address, second, fifth, third);
      const packed = readValue(mm, address, array(u32, 2));
      return packed === undefined ? -EFAULT : receive(task, first, packed[0], second, packed[1] | 0, third);
    }
    case CALL.MSGGET:
      return kernel.messages.find(task, first, second);
    case CALL.MSGCTL:
      return msgctl(task, first, second & ~IPC.IPC_64, address);
    case CALL.SHMAT: {
      if (version === 1) return -EINVAL;
      const mapped = attach(task, first, address, second);
      return mapped < 0 ? mapped : mm.writeU32(third >>> 0, mapped);
    }
    case CALL.SHMDT:
      return kernel.segments.detach(task, address);
    case CALL.SHMGET:
      return kernel.segments.find(task, first, second >>> 0, third);
    case CALL.SHMCTL:
      return shmctl(task, first, second & ~IPC.IPC_64, address);
    default:
      return -ENOSYS;
  }
}
export const ipc = syscall(
  117,
  'ipc',
  [int('call'), int('first'), int('second'), int('third'), pointer('ptr'), int('fifth')],
  multiplex,
  { ...family, level: 'partial', note: 'structs have the 64-bit layouts only (IPC_64)' },
);
