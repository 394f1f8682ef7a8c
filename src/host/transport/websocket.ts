/** A WebSocket as a connection: binary messages whose borders mean nothing. */
import type { WebSocket as Socket } from 'ws';
import type { Transport, TransportListener } from '../../remote/transport.ts';
import type { DialOptions } from './dial.ts';
import { reasonOf } from './dial.ts';
import { tlsOptions } from './tls.ts';

export class WebSocketTransport implements Transport {
  readonly #socket: Socket;
  #listener: TransportListener | null = null;
  #early: Uint8Array[] = [];
  #ended = false;
  #error: string | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.binaryType = 'nodebuffer';
    socket.on('message', (data: Buffer) => {
      if (this.#listener === null) this.#early.push(data);
      else this.#listener.data(data);
    });
    socket.on('error', (error: Error) => {
      this.#error = error.message;
    });
    socket.on('close', () => this.#end());
  }

  get backlog(): number {
    return this.#socket.bufferedAmount;
  }

  send(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#socket.send(bytes, () => {
      if (this.#socket.bufferedAmount === 0) this.#listener?.drained?.();
    });
  }

  receive(listener: TransportListener): void {
    this.#listener = listener;
    for (const bytes of this.#early) listener.data(bytes);
    this.#early = [];
    if (this.#ended) listener.closed(this.#error);
  }

  close(): void {
    this.#socket.close();
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#listener?.closed(this.#error);
  }
}

export async function overWebSocket(
  { kind, host, port }: { kind: 'ws' | 'wss'; host: string; port?: number },
  { tls, timeoutMs = 20_000 }: DialOptions,
): Promise<Transport> {
  const { WebSocket } = await import('ws');
  const name = host.includes(':') ? `[${host}]` : host;
  const where = port === undefined ? name : `${name}:${port}`;
  const secure = kind === 'wss' ? tlsOptions(tls) : {};
  const socket = new WebSocket(`${kind}://${where}/`, { handshakeTimeout: timeoutMs, ...secure });
  const transport = new WebSocketTransport(socket);
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(transport));
    socket.once('error', (error) => reject(new Error(`${where} cannot be reached: ${reasonOf(error)}`)));
  });
}
