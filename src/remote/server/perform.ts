/** The operations, as the server does them: each on a node of the session, and never outside of the exported trees. */
import { EACCES, EINTR, EINVAL, EIO, ENFILE, ENOENT, ENOTDIR, EPERM, EROFS, ESTALE, EXDEV } from '../../abi/errno.ts';
import { F_UNLCK, F_WRLCK, O_ACCMODE, O_RDONLY, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/fs.ts';
import type { Attributes, Creation, Inode } from '../../vfs/inode.ts';
import type { Range } from '../../vfs/locks.ts';
import { failed, type Sleeper } from '../../wait/wait.ts';
import { LARGEST_DATA } from '../frames.ts';
import type { Found, Listing, RemoteOperationName, Step, WireAnswer, WireArguments, WireLock } from '../operations.ts';
import { HIDDEN } from './hidden.ts';
import type { Node } from './nodes.ts';
import type { Session } from './session.ts';
import { descend, walkFrom } from './walk.ts';

/** Descriptions that one session may hold open: each costs a descriptor here. */
const MOST_OPENS = 4096;

type Handlers = {
  [N in RemoteOperationName]: (
    session: Session,
    node: Node,
    s: Sleeper,
    ...values: WireArguments<N>
  ) => WireAnswer<N> | number;
};

/** Attributes of capabilities and of the trusted are not for clients to set. */
function isPrivileged(name: string): boolean {
  return name.startsWith('security.') || name.startsWith('trusted.');
}

/** Tells the client of an inode. A node that cannot be told is a request that failed. */
export function tell(session: Session, s: Sleeper, inode: Inode, directory: Node, name: string): Found | number {
  const attributes = inode.attributes(s);
  if (failed(attributes)) return attributes;
  if (session.nodes.full) return -ENFILE;
  return { node: session.nodes.tell(inode, directory.root, directory, name).id, attributes };
}

function make(session: Session, s: Sleeper, node: Node, name: string, operation: () => Inode | number): Found | number {
  const inode = operation();
  return failed(inode) ? inode : tell(session, s, inode, node, name);
}

function rangeOf({ type, start, end }: WireLock): Range {
  return { type, start, end: end < 0 ? Number.POSITIVE_INFINITY : end };
}

function ownerOf(node: Node, number: number): object {
  let owner = node.owners.get(number);
  if (owner === undefined) node.owners.set(number, (owner = {}));
  return owner;
}

export const HANDLERS: Handlers = {
  attach: (session, _node, s, path) => session.attach(s, path),
  reopen: (session, node, s, path, ino, type, btime, opens, writes) => {
    const target = findAgain(session, s, node, path, ino, btime);
    if (failed(target)) return target === -ENOENT ? -ESTALE : target;
    const attributes = attributesOf(session, s, target);
    if (failed(attributes)) return attributes;
    if (target.inode.type !== type) return -ESTALE;
    if (target.inode.type === S_IFREG) {
      for (let i = 0; i < Math.min(opens, MOST_OPENS); i++) {
        const flags = i < writes ? 2 : O_RDONLY;
        const opened = target.inode.opened(s, flags);
        if (opened < 0) return opened;
        session.nodes.opened(target, flags);
      }
    }
    return { node: target.id, attributes };
  },
  walk: (session, node, s, path, contents, ahead) => walkFrom(session, s, node, path, contents, ahead),
  list: (session, node, s, position, contents) => list(session, node, s, position, contents),

  attributes: (session, node, s) => attributesOf(session, s, node),
  change(_session, node, s, changes) {
    const { mode } = changes;
    if (mode === undefined || node.inode.type === S_IFDIR) return node.inode.change(s, changes);
    return node.inode.change(s, { ...changes, mode: mode & 0o1777 });
  },
  lookup: (session, node, s, name) => make(session, s, node, name, () => node.inode.lookup(s, name)),
  entries: (_session, node, s, position) => {
    const entries = node.inode.entries(s, position);
    return failed(entries) ? entries : entries.slice(0, MOST_ENTRIES).filter(isShown);
  },
  create: (session, node, s, name, how) => make(session, s, node, name, () => node.inode.create(s, name, allowed(how))),
  mkdir: (session, node, s, name, how) => make(session, s, node, name, () => node.inode.mkdir(s, name, how)),
  symlink: (session, node, s, name, target, how) =>
    make(session, s, node, name, () => node.inode.symlink(s, name, target, how)),
  tmpfile: (session, node, s, how) => make(session, s, node, '', () => node.inode.tmpfile(s, how)),
  link(session, node, s, name, other) {
    const target = session.nodes.get(other);
    if (target === undefined) return -ESTALE;
    return node.inode.link(s, name, target.inode);
  },
  unlink: (session, node, s, name) => session.shadow.hidden.unlink(session, s, node, name),
  rmdir: (_session, node, s, name) => node.inode.rmdir(s, name),
  rename(session, node, s, name, to, newName, flags) {
    const target = session.nodes.get(to);
    if (target === undefined) return -ESTALE;
    if (target.root !== node.root) return -EXDEV;
    const renamed = session.shadow.hidden.rename(session, s, node, name, target, newName, flags);
    if (renamed < 0) return renamed;
    const moved = target.inode.lookup(s, newName);
    if (!failed(moved)) session.nodes.moved(moved, target, newName);
    return renamed;
  },
  readlink: (_session, node, s) => node.inode.readlink(s),

  opened(session, node, s, flags) {
    if (node.inode.type !== S_IFREG) return 0;
    if ((flags & O_ACCMODE) !== O_RDONLY && node.root.fs.readOnly) return -EROFS;
    if (session.nodes.opens >= MOST_OPENS) return -ENFILE;
    const opened = node.inode.opened(s, flags);
    if (opened === 0) session.nodes.opened(node, flags);
    return opened;
  },
  closed(session, node, _s, flags) {
    session.nodes.closed(node, flags);
    return null;
  },
  forget(session, node, _s, times) {
    session.nodes.forget(node, times);
    return null;
  },
  read(_session, node, s, position, count) {
    if (position < 0 || count < 0) return -EINVAL;
    const into = new Uint8Array(Math.min(count, LARGEST_DATA));
    const { inode } = node;
    const got = inode.readLater?.(s, position, into) ?? inode.read(s, position, into);
    return got < 0 ? got : into.subarray(0, got);
  },
  write(_session, node, s, position, from) {
    if (position < 0) return -EINVAL;
    return writeAll(node.inode, s, position, from);
  },
  append(_session, node, s, from) {
    const attributes = node.inode.attributes(s);
    if (failed(attributes)) return attributes;
    const written = writeAll(node.inode, s, attributes.size, from);
    return written < 0 ? written : written < from.length ? -EIO : attributes.size + written;
  },
  allocate: (_session, node, s, mode, offset, length) => node.inode.allocate(s, mode, offset, length),
  fsync: (_session, { inode }, s, dataOnly) => inode.fsyncLater?.(s, dataOnly) ?? inode.fsync(s, dataOnly),
  seekHole: (_session, node, s, offset, whence) => node.inode.seekHole(s, offset, whence),
  getxattr: (_session, node, s, name) => node.inode.getxattr(s, name),
  setxattr: (_session, node, s, name, value, flags) =>
    isPrivileged(name) ? -EPERM : node.inode.setxattr(s, name, value, flags),
  listxattr: (_session, node, s) => node.inode.listxattr(s),
  removexattr: (_session, node, s, name) => (isPrivileged(name) ? -EPERM : node.inode.removexattr(s, name)),
  status: (_session, node, s) => node.root.fs.status(s),

  lock: (session, node, s, owner, lock, wait) =>
    session.locks.lock(s, node.inode, ownerOf(node, owner), lock.pid, rangeOf(lock), wait, true),
  testLock(session, node, _s, owner, lock) {
    const found = session.locks.conflict(node.inode, ownerOf(node, owner), rangeOf(lock));
    if (found === undefined) return { ...lock, type: F_UNLCK };
    const end = found.end === Number.POSITIVE_INFINITY ? -1 : found.end;
    return { type: found.type, start: found.start, end, pid: found.pid };
  },
  flock: (session, node, s, owner, type, wait) =>
    session.locks.flock(s, node.inode, ownerOf(node, owner), type === F_UNLCK ? null : type === F_WRLCK, wait),
  unlockAll(session, node, _s, owner) {
    session.locks.dropDescription(node.inode, ownerOf(node, owner));
    node.owners.delete(owner);
    return null;
  },
  cancel(session, _node, _s, request) {
    session.cancel(request);
    return null;
  },
  call: (session, _node, s, name, values) => session.calls?.perform(s, name, values) ?? -EACCES,
};

/** A file that comes along with its name is at most this large. */
const LARGEST_CONTENTS = 256 << 10;

/** Entries in one frame, each with a name of at most 255 bytes. */
const MOST_ENTRIES = 3000;

/** Set-id bits and devices are not for clients to make, whoever runs the server. */
function allowed(how: Creation): Creation {
  return { ...how, mode: how.mode & (S_IFMT | 0o1777) };
}

/** An append that a server which is gone may have done: the file's end and what stands there tell, or nobody can (-EIO). */
export function appendAgain(node: Node, s: Sleeper, from: Uint8Array, expected: number): number {
  const attributes = node.inode.attributes(s);
  if (failed(attributes)) return attributes;
  if (attributes.size === expected)
    return writeAll(node.inode, s, expected, from) < from.length ? -EIO : expected + from.length;
  if (attributes.size !== expected + from.length) return -EIO;
  const there = new Uint8Array(from.length);
  if (node.inode.read(s, expected, there) !== from.length) return -EIO;
  return there.every((byte, i) => byte === from[i]) ? attributes.size : -EIO;
}

function writeAll(inode: Inode, s: Sleeper, position: number, from: Uint8Array): number {
  const done = s.progress;
  for (let at = done; at < from.length; ) {
    const count = inode.write(s, position + at, from.subarray(at));
    if (count < 0) return count === -EINTR || at === 0 ? count : at;
    if (count === 0) return at;
    at += count;
    s.progress = at;
  }
  return from.length;
}

function list(session: Session, node: Node, s: Sleeper, position: number, contents: number): Listing | number {
  if (node.inode.type !== S_IFDIR) return -ENOTDIR;
  if (position === 0 || node.listing === null) {
    const all = node.inode.entries(s, 0);
    if (failed(all)) return all;
    node.listing = { entries: all.filter(isShown) };
  }
  const { entries } = node.listing;
  const from = position === 0 ? 0 : entries.findIndex(({ next }) => next === position) + 1;
  const part = entries.slice(from, from + MOST_ENTRIES);
  const last = from + part.length >= entries.length;
  if (last) node.listing = null;
  return { entries: part, steps: contents >= 0 ? stepsOf(session, node, s, part, contents) : [], last };
}

/** Attributes of entries, and what small files hold, as far as the frame goes. */
function stepsOf(session: Session, node: Node, s: Sleeper, entries: Listing['entries'], contents: number): Step[] {
  const steps: Step[] = [];
  let room = LARGEST_DATA / 2;
  for (const { name } of entries) {
    const inode = node.inode.lookup(s, name);
    if (failed(inode)) continue;
    const step = stepOf(session, s, node, name, inode, Math.min(contents, room));
    if (step === null) continue;
    room -= 160 + name.length + (step.contents?.length ?? 0);
    if (room < 0) break;
    steps.push(step);
  }
  return steps;
}

export function stepOf(
  session: Session,
  s: Sleeper,
  node: Node,
  name: string,
  inode: Inode,
  contents: number,
): Step | null {
  const found = tell(session, s, inode, node, name);
  if (failed(found)) return null;
  const step: Step = { parent: node.id, name, found, target: null, contents: null, complete: false, wanted: false };
  if (inode.type === S_IFLNK) {
    const target = inode.readlink(s);
    if (!failed(target)) step.target = target;
  } else if (inode.type === S_IFREG && found.attributes.size <= Math.min(contents, LARGEST_CONTENTS)) {
    const bytes = new Uint8Array(found.attributes.size);
    if (inode.read(s, 0, bytes) === bytes.length) step.contents = bytes;
  }
  return step;
}

function isShown({ name }: { name: string }): boolean {
  return name !== HIDDEN;
}

/** A file whose last name is one that nobody sees has none. */
export function attributesOf(session: Session, s: Sleeper, { inode }: Node): Attributes | number {
  const attributes = inode.attributes(s);
  return !failed(attributes) && session.shadow.hidden.has(inode) ? { ...attributes, nlink: 0 } : attributes;
}

/** The inode that the client knew by a path: it is still there, or was unlinked while it was open. */
function findAgain(session: Session, s: Sleeper, root: Node, path: string, ino: number, btime: bigint): Node | number {
  const target = descend(session, s, root, path);
  if (!failed(target)) {
    const attributes = target.inode.attributes(s);
    if (failed(attributes)) return attributes;
    if (attributes.ino === ino && attributes.btime === btime) return target;
  }
  const hidden = session.shadow.hidden.find(s, root.root, ino, btime);
  return hidden === null ? -ESTALE : session.nodes.tell(hidden.inode, root.root, root, hidden.name);
}

/** What a request may not do for a reason that has nothing to do with the file. */
export function refusal(node: Node, operation: RemoteOperationName, values: readonly unknown[]): number {
  if (values.includes(HIDDEN)) return operation === 'lookup' ? -ENOENT : -EPERM;
  return node.root.fs.readOnly && WRITING.has(operation) ? -EROFS : 0;
}

const WRITING: ReadonlySet<RemoteOperationName> = new Set([
  'change',
  'create',
  'mkdir',
  'symlink',
  'tmpfile',
  'link',
  'unlink',
  'rmdir',
  'rename',
  'write',
  'append',
  'allocate',
  'setxattr',
  'removexattr',
]);

/** After these the client wants to know what the node has become. */
export const TELLS_ATTRIBUTES: ReadonlySet<RemoteOperationName> = new Set([...WRITING, 'opened', 'fsync', 'read']);
