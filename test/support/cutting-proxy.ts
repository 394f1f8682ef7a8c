/**
 * A proxy between UNIX sockets that delays what it carries and cuts connections at random: at both ends, or at one while bytes
 * still arrive late at the other. What a client has sent over a connection may be sent a second time over another.
 */
import { connect, createServer, type Socket } from 'node:net';

export interface ProxyOptions {
  /** Milliseconds each way. */
  delay: number;
  /** Connections live at most twice so long, in milliseconds; Infinity: for ever. */
  life: number;
  /** Of all cuts, those after which bytes arrive late at one end; of all connections, those that are sent twice. */
  late?: number;
  twice?: number;
  random?: () => number;
}

export interface Proxy {
  /** Connections that were made so far, those that brought bytes late, and those that were sent again. */
  readonly connections: number;
  readonly late: number;
  readonly twice: number;
  /** Where it listens; 0 for a UNIX socket. */
  readonly port: number;
  close(): void;
}

/** What is kept of a connection for sending it again, and how long bytes are held back, in milliseconds. */
const MOST_KEPT = 4 << 20;
const LONGEST_HELD = 600;

/** One direction: bytes in order, each after the delay; held ones when they are let go. */
class Way {
  readonly #into: Socket;
  readonly #delay: number;
  #held: Buffer[] | null = null;
  readonly kept: Buffer[] = [];
  #keptBytes = 0;

  constructor(from: Socket, into: Socket, delay: number) {
    this.#into = into;
    this.#delay = delay;
    from.on('data', (bytes) => {
      this.#keptBytes += bytes.length;
      if (this.#keptBytes <= MOST_KEPT) this.kept.push(bytes);
      if (this.#held !== null) this.#held.push(bytes);
      else this.#carry(bytes);
    });
    from.on('error', () => {});
  }

  #carry(bytes: Buffer): void {
    setTimeout(() => this.#into.writable && this.#into.write(bytes), this.#delay);
  }

  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    for (const bytes of this.#held ?? []) this.#carry(bytes);
    this.#held = null;
  }
}

/** An address is the path of a UNIX socket, or a port of this machine; 0: a free one. */
export type Address = string | number;

const reach = (to: Address) => (typeof to === 'number' ? connect(to, '127.0.0.1') : connect(to));

export async function cuttingProxy(at: Address, to: Address, options: ProxyOptions): Promise<Proxy> {
  const { delay, life, late = 0, twice = 0, random = Math.random } = options;
  const counts = { connections: 0, late: 0, twice: 0 };
  const open = new Set<Socket>();
  const track = (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    return socket;
  };
  const server = createServer((near) => {
    counts.connections++;
    const far = track(reach(to));
    const out = new Way(track(near), far, delay);
    const back = new Way(far, near, delay);
    let cut = false;
    const endBoth = () => {
      near.destroy();
      far.destroy();
    };
    const end = () => !cut && setTimeout(endBoth, delay);
    near.on('close', end);
    far.on('close', end);
    if (random() < twice) setTimeout(() => again(out), random() * 2 * Math.min(life, 1000));
    if (!Number.isFinite(life)) return;
    const lateAt = random() < late ? (random() < 0.5 ? 'far' : 'near') : null;
    const endSoon = () =>
      setTimeout(
        () => {
          if (near.destroyed || far.destroyed || lateAt === null) return endBoth();
          counts.late++;
          cut = true;
          const [way, gone, left] = lateAt === 'far' ? [out, near, far] : [back, far, near];
          way.hold();
          setTimeout(() => gone.destroy(), 10);
          setTimeout(
            () => {
              way.release();
              setTimeout(() => left.destroy(), delay + 20);
            },
            20 + LONGEST_HELD * random(),
          );
        },
        life * 2 * random(),
      );
    // Who cannot connect at first is told so: that is no bad weather.
    if (counts.connections === 1) far.once('data', endSoon);
    else endSoon();
  });
  /** What the client has said, said once more by nobody. */
  const again = ({ kept }: Way) => {
    counts.twice++;
    const socket = track(reach(to));
    for (const bytes of kept) socket.write(bytes);
    socket.resume();
    setTimeout(() => socket.destroy(), 300);
  };
  await new Promise<void>((resolve) => server.listen(at, resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get connections() {
      return counts.connections;
    },
    get late() {
      return counts.late;
    },
    get twice() {
      return counts.twice;
    },
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
