/** Images of pipes, eventfds, timerfds, signalfds, epolls, inotifys, and of what can simply be opened again. */
import type { Attributes, Inode } from '../../vfs/inode.ts';
import type { OpenFile } from '../../vfs/open-file.ts';
import type { Plain } from '../../wait/wait.ts';
import { type AnonymousFs, AnonymousInode } from '../anonymous.ts';
import { PtsInode } from '../devpts.ts';
import { EpollFile } from '../epoll.ts';
import { EventFile, type EventState } from '../eventfd.ts';
import { type InotifyEvent, InotifyFile } from '../inotify.ts';
import { MemoryDeviceFile } from '../mem-devices.ts';
import { MemfdFile, MemfdInode } from '../memfd.ts';
import { MessageQueue, MessageQueueFile } from '../mqueue.ts';
import { Pipe, PipeFile, PipeInode, type PipeState } from '../pipe.ts';
import { SignalFile } from '../signalfd.ts';
import { TimerFile, type TimerState } from '../timerfd.ts';
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
  ShapeError,
  size,
  text,
  wide,
  word,
} from './shape.ts';

/** Numbers of objects, or (of inodes that the caller names) a list with what it says. */
export const INODE: Shape<unknown> = (value, at, kindOf) =>
  Array.isArray(value) && value.length === 1
    ? value
    : noneOr(ref('inode', 'pipe-inode', 'pts-inode', 'memfd'))(value, at, kindOf);
const STAT = record({
  ...{ ino: size, mode: word, nlink: size, uid: word, gid: word, rdev: size, size, blksize: size, blocks: size },
  ...{ atime: wide, mtime: wide, ctime: wide, btime: wide },
});
const ANONYMOUS = { fs: oneOf('pipefs', 'sockfs', 'anon_inodefs'), shared: bool, stat: STAT };
const SLOT: Shape<unknown> = record({
  bytes: (value, at, kindOf) => {
    const found = bytes(value, at, kindOf);
    if (found.length > 4096) throw new ShapeError(`${at} is longer than a page`);
    return found;
  },
  packet: bool,
});
const FILE_PAGE = record({ offset: size, bytes });

const isOwn = (inode: Inode) =>
  inode instanceof AnonymousInode || inode instanceof PtsInode || inode instanceof MemfdInode;

/** Anonymous inodes, memfds and those of terminals are objects of the image, others are named by the caller. */
export function saveInode(inode: Inode, writer: ImageWriter): Plain {
  return isOwn(inode) ? writer.id(inode) : [writer.hooks.saveInode(inode)];
}
export function loadInode<T extends Inode>(image: Plain, reader: ImageReader): T {
  return (Array.isArray(image) ? reader.hooks.loadInode(image[0]) : reader.object(image)) as T;
}

function anonymousFs(reader: ImageReader, type: Plain): AnonymousFs {
  const { pipes, sockets, anonymous } = reader.world.anonymous;
  return [pipes, sockets, anonymous].find((fs) => fs.type === type)!;
}

function saveAnonymous(inode: AnonymousInode): Fields {
  const shared = inode.fs.type === 'anon_inodefs';
  return { fs: inode.fs.type, shared, stat: plain({ ...inode.stat }) };
}

/** The numbers of inodes stay; new ones start above. */
function restoreStat(inode: AnonymousInode, stat: Attributes): void {
  Object.assign(inode.stat, stat);
  inode.fs.lastInode = Math.max(inode.fs.lastInode, stat.ino);
}

const anonymousInode: Kind<AnonymousInode> = {
  name: 'inode',
  shape: record(ANONYMOUS),
  is: (object): object is AnonymousInode => object instanceof AnonymousInode && !(object instanceof PipeInode),
  save: saveAnonymous,
  create(fields, reader) {
    if (fields.shared === true) return reader.world.anonymous.anonInode;
    const stat = fields.stat as unknown as Attributes;
    const inode = anonymousFs(reader, fields.fs).make(stat.mode, stat.uid, stat.gid, stat.ctime);
    restoreStat(inode, stat);
    return inode;
  },
};

const pipeInode: Kind<PipeInode> = {
  name: 'pipe-inode',
  shape: record({ ...ANONYMOUS, pipe: ref('pipe') }),
  is: (object): object is PipeInode => object instanceof PipeInode,
  save: (inode, writer) => ({ ...saveAnonymous(inode), pipe: writer.id(inode.pipe) }),
  create(fields, reader) {
    const stat = fields.stat as unknown as Attributes;
    const inode = new PipeInode(reader.world.anonymous.pipes, stat.mode, stat.uid, stat.gid, stat.ctime);
    restoreStat(inode, stat);
    inode.pipe = reader.object<Pipe>(fields.pipe);
    return inode;
  },
};

const pipe: Kind<Pipe> = {
  name: 'pipe',
  shape: record({
    ...{ slots: list(SLOT, 65536), capacity: integer(1, 65536), readers: size, writers: size },
    ...{ writerOpens: size, readerTickets: size, writerTickets: size },
  }),
  is: (object): object is Pipe => object instanceof Pipe,
  save({ state }) {
    const slots = state.slots.map(({ page, start, end, packet }) => ({ bytes: page.slice(start, end), packet }));
    return { ...(plain({ ...state, slots }) as Fields) };
  },
  create(fields) {
    const slots = (fields.slots as { bytes: Uint8Array; packet: boolean }[]).map(({ bytes, packet }) => {
      const page = new Uint8Array(4096);
      page.set(bytes);
      return { page, start: 0, end: bytes.length, packet };
    });
    return new Pipe({ ...(fields as unknown as PipeState), slots });
  },
};

const pipeFile: Kind<PipeFile> = {
  name: 'pipe-end',
  shape: record({ pipe: ref('pipe'), inode: INODE, flags: word, name: text, quietUntil: real }),
  is: (object): object is PipeFile => object instanceof PipeFile,
  save: (file, writer) => ({
    pipe: writer.id(file.pipe),
    inode: saveInode(file.inode, writer),
    flags: file.flags,
    name: file.name,
    quietUntil: file.quietUntil,
  }),
  create(fields, reader) {
    const shared = reader.object<Pipe>(fields.pipe);
    const inode = loadInode<Inode>(fields.inode, reader);
    if (!(inode instanceof PipeInode)) reader.world.fifos.set(inode, shared);
    return new PipeFile(shared, inode, fields.flags as number, fields.name as string, fields.quietUntil as number);
  },
};

const event: Kind<EventFile> = {
  name: 'eventfd',
  shape: record({ count: wide, semaphore: bool }),
  is: (object): object is EventFile => object instanceof EventFile,
  save: ({ state }) => ({ ...state }),
  create: (fields, { world }) => new EventFile(world.anonymous.anonInode, { ...fields } as unknown as EventState),
};

const timer: Kind<TimerFile> = {
  name: 'timerfd',
  shape: record({ clock: int, next: real, interval: real, ticks: wide, setFlags: word }),
  is: (object): object is TimerFile => object instanceof TimerFile,
  save: ({ state }) => ({ ...state }),
  create: (fields, { world }) =>
    new TimerFile(world.anonymous.anonInode, world.alarms, { ...fields } as unknown as TimerState),
};

const signal: Kind<SignalFile> = {
  name: 'signalfd',
  shape: record({ mask: wide }),
  is: (object): object is SignalFile => object instanceof SignalFile,
  save: ({ mask }) => ({ mask }),
  create: ({ mask }, { world }) => new SignalFile(world.anonymous.anonInode, world.signals, mask as bigint),
};

const epoll: Kind<EpollFile> = {
  name: 'epoll',
  shape: record({ items: list(record({ fd: size, file: ref(), events: word, data: wide, due: bool })) }),
  is: (object): object is EpollFile => object instanceof EpollFile,
  save: (set, writer) => ({
    items: set.watched
      .filter(({ file }) => file.references > 0)
      .map(({ fd, file, events, data, due }) => ({ fd, file: writer.id(file), events, data, due })),
  }),
  create: (_fields, { world }) => new EpollFile(world.anonymous.anonInode),
  link(set, fields, reader) {
    const items = fields.items as { fd: number; file: number; events: number; data: bigint; due: boolean }[];
    for (const { fd, file, events, data, due } of items) {
      set.restore(fd, reader.object<OpenFile>(file), { events, data }, due);
    }
  },
};

const inotify: Kind<InotifyFile> = {
  name: 'inotify',
  shape: record({
    queue: list(record({ wd: int, mask: word, cookie: word, name: text })),
    ...{ lastWd: size, watches: list(record({ wd: int, mask: word, inode: INODE })) },
  }),
  is: (object): object is InotifyFile => object instanceof InotifyFile,
  save: (file, writer) => ({
    queue: plain(file.queue),
    lastWd: file.lastWd,
    watches: file.watched.map(({ wd, inode, mask }) => ({ wd, mask, inode: saveInode(inode, writer) })),
  }),
  create(fields, { world }) {
    const file = new InotifyFile(world.anonymous.anonInode, 0);
    file.queue = fields.queue as unknown as InotifyEvent[];
    file.lastWd = fields.lastWd as number;
    return file;
  },
  link(file, fields, reader) {
    for (const { wd, mask, inode } of fields.watches as { wd: number; mask: number; inode: Plain }[]) {
      file.restore(wd, loadInode(inode, reader), mask);
    }
  },
};

/** Nothing but a position is lost when these are opened anew. */
const device: Kind<MemoryDeviceFile> = {
  name: 'device',
  shape: record({ inode: INODE, flags: word }),
  is: (object): object is MemoryDeviceFile => object instanceof MemoryDeviceFile,
  save: (file, writer) => ({ inode: saveInode(file.inode, writer), flags: file.flags }),
  create({ inode, flags }, reader) {
    const node = loadInode(inode, reader);
    const open = reader.world.namespace.special.get(node.type)!;
    return open(reader.world.sleeper, node, flags as number) as MemoryDeviceFile;
  },
};

const memfdInode: Kind<MemfdInode> = {
  name: 'memfd',
  shape: record({
    ...{ ino: size, name: text, seals: integer(0, 31), mode: word, uid: word, gid: word, size, pages: list(FILE_PAGE) },
  }),
  is: (object): object is MemfdInode => object instanceof MemfdInode,
  save: ({ name, seals, node }) => ({
    ...{ ino: node.ino, name, seals, mode: node.mode & 0o7777, uid: node.uid, gid: node.gid, size: node.content.size },
    pages: [...node.content.contents()].map(({ offset, bytes }) => ({ offset, bytes: bytes.slice() })),
  }),
  create(fields, { world }) {
    const { name, mode, uid, gid } = fields as { name: string; mode: number; uid: number; gid: number };
    const next = world.shm.nextInode;
    world.shm.nextInode = fields.ino as number;
    const inode = new MemfdInode(world.shm, world.namespace, name, mode, world.sleeper, uid, gid);
    world.shm.nextInode = Math.max(next, world.shm.nextInode);
    for (const { offset, bytes } of fields.pages as { offset: number; bytes: Uint8Array }[]) {
      inode.write(world.sleeper, offset, bytes);
    }
    inode.node.content.truncate(fields.size as number);
    inode.seals = fields.seals as number;
    return inode;
  },
};

const memfdFile: Kind<MemfdFile> = {
  name: 'memfd-file',
  shape: record({ inode: ref('memfd'), flags: word }),
  is: (object): object is MemfdFile => object instanceof MemfdFile,
  save: (file, writer) => ({ inode: writer.id(file.inode), flags: file.flags }),
  create: ({ inode, flags }, reader) => reader.object<MemfdInode>(inode).open(reader.world.sleeper, flags as number),
};

/** A queue that nobody has open is saved because it has a name. */
const messageQueue: Kind<MessageQueue> = {
  name: 'message-queue',
  shape: record({
    ...{ name: maybe(text), inode: ref('inode'), maxMessages: integer(1, 65536), messageSize: integer(1, 2 ** 24) },
    messages: list(record({ priority: size, bytes })),
    notification: maybe(record({ pid: size, signal: integer(0, 64), value: int })),
  }),
  is: (object): object is MessageQueue => object instanceof MessageQueue,
  save: ({ name, inode, maxMessages, messageSize, messages, notification }, writer) => ({
    ...{ name, inode: writer.id(inode), maxMessages, messageSize },
    ...{ messages: plain(messages), notification: plain(notification) },
  }),
  create(fields, reader) {
    const { name, maxMessages, messageSize } = fields as {
      name: string | null;
      maxMessages: number;
      messageSize: number;
    };
    const queue = new MessageQueue(name, reader.object<AnonymousInode>(fields.inode), maxMessages, messageSize);
    Object.assign(queue, { messages: fields.messages, notification: fields.notification });
    if (name !== null) reader.world.queues.set(name, queue);
    return queue;
  },
};

const messageQueueFile: Kind<MessageQueueFile> = {
  name: 'message-queue-file',
  shape: record({ queue: ref('message-queue'), name: text, flags: word }),
  is: (object): object is MessageQueueFile => object instanceof MessageQueueFile,
  save: (file, writer) => ({ queue: writer.id(file.queue), name: file.name, flags: file.flags }),
  create: ({ queue, name, flags }, reader) =>
    new MessageQueueFile(reader.object<MessageQueue>(queue), name as string, flags as number),
};

export const EVENT_KINDS = [
  ...[anonymousInode, pipeInode, pipe, pipeFile, event, timer, signal, epoll, inotify, device, memfdInode, memfdFile],
  ...[messageQueue, messageQueueFile],
] as readonly Kind<object>[];
