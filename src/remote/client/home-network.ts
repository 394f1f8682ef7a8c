/**
 * Home's network as the machine's sockets see it: each connection has an end here that speaks for the other side, and passes
 * on what comes through it either way. Sockets are known at home by numbers of ours.
 */
import { ECONNREFUSED, EINTR, EINVAL, ENETUNREACH } from '../../abi/errno.ts';
import { AF_INET, MSG_NOSIGNAL, SHUT_WR } from '../../abi/socket.ts';
import { decodeAddress, encodeAddress, type InetAddress } from '../../abi/socket-address.ts';
import { isLoopback, wildcardOf } from '../../fs/inet-address.ts';
import type { TcpSocket } from '../../fs/inet-socket.ts';
import type { OuterNetwork } from '../../fs/outer-network.ts';
import { NOTHING } from '../../fs/socket.ts';
import type { Clock } from '../../vfs/attendant.ts';
import type { Sleeper } from '../../wait/wait.ts';
import type { Called, ForwardedValue } from '../forward.ts';
import { RequestTask } from '../request-task.ts';
import type { Link } from './link.ts';

/** So much is asked for, and sent, at a time. */
const PIECE = 128 << 10;

export class HomeNetwork implements OuterNetwork {
  readonly clock: Clock;
  readonly #link: Link;
  readonly #listeners = new Map<TcpSocket, number>();
  /** connect, listen or both. */
  readonly #calls: ReadonlySet<string>;
  readonly #log: (line: string) => void;
  #last = 0;

  constructor(link: Link, clock: Clock, calls: ReadonlySet<string>, log: (line: string) => void) {
    this.#link = link;
    this.clock = clock;
    this.#calls = calls;
    this.#log = log;
  }

  /** Makes a call at home; `done` gets its result, or why there is none. */
  call(name: string, values: ForwardedValue[], done: (result: number, outputs: ForwardedValue[]) => void): void {
    this.#link.send('call', null, [name, values], ({ status, answer }) => {
      const { result, outputs } = status < 0 ? { result: status, outputs: [] } : (answer as Called);
      done(result, outputs);
    });
    this.#link.flush();
  }

  connect(socket: TcpSocket, target: InetAddress): void {
    if (!this.#calls.has('connect')) return socket.refused(isLoopback(target.host) ? ECONNREFUSED : ENETUNREACH);
    const number = ++this.#last;
    this.call('connect', [number, encodeAddress(target)], (result, [local]) => {
      if (result < 0) return socket.refused(-result);
      if (socket.closed) return this.call('close', [number], () => {});
      const end = endFor(socket);
      socket.reached(end, inet(local), target);
      new Passage(this, number, end).begin();
    });
  }

  listen(s: Sleeper, socket: TcpSocket): number {
    if (!this.#calls.has('listen')) return 0;
    const number = s.once(() => ++this.#last);
    const link = this.#link;
    const values = ['listen', [number, encodeAddress(socket.bound!), socket.backlog]];
    const id = s.once(() => link.send('call', null, values).id);
    const result = s.once<number>(() => {
      const pending = link.find(id);
      if (pending === undefined) return -EINTR;
      const waited = link.wait(s, pending);
      if (waited !== 0) return waited;
      link.taken(id);
      return pending.status < 0 ? pending.status : (pending.answer as Called).result;
    });
    if (result < 0) return result;
    return s.once(() => {
      this.#listeners.set(socket, number);
      this.#accept(socket, number);
      return 0;
    });
  }

  #accept(listener: TcpSocket, number: number): void {
    const accepted = ++this.#last;
    this.call('accept4', [number, accepted], (result, [from, local]) => {
      if (this.#listeners.get(listener) !== number) {
        if (result >= 0) this.call('close', [accepted], () => {});
        return;
      }
      if (result < 0) return this.#log('a socket that listens at home is lost: nobody can connect to it any more');
      const guest = listener.makePeer();
      const end = endFor(guest);
      guest.reached(end, inet(local), inet(from));
      listener.offer(guest);
      new Passage(this, accepted, end).begin();
      this.#accept(listener, number);
    });
  }

  closed(socket: TcpSocket): void {
    const number = this.#listeners.get(socket);
    this.#listeners.delete(socket);
    if (number !== undefined) this.call('close', [number], () => {});
  }
}

/** The other side of a connection is no socket of the machine's. */
function endFor(socket: TcpSocket): TcpSocket {
  const end = socket.makePeer();
  end.outer = true;
  socket.world.names.all.delete(end);
  return end;
}

function inet(bytes: ForwardedValue | undefined): InetAddress {
  const address = bytes instanceof Uint8Array ? decodeAddress(bytes) : -EINVAL;
  return typeof address === 'number' || !('port' in address) ? wildcardOf(AF_INET) : address;
}

/** A connection: what one side sends is passed on to the other, a piece at a time. */
class Passage {
  readonly #network: HomeNetwork;
  readonly #number: number;
  readonly #end: TcpSocket;
  #over = false;

  constructor(network: HomeNetwork, number: number, end: TcpSocket) {
    this.#network = network;
    this.#number = number;
    this.#end = end;
  }

  begin(): void {
    this.#out();
    this.#home();
  }

  /** What the program sends. */
  #out(): void {
    const into = new Uint8Array(PIECE);
    this.#when(
      (s) => {
        const received = this.#end.receive(s, into, 0);
        return typeof received === 'number' ? received : received.count;
      },
      (count) => {
        if (count <= 0) return this.#finished();
        this.#call('sendto', [into.subarray(0, count)], (sent) => (sent < 0 ? this.#break() : this.#out()));
      },
    );
  }

  /** The program sends no more, and perhaps has closed its socket, or will. */
  #finished(): void {
    if (this.#end.peer !== null) this.#call('shutdown', [SHUT_WR], () => {});
    this.#when(
      (s) => (this.#end.peer === null ? 0 : s.block(this.#end.ready)),
      () => this.#close(),
    );
  }

  /** What comes from the other side. */
  #home(): void {
    this.#call('recvfrom', [PIECE], (count, [bytes]) => {
      if (count < 0) return this.#break();
      if (count === 0) return void this.#end.shutdown(SHUT_WR);
      this.#when(
        (s) => this.#end.send(s, bytes as Uint8Array, MSG_NOSIGNAL, null, NOTHING),
        (sent) => (sent < 0 ? this.#close() : this.#home()),
      );
    });
  }

  #break(): void {
    if (!this.#over) this.#end.abort();
    this.#close();
  }

  #close(): void {
    if (this.#over) return;
    this.#call('close', [], () => {});
    this.#over = true;
  }

  #call(name: string, values: ForwardedValue[], done: (result: number, outputs: ForwardedValue[]) => void): void {
    if (this.#over) return;
    this.#network.call(name, [this.#number, ...values], (result, outputs) => {
      if (!this.#over) done(result, outputs);
    });
  }

  #when(operation: (s: Sleeper) => number, done: (answer: number) => void): void {
    new RequestTask(this.#network.clock, operation, (answer) => done(answer as number)).run();
  }
}
