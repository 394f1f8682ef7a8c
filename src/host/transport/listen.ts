/** Waits for other sides at a socket, a port, or on the standard input and output. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Transport } from '../../remote/transport.ts';
import { reasonOf } from './dial.ts';
import { StreamTransport } from './streams.ts';
import { type TlsFiles, tlsOptions } from './tls.ts';

export type ListenAt =
  | { readonly kind: 'stdio' }
  | { readonly kind: 'unix'; readonly socket: string }
  | { readonly kind: 'tcp' | 'tls' | 'ws' | 'wss'; readonly host: string; readonly port: number };

export interface Listener {
  /** As a client names it; a port that was 0 is the one that was given. */
  readonly url: string;
  close(): void;
}

/** UNIX sockets take 107 bytes. */
const LONGEST_SOCKET = 107;

/** `stdio`, `unix:PATH`, `tcp:HOST:PORT`, and with `//` as in the client's URLs; a text answers why not. */
export function parseListen(text: string): ListenAt | string {
  if (text === 'stdio') return { kind: 'stdio' };
  const [, kind, rest] = /^([a-z]+):(?:\/\/)?(.+)$/.exec(text) ?? [];
  if (kind === 'unix') return { kind, socket: rest };
  if (kind === 'tcp' || kind === 'tls' || kind === 'ws' || kind === 'wss') {
    const match = /^(\[[^\]]+\]|[^:]+)?:(\d+)\/?$/.exec(rest);
    if (match === null || Number(match[2]) > 65535) return `${text}: give ${kind}:HOST:PORT`;
    return { kind, host: (match[1] ?? '127.0.0.1').replace(/^\[|\]$/g, ''), port: Number(match[2]) };
  }
  return `${text}: give stdio, unix:PATH, tcp:HOST:PORT, tls:HOST:PORT, ws:HOST:PORT or wss:HOST:PORT`;
}

/** Calls `accept` for each connection. tls and wss take only clients with a certificate of the authority. */
export async function listen(at: ListenAt, accept: (transport: Transport) => void, tls?: TlsFiles): Promise<Listener> {
  if (at.kind === 'stdio') {
    accept(new StreamTransport(process.stdin, process.stdout));
    return { url: 'stdio', close: () => {} };
  }
  if (at.kind === 'unix') return listenUnix(at.socket, accept);
  const secure = { ...tlsOptions(tls), requestCert: true, rejectUnauthorized: true };
  if (at.kind === 'ws' || at.kind === 'wss') return listenWebSocket({ ...at, kind: at.kind }, accept, secure);
  const server =
    at.kind === 'tls'
      ? (await import('node:tls')).createServer(secure, (socket) => accept(overSocket(socket)))
      : (await import('node:net')).createServer({ noDelay: true }, (socket) => accept(overSocket(socket)));
  if (at.kind === 'tls') server.on('tlsClientError', () => {});
  await listening(server, { host: at.host, port: at.port }, `${at.host}:${at.port}`);
  return { url: urlOf(at, server), close: () => server.close() };
}

function overSocket(socket: Socket): Transport {
  return new StreamTransport(socket, socket);
}

async function listenUnix(path: string, accept: (transport: Transport) => void): Promise<Listener> {
  if (Buffer.byteLength(path) > LONGEST_SOCKET)
    throw new Error(`${path}: a socket's name has ${LONGEST_SOCKET} bytes at most`);
  const { createServer } = await import('node:net');
  // What a server that was killed left behind; anything but a socket is someone's file.
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() && !(await isServed(path))) unlinkSync(path);
  const server = createServer((socket) => accept(overSocket(socket)));
  const umask = process.umask(0o177);
  try {
    await listening(server, { path }, path);
  } finally {
    process.umask(umask);
  }
  chmodSync(path, 0o600);
  return { url: `unix:${path}`, close: () => server.close() };
}

async function isServed(path: string): Promise<boolean> {
  const { connect } = await import('node:net');
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function listenWebSocket(
  at: { kind: 'ws' | 'wss'; host: string; port: number },
  accept: (transport: Transport) => void,
  secure: object,
): Promise<Listener> {
  const { WebSocketServer } = await import('ws');
  const { WebSocketTransport } = await import('./websocket.ts');
  const server: Server =
    at.kind === 'wss' ? (await import('node:https')).createServer(secure) : (await import('node:http')).createServer();
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1 << 22 });
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (opened) => accept(new WebSocketTransport(opened)));
  });
  await listening(server, { host: at.host, port: at.port }, `${at.host}:${at.port}`);
  return {
    url: urlOf(at, server),
    close: () => {
      server.close();
      for (const socket of sockets.clients) socket.terminate();
    },
  };
}

function listening(server: Server, at: object, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: Error & { code?: string }) => {
      const reason = error.code === 'EADDRINUSE' ? 'someone listens there already' : reasonOf(error);
      reject(new Error(`cannot listen at ${where}: ${reason}`));
    });
    server.listen(at, () => resolve());
  });
}

function urlOf({ kind, host }: { kind: string; host: string }, server: Server): string {
  const { port } = server.address() as AddressInfo;
  return `${kind}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
