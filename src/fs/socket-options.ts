/** getsockopt(2) and setsockopt(2). */
import { EDOM, EINVAL, ENODATA, ENOPROTOOPT, EOPNOTSUPP, EPERM } from '../abi/errno.ts';
import * as S from '../abi/socket.ts';
import { i32, type Layout, n64, struct } from '../abi/struct.ts';
import { timevalLayout } from '../abi/time.ts';
import { CAP_NET_ADMIN, capable } from '../vfs/credentials.ts';
import type { Sleeper } from '../wait/wait.ts';
import { callerOf } from './caller.ts';
import { ConnectionSocket } from './connection.ts';
import type { Socket } from './socket.ts';

const MAX_BUFFER = 212992;
const MIN_SEND = 4608;
const MIN_RECEIVE = 2304;
const timeval64 = struct({ sec: n64, usec: n64 });

/** Levels whose options are remembered as numbers: IP, TCP, IPv6, and those of SOL_SOCKET that change nothing here. */
const REMEMBERED: Readonly<Record<number, readonly number[]>> = {
  [S.SOL_SOCKET]: [
    ...[S.SO_DEBUG, S.SO_DONTROUTE, S.SO_BROADCAST, S.SO_KEEPALIVE, S.SO_OOBINLINE, S.SO_NO_CHECK, S.SO_PRIORITY],
    ...[S.SO_TIMESTAMP, S.SO_MARK, S.SO_BUSY_POLL, 35, 37, 40, 41, 43, 44, 47, 63, 64, 65],
  ],
  [S.IPPROTO_IP]: [1, 2, 6, 7, 8, 10, 11, 12, 13, 15, 32, 33, 34, 49, 50],
  [S.IPPROTO_IPV6]: [16, 17, 18, 19, S.IPV6_V6ONLY, 23, 24, 25, 49, 51, 66, 67],
};
const BOOLEANS = new Set([S.SO_DEBUG, S.SO_DONTROUTE, S.SO_BROADCAST, S.SO_KEEPALIVE, S.SO_OOBINLINE, S.SO_TIMESTAMP]);
/** IP_TTL, IPV6_UNICAST_HOPS and their kin do not start at 0. */
const INITIAL: Readonly<Record<string, number>> = {
  '0:2': 64,
  '0:33': 1,
  '0:34': 1,
  '41:16': 64,
  '41:18': 1,
  '41:19': 1,
};

function encode<T>(layout: Layout<T>, value: T): Uint8Array {
  const bytes = new Uint8Array(layout.size);
  layout.write(new DataView(bytes.buffer), 0, value);
  return bytes;
}
const int = (value: number | boolean) => encode(i32, Number(value));

function decode<T>(layout: Layout<T>, bytes: Uint8Array): T | undefined {
  if (bytes.length < layout.size) return undefined;
  return layout.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
}

/** The value's bytes, or a negative errno. */
export function getSocketOption(socket: Socket, level: number, option: number): Uint8Array | number {
  if (level === S.SOL_SOCKET) {
    const known = socketLevel(socket, option);
    if (known !== undefined) return known;
  }
  const { domain } = socket.kind;
  if (domain === S.AF_UNIX && level !== S.SOL_SOCKET) return -EOPNOTSUPP;
  const key = `${level}:${option}`;
  const own = socket.options.other[key] ?? socket.getOption(level, option);
  if (own !== undefined) return typeof own === 'number' ? int(own) : own;
  return REMEMBERED[level]?.includes(option) ? int(INITIAL[key] ?? 0) : -ENOPROTOOPT;
}

function socketLevel(socket: Socket, option: number): Uint8Array | number | undefined {
  const { options, kind } = socket;
  switch (option) {
    case S.SO_TYPE:
      return int(kind.type);
    case S.SO_DOMAIN:
      return int(kind.domain);
    case S.SO_PROTOCOL:
      return int(kind.protocol);
    case S.SO_ERROR:
      return int(-socket.takeError());
    case S.SO_ACCEPTCONN:
      return int(socket.listening);
    case S.SO_SNDBUF:
      return int(options.sendBuffer);
    case S.SO_RCVBUF:
      return int(options.receiveBuffer);
    case S.SO_RCVLOWAT:
      return int(options.receiveLowWater);
    case S.SO_SNDLOWAT:
      return int(1);
    case S.SO_REUSEADDR:
      return int(options.reuseAddress);
    case S.SO_REUSEPORT:
      return int(options.reusePort);
    case S.SO_PASSCRED:
      return int(options.passCredentials);
    case S.SO_LINGER:
      return encode(S.lingerLayout, options.linger);
    case S.SO_RCVTIMEO:
      return encode(timevalLayout, asTimeval(options.receiveTimeout));
    case S.SO_SNDTIMEO:
      return encode(timevalLayout, asTimeval(options.sendTimeout));
    case S.SO_RCVTIMEO_NEW:
      return encode(timeval64, asTimeval(options.receiveTimeout));
    case S.SO_SNDTIMEO_NEW:
      return encode(timeval64, asTimeval(options.sendTimeout));
    case S.SO_PEERCRED: {
      const peer = socket instanceof ConnectionSocket ? socket.peerCredentials : null;
      return encode(S.ucredLayout, peer ?? { pid: 0, uid: 0xffffffff, gid: 0xffffffff });
    }
    case S.SO_PEERGROUPS:
      return -ENODATA;
    default:
      return undefined;
  }
}

function asTimeval(nanoseconds: number): { sec: number; usec: number } {
  return { sec: Math.floor(nanoseconds / 1e9), usec: Math.floor((nanoseconds % 1e9) / 1000) };
}

export function setSocketOption(s: Sleeper, socket: Socket, level: number, option: number, value: Uint8Array): number {
  if (level === S.SOL_SOCKET) {
    const answer = setSocketLevel(s, socket, option, value);
    if (answer !== undefined) return answer;
  } else if (socket.kind.domain === S.AF_UNIX) return -EOPNOTSUPP;
  const known = REMEMBERED[level]?.includes(option) || socket.getOption(level, option) !== undefined;
  if (!known) return -ENOPROTOOPT;
  // The IP level takes single bytes too.
  const number = value.length >= 4 ? decode(i32, value) : level === S.IPPROTO_IP ? value[0] : undefined;
  if (number === undefined) return -EINVAL;
  const isSwitch = level === S.SOL_SOCKET && BOOLEANS.has(option);
  socket.options.other[`${level}:${option}`] = isSwitch ? Number(number !== 0) : number;
  return 0;
}

/** undefined: not one of those that mean something here. */
function setSocketLevel(s: Sleeper, socket: Socket, option: number, value: Uint8Array): number | undefined {
  const { options } = socket;
  const number = decode(i32, value);
  const set = (apply: (value: number) => void): number => {
    if (number === undefined) return -EINVAL;
    apply(number);
    return 0;
  };
  switch (option) {
    case S.SO_TYPE:
    case S.SO_DOMAIN:
    case S.SO_PROTOCOL:
    case S.SO_ERROR:
    case S.SO_ACCEPTCONN:
    case S.SO_PEERCRED:
    case S.SO_SNDLOWAT:
      return -ENOPROTOOPT;
    case S.SO_REUSEADDR:
      return set((on) => Object.assign(options, { reuseAddress: on !== 0 }));
    case S.SO_REUSEPORT:
      return set((on) => Object.assign(options, { reusePort: on !== 0 }));
    case S.SO_PASSCRED:
      return socket.kind.domain === S.AF_UNIX
        ? set((on) => Object.assign(options, { passCredentials: on !== 0 }))
        : -EOPNOTSUPP;
    case S.SO_RCVLOWAT:
      return set((bytes) => Object.assign(options, { receiveLowWater: bytes < 0 ? 0x7fffffff : bytes || 1 }));
    case S.SO_SNDBUF:
    case S.SO_SNDBUFFORCE:
      return setBuffer(s, option === S.SO_SNDBUFFORCE, number, MIN_SEND, (sendBuffer) =>
        Object.assign(options, { sendBuffer }),
      );
    case S.SO_RCVBUF:
    case S.SO_RCVBUFFORCE:
      return setBuffer(s, option === S.SO_RCVBUFFORCE, number, MIN_RECEIVE, (receiveBuffer) =>
        Object.assign(options, { receiveBuffer }),
      );
    case S.SO_LINGER: {
      const linger = decode(S.lingerLayout, value);
      if (linger === undefined) return -EINVAL;
      options.linger = linger;
      return 0;
    }
    case S.SO_RCVTIMEO:
    case S.SO_RCVTIMEO_NEW:
      return setTimeLimit(value, option, (receiveTimeout) => Object.assign(options, { receiveTimeout }));
    case S.SO_SNDTIMEO:
    case S.SO_SNDTIMEO_NEW:
      return setTimeLimit(value, option, (sendTimeout) => Object.assign(options, { sendTimeout }));
    default:
      return undefined;
  }
}

/** The kernel doubles what is asked for, to have room for its bookkeeping (socket(7)). */
function setBuffer(
  s: Sleeper,
  force: boolean,
  wanted: number | undefined,
  minimum: number,
  apply: (bytes: number) => void,
): number {
  if (wanted === undefined) return -EINVAL;
  if (force && !capable(callerOf(s).credentials, CAP_NET_ADMIN)) return -EPERM;
  const limited = force ? Math.max(0, wanted) : Math.min(wanted >>> 0, MAX_BUFFER);
  apply(Math.max(limited * 2, minimum));
  return 0;
}

function setTimeLimit(value: Uint8Array, option: number, apply: (nanoseconds: number) => void): number {
  const wide = option === S.SO_RCVTIMEO_NEW || option === S.SO_SNDTIMEO_NEW;
  const time: { sec: number; usec: number } | undefined = decode(wide ? timeval64 : timevalLayout, value);
  if (time === undefined) return -EINVAL;
  if (time.usec < 0 || time.usec >= 1e6) return -EDOM;
  apply(time.sec < 0 ? 1 : time.sec * 1e9 + time.usec * 1000);
  return 0;
}
