/** Names in use, mounts, and what tasks share of them. */
import { S_IFDIR, S_IFMT } from '../../abi/fs.ts';
import type { Kind } from '../../fs/image/index.ts';
import { bool, list, noneOr, pair, record, ref, size, text, word } from '../../fs/image/shape.ts';
import { MemInode } from '../../fs/mem-inode.ts';
import { ProcInode } from '../../fs/proc.ts';
import { makeDentry } from '../../vfs/dentry.ts';
import { FsContext } from '../../vfs/fs-context.ts';
import type { FileSystem, Inode } from '../../vfs/inode.ts';
import type { Dentry, Location, Mount } from '../../vfs/location.ts';
import { failed, type Plain } from '../../wait/wait.ts';
import { ImageError } from '../image.ts';
import { worldOf } from '../world.ts';
import { anInode } from './inodes.ts';

export const PLACE = pair(ref('mount'), ref('dentry'));

/** In /proc, names are looked up again: they tell of what is there. */
const FOUND = -2;

const dentry: Kind<Dentry> = {
  name: 'dentry',
  shape: record({
    ...{ name: text, parent: noneOr(ref('dentry')), deleted: bool, type: word },
    inode: (value, at, kindOf) => (value === FOUND ? FOUND : noneOr(anInode)(value, at, kindOf)),
  }),
  is: (object): object is Dentry => 'deleted' in object && 'children' in object,
  save: ({ name, parent, deleted, inode }, writer) => ({
    ...{ name, parent: writer.id(parent), deleted, type: inode?.type ?? 0 },
    inode:
      inode instanceof ProcInode && inode !== inode.fs.root
        ? FOUND
        : inode === null
          ? -1
          : writer.hooks.saveInode(inode),
  }),
  create(fields, reader) {
    const name = fields.name as string;
    const parent = reader.optional<Dentry>(fields.parent);
    const known = parent?.children?.get(name);
    if (known !== undefined && fields.deleted === false) return known;
    const made = makeDentry(name, parent, null);
    if (fields.inode !== FOUND) made.inode = reader.optional<Inode>(fields.inode);
    else if (parent !== null) made.inode = find(parent, name, fields.type as number, worldOf(reader));
    made.deleted = fields.deleted as boolean;
    if (parent !== null && !made.deleted) {
      parent.children ??= new Map();
      parent.children.set(name, made);
    }
    return made;
  },
};

/** A name of /proc; what has gone from there is an empty thing of the same type. */
function find(parent: Dentry, name: string, type: number, { sleeper, shm }: ReturnType<typeof worldOf>): Inode {
  const found = parent.inode?.lookup(sleeper, name);
  if (found !== undefined && !failed(found) && found.type === (type & S_IFMT)) return found;
  const inode = new MemInode(shm, shm.makeNode({ mode: (type & S_IFMT) | 0o444, uid: 0, gid: 0 }, sleeper.realtime()));
  if (inode.type === S_IFDIR) inode.names = shm.root.names;
  return inode;
}

const mount: Kind<Mount> = {
  name: 'mount',
  shape: record({
    ...{ id: size, fs: ref('memfs', 'tree', 'overlay', 'own-fs'), root: ref('dentry'), parent: noneOr(ref('mount')) },
    ...{ mountpoint: noneOr(ref('dentry')), flags: word, source: text, lockedFlags: word, byGuest: bool },
  }),
  is: (object): object is Mount => 'mountpoint' in object && 'lockedFlags' in object,
  save(one, writer) {
    const { id, flags, source, lockedFlags, byGuest } = one;
    return {
      ...{ id, fs: writer.id(one.fs), root: writer.id(one.root), parent: writer.id(one.parent) },
      ...{ mountpoint: writer.id(one.mountpoint), flags, source, lockedFlags, byGuest },
    };
  },
  create(fields, reader) {
    const { id, flags, source, lockedFlags, byGuest } = fields as unknown as Mount;
    const fs = reader.object<FileSystem>(fields.fs);
    const root = reader.object<Dentry>(fields.root);
    if (root.inode === null) throw new ImageError('a mounted file system has no root');
    return {
      ...{ id, fs, root, parent: reader.optional<Mount>(fields.parent) },
      ...{ mountpoint: reader.optional<Dentry>(fields.mountpoint), flags, source, lockedFlags, byGuest },
    };
  },
  /** Another machine need not have the place: it is not asked for it. */
  link({ mountpoint }) {
    if (mountpoint?.parent?.inode?.fs.sleeps === true) mountpoint.pinned = true;
  },
};

/** Its places are entered when all tasks are there: they may lie in /proc. */
const fsContext: Kind<FsContext> = {
  name: 'fs-context',
  shape: record({ root: PLACE, cwd: PLACE, umask: word }),
  is: (object): object is FsContext => object instanceof FsContext,
  save: ({ root, cwd, umask }, writer) => ({
    ...{ root: writer.hooks.savePlace!(root, writer), cwd: writer.hooks.savePlace!(cwd, writer), umask },
  }),
  create({ umask }) {
    const made = new FsContext(null as unknown as Location);
    made.umask = umask as number;
    return made;
  },
  link(made, { root, cwd }, reader) {
    made.root = loadPlace(root, reader);
    made.cwd = loadPlace(cwd, reader);
  },
};

export function savePlace({ mount: at, dentry: name }: Location, writer: { id(object: object): number }): Plain {
  return [writer.id(at), writer.id(name)];
}

export function loadPlace(image: Plain, reader: { object<T extends object>(id: Plain): T }): Location {
  const [at, name] = image as number[];
  return { mount: reader.object<Mount>(at), dentry: reader.object<Dentry>(name) };
}

export const PLACE_KINDS = [dentry, mount, fsContext] as readonly Kind<object>[];
export const MOUNTS = list(ref('mount'));
