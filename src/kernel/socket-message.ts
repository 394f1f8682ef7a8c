/** struct msghdr: the buffers, the name and the ancillary data of sendmsg(2) and recvmsg(2), to and from guest memory. */
import { EBADF, EFAULT, EINVAL, EMSGSIZE, ENOBUFS, EPERM, ETOOMANYREFS } from '../abi/errno.ts';
import {
  cmsghdrLayout,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  type msghdrLayout,
  SCM_CREDENTIALS,
  SCM_MAX_FD,
  SCM_RIGHTS,
  SOL_SOCKET,
  type Ucred,
  ucredLayout,
} from '../abi/socket.ts';
import { decodeAddress, encodeAddress, SOCKADDR_MAX, type SocketAddress } from '../abi/socket-address.ts';
import type { Value } from '../abi/struct.ts';
import { type Ancillary, type Received, ucredOf } from '../fs/socket.ts';
import { CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, capable } from '../vfs/credentials.ts';
import type { OpenFile } from '../vfs/open-file.ts';
import type { Task } from './task.ts';

export type MessageHeader = Value<typeof msghdrLayout>;

const IOV_MAX = 1024;
/** net.core.optmem_max: more ancillary data cannot be sent. */
const CONTROL_MAX = 131072;
const align = (length: number) => (length + 3) & ~3;

/** A socket address argument; null where the caller gave none. */
export function readAddress(task: Task, address: number, length: number): SocketAddress | null | number {
  if (address === 0 || length === 0) return null;
  if (length < 0 || length > SOCKADDR_MAX) return -EINVAL;
  const bytes = task.mm.view(address, length, false);
  return typeof bytes === 'number' ? -EFAULT : decodeAddress(bytes);
}

/** Puts an address where the caller wants it, cut to the room there is; answers its full length or -EFAULT. */
export function writeAddress(task: Task, address: SocketAddress | null, at: number, room: number): number {
  const bytes = address === null ? new Uint8Array(0) : encodeAddress(address);
  const part = bytes.subarray(0, room);
  if (part.length > 0) {
    const out = task.mm.view(at, part.length, true);
    if (typeof out === 'number') return -EFAULT;
    out.set(part);
  }
  return bytes.length;
}

/** The views of a message's buffers. */
export function readVectors(task: Task, { iov, iovlen }: MessageHeader, write: boolean): Uint8Array[] | number {
  if (iovlen > IOV_MAX) return -EMSGSIZE;
  if (iovlen === 0) return [];
  const table = task.mm.view(iov, iovlen * 8, false);
  if (typeof table === 'number') return -EFAULT;
  const entries = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const views: Uint8Array[] = [];
  for (let i = 0; i < iovlen; i++) {
    const length = entries.getInt32(i * 8 + 4, true);
    if (length < 0) return -EINVAL;
    const view = task.mm.view(entries.getUint32(i * 8, true), length, write);
    if (typeof view === 'number') return -EFAULT;
    views.push(view);
  }
  return views;
}

/** The ancillary data of a message that is sent: the caller's own credentials where it names none. */
export function readControl(task: Task, { control, controllen }: MessageHeader): Ancillary | number {
  const along: Ancillary = { rights: [], credentials: ucredOf(task) };
  if (control === 0 || controllen === 0) return along;
  if (controllen > CONTROL_MAX) return -ENOBUFS;
  const bytes = task.mm.view(control, controllen, false);
  if (typeof bytes === 'number') return -EFAULT;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + cmsghdrLayout.size <= controllen; ) {
    const { length, level, type } = cmsghdrLayout.read(view, at);
    if (length < cmsghdrLayout.size || at + length > controllen) return -EINVAL;
    if (level === SOL_SOCKET) {
      const data = new DataView(bytes.buffer, bytes.byteOffset + at + cmsghdrLayout.size, length - cmsghdrLayout.size);
      const answer = readItem(task, along, type, data);
      if (answer < 0) return answer;
    }
    at += align(length);
  }
  return along;
}

function readItem(task: Task, along: Ancillary, type: number, data: DataView): number {
  if (type === SCM_RIGHTS) {
    const count = data.byteLength >> 2;
    if (along.rights.length + count > SCM_MAX_FD) return -ETOOMANYREFS;
    for (let i = 0; i < count; i++) {
      const file = task.files.get(data.getInt32(i * 4, true));
      if (file === undefined) return -EBADF;
      along.rights.push(file);
    }
    return 0;
  }
  if (type !== SCM_CREDENTIALS || data.byteLength !== ucredLayout.size) return -EINVAL;
  const claimed: Ucred = ucredLayout.read(data, 0);
  if (!mayClaim(task, claimed)) return -EPERM;
  along.credentials = claimed;
  return 0;
}

/** unix(7), SCM_CREDENTIALS: one's own ids, unless privileged. */
function mayClaim(task: Task, { pid, uid, gid }: Ucred): boolean {
  const who = task.credentials;
  if (pid !== task.tgid && !capable(who, CAP_SYS_ADMIN)) return false;
  if (![who.uid, who.euid, who.suid].includes(uid) && !capable(who, CAP_SETUID)) return false;
  return [who.gid, who.egid, who.sgid].includes(gid) || capable(who, CAP_SETGID);
}

/** What recvmsg tells of ancillary data: bytes of it written, and MSG_CTRUNC where there was no room. */
export function writeControl(
  task: Task,
  header: MessageHeader,
  received: Received,
  passCredentials: boolean,
  flags: number,
): { length: number; flags: number } | number {
  const { control } = header;
  const room = control === 0 ? 0 : header.controllen;
  let at = 0;
  let truncated = 0;
  const put = (type: number, size: number, fill: (view: DataView) => void): number => {
    const length = cmsghdrLayout.size + size;
    const bytes = task.mm.view(control + at, length, true);
    if (typeof bytes === 'number') return -EFAULT;
    const view = new DataView(bytes.buffer, bytes.byteOffset, length);
    cmsghdrLayout.write(view, 0, { length, level: SOL_SOCKET, type });
    fill(new DataView(bytes.buffer, bytes.byteOffset + cmsghdrLayout.size, size));
    at = Math.min(room, at + align(length));
    return 0;
  };
  if (passCredentials) {
    const credentials = received.credentials ?? { pid: 0, uid: 65534, gid: 65534 };
    if (room - at < cmsghdrLayout.size + ucredLayout.size) truncated = MSG_CTRUNC;
    else if (put(SCM_CREDENTIALS, ucredLayout.size, (view) => ucredLayout.write(view, 0, credentials)) < 0)
      return -EFAULT;
  }
  if (received.rights.length > 0) {
    const fit = Math.max(0, (room - at - cmsghdrLayout.size) >> 2);
    const fds = installRights(task, received.rights, fit, (flags & MSG_CMSG_CLOEXEC) !== 0);
    if (fds.length < received.rights.length) truncated = MSG_CTRUNC;
    const fill = (view: DataView) => {
      for (const [i, fd] of fds.entries()) view.setInt32(i * 4, fd, true);
    };
    if (fds.length > 0 && put(SCM_RIGHTS, fds.length * 4, fill) < 0) return -EFAULT;
  }
  return { length: at, flags: truncated };
}

/** Descriptors for as many files as there is room for; the others are given up. */
function installRights(task: Task, files: readonly OpenFile[], fit: number, cloexec: boolean): number[] {
  const fds: number[] = [];
  for (const file of files) {
    const fd = fds.length < fit ? task.files.install(file, { cloexec }) : -1;
    // The message's own reference.
    file.drop();
    if (fd >= 0) fds.push(fd);
  }
  return fds;
}
