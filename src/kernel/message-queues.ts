/** System V message queues (msgop(2)). */
import { E2BIG, EAGAIN, EINVAL, ENOMSG } from '../abi/errno.ts';
import { IPC_NOWAIT, MSG_EXCEPT, MSG_NOERROR, MSGMAX, MSGMNB } from '../abi/ipc.ts';
import { WaitQueue } from '../wait/wait.ts';
import { type IpcPerm, IpcTable, ipcTime, NEVER } from './ipc.ts';
import type { Task } from './task.ts';

export interface Message {
  type: number;
  data: Uint8Array;
}

export class MessageQueue {
  readonly id: number;
  readonly perm: IpcPerm;
  readonly messages: Message[] = [];
  /** Most bytes in it. */
  limit = MSGMNB;
  bytes = 0;
  lastSender = 0;
  lastReceiver = 0;
  stime = NEVER;
  rtime = NEVER;
  ctime: { low: number; high: number };
  readonly arrived = new WaitQueue();
  readonly left = new WaitQueue();

  constructor(id: number, perm: IpcPerm, ctime: { low: number; high: number }) {
    this.id = id;
    this.perm = perm;
    this.ctime = ctime;
  }

  send(task: Task, message: Message, flags: number): number {
    if (message.type < 1 || message.data.length > MSGMAX) return -EINVAL;
    if (this.bytes + message.data.length > this.limit || this.messages.length >= this.limit) {
      return (flags & IPC_NOWAIT) !== 0 ? -EAGAIN : task.block(this.left);
    }
    this.messages.push(message);
    this.bytes += message.data.length;
    this.lastSender = task.tgid;
    this.stime = ipcTime(task);
    this.arrived.wake();
    return 0;
  }

  /** Takes the first message that the type selects; truncated with MSG_NOERROR. A negative errno or BLOCKED. */
  receive(task: Task, size: number, type: number, flags: number): Message | number {
    const index = this.#select(type, flags);
    if (index < 0) return (flags & IPC_NOWAIT) !== 0 ? -ENOMSG : task.block(this.arrived);
    const message = this.messages[index];
    if (message.data.length > size && (flags & MSG_NOERROR) === 0) return -E2BIG;
    this.messages.splice(index, 1);
    this.bytes -= message.data.length;
    this.lastReceiver = task.tgid;
    this.rtime = ipcTime(task);
    this.left.wake();
    return { type: message.type, data: message.data.subarray(0, size) };
  }

  /** 0: the first; positive: of that type (or not, with MSG_EXCEPT); negative: the lowest type up to its absolute value. */
  #select(type: number, flags: number): number {
    const { messages } = this;
    if (type === 0) return messages.length === 0 ? -1 : 0;
    if (type > 0) return messages.findIndex((message) => (message.type === type) !== ((flags & MSG_EXCEPT) !== 0));
    let best = -1;
    for (const [i, message] of messages.entries()) {
      if (message.type <= -type && (best < 0 || message.type < messages[best].type)) best = i;
    }
    return best;
  }
}

export class MessageQueues extends IpcTable<MessageQueue> {
  find(task: Task, key: number, flags: number): number {
    return this.open(
      task,
      key,
      flags,
      () => 0,
      (id, perm) => new MessageQueue(id, perm, ipcTime(task)),
    );
  }
}
