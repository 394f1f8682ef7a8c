/** What lies beyond a machine's own network, where it was given one: connections that somebody else makes for it. */
import type { InetAddress } from '../abi/socket-address.ts';
import type { Sleeper } from '../wait/wait.ts';
import type { TcpSocket } from './inet-socket.ts';

export interface OuterNetwork {
  /** Begins a connection: the socket's reached() or refused() is called when it is known what has become of it. */
  connect(socket: TcpSocket, target: InetAddress): void;
  /** Lets others connect to a socket that listens: 0, a negative errno, or BLOCKED. */
  listen(s: Sleeper, socket: TcpSocket): number;
  /** It does not listen any more. */
  closed(socket: TcpSocket): void;
}
