/** POSIX message queues. */
import {
  EACCES,
  EBADF,
  EEXIST,
  EFAULT,
  EINVAL,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  EOPNOTSUPP,
  EPERM,
  ETIMEDOUT,
} from '../src/abi/errno.ts';
import {
  MAY_READ,
  MAY_WRITE,
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  S_IFREG,
} from '../src/abi/fs.ts';
import { SI_MESGQ, sigeventLayout } from '../src/abi/signal.ts';
import { i32, type Layout, pad, struct, u32 } from '../src/abi/struct.ts';
import { type Timespec, timespec32Layout, timespec64Layout, toNanoseconds } from '../src/abi/time.ts';
import type { AnonymousInode } from '../src/fs/anonymous.ts';
import { MessageQueue, MessageQueueFile, MQ_PRIO_MAX, MQUEUE_LIMITS, type Notification } from '../src/fs/mqueue.ts';
import type { Task } from '../src/kernel/task.ts';
import {
  cstring,
  file,
  flags,
  inBuf,
  mode,
  optionalIn,
  optionalOut,
  outBuf,
  pointer,
  readValue,
  size,
  syscall,
  uint,
} from '../src/syscall/index.ts';
import { CAP_SYS_RESOURCE, capable } from '../src/vfs/credentials.ts';
import type { OpenFile } from '../src/vfs/open-file.ts';
import { permission } from '../src/vfs/permission.ts';

const family = { class: 'ipc' } as const;
const mqAttrLayout = struct({ flags: i32, maxmsg: i32, msgsize: i32, curmsgs: i32, reserved: pad(16) });
const NAME_MAX = 255;
const name = cstring('name', NAME_MAX + 1, ENAMETOOLONG);
const attr = { name: 'attr', kind: 'struct mq_attr' } as const;

/** The C library has taken the first slash away. */
function checkName(name: string): number {
  if (name === '') return -EINVAL;
  return name.includes('/') || name === '.' || name === '..' ? -EACCES : 0;
}

function create(task: Task, name: string, mode: number, wanted: { maxmsg: number; msgsize: number } | null) {
  const { queues } = task.kernel;
  const privileged = capable(task.credentials, CAP_SYS_RESOURCE);
  if (queues.size >= MQUEUE_LIMITS.queues && !privileged) return -ENOSPC;
  const { maxmsg, msgsize } = wanted ?? { maxmsg: MQUEUE_LIMITS.maxMessages, msgsize: MQUEUE_LIMITS.messageSize };
  const limit = privileged ? MQUEUE_LIMITS.hardMaxMessages : MQUEUE_LIMITS.maxMessages;
  const sizeLimit = privileged ? 1 << 24 : MQUEUE_LIMITS.messageSize;
  if (maxmsg <= 0 || msgsize <= 0 || maxmsg > limit || msgsize > sizeLimit) return -EINVAL;
  const { fsuid, fsgid } = task.credentials;
  const bits = S_IFREG | (mode & 0o7777 & ~task.fs.umask);
  const inode = task.kernel.anonymous.anonymous.make(bits, fsuid, fsgid, task.realtime());
  const made = new MessageQueue(name, inode, maxmsg, msgsize);
  queues.set(name, made);
  return made;
}

function mayOpen(task: Task, inode: AnonymousInode, flags: number): number {
  const access = flags & O_ACCMODE;
  if (access > O_RDWR) return -EINVAL;
  const mask = (access !== O_WRONLY ? MAY_READ : 0) | (access !== O_RDONLY ? MAY_WRITE : 0);
  return permission(task, inode, mask);
}

export const mq_open = syscall(
  277,
  'mq_open',
  [
    name,
    flags('oflag', { O_CREAT, O_EXCL, O_NONBLOCK, O_CLOEXEC, O_RDWR, O_WRONLY, O_RDONLY }),
    mode(),
    optionalIn(attr.name, attr.kind, mqAttrLayout),
  ],
  (task, name, bits, mode, wanted) => {
    const invalid = checkName(name);
    if (invalid < 0) return invalid;
    const found = task.kernel.queues.get(name);
    if (found !== undefined && (bits & (O_CREAT | O_EXCL)) === (O_CREAT | O_EXCL)) return -EEXIST;
    if (found === undefined && (bits & O_CREAT) === 0) return -ENOENT;
    const allowed = found === undefined ? 0 : mayOpen(task, found.inode, bits);
    if (allowed < 0) return allowed;
    const opened = found ?? create(task, name, mode, wanted);
    if (typeof opened === 'number') return opened;
    const kept = bits & (O_ACCMODE | O_NONBLOCK);
    return task.files.install(new MessageQueueFile(opened, name, kept), { cloexec: true });
  },
  family,
);

export const mq_unlink = syscall(
  278,
  'mq_unlink',
  [name],
  (task, name) => {
    const invalid = checkName(name);
    if (invalid < 0) return invalid;
    const found = task.kernel.queues.get(name);
    if (found === undefined) return -ENOENT;
    const { fsuid, effective } = task.credentials;
    if (found.inode.stat.uid !== fsuid && effective === 0n) return -EPERM;
    task.kernel.queues.delete(name);
    found.name = null;
    return 0;
  },
  family,
);

const queueOf = (opened: OpenFile) => (opened instanceof MessageQueueFile ? opened : null);

/** An absolute time of the wall clock, as a monotonic deadline; negative: an errno. */
function deadlineOf(task: Task, address: number, layout: Layout<Timespec>): number | undefined {
  if (address === 0) return undefined;
  const time = readValue(task.mm, address, layout);
  if (time === undefined) return -EFAULT;
  const at = toNanoseconds(time);
  if (Number.isNaN(at)) return -EINVAL;
  return task.once(() => Math.max(0, task.now() + at - Number(task.realtime())));
}

function tell(task: Task, { pid, signal, value }: Notification): void {
  const group = task.kernel.groups.get(pid);
  if (signal === 0 || group === undefined) return;
  const { uid } = task.credentials;
  task.kernel.signals.sendToGroup(group, { signo: signal, code: SI_MESGQ, pid: task.tgid, uid, value });
}

function declareSend(nr: number, name: string, layout: Layout<Timespec>) {
  return syscall(
    nr,
    name,
    [file('mqdes'), inBuf('msg_ptr', 2), size('msg_len'), uint('msg_prio'), pointer('abs_timeout')],
    (task, opened, bytes, _length, priority, timeout) => {
      const mq = queueOf(opened);
      if (priority >= MQ_PRIO_MAX) return -EINVAL;
      if (mq === null) return -EBADF;
      const deadline = deadlineOf(task, timeout, layout);
      if (deadline !== undefined && deadline < 0) return deadline;
      const sent = mq.send(task, { priority, bytes }, deadline, (notification) => tell(task, notification));
      return sent === 'timeout' ? -ETIMEDOUT : sent;
    },
    family,
  );
}
export const mq_timedsend = declareSend(279, 'mq_timedsend', timespec32Layout);
export const mq_timedsend_time64 = declareSend(418, 'mq_timedsend_time64', timespec64Layout);

function declareReceive(nr: number, name: string, layout: Layout<Timespec>) {
  return syscall(
    nr,
    name,
    [
      file('mqdes'),
      outBuf('msg_ptr', 2),
      size('msg_len'),
      optionalOut('msg_prio', 'unsigned int', u32),
      pointer('abs_timeout'),
    ],
    (task, opened, into, length, priority, timeout) => {
      const mq = queueOf(opened);
      if (mq === null) return -EBADF;
      const deadline = deadlineOf(task, timeout, layout);
      if (deadline !== undefined && deadline < 0) return deadline;
      const received = mq.receive(task, length, deadline);
      if (received === 'timeout') return -ETIMEDOUT;
      if (typeof received === 'number') return received;
      if (received.bytes.length > into.length || priority.write(received.priority) < 0) return -EFAULT;
      into.set(received.bytes);
      return received.bytes.length;
    },
    family,
  );
}
export const mq_timedreceive = declareReceive(280, 'mq_timedreceive', timespec32Layout);
export const mq_timedreceive_time64 = declareReceive(419, 'mq_timedreceive_time64', timespec64Layout);

const SIGEV_SIGNAL = 0;
const SIGEV_NONE = 1;

export const mq_notify = syscall(
  281,
  'mq_notify',
  [file('mqdes'), optionalIn('sevp', 'struct sigevent', sigeventLayout)],
  (task, opened, event) => {
    const mq = queueOf(opened);
    if (event !== null && event.notify > 2) return -EINVAL;
    if (mq === null) return -EBADF;
    if (event === null) return mq.notify(task.tgid, null);
    if (event.notify === SIGEV_NONE) return mq.notify(task.tgid, { signal: 0, value: 0 });
    if (event.notify !== SIGEV_SIGNAL) return -EOPNOTSUPP;
    if (event.signo < 1 || event.signo > 64) return -EINVAL;
    return mq.notify(task.tgid, { signal: event.signo, value: event.value });
  },
  { ...family, level: 'partial', note: 'SIGEV_THREAD needs a netlink socket, which there is not' },
);

export const mq_getsetattr = syscall(
  282,
  'mq_getsetattr',
  [file('mqdes'), optionalIn('newattr', attr.kind, mqAttrLayout), optionalOut('oldattr', attr.kind, mqAttrLayout)],
  (_task, opened, wanted, old) => {
    const mq = queueOf(opened);
    if (wanted !== null && (wanted.flags & ~O_NONBLOCK) !== 0) return -EINVAL;
    if (mq === null) return -EBADF;
    const { queue } = mq;
    const told = old.write({
      flags: mq.flags & O_NONBLOCK,
      maxmsg: queue.maxMessages,
      msgsize: queue.messageSize,
      curmsgs: queue.messages.length,
    });
    if (told < 0) return told;
    if (wanted !== null) mq.flags = (mq.flags & ~O_NONBLOCK) | wanted.flags;
    return 0;
  },
  family,
);
