/** Open files with a place in the name space, tables of descriptors, and what our caller passed on. */
import { S_IFDIR, S_IFREG, SEEK_CUR } from '../../abi/fs.ts';
import type { Kind } from '../../fs/image/index.ts';
import {
  bool,
  bytes,
  list,
  maybe,
  noneOr,
  oneOf,
  optional,
  record,
  ref,
  size,
  text,
  word,
} from '../../fs/image/shape.ts';
import { InheritedStream } from '../../fs/inherited.ts';
import { type Loss, LostFile } from '../../fs/lost.ts';
import { ProcTextFile } from '../../fs/proc.ts';
import { PidFile } from '../../kernel/pidfd.ts';
import type { ThreadGroup } from '../../kernel/thread-group.ts';
import { FdTable } from '../../vfs/fd-table.ts';
import type { OpenFile } from '../../vfs/open-file.ts';
import { DirectoryFile, PathFile, RegularFile } from '../../vfs/regular-file.ts';
import { failed, type Plain } from '../../wait/wait.ts';
import { ImageError } from '../image.ts';
import { freezing, worldOf } from '../world.ts';
import { loadPlace, PLACE } from './places.ts';

/** Kinds of open files. */
export const OPEN_FILES = [
  ...[
    'regular',
    'directory',
    'path',
    'proc-text',
    'inherited',
    'lost',
    'pipe-end',
    'eventfd',
    'timerfd',
    'signalfd',
    'epoll',
    'pidfd',
  ],
  ...[
    'inotify',
    'device',
    'memfd-file',
    'message-queue-file',
    'terminal',
    'unix-connection',
    'unix-datagram',
    'tcp',
    'udp',
  ],
];

const placed = record({ at: PLACE, flags: word });
const savePlaced = (file: OpenFile, writer: Parameters<Kind<OpenFile>['save']>[1]) => ({
  at: writer.hooks.savePlace!(file.location!, writer),
  flags: file.flags,
});

const regular: Kind<RegularFile> = {
  name: 'regular',
  shape: placed,
  is: (object): object is RegularFile => object instanceof RegularFile,
  save: savePlaced,
  create(fields, reader) {
    const place = loadPlace(fields.at, reader);
    const { inode } = place.dentry;
    const { namespace, sleeper } = reader.world;
    if (inode?.type !== S_IFREG) throw new ImageError(`${place.dentry.name} is not a regular file`);
    const opened = inode.opened(sleeper, fields.flags as number);
    if (opened < 0) throw new ImageError(`${place.dentry.name} cannot be opened again (errno ${-opened})`);
    return new RegularFile(namespace, place, fields.flags as number);
  },
};

const directory: Kind<DirectoryFile> = {
  name: 'directory',
  shape: placed,
  is: (object): object is DirectoryFile => object instanceof DirectoryFile,
  save: savePlaced,
  create(fields, reader) {
    const place = loadPlace(fields.at, reader);
    if (place.dentry.inode?.type !== S_IFDIR) throw new ImageError(`${place.dentry.name} is not a directory`);
    return new DirectoryFile(reader.world.namespace, place, fields.flags as number);
  },
};

const path: Kind<PathFile> = {
  name: 'path',
  shape: placed,
  is: (object): object is PathFile => object instanceof PathFile,
  save: savePlaced,
  create: (fields, reader) =>
    new PathFile(reader.world.namespace, loadPlace(fields.at, reader), fields.flags as number),
};

const procText: Kind<ProcTextFile> = {
  name: 'proc-text',
  shape: record({ at: PLACE, flags: word, content: maybe(bytes) }),
  is: (object): object is ProcTextFile => object instanceof ProcTextFile,
  save: (file, writer) => ({ ...savePlaced(file, writer), content: file.content }),
  create(fields, reader) {
    const place = loadPlace(fields.at, reader);
    const file = place.dentry.inode?.open(reader.world.sleeper, fields.flags as number);
    if (!(file instanceof ProcTextFile)) throw new ImageError(`/proc has no ${place.dentry.name} any more`);
    file.content = fields.content as Uint8Array | null;
    file.location = place;
    return file;
  },
};

/** A descriptor of our caller's that nobody gives now: at its end for readers, and writers write to nobody. */
const inherited: Kind<OpenFile> = {
  name: 'inherited',
  shape: record({ fd: size, name: text, seekable: bool, flags: word, position: optional(size) }),
  is: (object): object is InheritedStream => object instanceof InheritedStream,
  save(file, writer) {
    const { seekable, flags } = file as InheritedStream;
    const position = seekable ? Math.max(0, file.seek(freezing(writer).sleeper, 0, SEEK_CUR)) : null;
    return { fd: Math.max(0, file.inherited), name: file.describe(), seekable, flags, position };
  },
  create(fields, reader) {
    const { kernel, warn } = worldOf(reader);
    warn(`descriptor ${fields.fd} was ${fields.name}, and is /dev/null now: give it one by --fd ${fields.fd}=...`);
    return new LostFile(kernel.anonymous.anonInode, fields.flags as number, fields.name as string, 'eof');
  },
};

/** What has been lost in a restore before. */
const lost: Kind<LostFile> = {
  name: 'lost',
  shape: record({ name: text, flags: word, loss: oneOf('eof', 'error') }),
  is: (object): object is LostFile => object instanceof LostFile,
  save: ({ name, flags, loss }) => ({ name, flags, loss }),
  create(fields, reader) {
    const { name, flags, loss } = fields as { name: string; flags: number; loss: Loss };
    return new LostFile(worldOf(reader).kernel.anonymous.anonInode, flags, name, loss);
  },
};

const pidfd: Kind<PidFile> = {
  name: 'pidfd',
  shape: record({ process: noneOr(ref('group')) }),
  is: (object): object is PidFile => object instanceof PidFile,
  save: (file, writer) => ({ process: writer.id(file.process) }),
  create: ({ process }, reader) => {
    const { kernel } = worldOf(reader);
    return new PidFile(kernel.anonymous.anonInode, reader.optional<ThreadGroup>(process));
  },
};

const DESCRIPTOR = record({ fd: size, file: ref(...OPEN_FILES), cloexec: bool });

/** Its files are entered when all tasks are there: they may lie in /proc. */
const fdTable: Kind<FdTable> = {
  name: 'fd-table',
  shape: record({ limit: size, files: list(DESCRIPTOR) }),
  is: (object): object is FdTable => object instanceof FdTable,
  save: (table, writer) => ({
    limit: table.limit,
    files: [...table.entries()].map(([fd, file]) => ({
      ...{ fd, file: writer.id(file), cloexec: table.isCloseOnExec(fd) },
    })),
  }),
  create: () => new FdTable(),
  link(table, fields, reader) {
    table.limit = Number.POSITIVE_INFINITY;
    for (const { fd, file, cloexec } of fields.files as { fd: number; file: Plain; cloexec: boolean }[]) {
      const taken = table.install(reader.object<OpenFile>(file), { from: fd, cloexec });
      if (failed(taken) || taken !== fd) throw new ImageError(`descriptor ${fd} stands twice`);
    }
    table.limit = fields.limit as number;
  },
};

export const OPEN_FILE_KINDS = [
  procText,
  inherited,
  regular,
  directory,
  path,
  pidfd,
  lost,
  fdTable,
] as readonly Kind<object>[];
