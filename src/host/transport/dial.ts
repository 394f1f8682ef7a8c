/** Goes to the other side that a URL names. What fails says why in one line. */
import type { Dial, Transport } from '../../remote/transport.ts';
import type { RemoteUrl } from '../../remote/url.ts';
import { overProcess, sshArguments } from './process.ts';
import { StreamTransport } from './streams.ts';
import { type TlsFiles, tlsOptions } from './tls.ts';

export interface DialOptions {
  /** Our certificate, for tls:// and wss://. */
  readonly tls?: TlsFiles;
  /** What a server that is started for us shall let us do besides files. */
  readonly allow?: readonly string[];
  /** How long a connection may take to be made. */
  readonly timeoutMs?: number;
}

/** The command that ssh:// starts at the other side. */
export function serveCommand(path: string, allow: readonly string[] = [], tallship = 'tallship'): string {
  const allowed = allow.map((text) => ` --allow ${quote(`forward:${text}`)}`).join('');
  return `${tallship} serve --stdio${path === '' ? '' : ` --export ${quote(path)}`}${allowed}`;
}

export function dialer(url: RemoteUrl, options: DialOptions = {}): Dial {
  switch (url.kind) {
    case 'ssh':
      return async () => overProcess('ssh', [...sshArguments(url), serveCommand(url.path, options.allow)], url.host);
    case 'exec':
      return async () => overProcess('/bin/sh', ['-c', url.command], url.command);
    case 'unix':
      return () => overSocket({ path: url.socket }, url.socket, options);
    case 'tcp':
    case 'chirp':
      return () => overSocket({ host: url.host, port: url.port }, `${url.host}:${url.port}`, options);
    case 'tls':
      return () => overTls(url.host, url.port, options);
    case 'ws':
    case 'wss':
      return async () => (await import('./websocket.ts')).overWebSocket(url, options);
    case 'condor':
      return () => Promise.reject(new Error("HTCondor's proxy is found by its .chirp.config"));
  }
}

const TIMEOUT_MS = 20_000;
/** After so long without a byte the other side is asked whether it is still there. */
const KEEP_ALIVE_MS = 30_000;

interface Reached {
  once(event: string, listener: (error: Error) => void): unknown;
  off(event: string, listener: (error: Error) => void): unknown;
  destroy(): unknown;
}

/** Waits until a socket is connected; says whom it could not reach otherwise. */
function reached<S extends Reached>(socket: S, event: string, where: string, timeoutMs = TIMEOUT_MS): Promise<S> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new Error(`${where} cannot be reached: ${reasonOf(error)}`));
    };
    const timer = setTimeout(() => failed(new Error(`no answer in ${timeoutMs / 1000} seconds`)), timeoutMs);
    socket.once('error', failed);
    socket.once(event, () => {
      clearTimeout(timer);
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

async function overSocket(
  to: { path: string } | { host: string; port: number },
  where: string,
  { timeoutMs }: DialOptions,
): Promise<Transport> {
  const { connect } = await import('node:net');
  const socket = await reached(
    connect({ ...to, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }),
    'connect',
    where,
    timeoutMs,
  );
  return new StreamTransport(socket, socket);
}

async function overTls(host: string, port: number, { tls, timeoutMs }: DialOptions): Promise<Transport> {
  const { connect } = await import('node:tls');
  const where = `${host}:${port}`;
  const socket = connect({ host, port, servername: isAddress(host) ? undefined : host, ...tlsOptions(tls) });
  await reached(socket, 'secureConnect', where, timeoutMs);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  return new StreamTransport(socket, socket);
}

function isAddress(host: string): boolean {
  return host.includes(':') || /^[\d.]+$/.test(host);
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOENT: 'there is no such socket',
  ENOTFOUND: 'the name is not known',
  EAI_AGAIN: 'the name cannot be looked up',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to its network',
  ETIMEDOUT: 'no answer',
  EACCES: 'permission denied',
};

export function reasonOf(error: Error & { code?: string }): string {
  return REASONS[error.code ?? ''] ?? error.message;
}

/** A word for a POSIX shell. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
