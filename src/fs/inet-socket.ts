/** TCP and UDP between the processes of one machine (tcp(7), udp(7)). Elsewhere the network is unreachable. */
import {
  EAGAIN,
  ECONNREFUSED,
  ECONNRESET,
  EDESTADDRREQ,
  EINPROGRESS,
  EINVAL,
  EISCONN,
  EMSGSIZE,
  ENETUNREACH,
  ENOTCONN,
  EPIPE,
} from '../abi/errno.ts';
import { O_NONBLOCK } from '../abi/fs.ts';
import { AF_INET, AF_INET6, AF_UNSPEC, IPPROTO_TCP, MSG_NOSIGNAL, MSG_PEEK, MSG_TRUNC } from '../abi/socket.ts';
import type { InetAddress, SocketAddress } from '../abi/socket-address.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../vfs/open-file.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import type { AnonymousInode } from './anonymous.ts';
import { ConnectionSocket, maskOf } from './connection.ts';
import {
  type Bindable,
  bindInet,
  hears,
  inFamily,
  isLoopback,
  isV6Only,
  isWildcard,
  loopbackFor,
  wildcardOf,
} from './inet-address.ts';
import {
  type Ancillary,
  NOTHING,
  RCV_SHUTDOWN,
  type Received,
  SEND_SHUTDOWN,
  Socket,
  type SocketKind,
} from './socket.ts';
import type { SocketWorld } from './socket-names.ts';

const IN = POLLIN | POLLRDNORM;
const OUT = POLLOUT | POLLWRNORM | POLLWRBAND;
const BOTH = RCV_SHUTDOWN | SEND_SHUTDOWN;
/** Largest payload of an IPv4 datagram. */
const UDP_MAX = 65507;

/** Where a name of the caller's leads: an address on the loopback, or a negative errno. */
function reach(socket: Socket, address: SocketAddress): InetAddress | number {
  if (address.family !== AF_INET && address.family !== AF_INET6) return -EINVAL;
  if (address.family === AF_INET6 && socket.kind.domain === AF_INET) return -EINVAL;
  const inet = address as InetAddress;
  if (isWildcard(inet.host)) return loopbackFor(inet.family, inet.host, inet.port);
  return isLoopback(inet.host) ? inet : -ENETUNREACH;
}

export class TcpSocket extends ConnectionSocket implements Bindable {
  readonly world: SocketWorld;
  protected override readonly writeBand = 0;
  bound: InetAddress | null = null;
  /** A non-blocking connect has answered EINPROGRESS, and nobody has asked since. */
  connecting = false;

  constructor(world: SocketWorld, inode: AnonymousInode, kind: SocketKind, flags: number) {
    super(inode, kind, flags);
    this.world = world;
    world.names.all.add(this);
  }

  makePeer(): TcpSocket {
    return new TcpSocket(this.world, this.world.makeInode(), this.kind, 0);
  }

  bind(s: Sleeper, address: SocketAddress): number {
    const bound = bindInet(s, this.world.names, 'tcp', this, address);
    if (bound === 0) this.name = this.bound;
    return bound;
  }

  #autobind(s: Sleeper): number {
    return this.bound === null ? this.bind(s, wildcardOf(this.kind.domain)) : 0;
  }

  override listen(s: Sleeper, backlog: number): number {
    const bound = this.#autobind(s);
    if (bound < 0) return bound;
    return this.startListening(s, backlog);
  }

  connect(s: Sleeper, address: SocketAddress): number {
    if (this.connecting) {
      this.connecting = false;
      return this.takeError();
    }
    if (address.family === AF_UNSPEC) return 0;
    if (this.state !== 'unconnected') return this.state === 'connected' ? -EISCONN : -EINVAL;
    const target = reach(this, address);
    if (failed(target)) return target;
    const bound = this.#autobind(s);
    if (bound < 0) return bound;
    const nonBlocking = (this.flags & O_NONBLOCK) !== 0;
    const answer = this.#reachListener(s, target, nonBlocking);
    if (!nonBlocking || (answer !== 0 && answer !== -ECONNREFUSED)) return answer;
    this.connecting = true;
    this.error = -answer;
    if (answer < 0) this.shut = BOTH;
    this.ready.wake();
    return -EINPROGRESS;
  }

  #reachListener(s: Sleeper, target: InetAddress, nonBlocking: boolean): number {
    const listener = this.#listenerFor(target);
    if (listener === undefined) return -ECONNREFUSED;
    // A full queue drops the request, which is then sent again: to us that is waiting for a place.
    const full = nonBlocking ? () => this.#join(s, listener, target) : () => s.block(listener.ready);
    return listener.waiting.length > listener.backlog ? full() : this.#join(s, listener, target);
  }

  #join(s: Sleeper, listener: TcpSocket, target: InetAddress): number {
    const { domain } = this.kind;
    if (isWildcard(this.bound!.host)) this.name = loopbackFor(domain, target.host, this.bound!.port);
    const joined = this.connectTo(s, listener, () => -EAGAIN);
    if (joined < 0) return joined;
    this.peerName = inFamily(target, domain);
    this.peer!.name = inFamily(target, listener.kind.domain);
    this.peer!.peerName = inFamily(this.name as InetAddress, listener.kind.domain);
    return 0;
  }

  #listenerFor(target: InetAddress): TcpSocket | undefined {
    for (const socket of this.world.names.holders('tcp', target.port)) {
      const other = socket as TcpSocket;
      if (other.listening && hears(other.bound!, target, isV6Only(other))) return other;
    }
    return undefined;
  }

  address(): SocketAddress {
    return this.name ?? wildcardOf(this.kind.domain);
  }
  protected noName(): SocketAddress {
    return wildcardOf(this.kind.domain);
  }
  protected override unconnectedReceive(): number {
    return this.error !== 0 ? this.takeError() : -ENOTCONN;
  }
  protected override notConnected(s: Sleeper, flags: number): number {
    if (this.error !== 0) return this.takeError();
    return (flags & MSG_NOSIGNAL) === 0 || s.progress === 0 ? this.broken(s, flags) : -ENOTCONN;
  }

  override send(s: Sleeper, bytes: Uint8Array, flags: number, _to: SocketAddress | null, along: Ancillary): number {
    return super.send(s, bytes, flags, null, along);
  }

  /** What went wrong is told before EPIPE is, and then without SIGPIPE. */
  protected override broken(s: Sleeper, flags: number): number {
    const error = s.progress > 0 ? 0 : this.takeError();
    return error !== 0 && error !== -EPIPE ? error : super.broken(s, flags);
  }

  override peerAddress(): SocketAddress | number {
    const over = this.shut === BOTH && (this.peer === null || this.peer.shut === BOTH);
    return over ? -ENOTCONN : super.peerAddress();
  }

  /** The first bytes after the peer's end are sent, and answered by a reset. */
  protected override sendToNobody(s: Sleeper, bytes: Uint8Array, flags: number): number {
    if (this.peer !== null) return super.sendToNobody(s, bytes, flags);
    this.error = EPIPE;
    this.shut = BOTH;
    this.ready.wake();
    return bytes.length;
  }

  /** The end of the other's stream; its own reading does not concern us. */
  protected override peerShutDown(mask: number): void {
    if ((mask & SEND_SHUTDOWN) !== 0) this.shut |= RCV_SHUTDOWN;
    this.ready.wake();
  }

  protected override peerClosed(reset: boolean): void {
    this.peer = null;
    this.shut |= RCV_SHUTDOWN;
    if (reset) {
      this.shut = BOTH;
      this.error = ECONNRESET;
    }
    this.ready.wake();
  }

  protected override shutdownUnconnected(how: number): number {
    if (this.state !== 'listening') return -ENOTCONN;
    if ((maskOf(how) & RCV_SHUTDOWN) !== 0) this.state = 'unconnected';
    return 0;
  }

  /** Any value may be set and asked for; what is measured is not there to be seen. */
  override getOption(level: number, option: number): number | undefined {
    return level === IPPROTO_TCP ? (TCP_DEFAULTS[option] ?? undefined) : undefined;
  }

  override release(): void {
    this.world.names.all.delete(this);
    if (this.bound !== null) this.world.names.releasePort('tcp', this.bound.port, this);
    super.release();
  }
}

/** TCP_NODELAY, MAXSEG, CORK, KEEPIDLE, KEEPINTVL, KEEPCNT, SYNCNT, LINGER2, DEFER_ACCEPT, WINDOW_CLAMP, QUICKACK ... */
const TCP_DEFAULTS: Readonly<Record<number, number>> = {
  ...{ 1: 0, 2: 65483, 3: 0, 4: 7200, 5: 75, 6: 9, 7: 6, 8: 60, 9: 0, 10: 0, 12: 1, 18: 0, 23: 0, 25: 0 },
};

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
