/** Sockets. Most calls exist twice on i386: by themselves and as a case of socketcall(2). */
import { EFAULT, EINVAL, EMFILE, ENOTSOCK, EOPNOTSUPP } from '../src/abi/errno.ts';
import { O_NONBLOCK } from '../src/abi/fs.ts';
import * as S from '../src/abi/socket.ts';
import { i32, type Layout, u32 } from '../src/abi/struct.ts';
import { type Timespec, timespec32Layout, timespec64Layout, toNanoseconds } from '../src/abi/time.ts';
import { gather, scatter, totalLength } from '../src/fs/iov.ts';
import { makeSocket, worldFor } from '../src/fs/make-socket.ts';
import { Socket, ucredOf } from '../src/fs/socket.ts';
import { getSocketOption, setSocketOption } from '../src/fs/socket-options.ts';
import { installPair } from '../src/kernel/descriptors.ts';
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
  type Arg,
  choice,
  type Declaration,
  file,
  flags,
  inBuf,
  int,
  outBuf,
  pointer,
  Refusal,
  readValue,
  size,
  syscall,
  uint,
  writeValue,
} from '../src/syscall/index.ts';
import type { OpenFile } from '../src/vfs/open-file.ts';
import { BLOCKED, failed } from '../src/wait/wait.ts';

const family = { class: 'network' } as const;
const loopback = {
  ...family,
  level: 'partial',
  note: 'UNIX sockets, and TCP and UDP between the processes of one machine; elsewhere the network is unreachable',
} as const;

/** A descriptor that must be a socket. */
function socketArg(): Arg<Socket, 'sockfd', number> {
  const opened = file('sockfd');
  const check = (found: OpenFile | Refusal) => {
    if (found instanceof Refusal) return found;
    return found instanceof Socket ? found : new Refusal(ENOTSOCK);
  };
  return {
    ...opened,
    plain: (_socket, words, at) => words[at],
    decode: (task, words, at) => check(opened.decode(task, words, at)),
    fromPlain: (number, task) => check(opened.fromPlain!(number, task)),
    show: (_socket, shown, at) => String(shown.words[at]),
  };
}
const messageFlags = flags('flags', S.MSG);
const domain = choice('domain', S.ADDRESS_FAMILIES);
const type = flags('type', S.SOCKET_TYPES);
const TYPE_FLAGS = S.SOCK_NONBLOCK | S.SOCK_CLOEXEC;

function open(task: Task, domain: number, type: number, protocol: number): Socket | number {
  if ((type & ~(S.SOCK_TYPE_MASK | TYPE_FLAGS)) !== 0) return -EINVAL;
  const { anonymous, socketNames } = task.kernel;
  const world = worldFor(task, anonymous.sockets, socketNames);
  return makeSocket(task, world, domain, type & S.SOCK_TYPE_MASK, protocol, type & O_NONBLOCK);
}

export const socket = syscall(
  359,
  'socket',
  [domain, type, int('protocol')],
  (task, domain, type, protocol) => {
    const made = open(task, domain, type, protocol);
    return failed(made) ? made : task.files.install(made, { cloexec: (type & S.SOCK_CLOEXEC) !== 0 });
  },
  loopback,
);

export const socketpair = syscall(
  360,
  'socketpair',
  [domain, type, int('protocol'), pointer('sv')],
  (task, domain, type, protocol, out) => {
    const [a, b] = [open(task, domain, type, protocol), open(task, domain, type, protocol)];
    if (failed(a)) return a;
    if (failed(b)) return b;
    const paired = domain === S.AF_UNIX ? a.pair(task, b) : -EOPNOTSUPP;
    if (paired < 0) {
      for (const socket of [a, b]) socket.hold().drop();
      return paired;
    }
    return installPair(task, [a, b], (type & S.SOCK_CLOEXEC) !== 0, ([first, second]) => {
      const failed = writeValue(task.mm, out, i32, first) || writeValue(task.mm, out + 4, i32, second);
      return failed < 0 ? -EFAULT : 0;
    });
  },
  family,
);

/** bind and connect: an address that must be there. */
function withAddress(
  task: Task,
  address: number,
  length: number,
  use: (address: Exclude<ReturnType<typeof readAddress>, number | null>) => number,
): number {
  const given = readAddress(task, address, length);
  if (given === null) return length === 0 ? -EINVAL : -EFAULT;
  return failed(given) ? given : use(given);
}
const addressIn = [pointer('addr'), int('addrlen')] as const;

export const bind = syscall(
  361,
  'bind',
  [socketArg(), ...addressIn],
  (task, socket, address, length) => withAddress(task, address, length, (name) => socket.bind(task, name)),
  loopback,
);
export const connect = syscall(
  362,
  'connect',
  [socketArg(), ...addressIn],
  (task, socket, address, length) => withAddress(task, address, length, (name) => socket.connect(task, name)),
  loopback,
);
export const listen = syscall(
  363,
  'listen',
  [socketArg(), int('backlog')],
  (task, socket, backlog) => socket.listen(task, backlog),
  family,
);

/** An address that the call tells: cut to the room that the length says, which then becomes the full length. */
function tellAddress(task: Task, name: Parameters<typeof writeAddress>[1], address: number, lengthAt: number): number {
  const room = readValue(task.mm, lengthAt, i32);
  if (room === undefined) return -EFAULT;
  if (room < 0) return -EINVAL;
  const length = writeAddress(task, name, address, room);
  return length < 0 || writeValue(task.mm, lengthAt, i32, length) < 0 ? -EFAULT : 0;
}

function acceptOn(task: Task, socket: Socket, address: number, lengthAt: number, flags: number): number {
  if ((flags & ~TYPE_FLAGS) !== 0) return -EINVAL;
  if (!task.files.hasRoom()) return -EMFILE;
  const accepted = socket.accept(task, flags & O_NONBLOCK);
  if (failed(accepted)) return accepted;
  const fd = task.files.install(accepted, { cloexec: (flags & S.SOCK_CLOEXEC) !== 0 });
  if (fd < 0 || address === 0) return fd;
  const peer = accepted.peerAddress();
  const told = tellAddress(task, failed(peer) ? null : peer, address, lengthAt);
  if (told < 0) task.files.close(task, fd, task.namespace.locks);
  return told < 0 ? told : fd;
}
const addressOut = [pointer('addr'), pointer('addrlen')] as const;

export const accept4 = syscall(
  364,
  'accept4',
  [socketArg(), ...addressOut, flags('flags', S.SOCKET_TYPES)],
  acceptOn,
  family,
);
const accept = syscall(-1, 'accept', [socketArg(), ...addressOut], (task, socket, address, length) =>
  acceptOn(task, socket, address, length, 0),
);

export const getsockname = syscall(
  367,
  'getsockname',
  [socketArg(), ...addressOut],
  (task, socket, address, lengthAt) => tellAddress(task, socket.address(), address, lengthAt),
  family,
);
export const getpeername = syscall(
  368,
  'getpeername',
  [socketArg(), ...addressOut],
  (task, socket, address, lengthAt) => {
    const peer = socket.peerAddress();
    return failed(peer) ? peer : tellAddress(task, peer, address, lengthAt);
  },
  family,
);

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
const send = syscall(-1, 'send', sendArgs, (task, socket, bytes, length, flags) =>
  sendTo(task, socket, bytes, length, flags, 0, 0),
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
const recv = syscall(-1, 'recv', receiveArgs, (task, socket, into, length, flags) =>
  receiveFrom(task, socket, into, length, flags, 0, 0),
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

export const shutdown = syscall(
  373,
  'shutdown',
  [socketArg(), choice('how', { SHUT_RD: 0, SHUT_WR: 1, SHUT_RDWR: 2 })],
  (_task, socket, how) => (how < 0 || how > 2 ? -EINVAL : socket.shutdown(how)),
  family,
);

const optionArgs = [socketArg(), int('level'), int('optname'), pointer('optval')] as const;

export const getsockopt = syscall(
  365,
  'getsockopt',
  [...optionArgs, pointer('optlen')],
  (task, socket, level, option, address, lengthAt) => {
    const room = readValue(task.mm, lengthAt, i32);
    if (room === undefined) return -EFAULT;
    if (room < 0) return -EINVAL;
    const value = getSocketOption(socket, level, option);
    if (typeof value === 'number') return value;
    const part = value.subarray(0, room);
    const out = task.mm.view(address, part.length, true);
    if (typeof out === 'number') return -EFAULT;
    out.set(part);
    return writeValue(task.mm, lengthAt, i32, part.length);
  },
  family,
);
export const setsockopt = syscall(
  366,
  'setsockopt',
  [...optionArgs, int('optlen')],
  (task, socket, level, option, address, length) => {
    if (length < 0) return -EINVAL;
    const value = task.mm.view(address, Math.min(length, 4096), false);
    return typeof value === 'number' ? -EFAULT : setSocketOption(task, socket, level, option, value);
  },
  family,
);

/** By SYS_* number of linux/net.h, from 1 on. */
const CALLS: readonly Declaration[] = [
  ...[socket, bind, connect, listen, accept, getsockname, getpeername, socketpair, send, recv],
  ...[sendto, recvfrom, shutdown, setsockopt, getsockopt, sendmsg, recvmsg, accept4, recvmmsg, sendmmsg],
];

export const socketcall = syscall(
  102,
  'socketcall',
  [int('call'), pointer('args')],
  (task, number, address) => {
    const call = CALLS[number - 1];
    if (call === undefined) return -EINVAL;
    const words = new Int32Array(6);
    const count = call.args.length;
    for (let i = 0; i < count; i++) {
      const word = readValue(task.mm, address + i * 4, i32);
      if (word === undefined) return -EFAULT;
      words[i] = word;
    }
    const values: unknown[] = [];
    for (const [i, arg] of call.args.entries()) {
      const value = arg.decode(task, words, call.at[i]);
      if (value instanceof Refusal) return value.answer;
      values.push(value);
    }
    return call.handler(task, ...(values as never[]));
  },
  loopback,
);
