/** Inodes that open files and names refer to: by number in memory, by path in trees of the host, by their parts in overlays. */
import { O_RDONLY, S_IFDIR, S_IFMT, S_IFREG } from '../../abi/fs.ts';
import { DevPts } from '../../fs/devpts.ts';
import type { Kind } from '../../fs/image/index.ts';
import {
  bool,
  list,
  noneOr,
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
import { MemInode } from '../../fs/mem-inode.ts';
import type { MemFs } from '../../fs/memfs.ts';
import type { OverlayFs } from '../../fs/overlay.ts';
import { OverlayInode } from '../../fs/overlay-inode.ts';
import { ProcInode } from '../../fs/proc.ts';
import type { Attributes, FileSystem, Inode } from '../../vfs/inode.ts';
import { failed, type Plain, type Sleeper } from '../../wait/wait.ts';
import { ImageError } from '../image.ts';
import { freezing, worldOf } from '../world.ts';

const PAGE = 4096;
const INODES = [
  'mem-inode',
  'tree-inode',
  'overlay-inode',
  'ghost',
  'pts-node',
  'proc-root',
  'memfd',
  'pts-inode',
  'inode',
  'pipe-inode',
];
export const anInode = ref(...INODES);

const memInode: Kind<MemInode> = {
  name: 'mem-inode',
  shape: record({ fs: ref('memfs'), ino: size, linkable: bool }),
  is: (object): object is MemInode => object instanceof MemInode && !object.fs.isInternal,
  save: ({ fs, node, linkable }, writer) => ({ fs: writer.id(fs), ino: node.ino, linkable }),
  create(fields, reader) {
    const inode = reader.object<MemFs>(fields.fs).inodes.get(fields.ino as number);
    if (inode === undefined) throw new ImageError(`there is no inode ${fields.ino} in a file system in memory`);
    inode.linkable = fields.linkable as boolean;
    return inode;
  },
};

const isOfTree = (object: object): object is Inode => 'path' in object && typeof object.path === 'function';

/** A file or directory of the host (or of another machine) that still has a name. */
const treeInode: Kind<Inode> = {
  name: 'tree-inode',
  shape: record({
    ...{ fs: ref('tree'), names: list(text), type: word },
    mark: optional(record({ ino: size, btime: wide })),
  }),
  is: (object): object is Inode => isOfTree(object) && object.path?.() !== null,
  save: (inode, writer) => ({
    ...{ fs: writer.id(inode.fs), names: [...inode.path!()!], type: inode.type },
    mark: inode.fs.sleeps === true ? markOf(inode, freezing(writer).sleeper) : null,
  }),
  create(fields, reader) {
    const { names, type } = fields as { names: string[]; type: number };
    const fs = reader.object<FileSystem>(fields.fs);
    const found = worldOf(reader).found(fs, names);
    if (found !== undefined) return found;
    let at: Inode | number = fs.root;
    for (const name of names) if (!failed(at)) at = at.lookup(reader.world.sleeper, name);
    const path = [fs.origin?.source ?? '', ...names].join('/');
    if (failed(at)) throw new ImageError(`${path} is missing (errno ${-at})`);
    if (at.type !== type) throw new ImageError(`${path} is not the kind of file that it was`);
    return at;
  },
};

/** What makes it this file, and not another of the same name: for trees of other machines. */
function markOf(inode: Inode, s: Sleeper): Plain {
  const attributes = inode.attributes(s);
  return failed(attributes) ? null : { ino: attributes.ino, btime: attributes.btime };
}

const time = wide;
const GHOST = record({
  ...{ mode: word, uid: word, gid: word, size, atime: time, mtime: time, ctime: time },
  pages: list(pair(size, size)),
});

/** What has no name any more, on the host or in memory: kept with its content. */
const ghost: Kind<Inode> = {
  name: 'ghost',
  shape: GHOST,
  is: (object): object is Inode =>
    (object instanceof MemInode && object.fs.isInternal) || (isOfTree(object) && object.path?.() === null),
  save(inode, writer) {
    const { sleeper, keep } = freezing(writer);
    const attributes = inode.attributes(sleeper);
    if (failed(attributes)) throw new ImageError(`a file without a name cannot be read (errno ${-attributes})`);
    const { mode, uid, gid, atime, mtime, ctime } = attributes;
    const pages = inode.type === S_IFREG ? contentOf(inode, sleeper, attributes, keep) : [];
    return { mode, uid, gid, atime, mtime, ctime, size: pages.length === 0 ? 0 : attributes.size, pages };
  },
  create(fields, reader) {
    const stat = fields as unknown as Attributes & { pages: [number, number][] };
    const { shm, sleeper } = worldOf(reader);
    const node = shm.makeNode({ mode: stat.mode, uid: stat.uid, gid: stat.gid }, stat.ctime);
    const inode = new MemInode(shm, node);
    shm.register(inode);
    for (const [offset, page] of stat.pages) node.content.write(offset, worldOf(reader).page(page));
    if ((stat.mode & S_IFMT) !== S_IFDIR) inode.change(sleeper, { size: stat.size });
    Object.assign(node, { accessed: stat.atime, modified: stat.mtime, changed: stat.ctime, nlink: 0 });
    return inode;
  },
};

/** The pages of a file that are not zero. */
function contentOf(inode: Inode, s: Sleeper, { size: length }: Attributes, keep: (page: Uint8Array) => number) {
  const pages: [number, number][] = [];
  for (let offset = 0; offset < length; offset += PAGE) {
    const page = new Uint8Array(PAGE);
    const count = inode.read(s, offset, page);
    if (count < 0) throw new ImageError(`a file without a name cannot be read (errno ${-count})`);
    if (page.some((byte) => byte !== 0)) pages.push([offset, keep(page)]);
  }
  return pages;
}

const OVERLAY_STATE = record({ nameless: bool, extraLinks: size, knownNumber: size, pinned: bool });

const overlayInode: Kind<OverlayInode> = {
  name: 'overlay-inode',
  shape: record({
    ...{ fs: ref('overlay'), upper: noneOr(ref(...INODES)), lower: noneOr(ref(...INODES)) },
    ...{ parent: noneOr(ref('overlay-inode')), name: text, lowerPath: text },
    ...OVERLAY_STATE.members,
  }),
  is: (object): object is OverlayInode => object instanceof OverlayInode,
  save(inode, writer) {
    const { name, lowerPath, nameless, extraLinks, knownNumber, pinned } = inode;
    return {
      ...{ fs: writer.id(inode.fs), upper: writer.id(inode.upper), lower: writer.id(inode.lower) },
      ...{ parent: writer.id(inode.parent), name, lowerPath, nameless, extraLinks, knownNumber, pinned },
    };
  },
  create(fields, reader) {
    const fs = reader.object<OverlayFs>(fields.fs);
    if (fields.parent === -1) return fs.root;
    const { nameless, extraLinks, knownNumber, pinned } = fields as Record<string, number>;
    const parent = reader.object<OverlayInode>(fields.parent);
    const upper = reader.optional<Inode>(fields.upper);
    const lower = reader.optional<Inode>(fields.lower);
    if (upper === null && lower === null) throw new ImageError('an inode lies in no layer of its overlay');
    const inode = fs.inodeOf(upper, lower, parent, fields.name as string, fields.lowerPath as string);
    Object.assign(inode, { nameless, extraLinks, knownNumber, pinned });
    if (fields.pinned === true) upper?.opened(reader.world.sleeper, O_RDONLY);
    return inode;
  },
};

/** The root of /dev/pts, and its ptmx. */
const ptsNode: Kind<Inode> = {
  name: 'pts-node',
  shape: record({ fs: ref('own-fs'), which: oneOf('root', 'ptmx') }),
  is: (object): object is Inode =>
    'fs' in object && object.fs instanceof DevPts && (object === object.fs.root || object === object.fs.ptmx),
  save: (inode, writer) => ({ fs: writer.id(inode.fs), which: inode === inode.fs.root ? 'root' : 'ptmx' }),
  create({ which }, { world }) {
    return which === 'root' ? world.pts.root : world.pts.ptmx;
  },
};

/** The root of /proc or /sys; what is below is looked up by name. */
const procRoot: Kind<Inode> = {
  name: 'proc-root',
  shape: record({ fs: ref('own-fs') }),
  is: (object): object is Inode => object instanceof ProcInode && object === object.fs.root,
  save: (inode, writer) => ({ fs: writer.id(inode.fs) }),
  create: ({ fs }, reader) => reader.object<FileSystem>(fs).root,
};

export const INODE_KINDS = [procRoot, overlayInode, ghost, treeInode, memInode, ptsNode] as readonly Kind<object>[];
