/** UNIX-domain sockets (unix(7)). */
import {
  EADDRINUSE,
  EAGAIN,
  ECONNREFUSED,
  ECONNRESET,
  EDESTADDRREQ,
  EEXIST,
  EINVAL,
  EISCONN,
  EMSGSIZE,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  EPROTOTYPE,
} from '../abi/errno.ts';
import { MAY_WRITE, O_NONBLOCK, S_IFSOCK } from '../abi/fs.ts';
import { AF_UNIX, AF_UNSPEC, MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, SOCK_STREAM } from '../abi/socket.ts';
import type { SocketAddress, UnixAddress } from '../abi/socket-address.ts';
import { mknod } from '../vfs/create.ts';
import type { PathContext } from '../vfs/fs-context.ts';
import type { Inode } from '../vfs/inode.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../vfs/open-file.ts';
import { permission } from '../vfs/permission.ts';
import { walk } from '../vfs/walk.ts';
import { failed, type Sleeper } from '../wait/wait.ts';
import type { AnonymousInode } from './anonymous.ts';
import { ConnectionSocket, maskOf } from './connection.ts';
import { type Ancillary, RCV_SHUTDOWN, type Received, SEND_SHUTDOWN, Socket, type SocketKind } from './socket.ts';
import { abstractKey, type SocketNames, type SocketWorld } from './socket-names.ts';

const NAMELESS: UnixAddress = { family: AF_UNIX, name: '' };
const IN = POLLIN | POLLRDNORM;
const OUT = POLLOUT | POLLWRNORM | POLLWRBAND;
/** /proc/sys/net/unix/max_dgram_qlen. */
export const MAX_DGRAM_QUEUE = 512;

/** A socket that can be bound to a file; it keeps the inode, by which it is found. */
interface UnixSocket extends Socket {
  file: Inode | null;
}

/** Takes a name for a socket: makes a file, or enters an abstract name; '' asks for any name. 0 or a negative errno. */
function bindName(s: Sleeper, names: SocketNames, socket: UnixSocket, name: string): UnixAddress | number {
  const { type } = socket.kind;
  const chosen = name === '' ? names.autobindName(type) : name;
  if (chosen.startsWith('\0')) {
    const key = abstractKey(type, chosen);
    if (names.abstracts.has(key)) return -EADDRINUSE;
    names.abstracts.set(key, socket);
    return { family: AF_UNIX, name: chosen };
  }
  const ctx = s as PathContext;
  const made = mknod(ctx, ctx.fs.cwd, chosen, S_IFSOCK | 0o777, 0);
  if (made < 0) return made === -EEXIST ? -EADDRINUSE : made;
  const place = walk(ctx, ctx.fs.cwd, chosen, { follow: false });
  if (failed(place)) return place;
  names.files.set(place.dentry.inode!, socket);
  socket.file = place.dentry.inode;
  return { family: AF_UNIX, name: chosen };
}

function releaseName(names: SocketNames, socket: Socket, address: UnixAddress | null): void {
  if (address?.name.startsWith('\0')) names.abstracts.delete(abstractKey(socket.kind.type, address.name));
}

/** The socket of a name, if the caller may write to it. */
function findName(s: Sleeper, names: SocketNames, name: string, type: number): Socket | number {
  if (name === '') return -EINVAL;
  if (name.startsWith('\0')) {
    const found = names.abstracts.get(abstractKey(type, name));
    return found ?? -ECONNREFUSED;
  }
  const ctx = s as PathContext;
  const place = walk(ctx, ctx.fs.cwd, name);
  if (failed(place)) return place;
  const inode = place.dentry.inode!;
  const allowed = permission(ctx, inode, MAY_WRITE);
  if (allowed !== 0) return allowed;
  const found = inode.type === S_IFSOCK ? names.files.get(inode) : undefined;
  if (found === undefined) return -ECONNREFUSED;
  return found.kind.type === type ? found : -EPROTOTYPE;
}

export class UnixConnection extends ConnectionSocket {
  readonly world: SocketWorld;
  bound: UnixAddress | null = null;
  file: Inode | null = null;

  constructor(world: SocketWorld, inode: AnonymousInode, kind: SocketKind, flags: number) {
    super(inode, kind, flags);
    this.world = world;
    world.names.all.add(this);
  }

  makePeer(): UnixConnection {
    return new UnixConnection(this.world, this.world.makeInode(), this.kind, 0);
  }

  bind(s: Sleeper, address: SocketAddress): number {
    if (address.family !== AF_UNIX) return -EINVAL;
    if (this.bound !== null) return -EINVAL;
    const bound = bindName(s, this.world.names, this, address.name);
    if (failed(bound)) return bound;
    this.name = this.bound = bound;
    return 0;
  }

  override listen(s: Sleeper, backlog: number): number {
    return this.bound === null ? -EINVAL : this.startListening(s, backlog);
  }

  connect(s: Sleeper, address: SocketAddress): number {
    if (address.family !== AF_UNIX) return -EINVAL;
    if (this.state === 'connected') return -EISCONN;
    if (this.state === 'listening') return -EINVAL;
    const listener = findName(s, this.world.names, address.name, this.kind.type);
    if (failed(listener)) return listener;
    if (!(listener instanceof UnixConnection) || !listener.listening || listener.closed) return -ECONNREFUSED;
    if ((listener.shut & RCV_SHUTDOWN) !== 0) return -ECONNREFUSED;
    const full = () => ((this.flags & O_NONBLOCK) !== 0 ? -EAGAIN : s.block(listener.ready));
    return this.connectTo(s, listener, full);
  }

  address(): SocketAddress {
    return this.name ?? NAMELESS;
  }
  protected noName(): SocketAddress {
    return NAMELESS;
  }

  override send(s: Sleeper, bytes: Uint8Array, flags: number, to: SocketAddress | null, along: Ancillary): number {
    if (to !== null && this.kind.type === SOCK_STREAM && this.state !== 'connected') return -EOPNOTSUPP;
    return super.send(s, bytes, flags, to, along);
  }

  protected override shutdownUnconnected(how: number): number {
    this.shut |= maskOf(how);
    this.ready.wake();
    return 0;
  }

  override release(): void {
    this.world.names.all.delete(this);
    releaseName(this.world.names, this, this.bound);
    super.release();
  }
}

/** A message in a datagram socket's queue. */
export interface Datagram extends Ancillary {
  bytes: Uint8Array;
  from: UnixAddress | null;
}

export class UnixDatagram extends Socket {
  readonly world: SocketWorld;
  bound: UnixAddress | null = null;
  file: Inode | null = null;
  peer: UnixDatagram | null = null;
  queue: Datagram[] = [];
  /** Sockets that are connected to this one: told when it goes. */
  readonly followers = new Set<UnixDatagram>();
  closed = false;

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
  get full(): boolean {
    return this.queue.length > MAX_DGRAM_QUEUE;
  }

  bind(s: Sleeper, address: SocketAddress): number {
    if (address.family !== AF_UNIX || this.bound !== null) return -EINVAL;
    const bound = bindName(s, this.world.names, this, address.name);
    if (failed(bound)) return bound;
    this.bound = bound;
    return 0;
  }

  connect(s: Sleeper, address: SocketAddress): number {
    if (address.family === AF_UNSPEC) {
      this.follow(null);
      return 0;
    }
    if (address.family !== AF_UNIX) return -EINVAL;
    const target = findName(s, this.world.names, address.name, this.kind.type);
    if (failed(target)) return target;
    const peer = target as UnixDatagram;
    if (!peer.#accepts(this)) return -EPERM;
    this.follow(peer);
    return 0;
  }

  override pair(_s: Sleeper, other: Socket): number {
    const peer = other as UnixDatagram;
    this.follow(peer);
    peer.follow(this);
    return 0;
  }

  follow(peer: UnixDatagram | null): void {
    const old = this.peer;
    old?.followers.delete(this);
    this.peer = peer;
    peer?.followers.add(this);
    if (old !== null && old !== peer && old.peer === this && !old.closed) {
      // One half of a pair has turned away: the other learns of it by an error.
      old.error = ECONNRESET;
      old.ready.wake();
    }
    this.ready.wake();
  }

  /** A connected socket hears its peer only. */
  #accepts(sender: UnixDatagram): boolean {
    return this.peer === null || this.peer === sender;
  }

  address(): SocketAddress {
    return this.bound ?? NAMELESS;
  }
  peerAddress(): SocketAddress | number {
    return this.peer === null ? -ENOTCONN : this.peer.address();
  }

  send(s: Sleeper, bytes: Uint8Array, flags: number, to: SocketAddress | null, along: Ancillary): number {
    if (to !== null && to.family !== AF_UNIX) return -EINVAL;
    if (this.error !== 0) return this.takeError();
    if (bytes.length > this.options.sendBuffer - 32) return -EMSGSIZE;
    if ((this.shut & SEND_SHUTDOWN) !== 0) return this.broken(s, flags);
    const target = to === null ? this.peer : findName(s, this.world.names, (to as UnixAddress).name, this.kind.type);
    if (failed(target)) return target;
    if (target === null) return -(to === null ? ENOTCONN : EDESTADDRREQ);
    return this.#deliver(s, target as UnixDatagram, bytes, flags, along);
  }

  #deliver(s: Sleeper, target: UnixDatagram, bytes: Uint8Array, flags: number, along: Ancillary): number {
    if (target.closed) {
      if (this.peer === target) this.follow(null);
      return -ECONNREFUSED;
    }
    if (!target.#accepts(this)) return -EPERM;
    if ((target.shut & RCV_SHUTDOWN) !== 0) return this.broken(s, flags);
    if (target.full && target !== this) {
      if ((this.flags & O_NONBLOCK) !== 0 || (flags & MSG_DONTWAIT) !== 0) return -EAGAIN;
      const { sendTimeout } = this.options;
      const deadline = sendTimeout === 0 ? undefined : s.once(() => s.now() + sendTimeout);
      return s.block([target.ready, this.ready], deadline) || -EAGAIN;
    }
    for (const file of along.rights) file.hold();
    target.queue.push({ bytes: bytes.slice(), from: this.bound, ...along });
    target.ready.wake(IN);
    return bytes.length;
  }

  receive(s: Sleeper, into: Uint8Array, flags: number): Received | number {
    const [message] = this.queue;
    if (message === undefined) {
      if (this.error !== 0) return this.takeError();
      const ended = (this.shut & RCV_SHUTDOWN) !== 0;
      if (ended) return { count: 0, length: 0, flags: 0, from: null, rights: [], credentials: null };
      return this.waitToReceive(s, flags);
    }
    const peek = (flags & MSG_PEEK) !== 0;
    const part = message.bytes.subarray(0, into.length);
    into.set(part);
    if (!peek) {
      this.queue.shift();
      // Whoever waits for room sleeps on this queue, and polls through a follower's.
      this.ready.wake(POLLOUT);
      for (const follower of this.followers) follower.ready.wake(OUT);
    }
    const { length } = message.bytes;
    return {
      ...{ count: part.length, length, flags: part.length < length ? MSG_TRUNC : 0 },
      from: message.from,
      rights: peek ? message.rights.map((file) => file.hold()) : message.rights,
      credentials: message.credentials,
    };
  }

  shutdown(how: number): number {
    if (this.peer === null) return -ENOTCONN;
    this.shut |= maskOf(how);
    this.ready.wake();
    return 0;
  }

  override poll(): number {
    let events = this.error !== 0 ? POLLERR : 0;
    if ((this.shut & RCV_SHUTDOWN) !== 0) events |= IN | POLLRDHUP;
    if (this.shut === (RCV_SHUTDOWN | SEND_SHUTDOWN)) events |= POLLHUP;
    if (this.queue.length > 0) events |= IN;
    if (this.peer === null || !this.peer.full || this.peer.closed) events |= OUT;
    return events;
  }

  override release(): void {
    this.world.names.all.delete(this);
    this.closed = true;
    releaseName(this.world.names, this, this.bound);
    this.peer?.followers.delete(this);
    for (const { rights } of this.queue) for (const file of rights) file.drop();
    this.queue = [];
    for (const follower of this.followers) follower.ready.wake();
    this.ready.wake();
  }
}
