/** A proxy between UNIX sockets that delays what it carries, and cuts connections at random. */
import { connect, createServer, type Socket } from 'node:net';

export interface ProxyOptions {
  /** Milliseconds each way. */
  delay: number;
  /** Connections live at most twice so long, in milliseconds; Infinity: for ever. */
  life: number;
  random?: () => number;
}

export interface Proxy {
  /** Connections that were made so far. */
  readonly connections: number;
  close(): void;
}

export async function cuttingProxy(at: string, to: string, options: ProxyOptions): Promise<Proxy> {
  const { delay, life, random = Math.random } = options;
  let connections = 0;
  const open = new Set<Socket>();
  const carry = (from: Socket, into: Socket) => {
    open.add(from);
    from.on('data', (bytes) => setTimeout(() => into.writable && into.write(bytes), delay));
    from.on('close', () => {
      open.delete(from);
      setTimeout(() => into.destroy(), delay);
    });
    from.on('error', () => into.destroy());
  };
  const server = createServer((near) => {
    connections++;
    const far = connect(to);
    carry(near, far);
    carry(far, near);
    if (Number.isFinite(life)) {
      setTimeout(
        () => {
          near.destroy();
          far.destroy();
        },
        life * 2 * random(),
      );
    }
  });
  await new Promise<void>((resolve) => server.listen(at, resolve));
  return {
    get connections() {
      return connections;
    },
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
