/** System calls that a client's programs make here, by what Node has for them (docs/PROTOCOL.md, "Forwarded calls"). */
import { lookup } from 'node:dns/promises';
import { connect, createServer, type Socket } from 'node:net';
import { hostname, release, version } from 'node:os';
import { EACCES, EBADF, EINVAL, EMFILE, ENOSYS } from '../abi/errno.ts';
import { AF_INET, AF_INET6 } from '../abi/socket.ts';
import { decodeAddress, encodeAddress, hostBytes, hostText, type InetAddress } from '../abi/socket-address.ts';
import type { Called, ForwardedValue } from '../remote/forward.ts';
import type { CallsAtHome } from '../remote/server/forwarded-calls.ts';
import { errnoOf } from './files.ts';
import { HomeConnection, HomeListener } from './home-sockets.ts';

/** Sockets of one client. */
const MOST_SOCKETS = 256;
const LARGEST_READ = 1 << 18;
const SECOND = 1000;

/** Whether a call may be made; `addresses` finds those of a host. */
export type Permits = (
  call: string,
  target: InetAddress | null,
  addresses: (host: string) => Promise<readonly (readonly number[])[]>,
) => Promise<boolean>;
type Answer = Called | number;
type Values = readonly ForwardedValue[];

const NOTHING: Called = { result: 0, outputs: [] };

export class HomeCalls implements CallsAtHome {
  readonly #permits: Permits;
  readonly #sockets = new Map<number, HomeConnection | HomeListener>();

  constructor(permits: Permits) {
    this.#permits = permits;
  }

  async perform(name: string, values: Values): Promise<Answer> {
    try {
      const [, second] = values;
      const target = second instanceof Uint8Array ? addressIn(second) : null;
      if (!(await this.#permits(name, target, addressesOf))) return -EACCES;
      return this.#calls[name] === undefined ? -ENOSYS : await this.#calls[name](values);
    } catch (error) {
      return errnoOf(error);
    }
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }

  readonly #calls: Readonly<Record<string, (values: Values) => Answer | Promise<Answer>>> = {
    uname: () => ({ result: 0, outputs: [unameHere()] }),
    clock_gettime: ([clock]) => (clock === 0 ? { result: 0, outputs: [timeNow(1_000_000, 'nsec')] } : -EINVAL),
    clock_gettime64: (values) => this.#calls.clock_gettime(values),
    gettimeofday: () => ({ result: 0, outputs: [timeNow(1000, 'usec'), null] }),
    time: () => ({ result: Math.floor(Date.now() / SECOND), outputs: [Math.floor(Date.now() / SECOND)] }),

    connect: async ([number, address]) => {
      const target = addressIn(address);
      if (target === null) return -EINVAL;
      const socket = connect({ host: hostText(target.host), port: target.port, allowHalfOpen: true });
      await happened(socket, 'connect');
      return this.#keep(number, new HomeConnection(socket), [localOf(socket)]);
    },
    listen: async ([number, address, backlog]) => {
      const at = addressIn(address);
      if (at === null) return -EINVAL;
      const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
      server.listen({ host: hostText(at.host), port: at.port, backlog: Number(backlog) });
      await happened(server, 'listening');
      const { address: host, port } = server.address() as { address: string; port: number };
      return this.#keep(number, new HomeListener(server), [bytesOf(host, port)]);
    },
    accept4: async ([number, as]) => {
      const listener = this.#sockets.get(Number(number));
      if (!(listener instanceof HomeListener)) return -EINVAL;
      const socket = await listener.accept();
      if (typeof socket === 'number') return socket;
      const names = [bytesOf(socket.remoteAddress ?? '', socket.remotePort ?? 0), localOf(socket)];
      return this.#keep(as, new HomeConnection(socket), names);
    },
    sendto: async ([number, bytes]) => {
      const sent = await this.#connection(number)?.send(bytes as Uint8Array);
      return sent === undefined ? -EBADF : { result: sent, outputs: [] };
    },
    recvfrom: async ([number, most]) => {
      const bytes = (await this.#connection(number)?.receive(Math.min(Number(most), LARGEST_READ))) ?? -EBADF;
      return typeof bytes === 'number' ? bytes : { result: bytes.length, outputs: [bytes] };
    },
    shutdown: ([number]) => {
      this.#connection(number)?.shutdown();
      return NOTHING;
    },
    close: ([number]) => {
      this.#sockets.get(Number(number))?.close();
      this.#sockets.delete(Number(number));
      return NOTHING;
    },
  };

  #connection(number: ForwardedValue): HomeConnection | undefined {
    const socket = this.#sockets.get(Number(number));
    return socket instanceof HomeConnection ? socket : undefined;
  }

  #keep(number: ForwardedValue, socket: HomeConnection | HomeListener, outputs: ForwardedValue[]): Answer {
    if (this.#sockets.size < MOST_SOCKETS && !this.#sockets.has(Number(number))) {
      this.#sockets.set(Number(number), socket);
      return { result: 0, outputs };
    }
    socket.close();
    return -EMFILE;
  }
}

function happened(
  on: { once(event: string, listener: (error: Error) => void): void },
  event: 'connect' | 'listening',
): Promise<void> {
  return new Promise((resolve, reject) => {
    on.once(event, () => resolve());
    on.once('error', reject);
  });
}

function addressIn(bytes: ForwardedValue): InetAddress | null {
  const address = bytes instanceof Uint8Array ? decodeAddress(bytes) : -EINVAL;
  if (typeof address === 'number') return null;
  return address.family === AF_INET || address.family === AF_INET6 ? (address as InetAddress) : null;
}

function localOf(socket: Socket): Uint8Array {
  return bytesOf(socket.localAddress ?? '', socket.localPort ?? 0);
}

function bytesOf(text: string, port: number): Uint8Array {
  const host = hostBytes(text) ?? [0, 0, 0, 0];
  return encodeAddress({ family: host.length === 4 ? AF_INET : AF_INET6, host, port });
}

async function addressesOf(host: string): Promise<readonly (readonly number[])[]> {
  const literal = hostBytes(host);
  if (literal !== null) return [literal];
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.map(({ address }) => hostBytes(address) ?? []);
}

/** Home's, as far as programs for an i686 should see it. */
function unameHere() {
  return {
    ...{ sysname: 'Linux', nodename: hostname(), release: release(), version: version() },
    ...{ machine: 'i686', domainname: '(none)' },
  };
}

function timeNow(units: number, fraction: 'nsec' | 'usec') {
  const now = Date.now();
  return { sec: Math.floor(now / SECOND), [fraction]: (now % SECOND) * units };
}
