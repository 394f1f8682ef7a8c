/** Sockets: what all kinds have in common (socket(7)). */
import { EAGAIN, EOPNOTSUPP, EPIPE } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../abi/fs.ts';
import { SIGPIPE } from '../abi/signal.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, type Ucred } from '../abi/socket.ts';
import type { SocketAddress } from '../abi/socket-address.ts';
import { i32 } from '../abi/struct.ts';
import { FIONREAD, TIOCOUTQ } from '../abi/tty.ts';
import { OpenFile, type UserMemory } from '../vfs/open-file.ts';
import { BLOCKED, type Sleeper } from '../wait/wait.ts';
import type { AnonymousInode } from './anonymous.ts';
import { callerOf } from './caller.ts';
import { putUser } from './user.ts';

/** What comes with bytes: descriptors and credentials (unix(7)). */
export interface Ancillary {
  rights: OpenFile[];
  credentials: Ucred | null;
}
export const NOTHING: Ancillary = { rights: [], credentials: null };

export interface Received extends Ancillary {
  /** Bytes put into the buffer. */
  count: number;
  /** Bytes of the whole message, for MSG_TRUNC. */
  length: number;
  /** MSG_TRUNC, MSG_EOR. */
  flags: number;
  from: SocketAddress | null;
}

/** SO_* values that are only remembered and told, and those that sockets follow. Plain data. */
export interface SocketOptions {
  sendBuffer: number;
  receiveBuffer: number;
  receiveLowWater: number;
  /** Nanoseconds; 0: none. */
  sendTimeout: number;
  receiveTimeout: number;
  passCredentials: boolean;
  reuseAddress: boolean;
  reusePort: boolean;
  linger: { onoff: number; linger: number };
  /** By `level:option`. */
  other: Record<string, number>;
}

export const DEFAULT_BUFFER = 212992;

export interface SocketKind {
  domain: number;
  type: number;
  protocol: number;
}

export const RCV_SHUTDOWN = 1;
export const SEND_SHUTDOWN = 2;

export abstract class Socket extends OpenFile {
  readonly inode: AnonymousInode;
  readonly kind: SocketKind;
  readonly options: SocketOptions = {
    sendBuffer: DEFAULT_BUFFER,
    receiveBuffer: DEFAULT_BUFFER,
    receiveLowWater: 1,
    ...{ sendTimeout: 0, receiveTimeout: 0, passCredentials: false, reuseAddress: false, reusePort: false },
    linger: { onoff: 0, linger: 0 },
    other: {},
  };
  /** The errno that the next call answers, once (SO_ERROR). */
  error = 0;
  /** RCV_SHUTDOWN, SEND_SHUTDOWN. */
  shut = 0;

  constructor(inode: AnonymousInode, kind: SocketKind, flags: number) {
    super(O_RDWR | (flags & O_NONBLOCK));
    this.inode = inode;
    this.kind = kind;
  }

  describe(): string {
    return `socket:[${this.inode.stat.ino}]`;
  }

  abstract bind(s: Sleeper, address: SocketAddress): number;
  abstract connect(s: Sleeper, address: SocketAddress): number;
  listen(_s: Sleeper, _backlog: number): number {
    return -EOPNOTSUPP;
  }
  accept(_s: Sleeper, _flags: number): Socket | number {
    return -EOPNOTSUPP;
  }
  /** Makes two sockets each other's peers: socketpair(2). */
  pair(_s: Sleeper, _other: Socket): number {
    return -EOPNOTSUPP;
  }
  abstract address(): SocketAddress;
  /** -ENOTCONN where there is no peer. */
  abstract peerAddress(): SocketAddress | number;
  /** Progress of a partial send is kept in s.progress. */
  abstract send(s: Sleeper, bytes: Uint8Array, flags: number, to: SocketAddress | null, with_: Ancillary): number;
  abstract receive(s: Sleeper, into: Uint8Array, flags: number): Received | number;
  abstract shutdown(how: number): number;
  /** Options of the kind alone; undefined: there is no such. */
  getOption(_level: number, _option: number): number | Uint8Array | undefined {
    return undefined;
  }
  /** SO_ACCEPTCONN. */
  get listening(): boolean {
    return false;
  }
  /** FIONREAD and SIOCOUTQ. */
  abstract readonly unread: number;
  abstract readonly unsent: number;

  override read(s: Sleeper, into: Uint8Array): number {
    if (into.length === 0) return 0; // recv(2) would wait
    const received = this.receive(s, into, 0);
    if (typeof received === 'number') return received;
    for (const file of received.rights) file.drop();
    return received.count;
  }

  override write(s: Sleeper, from: Uint8Array): number {
    return this.send(s, from, 0, null, NOTHING);
  }

  override ioctl(_s: Sleeper, memory: UserMemory, command: number, argument: number): number {
    if (command === FIONREAD) return putUser(memory, argument, i32, this.unread);
    if (command === TIOCOUTQ) return putUser(memory, argument, i32, this.unsent);
    return super.ioctl(_s, memory, command, argument);
  }

  /** Takes the pending error: negative, or 0. */
  takeError(): number {
    const { error } = this;
    this.error = 0;
    return -error;
  }

  /** Waits until the socket changes, as its flags and timeouts allow. */
  protected wait(s: Sleeper, flags: number, timeout: number): number {
    if ((this.flags & O_NONBLOCK) !== 0 || (flags & MSG_DONTWAIT) !== 0) return -EAGAIN;
    const deadline = timeout === 0 ? undefined : s.once(() => s.now() + timeout);
    return s.block(this.ready, deadline) || -EAGAIN;
  }

  protected waitToReceive(s: Sleeper, flags: number): number {
    return this.wait(s, flags, this.options.receiveTimeout);
  }

  /** What a send answers that waits: what it has moved, if sleeping is out of the question. */
  protected waitToSend(s: Sleeper, flags: number): number {
    const answer = this.wait(s, flags, this.options.sendTimeout);
    return answer === BLOCKED ? BLOCKED : s.progress || answer;
  }

  protected broken(s: Sleeper, flags: number): number {
    if (s.progress > 0) return s.progress;
    if ((flags & MSG_NOSIGNAL) === 0) callerOf(s).raise(SIGPIPE);
    return -EPIPE;
  }
}

/** The caller, as SO_PEERCRED and SCM_CREDENTIALS tell of it. */
export function ucredOf(s: Sleeper): Ucred {
  const { group, credentials } = callerOf(s);
  return { pid: group.id, uid: credentials.euid, gid: credentials.egid };
}
