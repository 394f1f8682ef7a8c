/**
 * Operations that must be done exactly once: what to note before, and how to tell afterwards, when a server that is gone had
 * begun, whether it was done. What cannot be told is -EIO.
 */
import { EIO, ENODATA, ENOENT } from '../../abi/errno.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/fs.ts';
import type { Creation, Inode } from '../../vfs/inode.ts';
import { failed, type Sleeper } from '../../wait/wait.ts';
import type { RemoteOperationName, WireArguments } from '../operations.ts';
import type { Identity, Intent } from './journal.ts';
import type { Node } from './nodes.ts';

/** The operation was not done: it is to be done now. */
export const NOT_DONE = Symbol('not done');

/** What a done operation answers: its number, or the inode that stands under a name now. */
export type Decided = number | { readonly inode: Inode; readonly name: string } | typeof NOT_DONE;

interface Rule<N extends RemoteOperationName> {
  before(s: Sleeper, node: Node, values: WireArguments<N>, resolve: Resolve): Partial<Intent>;
  after(s: Sleeper, node: Node, values: WireArguments<N>, intent: Intent, resolve: Resolve): Decided;
}

/** The inode of a node's number. */
export type Resolve = (node: number) => Inode | undefined;

const NOBODY: Identity = { ino: 0, btime: 0n };

/** An object that a call made is born while the call is under way: clocks of file systems tick some milliseconds apart. */
const EARLIER = 20_000_000n;
const LATER = 1_000_000_000n;

function identify(s: Sleeper, inode: Inode | number | undefined): Identity {
  if (inode === undefined || failed(inode)) return NOBODY;
  const attributes = inode.attributes(s);
  return failed(attributes) ? NOBODY : { ino: attributes.ino, btime: attributes.btime };
}

function named(s: Sleeper, node: Node | Inode, name: string): Identity {
  return identify(s, ('inode' in node ? node.inode : node).lookup(s, name));
}

function same(a: Identity, b: Identity): boolean {
  return a.ino === b.ino && a.btime === b.btime;
}

function changedAt(s: Sleeper, directory: Inode): bigint {
  const attributes = directory.attributes(s);
  return failed(attributes) ? 0n : attributes.mtime;
}

/** Nothing stands there. If the directory is as it was, nothing ever did; otherwise somebody may have removed it. */
function absent(s: Sleeper, node: Node, intent: Intent): Decided {
  return changedAt(s, node.inode) === intent.mtime ? NOT_DONE : -EIO;
}

function made(
  fits: (s: Sleeper, inode: Inode, values: readonly unknown[]) => boolean,
): Rule<'create' | 'mkdir' | 'symlink'> {
  return {
    before: (s, node, [name]) => ({ other: named(s, node, name), mtime: changedAt(s, node.inode) }),
    after(s, node, values, intent) {
      const [name] = values;
      const inode = node.inode.lookup(s, name);
      if (inode === -ENOENT) return absent(s, node, intent);
      if (failed(inode)) return inode;
      const { ino, btime } = identify(s, inode);
      if (intent.other.ino !== 0 && same(intent.other, { ino, btime })) return NOT_DONE;
      if (ino === 0 || btime === 0n) return -EIO;
      const ours = btime >= intent.time - EARLIER && btime <= intent.time + LATER && fits(s, inode, values);
      return ours ? { inode, name } : NOT_DONE;
    },
  };
}

/** A name that is not what it was is taken to have been removed before it became something else. */
const REMOVED: Rule<'unlink' | 'rmdir'> = {
  before: (s, node, [name]) => ({ subject: named(s, node, name) }),
  after(s, node, [name], { subject }) {
    if (subject.ino === 0) return NOT_DONE;
    return same(named(s, node, name), subject) ? NOT_DONE : 0;
  },
};

const LINKED: Rule<'link'> = {
  before: (s, node, [name, target], resolve) => ({
    subject: identify(s, resolve(target)),
    other: named(s, node, name),
    mtime: changedAt(s, node.inode),
  }),
  after(s, node, [name], intent) {
    const now = named(s, node, name);
    if (now.ino === 0) return absent(s, node, intent);
    return same(now, intent.subject) && !same(intent.other, intent.subject) ? 0 : NOT_DONE;
  },
};

const RENAMED: Rule<'rename'> = {
  before: (s, node, [name, to, newName], resolve) => ({
    subject: named(s, node, name),
    other: identify(s, resolve(to)?.lookup(s, newName)),
  }),
  after(s, node, [name, to, newName], { subject }, resolve) {
    const target = resolve(to);
    if (subject.ino === 0 || target === undefined || same(named(s, node, name), subject)) return NOT_DONE;
    return same(named(s, target, newName), subject) ? 0 : -EIO;
  },
};

/** The size that the file had stands in place of its subject. */
const sized: Rule<'append' | 'allocate'>['before'] = (s, node) => {
  const attributes = node.inode.attributes(s);
  return { subject: { ino: failed(attributes) ? -1 : attributes.size, btime: 0n } };
};

/** What stands where the bytes should be tells; of a part the rest is written. */
const APPENDED: Rule<'append'> = {
  before: sized,
  after(s, node, [from], { subject: { ino: end } }) {
    const attributes = node.inode.attributes(s);
    if (failed(attributes) || end < 0) return -EIO;
    if (attributes.size === end) return NOT_DONE;
    const there = new Uint8Array(Math.min(from.length, attributes.size - end));
    if (there.length === 0 || node.inode.read(s, end, there) !== there.length) return -EIO;
    if (!there.every((byte, i) => byte === from[i])) return -EIO;
    for (let at = there.length; at < from.length; ) {
      const count = node.inode.write(s, end + at, from.subarray(at));
      if (count <= 0) return count < 0 ? count : -EIO;
      at += count;
    }
    return end + from.length;
  },
};

/** Ranges taken out or put in change the size by their length; everything else can be done again. */
const ALLOCATED: Rule<'allocate'> = {
  before: sized,
  after(s, node, [mode, , length], { subject: { ino: size } }) {
    const attributes = node.inode.attributes(s);
    if (failed(attributes)) return attributes;
    const shift = (mode & COLLAPSE) !== 0 ? -length : (mode & INSERT) !== 0 ? length : 0;
    return shift !== 0 && attributes.size === size + shift ? 0 : NOT_DONE;
  },
};
/** FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE. */
const COLLAPSE = 8;
const INSERT = 32;

const ATTRIBUTED: Rule<'setxattr'> = {
  before: () => ({}),
  after(s, node, [name, value]) {
    const now = node.inode.getxattr(s, name);
    if (failed(now) || now.length !== value.length) return NOT_DONE;
    return now.every((byte, i) => byte === value[i]) ? 0 : NOT_DONE;
  },
};

const DETACHED: Rule<'removexattr'> = {
  before: (s, node, [name]) => ({ subject: { ino: failed(node.inode.getxattr(s, name)) ? 0 : 1, btime: 0n } }),
  after: (s, node, [name], { subject }) =>
    subject.ino === 1 && node.inode.getxattr(s, name) === -ENODATA ? 0 : NOT_DONE,
};

const RULES: { readonly [N in RemoteOperationName]?: Rule<N> } = {
  create: made((_s, inode, [, how]) => inode.type === ((how as Creation).mode & S_IFMT || S_IFREG)),
  mkdir: made((_s, inode) => inode.type === S_IFDIR),
  symlink: made((s, inode, [, target]) => inode.type === S_IFLNK && inode.readlink(s) === target),
  link: LINKED,
  unlink: REMOVED,
  rmdir: REMOVED,
  rename: RENAMED,
  append: APPENDED,
  allocate: ALLOCATED,
  setxattr: ATTRIBUTED,
  removexattr: DETACHED,
};

/** Done again they give the same; but when it is known that they were done, they are left alone. */
const REPEATABLE: ReadonlySet<RemoteOperationName> = new Set(['change', 'write']);

export function isJournaled(operation: RemoteOperationName): boolean {
  return operation in RULES || REPEATABLE.has(operation);
}

/** How things are now; null: it can be done again. */
export function intentOf(
  s: Sleeper,
  node: Node,
  operation: RemoteOperationName,
  values: readonly unknown[],
  resolve: Resolve,
): Intent | null {
  const rule = RULES[operation] as Rule<RemoteOperationName> | undefined;
  if (rule === undefined) return null;
  const before = rule.before(s, node, values as never, resolve);
  return { time: s.realtime(), subject: NOBODY, other: NOBODY, mtime: 0n, ...before };
}

/** Whether what was begun was done. */
export function decide(
  s: Sleeper,
  node: Node,
  operation: RemoteOperationName,
  values: readonly unknown[],
  intent: Intent,
  resolve: Resolve,
): Decided {
  const rule = RULES[operation] as Rule<RemoteOperationName> | undefined;
  return rule === undefined ? NOT_DONE : rule.after(s, node, values as never, intent, resolve);
}
