/** Who is bound to what: sockets in files, abstract names, and ports of the machine's own network. One per machine. */
import type { Inode } from '../vfs/inode.ts';
import type { AnonymousInode } from './anonymous.ts';
import type { OuterNetwork } from './outer-network.ts';
import type { Socket } from './socket.ts';

const FIRST_EPHEMERAL = 32768;
const LAST_EPHEMERAL = 60999;

export class SocketNames {
  /** Every open socket, for /proc/net. */
  readonly all = new Set<Socket>();
  /** Sockets bound to files, by the file's inode. */
  readonly files = new WeakMap<Inode, Socket>();
  /** Abstract names, by type and name: two types may have the same name. */
  readonly abstracts = new Map<string, Socket>();
  /** 'tcp' and 'udp' ports, by number. */
  readonly ports = { tcp: new Map<number, Set<Socket>>(), udp: new Map<number, Set<Socket>>() };
  /** Absent: there is nothing beyond the loopback. */
  outer: OuterNetwork | null = null;
  #nextPort = FIRST_EPHEMERAL;
  #nextAutobind = 0;

  /** A port that nobody has; 0 when there is none. */
  freePort(protocol: 'tcp' | 'udp'): number {
    for (let tries = FIRST_EPHEMERAL; tries <= LAST_EPHEMERAL; tries++) {
      const port = this.#nextPort;
      this.#nextPort = port === LAST_EPHEMERAL ? FIRST_EPHEMERAL : port + 1;
      if (!this.ports[protocol].has(port)) return port;
    }
    return 0;
  }

  takePort(protocol: 'tcp' | 'udp', port: number, socket: Socket): void {
    const holders = this.ports[protocol].get(port);
    if (holders === undefined) this.ports[protocol].set(port, new Set([socket]));
    else holders.add(socket);
  }

  releasePort(protocol: 'tcp' | 'udp', port: number, socket: Socket): void {
    const holders = this.ports[protocol].get(port);
    holders?.delete(socket);
    if (holders?.size === 0) this.ports[protocol].delete(port);
  }

  holders(protocol: 'tcp' | 'udp', port: number): Iterable<Socket> {
    return this.ports[protocol].get(port) ?? [];
  }

  /** unix(7), autobind: an abstract name of five hexadecimal digits. */
  autobindName(type: number): string {
    for (;;) {
      const name = `\0${(this.#nextAutobind++ & 0xfffff).toString(16).padStart(5, '0')}`;
      if (!this.abstracts.has(abstractKey(type, name))) return name;
    }
  }
}

export function abstractKey(type: number, name: string): string {
  return `${type}:${name}`;
}

/** What sockets need besides themselves. */
export interface SocketWorld {
  readonly names: SocketNames;
  /** A new inode for a connection that is accepted. */
  makeInode(): AnonymousInode;
}
