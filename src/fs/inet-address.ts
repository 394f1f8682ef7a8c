/** Internet addresses of the machine's own network: the loopback, and nothing else (DESIGN section 8: no network). */
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENETUNREACH } from '../abi/errno.ts';
import { AF_INET, AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY } from '../abi/socket.ts';
import type { InetAddress, SocketAddress } from '../abi/socket-address.ts';
import { CAP_NET_BIND_SERVICE, capable } from '../vfs/credentials.ts';
import type { Sleeper } from '../wait/wait.ts';
import { callerOf } from './caller.ts';
import type { Socket } from './socket.ts';
import type { SocketNames } from './socket-names.ts';

/** Below this, a port needs CAP_NET_BIND_SERVICE. */
const FIRST_FREE_PORT = 1024;

const zeros = (count: number) => new Array<number>(count).fill(0);
const LOOPBACK_4 = [127, 0, 0, 1];
const MAPPED = [...zeros(10), 255, 255];

/** The four bytes of an IPv4 address, mapped or not; null for an IPv6 one. */
export function asIpv4(host: readonly number[]): readonly number[] | null {
  if (host.length === 4) return host;
  return MAPPED.every((byte, i) => host[i] === byte) ? host.slice(12) : null;
}

export const isWildcard = (host: readonly number[]) => (asIpv4(host) ?? host).every((byte) => byte === 0);

export function isLoopback(host: readonly number[]): boolean {
  const ipv4 = asIpv4(host);
  if (ipv4 !== null) return ipv4[0] === 127;
  return host.slice(0, 15).every((byte) => byte === 0) && host[15] === 1;
}

/** The address in a family's form: IPv4 is mapped into IPv6. */
export function inFamily(address: InetAddress, family: number): InetAddress {
  if (address.family === family) return address;
  const host = family === AF_INET6 ? [...MAPPED, ...address.host] : [...(asIpv4(address.host) ?? LOOPBACK_4)];
  return { family: family as InetAddress['family'], host, port: address.port };
}

export function wildcardOf(family: number, port = 0): InetAddress {
  return { family: family as InetAddress['family'], host: zeros(family === AF_INET ? 4 : 16), port };
}

/** The loopback address by which a socket of the family reaches a host. */
export function loopbackFor(family: number, target: readonly number[], port: number): InetAddress {
  if (family === AF_INET) return { family, host: LOOPBACK_4, port };
  const ipv4 = asIpv4(target) !== null && !isWildcard(target);
  return { family: AF_INET6, host: ipv4 ? [...MAPPED, ...LOOPBACK_4] : [...zeros(15), 1], port };
}

/** Where a name of the caller's leads: an address on the loopback, or a negative errno. */
export function reach(socket: Socket, address: SocketAddress): InetAddress | number {
  if (address.family !== AF_INET && address.family !== AF_INET6) return -EINVAL;
  if (address.family === AF_INET6 && socket.kind.domain === AF_INET) return -EINVAL;
  const inet = address as InetAddress;
  if (isWildcard(inet.host)) return loopbackFor(inet.family, inet.host, inet.port);
  return isLoopback(inet.host) ? inet : -ENETUNREACH;
}

/** Whether a socket bound to `bound` hears what goes to `target`. */
export function hears(bound: InetAddress, target: InetAddress, v6only: boolean): boolean {
  const [own, wanted] = [asIpv4(bound.host), asIpv4(target.host)];
  if (isWildcard(bound.host)) return bound.family === AF_INET ? wanted !== null : wanted === null || !v6only;
  const a = own ?? bound.host;
  const b = wanted ?? target.host;
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export const isV6Only = (socket: Socket) => socket.options.other[`${IPPROTO_IPV6}:${IPV6_V6ONLY}`] === 1;

export interface Bindable extends Socket {
  bound: InetAddress | null;
}

/** bind(2): checks the address, finds or takes the port. */
export function bindInet(
  s: Sleeper,
  names: SocketNames,
  protocol: 'tcp' | 'udp',
  socket: Bindable,
  address: SocketAddress,
): number {
  const { domain } = socket.kind;
  if (address.family !== domain) return address.family === AF_INET || domain === AF_INET ? -EAFNOSUPPORT : -EINVAL;
  if (socket.bound !== null) return -EINVAL;
  const wanted = address as InetAddress;
  const ours = isWildcard(wanted.host) || isLoopback(wanted.host);
  // Of the addresses beyond, whoever they belong to knows.
  if (!ours && (protocol === 'udp' || names.outer === null)) return -EADDRNOTAVAIL;
  if (wanted.port !== 0 && wanted.port < FIRST_FREE_PORT) {
    if (!capable(callerOf(s).credentials, CAP_NET_BIND_SERVICE)) return -EACCES;
  }
  const port = wanted.port === 0 ? names.freePort(protocol) : wanted.port;
  if (port === 0) return -EADDRINUSE;
  const bound = { ...wanted, port };
  for (const other of names.holders(protocol, port)) {
    if (conflicts(socket, other as Bindable, bound)) return -EADDRINUSE;
  }
  socket.bound = bound;
  names.takePort(protocol, port, socket);
  return 0;
}

/** Two sockets on one port: both must say so, and one that listens is not shared by SO_REUSEADDR. */
function conflicts(socket: Bindable, other: Bindable, bound: InetAddress): boolean {
  const taken = other.bound;
  if (taken === null) return false;
  const overlap = hears(taken, bound, isV6Only(other)) || hears(bound, taken, isV6Only(socket));
  if (!overlap || (socket.options.reusePort && other.options.reusePort)) return false;
  return !(socket.options.reuseAddress && other.options.reuseAddress && !other.listening);
}
