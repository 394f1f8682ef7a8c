/** Mounted file systems: those in memory with all they hold, those of the host by where they are. */

import { AnonymousFs } from '../../fs/anonymous.ts';
import { DevPts } from '../../fs/devpts.ts';
import { plain, plainFields } from '../../fs/image/image.ts';
import type { Kind } from '../../fs/image/index.ts';
import {
  anything,
  bool,
  bytes,
  int,
  list,
  oneOf,
  optional,
  pair,
  record,
  ref,
  size,
  text,
  wide,
  word,
} from '../../fs/image/shape.ts';
import { MemFs } from '../../fs/memfs.ts';
import { loadMemFs, type MemFsImage, saveMemFs } from '../../fs/memfs-image.ts';
import { type Base, OverlayFs } from '../../fs/overlay.ts';
import { ProcFs } from '../../fs/proc.ts';
import type { FileSystem, TreeOrigin } from '../../vfs/inode.ts';
import { ImageError } from '../image.ts';
import { freezing, worldOf } from '../world.ts';

export const FILE_SYSTEM_NAMES = ['memfs', 'tree', 'overlay', 'own-fs', 'anonymous-fs', 'shm'];

const time = wide;

const MEMFS = record({
  device: size,
  type: text,
  limit: size,
  nextInode: size,
  root: size,
  inodes: list(
    record({
      ...{ ino: size, mode: word, nlink: size, uid: word, gid: word, rdev: size },
      ...{ atime: time, mtime: time, ctime: time, btime: time, size },
      pages: list(pair(size, size)),
      target: optional(text),
      xattrs: optional(list(pair(text, bytes))),
      entries: optional(list(pair(text, size))),
    }),
  ),
});

const memfs: Kind<MemFs> = {
  name: 'memfs',
  shape: MEMFS,
  is: (object): object is MemFs => object instanceof MemFs,
  save: (fs, writer) => plainFields({ device: fs.device, ...saveMemFs(fs, (page) => freezing(writer).keep(page)) }),
  create(fields, reader) {
    const image = fields as unknown as MemFsImage<number> & { device: number };
    return loadMemFs(image, image.device, (index) => worldOf(reader).page(index));
  },
};

/** memfds, and what has lost its last name on the host. */
const shm: Kind<MemFs> = {
  name: 'shm',
  shape: record({ next: size }),
  is: (object): object is MemFs => object instanceof MemFs && object.isInternal,
  save: (fs) => ({ next: fs.nextInode }),
  create(fields, reader) {
    const { shm: fs } = worldOf(reader);
    fs.nextInode = Math.max(fs.nextInode, fields.next as number);
    return fs;
  },
};

const hasOrigin = (object: object): object is FileSystem & { origin: TreeOrigin } =>
  'root' in object && 'device' in object && 'origin' in object && object.origin !== undefined;

const tree: Kind<FileSystem> = {
  name: 'tree',
  shape: record({
    device: size,
    origin: record({ kind: text, source: text, readOnly: bool, options: optional(anything) }),
  }),
  is: (object): object is FileSystem => hasOrigin(object),
  save: (fs) => plainFields({ device: fs.device, origin: { ...fs.origin } }),
  create: (fields, reader) => worldOf(reader).openTree(fields.origin as unknown as TreeOrigin, fields.device as number),
};

const BASE = record({ ino: size, mode: word, size, mtime: time, ctime: time, sent: time });

const overlay: Kind<OverlayFs> = {
  name: 'overlay',
  shape: record({ device: size, upper: ref(), lower: ref(), bases: optional(list(pair(text, BASE))) }),
  is: (object): object is OverlayFs => object instanceof OverlayFs,
  save: (fs, writer) => ({
    ...{ device: fs.device, upper: writer.id(fs.upper), lower: writer.id(fs.lower) },
    bases: fs.bases && plain([...fs.bases]),
  }),
  create: (fields, reader) =>
    new OverlayFs({
      device: fields.device as number,
      upper: reader.object<FileSystem>(fields.upper),
      lower: reader.object<FileSystem>(fields.lower),
      bases: fields.bases ? new Map(fields.bases as unknown as [string, Base][]) : undefined,
    }),
};

/** /proc, /sys and /dev/pts: made anew by the machine. */
const own: Kind<FileSystem> = {
  name: 'own-fs',
  shape: record({ type: oneOf('proc', 'sysfs', 'devpts'), device: size }),
  is: (object): object is FileSystem => object instanceof ProcFs || object instanceof DevPts,
  save: (fs) => ({ type: fs.type, device: fs.device }),
  create: (fields, reader) => worldOf(reader).own(fields.type as string, fields.device as number),
};

const anonymous: Kind<AnonymousFs> = {
  name: 'anonymous-fs',
  shape: record({ type: oneOf('pipefs', 'sockfs', 'anon_inodefs'), last: int }),
  is: (object): object is AnonymousFs => object instanceof AnonymousFs && object.type !== 'inherited',
  save: (fs) => ({ type: fs.type, last: fs.lastInode }),
  create(fields, reader) {
    const { pipes, sockets, anonymous: rest } = worldOf(reader).anonymous;
    const fs = [pipes, sockets, rest].find(({ type }) => type === fields.type);
    if (fs === undefined) throw new ImageError(`there is no file system ${fields.type}`);
    fs.lastInode = Math.max(fs.lastInode, fields.last as number);
    return fs;
  },
};

export const FILE_SYSTEM_KINDS = [shm, memfs, tree, overlay, own, anonymous] as readonly Kind<object>[];
