/** socket(2): which kinds there are. */
import { EAFNOSUPPORT, EINVAL, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from '../abi/errno.ts';
import {
  AF_INET,
  AF_INET6,
  AF_MAX,
  AF_PACKET,
  AF_UNIX,
  IPPROTO_IP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from '../abi/socket.ts';
import { CAP_NET_RAW, capable } from '../vfs/credentials.ts';
import type { Sleeper } from '../wait/wait.ts';
import { type AnonymousFs, SOCKET_MODE } from './anonymous.ts';
import { callerOf } from './caller.ts';
import { TcpSocket } from './inet-socket.ts';
import type { Socket } from './socket.ts';
import type { SocketNames, SocketWorld } from './socket-names.ts';
import { UdpSocket } from './udp-socket.ts';
import { UnixConnection, UnixDatagram } from './unix-socket.ts';

export function worldFor(s: Sleeper, sockets: AnonymousFs, names: SocketNames): SocketWorld {
  const { fsuid, fsgid } = callerOf(s).credentials;
  const makeInode = () => sockets.make(SOCKET_MODE, fsuid, fsgid, s.realtime());
  return { names, makeInode };
}

/** A new socket, or why there is none. `flags`: O_NONBLOCK. */
export function makeSocket(
  s: Sleeper,
  world: SocketWorld,
  domain: number,
  type: number,
  protocol: number,
  flags: number,
): Socket | number {
  if (domain < 0 || domain >= AF_MAX) return -EAFNOSUPPORT;
  if (type < 0 || type > 10) return -EINVAL;
  if (domain === AF_UNIX) {
    if (protocol !== 0 && protocol !== AF_UNIX) return -EPROTONOSUPPORT;
    // SOCK_RAW is SOCK_DGRAM by another name here.
    const real = type === SOCK_RAW ? SOCK_DGRAM : type;
    const kind = { domain, type: real, protocol: 0 };
    if (real === SOCK_DGRAM) return new UnixDatagram(world, world.makeInode(), kind, flags);
    if (real !== SOCK_STREAM && real !== SOCK_SEQPACKET) return -ESOCKTNOSUPPORT;
    return new UnixConnection(world, world.makeInode(), kind, flags);
  }
  if (domain === AF_PACKET) return capable(callerOf(s).credentials, CAP_NET_RAW) ? -EAFNOSUPPORT : -EPERM;
  if (domain !== AF_INET && domain !== AF_INET6) return -EAFNOSUPPORT;
  if (type === SOCK_STREAM) {
    if (protocol !== IPPROTO_IP && protocol !== IPPROTO_TCP) return -EPROTONOSUPPORT;
    return new TcpSocket(world, world.makeInode(), { domain, type, protocol: IPPROTO_TCP }, flags);
  }
  if (type === SOCK_DGRAM) {
    if (protocol !== IPPROTO_IP && protocol !== IPPROTO_UDP) return -EPROTONOSUPPORT;
    return new UdpSocket(world, world.makeInode(), { domain, type, protocol: IPPROTO_UDP }, flags);
  }
  if (type === SOCK_RAW && protocol === 0) return -EPROTONOSUPPORT;
  if (type === SOCK_RAW) return capable(callerOf(s).credentials, CAP_NET_RAW) ? -EPROTONOSUPPORT : -EPERM;
  return -ESOCKTNOSUPPORT;
}
