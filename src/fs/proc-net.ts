/** /proc/net: the sockets of the machine's own network (net/ipv4/tcp_ipv4.c, udp.c, net/unix/af_unix.c). */
import { AF_INET, AF_INET6, AF_UNIX, SOCK_DGRAM, SOCK_STREAM } from '../abi/socket.ts';
import type { InetAddress, UnixAddress } from '../abi/socket-address.ts';
import type { Inode } from '../vfs/inode.ts';
import { ConnectionSocket } from './connection.ts';
import { type Maker, ProcDirectory, type ProcFs, ProcText } from './proc.ts';
import type { Socket } from './socket.ts';

const hex = (value: number, width: number) => value.toString(16).toUpperCase().padStart(width, '0');

/** Addresses are shown as words of the machine's byte order. */
function words(host: readonly number[]): string {
  let text = '';
  for (let i = 0; i < host.length; i += 4) text += [3, 2, 1, 0].map((at) => hex(host[i + at], 2)).join('');
  return text;
}

const place = ({ host, port }: InetAddress) => `${words(host)}:${hex(port, 4)}`;

// linux/tcp_states.h
const TCP_ESTABLISHED = 1;
const TCP_CLOSE = 7;
const TCP_CLOSE_WAIT = 8;
const TCP_LISTEN = 10;

function inetState(socket: Socket): number {
  if (socket.listening) return TCP_LISTEN;
  if (typeof socket.peerAddress() === 'number') return TCP_CLOSE;
  return socket.kind.type === SOCK_STREAM && socket.shut !== 0 ? TCP_CLOSE_WAIT : TCP_ESTABLISHED;
}

function inetLine(socket: Socket, slot: number): string {
  const local = socket.address() as InetAddress;
  const peer = socket.peerAddress();
  const none: InetAddress = { ...local, host: local.host.map(() => 0), port: 0 };
  const queues = `${hex(socket.unsent, 8)}:${hex(socket.unread, 8)}`;
  const { uid, ino } = socket.inode.stat;
  const line =
    `${String(slot).padStart(4)}: ${place(local)} ${place(typeof peer === 'number' ? none : (peer as InetAddress))} ` +
    `${hex(inetState(socket), 2)} ${queues} 00:00000000 00000000 ${String(uid).padStart(5)} ${'0'.padStart(8)} ${ino} ` +
    `${socket.references} 00000000`;
  return socket.kind.type === SOCK_STREAM ? `${`${line} 100 0 0 10 0`.padEnd(149)}\n` : `${`${line} 0`.padEnd(127)}\n`;
}

const INET = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const INET6 =
  '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

const hasPort = (socket: Socket) => (socket.address() as InetAddress).port !== 0;

/** One table of Internet sockets: those that have a port. */
const inet =
  (domain: number, type: number): Maker =>
  (fs) =>
    new ProcText(fs, 0o444, () => {
      const wanted = [...fs.source.sockets()].filter(
        (socket) => socket.kind.domain === domain && socket.kind.type === type && hasPort(socket),
      );
      const tail = type === SOCK_DGRAM ? ' ref pointer drops' : '';
      const header = domain === AF_INET ? `${INET}${tail}`.padEnd(type === SOCK_DGRAM ? 127 : 149) : `${INET6}${tail}`;
      return `${header}\n${wanted.map(inetLine).join('')}`;
    });

/** __SO_ACCEPTCON of linux/net.h. */
const ACCEPTS = 0x10000;

function unixLine(socket: Socket): string {
  const { name } = socket.address() as UnixAddress;
  const connected = socket instanceof ConnectionSocket && socket.state === 'connected';
  const path = name === '' ? '' : ` ${name.replace(/\0/g, '@')}`;
  return (
    `00000000: ${hex(socket.references + 1, 8)} 00000000 ${hex(socket.listening ? ACCEPTS : 0, 8)} ` +
    `${hex(socket.kind.type, 4)} ${connected ? '03' : '01'} ${String(socket.inode.stat.ino).padStart(5)}${path}\n`
  );
}

function unixText(fs: ProcFs): string {
  const sockets = [...fs.source.sockets()].filter(({ kind }) => kind.domain === AF_UNIX);
  return `Num       RefCount Protocol Flags    Type St Inode Path\n${sockets.map(unixLine).join('')}`;
}

const fixed =
  (text: string): Maker =>
  (fs) =>
    new ProcText(fs, 0o444, () => text);

const TABLE: Record<string, Maker> = {
  dev: fixed(
    'Inter-|   Receive                                                |  Transmit\n' +
      ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n' +
      '    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n',
  ),
  if_inet6: fixed('00000000000000000000000000000001 01 80 10 80       lo\n'),
  route: fixed(
    `${'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'.padEnd(127)}\n`,
  ),
  tcp: inet(AF_INET, SOCK_STREAM),
  tcp6: inet(AF_INET6, SOCK_STREAM),
  udp: inet(AF_INET, SOCK_DGRAM),
  udp6: inet(AF_INET6, SOCK_DGRAM),
  unix: (fs) => new ProcText(fs, 0o444, () => unixText(fs)),
};

export function makeNet(fs: ProcFs): Inode {
  return new ProcDirectory(fs, TABLE);
}
