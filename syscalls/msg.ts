/** System V message queues. */
import { EACCES, EFAULT, EINVAL, EPERM } from '../src/abi/errno.ts';
import * as IPC from '../src/abi/ipc.ts';
import { i32 } from '../src/abi/struct.ts';
import { ipcAllows, ipcOwns, setPerm } from '../src/kernel/ipc.ts';
import type { MessageQueue } from '../src/kernel/message-queues.ts';
import type { Task } from '../src/kernel/task.ts';
import { flags, int, pointer, readValue, size, syscall, writeValue } from '../src/syscall/index.ts';
import { failed } from '../src/wait/wait.ts';
import { ipcFamily as family, GET, key } from './ipc-arguments.ts';

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

export function msgctl(task: Task, id: number, command: number, address: number): number {
  const { messages } = task.kernel;
  if (id < 0 || command < 0) return -EINVAL;
  if (command === IPC.IPC_INFO || command === IPC.MSG_INFO) return tellLimits(task, command, address);
  const queue = messages.subject(task, id, command, IPC.MSG_STAT);
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
    case IPC.IPC_STAT:
    case IPC.MSG_STAT:
    case IPC.MSG_STAT_ANY: {
      if (command !== IPC.MSG_STAT_ANY && !ipcAllows(task, queue, 4)) return -EACCES;
      const { perm, stime, rtime, ctime, bytes, limit, lastSender, lastReceiver } = queue;
      const counts = {
        cbytes: bytes,
        qnum: queue.messages.length,
        qbytes: limit,
        lspid: lastSender,
        lrpid: lastReceiver,
      };
      const status = { perm, stime, rtime, ctime, ...counts };
      return writeValue(task.mm, address, IPC.msqidLayout, status) || (command === IPC.IPC_STAT ? 0 : queue.id);
    }
    default:
      return -EINVAL;
  }
}

/** IPC_INFO tells the limits, MSG_INFO what there is; both answer the highest index. */
function tellLimits({ kernel: { messages }, mm }: Task, command: number, address: number): number {
  const queues = [...messages.objects.values()];
  const sum = (of: (queue: MessageQueue) => number) => queues.reduce((total, queue) => total + of(queue), 0);
  const use =
    command === IPC.MSG_INFO
      ? { pool: queues.length, map: sum((queue) => queue.messages.length), tql: sum((queue) => queue.bytes) }
      : { pool: (IPC.MSGMNI * IPC.MSGMNB) / 1024, map: IPC.MSGMNB, tql: IPC.MSGMNB };
  const limits = { max: IPC.MSGMAX, mnb: IPC.MSGMNB, mni: IPC.MSGMNI, ssz: 16, seg: 0xffff };
  return writeValue(mm, address, IPC.msginfoLayout, { ...limits, ...use }) || messages.highestIndex;
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
export const msgctlArgs = [int('msqid'), int('cmd'), pointer('buf')] as const;
export const msgctlCall = syscall(402, 'msgctl', msgctlArgs, msgctl, family);
