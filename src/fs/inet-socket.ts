/** TCP between the processes of one machine (tcp(7)), and with whoever is beyond, where there is one. Elsewhere the network is unreachable. */
import {
  EAGAIN,
  EALREADY,
  ECONNREFUSED,
  ECONNRESET,
  EINPROGRESS,
  EINVAL,
  EISCONN,
  ENETUNREACH,
  ENOTCONN,
  EPIPE,
} from '../abi/errno.ts';
import { O_NONBLOCK } from '../abi/fs.ts';
import { AF_UNSPEC, IPPROTO_TCP, MSG_NOSIGNAL } from '../abi/socket.ts';
import { hostText, type InetAddress, type SocketAddress } from '../abi/socket-address.ts';
import { POLLIN, POLLRDNORM } from '../vfs/open-file.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import type { AnonymousInode } from './anonymous.ts';
import { ConnectionSocket, join, maskOf } from './connection.ts';
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
import { type Ancillary, RCV_SHUTDOWN, SEND_SHUTDOWN, type SocketKind } from './socket.ts';
import type { SocketWorld } from './socket-names.ts';

const IN = POLLIN | POLLRDNORM;
const BOTH = RCV_SHUTDOWN | SEND_SHUTDOWN;

export class TcpSocket extends ConnectionSocket implements Bindable {
  readonly world: SocketWorld;
  protected override readonly writeBand = 0;
  bound: InetAddress | null = null;
  /** A non-blocking connect has answered EINPROGRESS, and nobody has asked since. */
  connecting = false;
  /** No program's: it speaks for somebody beyond the machine. */
  outer = false;

  constructor(world: SocketWorld, inode: AnonymousInode, kind: SocketKind, flags: number) {
    super(inode, kind, flags);
    this.world = world;
    world.names.all.add(this);
  }

  override get outside(): string | null {
    const { peer, peerName } = this;
    if (!(peer instanceof TcpSocket) || !peer.outer) return super.outside;
    const { host, port } = peerName as InetAddress;
    return `connection to ${hostText(host)} port ${port}`;
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
    const listens = this.state === 'listening';
    const { outer } = this.world.names;
    if (outer === null || listens || this.state === 'connected') return this.startListening(s, backlog);
    const heard = outer.listen(s, this);
    return heard < 0 ? heard : this.startListening(s, backlog);
  }

  connect(s: Sleeper, address: SocketAddress): number {
    if (s.once(() => this.#goesOut(address))) return this.#connectOutside(s, address as InetAddress);
    if (this.connecting) {
      if (this.state === 'connecting') return -EALREADY;
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

  /** Nobody in the machine listens there: it is for whoever is beyond. */
  #goesOut(address: SocketAddress): boolean {
    if (this.world.names.outer === null || this.connecting || this.state !== 'unconnected') return false;
    const target = reach(this, address);
    return failed(target) ? target === -ENETUNREACH : this.#listenerFor(target) === undefined;
  }

  #connectOutside(s: Sleeper, address: InetAddress): number {
    const bound = s.once(() => this.#autobind(s));
    if (bound < 0) return bound;
    const nonBlocking = (this.flags & O_NONBLOCK) !== 0;
    s.once(() => {
      this.state = 'connecting';
      this.connecting = nonBlocking;
      const target = reach(this, address);
      this.world.names.outer!.connect(this, failed(target) ? address : target);
      return 0;
    });
    if (nonBlocking) return -EINPROGRESS;
    return this.state === 'connecting' ? s.block(this.ready) : this.takeError();
  }

  /** Whoever is beyond has answered: `end` is what speaks for the other side. */
  reached(end: TcpSocket, local: InetAddress, target: InetAddress): void {
    join(this, end);
    this.name = inFamily(local, this.kind.domain);
    this.peerName = inFamily(target, this.kind.domain);
  }

  refused(errno: number): void {
    this.state = 'unconnected';
    this.error = errno;
    if (this.connecting) this.shut = BOTH;
    this.ready.wake();
  }

  /** A connection that somebody beyond has made to a socket that listens. */
  offer(end: TcpSocket): void {
    this.waiting.push(end);
    this.ready.wake(IN);
  }

  /** Of whoever speaks for the other side: the connection is broken. */
  abort(): void {
    (this.peer as TcpSocket | null)?.peerClosed(true);
    this.peer = null;
    this.ready.wake();
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
    const { names } = this.world;
    names.all.delete(this);
    if (this.bound !== null) names.releasePort('tcp', this.bound.port, this);
    if (this.state === 'listening') names.outer?.closed(this);
    super.release();
  }
}

/** TCP_NODELAY, MAXSEG, CORK, KEEPIDLE, KEEPINTVL, KEEPCNT, SYNCNT, LINGER2, DEFER_ACCEPT, WINDOW_CLAMP, QUICKACK ... */
const TCP_DEFAULTS: Readonly<Record<number, number>> = {
  ...{ 1: 0, 2: 65483, 3: 0, 4: 7200, 5: 75, 6: 9, 7: 6, 8: 60, 9: 0, 10: 0, 12: 1, 18: 0, 23: 0, 25: 0 },
};
