/** The address that a call on a socket names. */
import type { LayeredCall } from '../syscall/layer.ts';

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;

/** host:port, or a UNIX socket's path; null where the call names none. */
export function peerAddress(call: LayeredCall): string | null {
  const { addr, addrlen } = call as unknown as { addr?: number; addrlen?: number };
  if (call.declaration.class !== 'network' || !addr || !addrlen) return null;
  const bytes = call.task.mm.view(addr, Math.min(addrlen, 128), false);
  if (typeof bytes === 'number' || bytes.length < 2) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = view.getUint16(0, true);
  if (family === AF_INET && bytes.length >= 8) return `${bytes.slice(4, 8).join('.')}:${view.getUint16(2)}`;
  if (family === AF_INET6 && bytes.length >= 24) {
    const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + 2 * i).toString(16));
    return `[${groups.join(':')}]:${view.getUint16(2)}`;
  }
  if (family !== AF_UNIX) return null;
  const name = bytes.slice(2);
  const end = name.indexOf(0, name[0] === 0 ? 1 : 0);
  return String.fromCharCode(...(end < 0 ? name : name.subarray(0, end))).replace(/^\0/, '@');
}
