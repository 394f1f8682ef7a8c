/** How calls about sockets, and those that wait for descriptors, are shown. */
import * as N from './names.ts';
import type { Context, Part } from './parts.ts';
import * as P from './parts.ts';
import * as S from './structs.ts';

const family: Part = P.choice(0, N.FAMILIES, 'AF_???');
const type: Part = {
  show(c) {
    const bits = c.words[1] & ~0xf;
    const base = P.choiceText(c.words[1] & 0xf, N.SOCKET_TYPES, 'SOCK_???');
    return bits === 0 ? base : `${base}|${P.flagText(bits, N.SOCKET_FLAGS, 'SOCK_???')}`;
  },
};
const protocol: Part = {
  show: (c) =>
    [2, 10].includes(c.words[0]) ? P.choiceText(c.words[2], N.IP_PROTOCOLS, 'IPPROTO_???') : String(c.words[2]),
};

const addressIn = (i: number): Part => ({ show: (c) => S.socketAddress(c, c.words[i], c.words[i + 1]) });
/** The length stands in memory: room before the call, the address's length after it. */
const addressOut = (i: number): Part[] => [
  P.output((c) => (P.failed(c) ? P.address(c.words[i]) : S.socketAddress(c, c.words[i], lengthAt(c, i + 1)))),
  {
    out: true,
    note: (c) => lengthAt(c, i + 1),
    show(c) {
      if (c.words[i + 1] === 0 || !c.verbose) return P.address(c.words[i + 1]);
      const [before, after] = [c.notes?.[i + 1] ?? 0, lengthAt(c, i + 1)];
      return P.failed(c) || before === after ? `[${before}]` : `[${before} => ${after}]`;
    },
  },
];
const lengthAt = (c: Context, i: number) => {
  const view = c.words[i] === 0 ? undefined : P.viewAt(c, c.words[i], 4);
  return view === undefined ? 0 : S.i32(view, 0);
};

const flags = (i: number) => P.flags(i, N.MSG, 'MSG_???');

function optionName(c: Context): string {
  const [, level, name] = c.words;
  if (level === N.SOL.SOL_SOCKET) return P.choiceText(name, N.SO, 'SO_???');
  return level === N.SOL.SOL_TCP ? P.choiceText(name, N.TCP, 'TCP_???') : P.hexOf(name);
}
const option: Part[] = [P.fd(0), { show: (c) => S.optionLevel(c.words[1]) }, { show: optionName }];
const number = (c: Context, i: number) => P.structAt(c, c.words[i], 4, (view) => `[${S.i32(view, 0)}]`);

/** SCM_RIGHTS and SCM_CREDENTIALS in words, others by their length. */
function controlText(c: Context, at: number, length: number): string {
  if (at === 0) return 'NULL';
  const view = P.viewAt(c, at, length);
  if (view === undefined) return P.address(at);
  const parts: string[] = [];
  for (let i = 0; i + 12 <= length; ) {
    const [size, level, kind] = [S.u32(view, i), S.i32(view, i + 4), S.i32(view, i + 8)];
    if (size < 12 || i + size > length) break;
    const name = level === N.SOL.SOL_SOCKET ? P.choiceText(kind, N.SCM, 'SCM_???') : P.hexOf(kind);
    const words = Array.from({ length: (size - 12) >> 2 }, (_, k) => S.i32(view, i + 12 + 4 * k));
    const data = level === N.SOL.SOL_SOCKET ? controlData(c, kind, words) : '';
    parts.push(`{cmsg_len=${size}, cmsg_level=${S.optionLevel(level)}, cmsg_type=${name}${data}}`);
    i += (size + 3) & ~3;
  }
  return `[${parts.join(', ')}]`;
}
function controlData(c: Context, kind: number, words: readonly number[]): string {
  if (kind === N.SCM.SCM_RIGHTS) return `, cmsg_data=[${words.map((fd) => P.fdText(c, fd)).join(', ')}]`;
  if (kind !== N.SCM.SCM_CREDENTIALS) return '';
  return `, cmsg_data={pid=${words[0]}, uid=${words[1]}, gid=${words[2]}}`;
}

/** `room`: what msg_namelen was before the call. */
function message(c: Context, moved: number, room?: number): string {
  return P.structAt(c, c.words[1], 28, (view) => {
    const name = S.u32(view, 0) === 0 ? 'NULL' : S.socketAddress(c, S.u32(view, 0), S.i32(view, 4));
    const iov = S.iovecs(c, S.u32(view, 8), S.u32(view, 12), moved, (at, n) => P.bytesAt(c, at, n));
    const control = S.u32(view, 20) === 0 ? '' : `, msg_control=${controlText(c, S.u32(view, 16), S.u32(view, 20))}`;
    const length = room === undefined || room === S.i32(view, 4) ? '' : `${room} => `;
    const bits = P.flagText(S.i32(view, 24), N.MSG, 'MSG_???');
    return `{msg_name=${name}, msg_namelen=${length}${S.i32(view, 4)}, msg_iov=${iov}, msg_iovlen=${S.u32(view, 12)}${control}, msg_controllen=${S.u32(view, 20)}, msg_flags=${bits}}`;
  });
}

const received: Part = {
  out: true,
  note: (c) => {
    const view = P.viewAt(c, c.words[1], 8);
    return view === undefined ? 0 : S.i32(view, 4);
  },
  show: (c) => (P.failed(c) ? P.address(c.words[1]) : message(c, c.result ?? 0, c.notes?.[1] ?? undefined)),
};

const pollList = (c: Context, pick: 'events' | 'revents'): string => {
  const items: string[] = [];
  for (let i = 0; i < Math.min(c.words[1] >>> 0, 32); i++) {
    const view = P.viewAt(c, c.words[0] + 8 * i, 8);
    if (view === undefined) return P.address(c.words[0]);
    const events = view.getInt16(pick === 'events' ? 4 : 6, true);
    if (pick === 'revents' && events === 0) continue;
    items.push(`{fd=${P.fdText(c, S.i32(view, 0))}, ${pick}=${P.flagText(events, N.POLL, 'POLL???')}}`);
  }
  return `[${items.join(', ')}]`;
};
export const polledList = (c: Context) => pollList(c, 'revents');
const fds: Part = { show: (c) => pollList(c, 'events') };

/** [0 3] of an fd_set. */
export function fdSet(c: Context, at: number, count: number): string {
  if (at === 0) return 'NULL';
  const bytes = c.task.mm.view(at >>> 0, Math.ceil(Math.min(count, 1024) / 32) * 4, false);
  if (typeof bytes === 'number') return P.address(at);
  const members: string[] = [];
  for (let fd = 0; fd < count; fd++) if ((bytes[fd >> 3] >> (fd & 7)) & 1) members.push(P.fdText(c, fd));
  return `[${members.join(' ')}]`;
}
const set = (i: number): Part => ({ show: (c) => fdSet(c, c.words[i], c.words[0]) });

const epollEvent: Part = {
  show(c) {
    return P.structAt(c, c.words[3], 12, (view) => epollText(view, 0));
  },
};
function epollText(view: DataView, at: number): string {
  return `{events=${P.flagText(S.i32(view, at), N.EPOLL, 'EPOLL???')}, data={u32=${S.u32(view, at + 4)}, u64=${view.getBigUint64(at + 4, true)}}}`;
}
const epollEvents: Part = P.output((c) => {
  if (P.failed(c)) return P.address(c.words[1]);
  const count = c.result ?? 0;
  if (count === 0) return '[]';
  return P.structAt(
    c,
    c.words[1],
    12 * count,
    (view) => `[${Array.from({ length: count }, (_, i) => epollText(view, 12 * i)).join(', ')}]`,
  );
});

const sixthSet: Part = {
  show: (c) =>
    P.structAt(
      c,
      c.words[5],
      8,
      (view) => `{sigmask=${P.structAt(c, S.u32(view, 0), 8, S.sigset64)}, sigsetsize=${S.u32(view, 4)}}`,
    ),
};

export const SOCKETS: Readonly<Record<string, readonly Part[]>> = {
  socket: [family, type, protocol],
  socketpair: [family, type, protocol, P.outStruct(3, 8, (view) => `[${S.i32(view, 0)}, ${S.i32(view, 4)}]`)],
  bind: [P.fd(0), addressIn(1), P.int(2)],
  connect: [P.fd(0), addressIn(1), P.int(2)],
  accept: [P.fd(0), ...addressOut(1)],
  send: [P.fd(0), P.buffer(1, 2), P.uint(2), flags(3)],
  recv: [P.fd(0), P.filled(1), P.uint(2), flags(3)],
  listen: [P.fd(0), P.int(1)],
  accept4: [P.fd(0), ...addressOut(1), P.flags(3, N.SOCKET_FLAGS, 'SOCK_???')],
  getsockname: [P.fd(0), ...addressOut(1)],
  getpeername: [P.fd(0), ...addressOut(1)],
  getsockopt: [
    ...option,
    P.output((c) => (P.failed(c) ? P.address(c.words[3]) : number(c, 3))),
    P.output((c) => number(c, 4)),
  ],
  setsockopt: [
    ...option,
    { show: (c) => (c.words[4] === 4 ? number(c, 3) : P.bytesAt(c, c.words[3], c.words[4])) },
    P.int(4),
  ],
  sendto: [P.fd(0), P.buffer(1, 2), P.uint(2), flags(3), addressIn(4), P.int(5)],
  recvfrom: [P.fd(0), P.filled(1), P.uint(2), flags(3), ...addressOut(4)],
  sendmsg: [P.fd(0), { show: (c) => message(c, Infinity) }, flags(2)],
  recvmsg: [P.fd(0), received, flags(2)],
  shutdown: [P.fd(0), P.choice(1, N.SHUT, 'SHUT_???')],
  poll: [fds, P.uint(1), P.int(2)],
  ppoll: [fds, P.uint(1), P.struct(2, 8, S.timespec), P.struct(3, 8, S.sigset64), P.uint(4)],
  ppoll_time64: [fds, P.uint(1), P.struct(2, 16, S.timespec64), P.struct(3, 8, S.sigset64), P.uint(4)],
  _newselect: [P.int(0), set(1), set(2), set(3), P.struct(4, 8, S.timeval)],
  pselect6: [P.int(0), set(1), set(2), set(3), P.struct(4, 8, S.timespec), sixthSet],
  pselect6_time64: [P.int(0), set(1), set(2), set(3), P.struct(4, 16, S.timespec64), sixthSet],
  epoll_create1: [P.flags(0, { EPOLL_CLOEXEC: 0o2000000 }, 'EPOLL_???')],
  epoll_ctl: [P.fd(0), P.choice(1, N.EPOLL_CTL, 'EPOLL_CTL_???'), P.fd(2), epollEvent],
  epoll_wait: [P.fd(0), epollEvents, P.int(2), P.int(3)],
};
