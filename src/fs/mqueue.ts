/** POSIX message queues (mq_overview(7)): messages by priority, under names of their own. */
import { EAGAIN, EBADF, EBUSY, EMSGSIZE } from '../abi/errno.ts';
import { O_NONBLOCK } from '../abi/fs.ts';
import type { Inode } from '../vfs/inode.ts';
import { OpenFile, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../vfs/open-file.ts';
import { type Sleeper, WaitQueue } from '../wait/wait.ts';
import type { AnonymousInode } from './anonymous.ts';

/** /proc/sys/fs/mqueue. */
export const MQUEUE_LIMITS = { maxMessages: 10, messageSize: 8192, queues: 256, hardMaxMessages: 65536 } as const;
export const MQ_PRIO_MAX = 32768;

const IN = POLLIN | POLLRDNORM;
const OUT = POLLOUT | POLLWRNORM;

export interface QueueMessage {
  priority: number;
  bytes: Uint8Array;
}

/** Who is told, once, that a message has come into the empty queue (mq_notify). */
export interface Notification {
  pid: number;
  /** 0: nobody is told, but the place is taken (SIGEV_NONE). */
  signal: number;
  value: number;
}

export class MessageQueue {
  readonly maxMessages: number;
  readonly messageSize: number;
  /** Highest priority first, in the order of arrival. */
  messages: QueueMessage[] = [];
  notification: Notification | null = null;
  /** null once it is unlinked. */
  name: string | null;
  readonly inode: AnonymousInode;
  /** Those who poll. */
  readonly changed = new WaitQueue();
  readonly receivers = new WaitQueue();
  readonly senders = new WaitQueue();

  constructor(name: string | null, inode: AnonymousInode, maxMessages: number, messageSize: number) {
    this.name = name;
    this.inode = inode;
    this.maxMessages = maxMessages;
    this.messageSize = messageSize;
  }

  get full(): boolean {
    return this.messages.length >= this.maxMessages;
  }
  get bytes(): number {
    return this.messages.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Puts a message in its place; `tell` is called when someone asked for it and nobody waits to receive. */
  put(message: QueueMessage, tell: (notification: Notification) => void): void {
    const wasEmpty = this.messages.length === 0;
    const after = this.messages.findIndex(({ priority }) => priority < message.priority);
    this.messages.splice(after < 0 ? this.messages.length : after, 0, message);
    const { notification } = this;
    if (wasEmpty && notification !== null && this.receivers.waiters.size === 0) {
      this.notification = null;
      tell(notification);
    }
    this.receivers.wake(IN);
    this.changed.wake(IN);
  }

  take(): QueueMessage {
    const message = this.messages.shift()!;
    this.senders.wake(OUT);
    this.changed.wake(OUT);
    return message;
  }
}

/** An open message queue. */
export class MessageQueueFile extends OpenFile {
  readonly inode: Inode;
  readonly queue: MessageQueue;
  readonly name: string;
  override readonly ready: WaitQueue;

  constructor(queue: MessageQueue, name: string, flags: number) {
    super(flags);
    this.queue = queue;
    this.inode = queue.inode;
    this.name = name;
    this.ready = queue.changed;
  }

  describe(): string {
    return `/${this.name}`;
  }

  /** What read(2) of a queue in a mounted mqueue shows. */
  override read(_s: Sleeper, into: Uint8Array): number {
    const { notification, bytes } = this.queue;
    const fields = [notification?.signal ? 0 : 1, notification?.signal ?? 0, notification?.pid ?? 0];
    const text =
      `QSIZE:${String(bytes).padEnd(10)} NOTIFY:${String(notification === null ? 0 : fields[0]).padEnd(5)} ` +
      `SIGNO:${String(fields[1]).padEnd(5)} NOTIFY_PID:${String(fields[2]).padEnd(6)}\n`;
    const part = new TextEncoder().encode(text).subarray(this.position, this.position + into.length);
    into.set(part);
    this.position += part.length;
    return part.length;
  }

  override poll(): number {
    const { queue } = this;
    return (queue.messages.length > 0 ? IN : 0) | (queue.full ? 0 : OUT);
  }

  /** @param deadline monotonic; the answer on timeout is 0. */
  send(
    s: Sleeper,
    message: QueueMessage,
    deadline: number | undefined,
    tell: (notification: Notification) => void,
  ): number | 'timeout' {
    if (!this.writable) return -EBADF;
    if (message.bytes.length > this.queue.messageSize) return -EMSGSIZE;
    if (this.queue.full) return this.#wait(s, this.queue.senders, deadline);
    this.queue.put({ priority: message.priority, bytes: message.bytes.slice() }, tell);
    return 0;
  }

  receive(s: Sleeper, room: number, deadline: number | undefined): QueueMessage | number | 'timeout' {
    if (!this.readable) return -EBADF;
    if (room < this.queue.messageSize) return -EMSGSIZE;
    return this.queue.messages.length > 0 ? this.queue.take() : this.#wait(s, this.queue.receivers, deadline);
  }

  #wait(s: Sleeper, queue: WaitQueue, deadline: number | undefined): number | 'timeout' {
    if ((this.flags & O_NONBLOCK) !== 0) return -EAGAIN;
    return s.block(queue, deadline) || 'timeout';
  }

  /** mq_notify: null takes the registration back. */
  notify(pid: number, wanted: { signal: number; value: number } | null): number {
    const { queue } = this;
    if (wanted === null) {
      if (queue.notification?.pid === pid) queue.notification = null;
      return 0;
    }
    if (queue.notification !== null) return -EBUSY;
    queue.notification = { pid, ...wanted };
    return 0;
  }
}
