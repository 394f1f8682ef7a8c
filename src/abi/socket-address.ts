/** Socket addresses: struct sockaddr_un, _in and _in6, from and to bytes. */
import { EAFNOSUPPORT, EINVAL } from './errno.ts';
import { decodePath, encodePath } from './path.ts';
import { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC } from './socket.ts';

/** name: a path, an abstract name (starts with NUL), or '' where there is none. */
export interface UnixAddress {
  family: typeof AF_UNIX;
  name: string;
}
/** host: bytes of the address, 4 or 16. */
export interface InetAddress {
  family: typeof AF_INET | typeof AF_INET6;
  host: number[];
  port: number;
}
export type SocketAddress = UnixAddress | InetAddress | { family: typeof AF_UNSPEC };

export const SOCKADDR_MAX = 128;
const SUN_PATH_MAX = 108;

/** What the caller gave; a negative errno where it is too short or of no known family. */
export function decodeAddress(bytes: Uint8Array): SocketAddress | number {
  if (bytes.length < 2) return -EINVAL;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = view.getUint16(0, true);
  if (family === AF_UNSPEC) return { family };
  if (family === AF_UNIX) {
    if (bytes.length > SUN_PATH_MAX + 2) return -EINVAL;
    const path = bytes.subarray(2);
    if (path.length === 0 || path[0] === 0) return { family, name: decodePath(path) };
    const end = path.indexOf(0);
    return { family, name: decodePath(end < 0 ? path : path.subarray(0, end)) };
  }
  if (family === AF_INET) {
    return bytes.length < 8 ? -EINVAL : { family, port: view.getUint16(2), host: [...bytes.subarray(4, 8)] };
  }
  if (family === AF_INET6) {
    return bytes.length < 24 ? -EINVAL : { family, port: view.getUint16(2), host: [...bytes.subarray(8, 24)] };
  }
  return -EAFNOSUPPORT;
}

export function encodeAddress(address: SocketAddress): Uint8Array {
  if (address.family === AF_UNSPEC) return new Uint8Array(2);
  if (address.family === AF_UNIX) {
    const path = encodePath(address.name);
    // Paths are told with their NUL, abstract names are as long as they are.
    const bytes = new Uint8Array(2 + path.length + (path.length > 0 && path[0] !== 0 ? 1 : 0));
    bytes[0] = AF_UNIX;
    bytes.set(path, 2);
    return bytes;
  }
  const bytes = new Uint8Array(address.family === AF_INET ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, address.family, true);
  view.setUint16(2, address.port);
  bytes.set(address.host, address.family === AF_INET ? 4 : 8);
  return bytes;
}

/** A host's address as people write it: IPv6 by its eight groups. */
export function hostText(host: readonly number[]): string {
  if (host.length === 4) return host.join('.');
  return Array.from({ length: 8 }, (_, i) => ((host[2 * i] << 8) | host[2 * i + 1]).toString(16)).join(':');
}

/** The bytes of an address in text; null for anything else. */
export function hostBytes(text: string): number[] | null {
  if (/^\d+(\.\d+){3}$/.test(text)) {
    const bytes = text.split('.').map(Number);
    return bytes.every((byte) => byte < 256) ? bytes : null;
  }
  // The last four bytes may be written as those of IPv4.
  const plain = text.replace(/(\d+\.){3}\d+$/, (four) => {
    const [a, b, c, d] = hostBytes(four) ?? [];
    return d === undefined ? '' : `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [before, after, ...more] = plain.split('::').map(groupBytes);
  if (more.length > 0 || before === null || after === null) return null;
  const rest = 16 - before.length - (after?.length ?? 0);
  if (after === undefined ? rest !== 0 : rest < 0) return null;
  return [...before, ...new Array<number>(rest).fill(0), ...(after ?? [])];
}

function groupBytes(text: string): number[] | null {
  const groups = text === '' ? [] : text.split(':');
  if (!groups.every((group) => /^[\da-f]{1,4}$/i.test(group))) return null;
  return groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]);
}
