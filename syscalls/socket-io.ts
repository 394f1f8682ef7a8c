/** Bytes and messages through sockets: send(2) and recv(2) in all their forms. */
import { EFAULT, EINVAL } from '../src/abi/errno.ts';
import * as S from '../src/abi/socket.ts';
import { type Layout, u32 } from '../src/abi/struct.ts';
import { type Timespec, timespec32Layout, timespec64Layout, toNanoseconds } from '../src/abi/time.ts';
import { gather, scatter, totalLength } from '../src/fs/iov.ts';
import { type Socket, ucredOf } from '../src/fs/socket.ts';
import {
  type MessageHeader,
  readAddress,
  readControl,
  readVectors,
  writeAddress,
  writeControl,
} from '../src/kernel/socket-message.ts';
import type { Task } from '../src/kernel/task.ts';
import {
  type Declaration,
  flags,
  inBuf,
  outBuf,
  pointer,
  readValue,
  size,
  syscall,
  uint,
  writeValue,
} from '../src/syscall/index.ts';
import { BLOCKED, failed } from '../src/wait/wait.ts';
import { addressIn, addressOut, network as family, socketArg, tellAddress } from './socket-arguments.ts';

const messageFlags = flags('flags', S.MSG);

function sendTo(
  task: Task,
  socket: Socket,
  bytes: Uint8Array,
  _length: number,
  flags: number,
  address: number,
  addressLength: number,
): number {
  const to = readAddress(task, address, addressLength);
  if (failed(to)) return to;
  return socket.send(task, bytes, flags, to, { rights: [], credentials: ucredOf(task) });
}
const sendArgs = [socketArg(), inBuf('buf', 2), size('len'), messageFlags] as const;
export const sendto = syscall(369, 'sendto', [...sendArgs, ...addressIn], sendTo, family);
/** Without a number of its own, as recv(2): socketcall(2) has it. */
export const send = syscall(
  -1,
  'send',
  sendArgs,
  (task, socket, bytes, length, flags) => sendTo(task, socket, bytes, length, flags, 0, 0),
  family,
);

function receiveFrom(
  task: Task,
  socket: Socket,
  into: Uint8Array,
  _length: number,
  flags: number,
  address: number,
  lengthAt: number,
): number {
  const received = socket.receive(task, into, flags);
  if (typeof received === 'number') return received;
  for (const right of received.rights) right.drop();
  const told = address === 0 ? 0 : tellAddress(task, received.from, address, lengthAt);
  if (told < 0) return told;
  return (flags & S.MSG_TRUNC) !== 0 ? received.length : received.count;
}
const receiveArgs = [socketArg(), outBuf('buf', 2), size('len'), messageFlags] as const;
export const recvfrom = syscall(371, 'recvfrom', [...receiveArgs, ...addressOut], receiveFrom, family);
export const recv = syscall(
  -1,
  'recv',
  receiveArgs,
  (task, socket, into, length, flags) => receiveFrom(task, socket, into, length, flags, 0, 0),
  family,
);

function sendHeader(task: Task, socket: Socket, header: MessageHeader, flags: number): number {
  const to = readAddress(task, header.name, header.namelen);
  if (failed(to)) return to;
  const views = readVectors(task, header, false);
  if (failed(views)) return views;
  const along = readControl(task, header);
  if (failed(along)) return along;
  return socket.send(task, gather(views), flags, to, along);
}

export const sendmsg = syscall(
  370,
  'sendmsg',
  [socketArg(), pointer('msg'), messageFlags],
  (task, socket, address, flags) => {
    const header = readValue(task.mm, address, S.msghdrLayout);
    return header === undefined ? -EFAULT : sendHeader(task, socket, header, flags);
  },
  family,
);

/** One message into the buffers of the header at `address`, which is updated. */
function receiveHeader(task: Task, socket: Socket, address: number, flags: number): number {
  const header = readValue(task.mm, address, S.msghdrLayout);
  if (header === undefined) return -EFAULT;
  const views = readVectors(task, header, true);
  if (failed(views)) return views;
  const into = views.length === 1 ? views[0] : new Uint8Array(totalLength(views));
  const received = socket.receive(task, into, flags);
  if (typeof received === 'number') return received;
  if (views.length !== 1) scatter(into.subarray(0, received.count), views);
  const passCredentials = socket.options.passCredentials && socket.kind.domain === S.AF_UNIX;
  const control = writeControl(task, header, received, passCredentials, flags);
  if (typeof control === 'number') return control;
  let namelen = 0;
  if (header.name !== 0) {
    namelen = writeAddress(task, received.from, header.name, Math.max(0, header.namelen));
    if (namelen < 0) return namelen;
  }
  const told = received.flags | control.flags | (flags & S.MSG_CMSG_CLOEXEC);
  const out = { ...header, namelen, controllen: control.length, flags: told };
  if (writeValue(task.mm, address, S.msghdrLayout, out) < 0) return -EFAULT;
  return (flags & S.MSG_TRUNC) !== 0 ? received.length : received.count;
}

export const recvmsg = syscall(372, 'recvmsg', [socketArg(), pointer('msg'), messageFlags], receiveHeader, family);

const MAX_MESSAGES = 1024;

/** sendmmsg and recvmmsg: each message is moved once, however often the call sleeps between two. */
function each(task: Task, count: number, address: number, move: (header: number, i: number) => number): number {
  const limit = Math.min(count, MAX_MESSAGES);
  for (let i = 0; i < limit; i++) {
    const header = address + i * S.mmsghdrLayout.size;
    const moved = task.once(() => {
      const answer = move(header, i);
      if (answer !== BLOCKED) task.progress = 0;
      return answer < 0 ? answer : writeValue(task.mm, header + S.msghdrLayout.size, u32, answer);
    });
    if (moved === BLOCKED) return BLOCKED;
    if (moved < 0) return i > 0 ? i : moved;
  }
  return limit;
}

export const sendmmsg = syscall(
  345,
  'sendmmsg',
  [socketArg(), pointer('msgvec'), uint('vlen'), messageFlags],
  (task, socket, address, count, flags) =>
    each(task, count, address, (at) => {
      const header = readValue(task.mm, at, S.msghdrLayout);
      return header === undefined ? -EFAULT : sendHeader(task, socket, header, flags);
    }),
  family,
);

function declareRecvmmsg(nr: number, name: string, layout: Layout<Timespec>): Declaration {
  return syscall(
    nr,
    name,
    [socketArg(), pointer('msgvec'), uint('vlen'), messageFlags, pointer('timeout')],
    (task, socket, address, count, flags, timeout) => {
      const time = timeout === 0 ? null : readValue(task.mm, timeout, layout);
      if (time === undefined) return -EFAULT;
      const wait = time === null ? 0 : toNanoseconds(time);
      if (Number.isNaN(wait)) return -EINVAL;
      const deadline = time === null ? undefined : task.once(() => task.now() + wait);
      return each(task, count, address, (at, i) => {
        // The time is looked at between messages only (recvmmsg(2), BUGS).
        if (i > 0 && deadline !== undefined && task.now() >= deadline) return -EINVAL;
        const later = i > 0 && (flags & S.MSG_WAITFORONE) !== 0 ? S.MSG_DONTWAIT : 0;
        return receiveHeader(task, socket, at, (flags & ~S.MSG_WAITFORONE) | later);
      });
    },
    family,
  );
}
export const recvmmsg = declareRecvmmsg(337, 'recvmmsg', timespec32Layout);
export const recvmmsg_time64 = declareRecvmmsg(417, 'recvmmsg_time64', timespec64Layout);
