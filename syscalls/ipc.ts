/**
 * System V IPC: the calls, and ipc(2), which the C library of i386 makes all of them through. There its commands carry
 * IPC_64; the calls with numbers of their own take no such bit.
 */
import { E2BIG, EACCES, EFAULT, EINVAL, ENOSYS, EPERM, ERANGE } from '../src/abi/errno.ts';
import * as IPC from '../src/abi/ipc.ts';
import { array, i32, u16 } from '../src/abi/struct.ts';
import { type Timespec, timespec32Layout, timespec64Layout, toNanoseconds } from '../src/abi/time.ts';
import { ipcAllows, ipcOwns, ipcTime, setPerm } from '../src/kernel/ipc.ts';
import type { SemaphoreSet } from '../src/kernel/semaphores.ts';
import type { Task } from '../src/kernel/task.ts';
import type { Mm } from '../src/memory/mm.ts';
import {
  type Declaration,
  flags,
  int,
  type Multiplexer,
  multiplexer,
  pointer,
  readValue,
  size,
  syscall,
  type Words,
  writeValue,
} from '../src/syscall/index.ts';
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
const semctlArgs = [int('semid'), int('semnum'), int('cmd'), pointer('arg')] as const;
export const semctlCall = syscall(394, 'semctl', semctlArgs, semctl, family);

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
const msgctlArgs = [int('msqid'), int('cmd'), pointer('buf')] as const;
export const msgctlCall = syscall(402, 'msgctl', msgctlArgs, msgctl, family);

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
const shmctlArgs = [int('shmid'), int('cmd'), pointer('buf')] as const;
export const shmctlCall = syscall(396, 'shmctl', shmctlArgs, shmctl, family);

// All of them by one number

const plain = (command: number) => command & ~IPC.IPC_64;
const semctlByIpc = syscall(
  -1,
  'semctl',
  semctlArgs,
  (task, id, num, command, argument) => semctl(task, id, num, plain(command), argument),
  family,
);
const msgctlByIpc = syscall(
  -1,
  'msgctl',
  msgctlArgs,
  (task, id, command, address) => msgctl(task, id, plain(command), address),
  family,
);
const shmctlByIpc = syscall(
  -1,
  'shmctl',
  shmctlArgs,
  (task, id, command, address) => shmctl(task, id, plain(command), address),
  family,
);

const [FIRST, SECOND, THIRD, PTR, FIFTH] = [1, 2, 3, 4, 5];
/** By ipc's first word: the call, and which of ipc's words are its own. */
const CALLS: Readonly<Record<number, readonly [of: Declaration, ...words: number[]]>> = {
  1: [semop, FIRST, PTR, SECOND],
  2: [semget, FIRST, SECOND, THIRD],
  3: [semctlByIpc, FIRST, SECOND, THIRD, PTR],
  4: [semtimedop, FIRST, PTR, SECOND, FIFTH],
  11: [msgsnd, FIRST, PTR, SECOND, THIRD],
  12: [msgrcv, FIRST, PTR, SECOND, FIFTH, THIRD],
  13: [msgget, FIRST, SECOND],
  14: [msgctlByIpc, FIRST, SECOND, PTR],
  21: [shmat, FIRST, PTR, SECOND],
  22: [shmdt, PTR],
  23: [shmget, FIRST, SECOND, THIRD],
  24: [shmctlByIpc, FIRST, SECOND, PTR],
};

function readCall({ mm }: Task, given: Words): ReturnType<Multiplexer['read']> {
  const [call] = given;
  const version = call >> 16;
  const found = CALLS[call & 0xffff];
  if (found === undefined) return -ENOSYS;
  const [{ name }, ...from] = found;
  const words = from.map((i) => given[i]);
  return { name, words, refused: completeWords(mm, name, words, version) };
}

/** What of a call's words lies in memory. */
function completeWords(mm: Mm, name: string, words: number[], version: number): number {
  if (name === 'shmat' && version === 1) return -EINVAL;
  if (name === 'semctl') {
    // union semun.
    const argument = words[3] === 0 ? undefined : readValue(mm, words[3] >>> 0, i32);
    if (argument === undefined) return words[3] === 0 ? -EINVAL : -EFAULT;
    words[3] = argument;
  } else if (name === 'msgrcv' && version === 0) {
    // struct ipc_kludge: the buffer's address and the type.
    const packed = readValue(mm, words[1] >>> 0, array(i32, 2));
    if (packed === undefined) return words[1] === 0 ? -EINVAL : -EFAULT;
    [words[1], words[3]] = packed;
  }
  return 0;
}

export const ipc = multiplexer(
  117,
  'ipc',
  [int('call'), int('first'), int('second'), int('third'), pointer('ptr'), int('fifth')],
  {
    ...{ ...family, level: 'partial', note: 'structs have the 64-bit layouts only (IPC_64)' },
    calls: Object.values(CALLS).map(([of]) => of),
    read: readCall,
    // The address goes to where the third word points.
    finish: (task, name, answer) =>
      name === 'shmat' ? task.mm.writeU32(task.call.words[THIRD] >>> 0, answer) : answer,
  },
);
