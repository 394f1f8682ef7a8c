/** Connected sockets, streams and sequences of packets: the part that UNIX and Internet sockets share. */
import { ECONNRESET, EINVAL, EISCONN, EMSGSIZE, ENOTCONN, EOPNOTSUPP } from '../abi/errno.ts';
import { MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, SHUT_RD, SHUT_WR, SOCK_STREAM, type Ucred } from '../abi/socket.ts';
import type { SocketAddress } from '../abi/socket-address.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../vfs/open-file.ts';
import { BLOCKED, type Sleeper } from '../wait/wait.ts';
import { type Ancillary, RCV_SHUTDOWN, type Received, SEND_SHUTDOWN, Socket, ucredOf } from './socket.ts';

const IN = POLLIN | POLLRDNORM;
const OUT = POLLOUT | POLLWRNORM;
/** What the kernel's bookkeeping for one buffer takes of the sender's allowance. */
const OVERHEAD = 768;
/** One buffer of a stream. */
const CHUNK = 32768;
export const SOMAXCONN = 4096;

/** Bytes on their way, with what came along. */
export interface Chunk extends Ancillary {
  bytes: Uint8Array;
}

export const CONNECTION_STATES = ['unconnected', 'connecting', 'listening', 'connected'] as const;
export type ConnectionState = (typeof CONNECTION_STATES)[number];

const cost = (length: number) => length + OVERHEAD;

export abstract class ConnectionSocket extends Socket {
  state: ConnectionState = 'unconnected';
  peer: ConnectionSocket | null = null;
  /** Received and not read; `charged`: what of our own sits unread at the peer. */
  queue: Chunk[] = [];
  charged = 0;
  /** Of a listening socket: connections that nobody has accepted. */
  waiting: ConnectionSocket[] = [];
  backlog = 0;
  peerCredentials: Ucred | null = null;
  /** Local and remote names. */
  name: SocketAddress | null = null;
  peerName: SocketAddress | null = null;
  closed = false;

  get stream(): boolean {
    return this.kind.type === SOCK_STREAM;
  }
  override get listening(): boolean {
    return this.state === 'listening';
  }
  get unread(): number {
    return this.stream
      ? this.queue.reduce((sum, { bytes }) => sum + bytes.length, 0)
      : (this.queue[0]?.bytes.length ?? 0);
  }
  get unsent(): number {
    return this.charged;
  }
  protected get hasRoom(): boolean {
    return this.charged * 4 <= this.options.sendBuffer;
  }
  /** UNIX sockets say POLLWRBAND too. */
  protected readonly writeBand: number = POLLWRBAND;

  abstract makePeer(): ConnectionSocket;

  /** A connection to a listening socket: the other end waits there to be accepted. BLOCKED while its queue is full. */
  protected connectTo(s: Sleeper, listener: ConnectionSocket, full: () => number): number {
    if (listener.waiting.length > listener.backlog) return full();
    const end = listener.makePeer();
    end.name = listener.name;
    end.peerName = this.name;
    this.peerName = listener.name;
    this.peerCredentials = listener.peerCredentials;
    end.peerCredentials = ucredOf(s);
    join(this, end);
    end.options.passCredentials = listener.options.passCredentials;
    listener.waiting.push(end);
    listener.ready.wake(IN);
    return 0;
  }

  override pair(s: Sleeper, other: Socket): number {
    const peer = other as ConnectionSocket;
    this.peerCredentials = ucredOf(s);
    peer.peerCredentials = ucredOf(s);
    join(this, peer);
    return 0;
  }

  override accept(s: Sleeper, flags: number): Socket | number {
    if (this.state !== 'listening') return -EINVAL;
    const end = this.waiting.shift();
    if (end === undefined) return this.waitToReceive(s, 0);
    end.flags |= flags;
    // Someone may have waited for a place in the queue.
    this.ready.wake(POLLOUT);
    return end;
  }

  protected startListening(s: Sleeper, backlog: number): number {
    if (this.state === 'connected') return -EINVAL;
    this.state = 'listening';
    this.backlog = Math.min(backlog < 0 ? SOMAXCONN : backlog, SOMAXCONN);
    this.peerCredentials = ucredOf(s);
    this.ready.wake(POLLOUT);
    return 0;
  }

  peerAddress(): SocketAddress | number {
    if (this.state !== 'connected') return -ENOTCONN;
    return this.peerName ?? this.noName();
  }
  protected abstract noName(): SocketAddress;

  send(s: Sleeper, bytes: Uint8Array, flags: number, to: SocketAddress | null, along: Ancillary): number {
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
    if (to !== null && this.stream) return this.state === 'connected' ? -EISCONN : this.notConnected(s, flags);
    if (this.error !== 0 && s.progress === 0 && (this.shut & SEND_SHUTDOWN) === 0) return this.takeError();
    if ((this.shut & SEND_SHUTDOWN) !== 0) return this.broken(s, flags);
    if (this.state !== 'connected') return this.notConnected(s, flags);
    const { peer } = this;
    if (peer === null || (peer.shut & RCV_SHUTDOWN) !== 0) return this.sendToNobody(s, bytes, flags);
    return this.stream
      ? this.#sendStream(s, peer, bytes, flags, along)
      : this.#sendPacket(s, peer, bytes, flags, along);
  }

  protected notConnected(_s: Sleeper, _flags: number): number {
    return -ENOTCONN;
  }
  /** The peer is gone, or reads no more. */
  protected sendToNobody(s: Sleeper, _bytes: Uint8Array, flags: number): number {
    return this.broken(s, flags);
  }

  #sendStream(s: Sleeper, peer: ConnectionSocket, bytes: Uint8Array, flags: number, along: Ancillary): number {
    if (bytes.length === 0) return 0;
    while (s.progress < bytes.length) {
      if (this.charged >= this.options.sendBuffer) return this.waitToSend(s, flags);
      const part = bytes.subarray(s.progress, s.progress + Math.min(CHUNK, this.options.sendBuffer));
      const rights = s.progress === 0 ? along.rights : [];
      this.#deliver(peer, { bytes: part.slice(), rights, credentials: along.credentials });
      s.progress += part.length;
    }
    return s.progress;
  }

  #sendPacket(s: Sleeper, peer: ConnectionSocket, bytes: Uint8Array, flags: number, along: Ancillary): number {
    if (bytes.length > this.options.sendBuffer - 32) return -EMSGSIZE;
    if (this.charged > 0 && this.charged + cost(bytes.length) > this.options.sendBuffer)
      return this.waitToSend(s, flags);
    this.#deliver(peer, { bytes: bytes.slice(), rights: along.rights, credentials: along.credentials });
    return bytes.length;
  }

  #deliver(peer: ConnectionSocket, chunk: Chunk): void {
    for (const file of chunk.rights) file.hold();
    this.charged += cost(chunk.bytes.length);
    const last = peer.queue.at(-1);
    if (this.stream && last !== undefined && mergeable(last, chunk)) {
      // A stream has no boundaries: small writes share a buffer, as TCP's do.
      this.charged -= OVERHEAD;
      const merged = new Uint8Array(last.bytes.length + chunk.bytes.length);
      merged.set(last.bytes);
      merged.set(chunk.bytes, last.bytes.length);
      last.bytes = merged;
    } else peer.queue.push(chunk);
    peer.ready.wake(IN);
  }

  receive(s: Sleeper, into: Uint8Array, flags: number): Received | number {
    if ((flags & MSG_OOB) !== 0) return -EINVAL;
    if (this.state !== 'connected' && this.queue.length === 0) return this.unconnectedReceive();
    return this.stream ? this.#receiveStream(s, into, flags) : this.#receivePacket(s, into, flags);
  }

  protected unconnectedReceive(): number {
    return this.stream ? -EINVAL : -ENOTCONN;
  }

  /** With MSG_WAITALL what has come is taken at once, to make room for the rest; s.progress counts it. */
  #receiveStream(s: Sleeper, into: Uint8Array, flags: number): Received | number {
    const peek = (flags & MSG_PEEK) !== 0;
    const all = (flags & MSG_WAITALL) !== 0 && !peek;
    // Without room for a byte it still waits for one (sock_rcvlowat).
    const wanted = Math.max(1, all ? into.length : Math.min(this.options.receiveLowWater, into.length));
    const ended = this.error !== 0 || (this.shut & RCV_SHUTDOWN) !== 0 || this.peer === null;
    if (!all && !ended && this.unread < wanted) {
      const answer = this.waitToReceive(s, flags);
      if (answer === BLOCKED || this.unread === 0) return answer;
    }
    const received = this.#takeStream(into.subarray(s.progress), peek);
    received.count += s.progress;
    received.length = received.count;
    if (received.count === 0 && into.length > 0 && this.error !== 0) return this.takeError();
    if (!all || ended || received.count === into.length || received.rights.length > 0) return received;
    s.progress = received.count;
    const answer = this.waitToReceive(s, flags);
    return answer === BLOCKED || received.count === 0 ? answer : received;
  }

  #boundary(before: Chunk, after: Chunk): boolean {
    return before.rights.length > 0 || (this.options.passCredentials && !sameCredentials(before, after));
  }

  #nothing(): Received {
    return { count: 0, length: 0, flags: 0, from: null, rights: [], credentials: null };
  }

  #takeStream(into: Uint8Array, peek: boolean): Received {
    const received = this.#nothing();
    received.credentials = this.queue[0]?.credentials ?? null;
    for (let i = 0; i < this.queue.length && received.count < into.length; ) {
      const chunk = this.queue[i];
      const part = chunk.bytes.subarray(0, into.length - received.count);
      into.set(part, received.count);
      received.count += part.length;
      received.rights.push(...(peek ? chunk.rights.map((file) => file.hold()) : chunk.rights));
      const boundary = this.queue[i + 1] === undefined || this.#boundary(chunk, this.queue[i + 1]);
      if (peek) i++;
      else this.#consume(chunk, part.length);
      if (boundary) break;
    }
    received.length = received.count;
    return received;
  }

  #consume(chunk: Chunk, count: number): void {
    chunk.rights = [];
    if (count === chunk.bytes.length) {
      this.queue.shift();
      this.#refund(cost(count));
    } else {
      chunk.bytes = chunk.bytes.subarray(count);
      this.#refund(count);
    }
  }

  #refund(amount: number): void {
    const { peer } = this;
    if (peer === null) return;
    peer.charged = Math.max(0, peer.charged - amount);
    if (peer.hasRoom) peer.ready.wake(OUT);
  }

  #receivePacket(s: Sleeper, into: Uint8Array, flags: number): Received | number {
    const [chunk] = this.queue;
    if (chunk === undefined) {
      if (this.error !== 0) return this.takeError();
      if ((this.shut & RCV_SHUTDOWN) !== 0 || this.peer === null) return this.#nothing();
      return this.waitToReceive(s, flags);
    }
    const part = chunk.bytes.subarray(0, into.length);
    into.set(part);
    const peek = (flags & MSG_PEEK) !== 0;
    const rights = peek ? chunk.rights.map((file) => file.hold()) : chunk.rights;
    if (!peek) {
      this.queue.shift();
      this.#refund(cost(chunk.bytes.length));
    }
    const truncated = part.length < chunk.bytes.length ? MSG_TRUNC : 0;
    return {
      ...{ count: part.length, length: chunk.bytes.length, flags: truncated, from: null },
      ...{ rights, credentials: chunk.credentials },
    };
  }

  shutdown(how: number): number {
    if (this.state !== 'connected') return this.shutdownUnconnected(how);
    const mask = maskOf(how);
    this.shut |= mask;
    const { peer } = this;
    if (peer !== null) peer.peerShutDown(mask);
    this.ready.wake();
    return 0;
  }

  protected shutdownUnconnected(_how: number): number {
    return -ENOTCONN;
  }

  /** The other end has shut down these directions of its own. */
  protected peerShutDown(mask: number): void {
    this.shut |= ((mask & RCV_SHUTDOWN) !== 0 ? SEND_SHUTDOWN : 0) | ((mask & SEND_SHUTDOWN) !== 0 ? RCV_SHUTDOWN : 0);
    this.ready.wake();
  }

  /** The other end is gone; `reset`: it had not read all of ours. */
  protected peerClosed(reset: boolean): void {
    this.peer = null;
    this.shut = RCV_SHUTDOWN | SEND_SHUTDOWN;
    if (reset) this.error = ECONNRESET;
    this.ready.wake();
  }

  override poll(): number {
    if (this.state === 'listening') return this.waiting.length > 0 ? IN : 0;
    if (this.state === 'connecting') return 0;
    let events = this.error !== 0 ? POLLERR : 0;
    if (this.shut === (RCV_SHUTDOWN | SEND_SHUTDOWN) || this.state === 'unconnected') events |= POLLHUP;
    if ((this.shut & RCV_SHUTDOWN) !== 0) events |= IN | POLLRDHUP;
    if (this.queue.length > 0 && (!this.stream || this.unread >= this.options.receiveLowWater)) events |= IN;
    if (this.hasRoom) events |= OUT | this.writeBand;
    return events;
  }

  override release(): void {
    this.closed = true;
    const { peer, queue } = this;
    this.queue = [];
    this.peer = null;
    for (const { rights } of queue) for (const file of rights) file.drop();
    for (const end of this.waiting) {
      end.queue.push({ bytes: new Uint8Array(0), rights: [], credentials: null });
      end.release();
    }
    this.waiting = [];
    peer?.peerClosed(queue.length > 0);
    this.ready.wake();
  }
}

/** Makes two sockets each other's peers. */
export function join(a: ConnectionSocket, b: ConnectionSocket): void {
  a.peer = b;
  b.peer = a;
  a.state = b.state = 'connected';
  a.ready.wake(OUT);
}

const MERGE_LIMIT = 4096;

function mergeable(last: Chunk, next: Chunk): boolean {
  if (last.rights.length > 0 || next.rights.length > 0) return false;
  return last.bytes.length + next.bytes.length <= MERGE_LIMIT && sameCredentials(last, next);
}

function sameCredentials({ credentials: a }: Chunk, { credentials: b }: Chunk): boolean {
  return a === b || (a?.pid === b?.pid && a?.uid === b?.uid && a?.gid === b?.gid);
}

export function maskOf(how: number): number {
  return how === SHUT_RD ? RCV_SHUTDOWN : how === SHUT_WR ? SEND_SHUTDOWN : RCV_SHUTDOWN | SEND_SHUTDOWN;
}
