/** Who is at the other end of a UNIX socket. */
import { SO_PEERCRED, SOL_SOCKET } from '../abi/socket.ts';
import { libc } from './libc.ts';

/** The peer's user, from the kernel; undefined where it cannot be asked. */
export function peerUid(socket: object): number | undefined {
  const fd = (socket as { _handle?: { fd?: number } })._handle?.fd;
  const c = libc();
  if (c === null || fd === undefined || fd < 0) return undefined;
  const ucred = new Int32Array(3);
  return c.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ucred, new Uint32Array([ucred.byteLength])) === 0
    ? ucred[1]
    : undefined;
}
