/** UDP between the processes of one machine (udp(7)). */
import { ECONNREFUSED, EDESTADDRREQ, EMSGSIZE, ENOTCONN } from '../abi/errno.ts';
import { AF_UNSPEC, MSG_PEEK, MSG_TRUNC } from '../abi/socket.ts';
import type { InetAddress, SocketAddress } from '../abi/socket-address.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../vfs/open-file.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import type { AnonymousInode } from './anonymous.ts';
import { maskOf } from './connection.ts';
import {
  type Bindable,
  bindInet,
  hears,
  inFamily,
  isV6Only,
  isWildcard,
  loopbackFor,
  reach,
  wildcardOf,
} from './inet-address.ts';
import { NOTHING, RCV_SHUTDOWN, type Received, SEND_SHUTDOWN, Socket, type SocketKind } from './socket.ts';
import type { SocketWorld } from './socket-names.ts';

const IN = POLLIN | POLLRDNORM;
const OUT = POLLOUT | POLLWRNORM | POLLWRBAND;
const BOTH = RCV_SHUTDOWN | SEND_SHUTDOWN;
/** Largest payload of an IPv4 datagram. */
const UDP_MAX = 65507;

interface Datagram {
  bytes: Uint8Array;
  from: InetAddress;
}

export class UdpSocket extends Socket implements Bindable {
  readonly world: SocketWorld;
  bound: InetAddress | null = null;
  peer: InetAddress | null = null;
  queue: Datagram[] = [];
  queued = 0;

  constructor(world: SocketWorld, inode: AnonymousInode, kind: SocketKind, flags: number) {
    super(inode, kind, flags);
    this.world = world;
    world.names.all.add(this);
  }

  get unread(): number {
    return this.queue[0]?.bytes.length ?? 0;
  }
  get unsent(): number {
    return 0;
  }

  bind(s: Sleeper, address: SocketAddress): number {
    return bindInet(s, this.world.names, 'udp', this, address);
  }

  #autobind(s: Sleeper): number {
    return this.bound === null ? this.bind(s, wildcardOf(this.kind.domain)) : 0;
  }

  connect(s: Sleeper, address: SocketAddress): number {
    if (address.family === AF_UNSPEC) {
      this.peer = null;
      return 0;
    }
    const target = reach(this, address);
    if (failed(target)) return target;
    const bound = this.#autobind(s);
    if (bound < 0) return bound;
    this.peer = target;
    return 0;
  }

  address(): SocketAddress {
    if (this.bound === null) return wildcardOf(this.kind.domain);
    return this.peer === null ? this.bound : this.#source(this.peer);
  }
  peerAddress(): SocketAddress | number {
    return this.peer === null ? -ENOTCONN : inFamily(this.peer, this.kind.domain);
  }

  /** Our address as a receiver sees it. */
  #source(target: InetAddress): InetAddress {
    const { host, port } = this.bound!;
    return isWildcard(host) ? loopbackFor(this.kind.domain, target.host, port) : this.bound!;
  }

  send(s: Sleeper, bytes: Uint8Array, flags: number, to: SocketAddress | null): number {
    if (this.error !== 0) return this.takeError();
    if ((this.shut & SEND_SHUTDOWN) !== 0) return this.broken(s, flags);
    const target = to === null ? this.peer : reach(this, to);
    if (target === null) return -EDESTADDRREQ;
    if (failed(target)) return target;
    if (bytes.length > UDP_MAX) return -EMSGSIZE;
    const bound = this.#autobind(s);
    if (bound < 0) return bound;
    const source = this.#source(target);
    const receiver = this.#receiverFor(target, source);
    if (receiver !== undefined) receiver.#take(bytes, source);
    else if (this.peer !== null) {
      // The answer "port unreachable" reaches connected sockets only.
      this.error = ECONNREFUSED;
      this.ready.wake();
    }
    return bytes.length;
  }

  #receiverFor(target: InetAddress, source: InetAddress): UdpSocket | undefined {
    let found: UdpSocket | undefined;
    for (const socket of this.world.names.holders('udp', target.port)) {
      const other = socket as UdpSocket;
      if (!hears(other.bound!, target, isV6Only(other))) continue;
      if (other.peer === null) found ??= other;
      else if (other.peer.port === source.port && hears(other.peer, source, false)) return other;
    }
    return found;
  }

  /** What finds no room is lost. */
  #take(bytes: Uint8Array, source: InetAddress): void {
    if (this.queued + bytes.length > this.options.receiveBuffer || (this.shut & RCV_SHUTDOWN) !== 0) return;
    this.queued += bytes.length;
    this.queue.push({ bytes: bytes.slice(), from: inFamily(source, this.kind.domain) });
    this.ready.wake(IN);
  }

  receive(s: Sleeper, into: Uint8Array, flags: number): Received | number {
    const [message] = this.queue;
    if (message === undefined) {
      if (this.error !== 0) return this.takeError();
      if ((this.shut & RCV_SHUTDOWN) !== 0) return { count: 0, length: 0, flags: 0, from: null, ...NOTHING };
      return this.waitToReceive(s, flags);
    }
    const { length } = message.bytes;
    const part = message.bytes.subarray(0, into.length);
    into.set(part);
    if ((flags & MSG_PEEK) === 0) {
      this.queue.shift();
      this.queued -= length;
    }
    const truncated = part.length < length ? MSG_TRUNC : 0;
    return { count: part.length, length, flags: truncated, from: message.from, rights: [], credentials: null };
  }

  shutdown(how: number): number {
    if (this.peer === null) return -ENOTCONN;
    this.shut |= maskOf(how);
    this.ready.wake();
    return 0;
  }

  override poll(): number {
    let events = OUT | (this.error !== 0 ? POLLERR : 0);
    if ((this.shut & RCV_SHUTDOWN) !== 0) events |= IN | POLLRDHUP;
    if (this.shut === BOTH) events |= POLLHUP;
    return this.queue.length > 0 ? events | IN : events;
  }

  override release(): void {
    this.world.names.all.delete(this);
    if (this.bound !== null) this.world.names.releasePort('udp', this.bound.port, this);
  }
}
