/** Images of sockets: their queues, their peers, and the names they are bound to. */
import { ECONNRESET } from '../../abi/errno.ts';
import { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC } from '../../abi/socket.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { OpenFile } from '../../vfs/open-file.ts';
import type { AnonymousInode } from '../anonymous.ts';
import { SOCKET_MODE } from '../anonymous.ts';
import { type Chunk, CONNECTION_STATES, type ConnectionSocket } from '../connection.ts';
import { TcpSocket } from '../inet-socket.ts';
import { type Ancillary, RCV_SHUTDOWN, SEND_SHUTDOWN, type Socket, type SocketKind } from '../socket.ts';
import { abstractKey, type SocketWorld } from '../socket-names.ts';
import { UdpSocket } from '../udp-socket.ts';
import { type Datagram, UnixConnection, UnixDatagram } from '../unix-socket.ts';
import { INODE, loadInode, saveInode } from './event-kinds.ts';
import { type Fields, type ImageReader, type ImageWriter, type Kind, plain } from './image.ts';
import {
  bool,
  bytes,
  int,
  integer,
  list,
  maybe,
  noneOr,
  oneOf,
  real,
  record,
  ref,
  type Shape,
  size,
  text,
  word,
} from './shape.ts';

const ADDRESS: Shape<unknown> = (value, at, kindOf) => {
  const { family } = record({ family: word })(value, at, kindOf);
  if (family === AF_UNSPEC) return { family };
  if (family === AF_UNIX) return record({ family: word, name: text })(value, at, kindOf);
  return record({ family: oneOf(AF_INET, AF_INET6), host: list(integer(0, 255), 16), port: integer(0, 65535) })(
    value,
    at,
    kindOf,
  );
};
const UCRED = record({ pid: int, uid: int, gid: int });
const ANCILLARY = { rights: list(ref(), 253), credentials: maybe(UCRED) };
const OTHER_OPTIONS: Shape<unknown> = (value, at, kindOf) =>
  Object.fromEntries(
    Object.keys(Object(value)).map((name) => [
      name,
      int((value as Record<string, unknown>)[name], `${at}.${name}`, kindOf),
    ]),
  );
const SOCKET = {
  kind: record({ domain: int, type: int, protocol: int }),
  options: record({
    ...{ sendBuffer: size, receiveBuffer: size, receiveLowWater: size, sendTimeout: real, receiveTimeout: real },
    ...{ passCredentials: bool, reuseAddress: bool, reusePort: bool, linger: record({ onoff: int, linger: int }) },
    other: OTHER_OPTIONS,
  }),
  ...{ error: int, shut: integer(0, 3), flags: word, inode: ref('inode') },
};
const CONNECTED = ['unix-connection', 'tcp'];
const CONNECTION = {
  ...SOCKET,
  ...{ state: oneOf(...CONNECTION_STATES), charged: int, backlog: int },
  ...{ peerCredentials: maybe(UCRED), name: maybe(ADDRESS), peerName: maybe(ADDRESS), closed: bool },
  ...{
    peer: noneOr(ref(...CONNECTED)),
    waiting: list(ref(...CONNECTED)),
    queue: list(record({ bytes, ...ANCILLARY })),
  },
};
const UNIX_NAME = { bound: maybe(ADDRESS), file: maybe(INODE) };

function saveSocket(socket: Socket, writer: ImageWriter): Fields {
  const { kind, options, error, shut, flags } = socket;
  return {
    ...(plain({ kind, options: structuredClone(options), error, shut, flags }) as Fields),
    inode: writer.id(socket.inode),
  };
}

type Constructor<T> = new (world: SocketWorld, inode: AnonymousInode, kind: SocketKind, flags: number) => T;

function createSocket<T extends Socket>(Make: Constructor<T>, fields: Fields, reader: ImageReader): T {
  const { anonymous, socketNames, sleeper } = reader.world;
  const world = { names: socketNames, makeInode: () => anonymous.sockets.make(SOCKET_MODE, 0, 0, sleeper.realtime()) };
  const inode = reader.object<AnonymousInode>(fields.inode);
  const socket = new Make(world, inode, fields.kind as unknown as SocketKind, fields.flags as number);
  Object.assign(socket.options, structuredClone(fields.options));
  socket.error = fields.error as number;
  socket.shut = fields.shut as number;
  return socket;
}

/** Messages in flight hold the descriptors that they carry. */
function saveAncillary({ rights, credentials }: Ancillary, writer: ImageWriter): Fields {
  return { rights: writer.ids(rights), credentials: plain(credentials) };
}
function loadAncillary(fields: Fields, reader: ImageReader): Ancillary {
  const rights = reader.objects<OpenFile>(fields.rights);
  for (const file of rights) file.hold();
  return { rights, credentials: fields.credentials as unknown as Ancillary['credentials'] };
}

function saveConnection(socket: ConnectionSocket, writer: ImageWriter, peer = socket.peer): Fields {
  const { state, charged, backlog, peerCredentials, name, peerName, closed, waiting, queue } = socket;
  return {
    ...saveSocket(socket, writer),
    ...(plain({ state, charged, backlog, peerCredentials, name, peerName, closed }) as Fields),
    peer: writer.id(peer),
    waiting: writer.ids(waiting),
    queue: queue.map((chunk) => ({ bytes: chunk.bytes.slice(), ...saveAncillary(chunk, writer) })),
  };
}

function linkConnection(socket: ConnectionSocket, fields: Fields, reader: ImageReader): void {
  const { state, charged, backlog, peerCredentials, name, peerName, closed } = fields;
  Object.assign(socket, { state, charged, backlog, peerCredentials, name, peerName, closed });
  socket.peer = reader.optional<ConnectionSocket>(fields.peer);
  socket.waiting = reader.objects<ConnectionSocket>(fields.waiting);
  socket.queue = (fields.queue as Fields[]).map(
    (chunk): Chunk => ({ bytes: chunk.bytes as Uint8Array, ...loadAncillary(chunk, reader) }),
  );
}

type UnixSocket = UnixConnection | UnixDatagram;

function saveUnixName(socket: UnixSocket, writer: ImageWriter): Fields {
  return { bound: plain(socket.bound), file: socket.file === null ? null : saveInode(socket.file, writer) };
}

function linkUnixName(socket: UnixSocket, fields: Fields, reader: ImageReader): void {
  socket.bound = fields.bound as unknown as UnixSocket['bound'];
  const { socketNames } = reader.world;
  if (socket.bound?.name.startsWith('\0')) {
    socketNames.abstracts.set(abstractKey(socket.kind.type, socket.bound.name), socket);
  }
  if (fields.file === null) return;
  socket.file = loadInode<Inode>(fields.file, reader);
  socketNames.files.set(socket.file, socket);
}

const unixConnection: Kind<UnixConnection> = {
  name: 'unix-connection',
  shape: record({ ...CONNECTION, ...UNIX_NAME }),
  is: (object): object is UnixConnection => object instanceof UnixConnection,
  save: (socket, writer) => ({ ...saveConnection(socket, writer), ...saveUnixName(socket, writer) }),
  create: (fields, reader) => createSocket(UnixConnection, fields, reader),
  link(socket, fields, reader) {
    linkConnection(socket, fields, reader);
    linkUnixName(socket, fields, reader);
  },
};

const unixDatagram: Kind<UnixDatagram> = {
  name: 'unix-datagram',
  shape: record({
    ...{ ...SOCKET, ...UNIX_NAME, closed: bool, peer: noneOr(ref('unix-datagram')) },
    queue: list(record({ bytes, from: maybe(ADDRESS), ...ANCILLARY })),
  }),
  is: (object): object is UnixDatagram => object instanceof UnixDatagram,
  save: (socket, writer) => ({
    ...saveSocket(socket, writer),
    ...saveUnixName(socket, writer),
    closed: socket.closed,
    peer: writer.id(socket.peer),
    queue: socket.queue.map((message) => ({
      ...{ bytes: message.bytes.slice(), from: plain(message.from) },
      ...saveAncillary(message, writer),
    })),
  }),
  create: (fields, reader) => createSocket(UnixDatagram, fields, reader),
  link(socket, fields, reader) {
    linkUnixName(socket, fields, reader);
    socket.closed = fields.closed as boolean;
    socket.follow(reader.optional<UnixDatagram>(fields.peer));
    socket.queue = (fields.queue as Fields[]).map(
      (message): Datagram => ({
        bytes: message.bytes as Uint8Array,
        from: message.from as unknown as Datagram['from'],
        ...loadAncillary(message, reader),
      }),
    );
  },
};

/** Whoever is beyond the machine does not go on with its image. */
const LOST_CONNECTION = { state: 'connected', charged: 0, error: ECONNRESET, shut: RCV_SHUTDOWN | SEND_SHUTDOWN };

const tcp: Kind<TcpSocket> = {
  name: 'tcp',
  shape: record({ ...CONNECTION, bound: maybe(ADDRESS), connecting: bool }),
  is: (object): object is TcpSocket => object instanceof TcpSocket,
  save: (socket, writer) => ({
    ...saveConnection(socket, writer, socket.outside === null ? socket.peer : null),
    ...(socket.outside === null && socket.state !== 'connecting' ? {} : LOST_CONNECTION),
    ...{ bound: plain(socket.bound), connecting: socket.connecting },
  }),
  create: (fields, reader) => createSocket(TcpSocket, fields, reader),
  link(socket, fields, reader) {
    linkConnection(socket, fields, reader);
    socket.connecting = fields.connecting as boolean;
    socket.bound = fields.bound as unknown as TcpSocket['bound'];
    if (socket.bound !== null) reader.world.socketNames.takePort('tcp', socket.bound.port, socket);
  },
};

const udp: Kind<UdpSocket> = {
  name: 'udp',
  shape: record({
    ...{ ...SOCKET, bound: maybe(ADDRESS), peer: maybe(ADDRESS), queued: int },
    queue: list(record({ bytes, from: maybe(ADDRESS) })),
  }),
  is: (object): object is UdpSocket => object instanceof UdpSocket,
  save: (socket, writer) => ({
    ...saveSocket(socket, writer),
    ...(plain({ bound: socket.bound, peer: socket.peer, queued: socket.queued }) as Fields),
    queue: socket.queue.map(({ bytes, from }) => ({ bytes: bytes.slice(), from: plain(from) })),
  }),
  create: (fields, reader) => createSocket(UdpSocket, fields, reader),
  link(socket, fields, reader) {
    const { bound, peer, queued, queue } = fields;
    Object.assign(socket, { bound, peer, queued, queue });
    if (socket.bound !== null) reader.world.socketNames.takePort('udp', socket.bound.port, socket);
  },
};

export const SOCKET_KINDS = [unixConnection, unixDatagram, tcp, udp] as readonly Kind<object>[];
