/** The URLs that name another side: where it is, and what of it is meant. */

export type RemoteUrl =
  | {
      readonly kind: 'ssh';
      readonly user?: string;
      readonly host: string;
      readonly port?: number;
      readonly path: string;
    }
  | { readonly kind: 'exec'; readonly command: string; readonly path: string }
  | { readonly kind: 'unix'; readonly socket: string; readonly path: string }
  | { readonly kind: 'tcp' | 'tls'; readonly host: string; readonly port: number; readonly path: string }
  | { readonly kind: 'ws' | 'wss'; readonly host: string; readonly port?: number; readonly path: string }
  | { readonly kind: 'chirp'; readonly host: string; readonly port: number; readonly path: string }
  | { readonly kind: 'condor'; readonly path: string };

export const CHIRP_PORT = 9094;

/** What can be given where a URL is asked for: for messages and help. */
export const REMOTE_URLS =
  'ssh://[USER@]HOST[:PORT]/DIR, exec:COMMAND, unix:SOCKET, tcp://HOST:PORT, tls://HOST:PORT, ws[s]://HOST[:PORT], chirp://HOST[:PORT]/DIR or condor';

const AUTHORITY = /^(?:([^@/]*)@)?(\[[^\]]*\]|[^:/[\]]*)(?::(\d+))?(\/.*)?$/;

/** A text answers why it is none. */
export function parseRemoteUrl(text: string): RemoteUrl | string {
  if (text === 'condor' || text.startsWith('condor:')) return { kind: 'condor', path: text.slice('condor:'.length) };
  const [, scheme, rest] = /^([a-z]+):(.*)$/s.exec(text) ?? [];
  if (scheme === undefined) return `'${text}' is no URL: give ${REMOTE_URLS}`;
  switch (scheme) {
    case 'exec':
      return rest.trim() === '' ? 'exec: which command?' : { kind: 'exec', command: rest, path: '' };
    case 'unix': {
      const socket = rest.startsWith('//') ? rest.slice(2) : rest;
      return socket === '' ? 'unix: which socket?' : { kind: 'unix', socket, path: '' };
    }
    case 'ssh':
    case 'tcp':
    case 'tls':
    case 'ws':
    case 'wss':
    case 'chirp':
      return withAuthority(scheme, text, rest);
    default:
      return `${scheme}: is no way to another side: give ${REMOTE_URLS}`;
  }
}

function withAuthority(
  kind: 'ssh' | 'tcp' | 'tls' | 'ws' | 'wss' | 'chirp',
  text: string,
  rest: string,
): RemoteUrl | string {
  const match = AUTHORITY.exec(rest.startsWith('//') ? rest.slice(2) : rest);
  if (match === null) return `'${text}': give ${kind}://HOST:PORT/DIR`;
  const [, user, quoted, digits, path = ''] = match;
  const host = quoted.replace(/^\[|\]$/g, '');
  const port = digits === undefined ? undefined : Number(digits);
  if (host === '') return `'${text}' names no host`;
  // ssh would take it for an option.
  if (host.startsWith('-') || user?.startsWith('-')) return `'${text}': a host's name does not begin with -`;
  if (port !== undefined && (port < 1 || port > 65535)) return `'${text}': ${digits} is no port`;
  if (kind === 'ssh') return { kind, user, host, port, path };
  if (user !== undefined) return `'${text}': only ssh:// takes a user`;
  if (kind === 'chirp') return { kind, host, port: port ?? CHIRP_PORT, path };
  if (kind === 'ws' || kind === 'wss') return { kind, host, port, path };
  return port === undefined ? `'${text}' names no port` : { kind, host, port, path };
}
