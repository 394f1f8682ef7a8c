/** Sockets. Most calls exist twice on i386: by themselves and as a case of socketcall(2). */
import { EFAULT, EINVAL, EMFILE, EOPNOTSUPP } from '../src/abi/errno.ts';
import { O_NONBLOCK } from '../src/abi/fs.ts';
import * as S from '../src/abi/socket.ts';
import { array, i32 } from '../src/abi/struct.ts';
import { makeSocket, worldFor } from '../src/fs/make-socket.ts';
import type { Socket } from '../src/fs/socket.ts';
import { getSocketOption, setSocketOption } from '../src/fs/socket-options.ts';
import { installPair } from '../src/kernel/descriptors.ts';
import { readAddress } from '../src/kernel/socket-message.ts';
import type { Task } from '../src/kernel/task.ts';
import {
  choice,
  type Declaration,
  flags,
  int,
  multiplexer,
  pointer,
  readValue,
  syscall,
  writeValue,
} from '../src/syscall/index.ts';
import { failed } from '../src/wait/wait.ts';
import { addressIn, addressOut, network as family, socketArg, tellAddress } from './socket-arguments.ts';
import * as io from './socket-io.ts';

const loopback = {
  ...family,
  level: 'partial',
  note: 'UNIX sockets, and TCP and UDP between the processes of one machine; elsewhere the network is unreachable, but for TCP with --forward',
} as const;

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

export const accept4 = syscall(
  364,
  'accept4',
  [socketArg(), ...addressOut, flags('flags', S.SOCKET_TYPES)],
  acceptOn,
  family,
);
export const accept = syscall(
  -1,
  'accept',
  [socketArg(), ...addressOut],
  (task, socket, address, length) => acceptOn(task, socket, address, length, 0),
  family,
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
  ...[socket, bind, connect, listen, accept, getsockname, getpeername, socketpair, io.send, io.recv],
  ...[io.sendto, io.recvfrom, shutdown, setsockopt, getsockopt, io.sendmsg, io.recvmsg],
  ...[accept4, io.recvmmsg, io.sendmmsg],
];

export const socketcall = multiplexer(102, 'socketcall', [int('call'), pointer('args')], {
  ...loopback,
  calls: CALLS,
  read(task, [number, address]) {
    const call = CALLS[number - 1];
    if (call === undefined) return -EINVAL;
    const words = readValue(task.mm, address >>> 0, array(i32, call.args.length));
    return words === undefined ? -EFAULT : { name: call.name, words, refused: 0 };
  },
});
