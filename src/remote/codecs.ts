/** How each kind of value travels (docs/PROTOCOL.md, "Kinds"). */
import { decodePath } from '../abi/path.ts';
import type { AttributeChanges, Attributes, DirectoryEntry } from '../vfs/inode.ts';
import type { ForwardedRecord, ForwardedValue } from './forward.ts';
import type { Found, Step, WireKind, WireKinds } from './operations.ts';
import { ProtocolError, type Reader, type Writer } from './wire.ts';

export interface Codec<T> {
  /** For docs/PROTOCOL.md. */
  readonly layout: string;
  put(w: Writer, value: T): void;
  take(r: Reader): T;
}

const LARGEST_NAME = 255;
const LARGEST_TEXT = 65536;

/** What can be changed: a bit for each that follows. */
const CHANGES = ['mode', 'uid', 'gid', 'size', 'atime', 'mtime', 'ctime'] as const;
const TIMES: readonly string[] = ['atime', 'mtime', 'ctime'];

const VALUES =
  'u32 count, each: u8 tag and what it says: 0 nothing, 1 number, 2 big, 3 text, 4 bytes, 5 values, 6 values of a record, each after its name (text)';
/** Values in values. */
const DEEPEST = 4;

/** Bytes that an entry, a step and a name take at least. */
const LEAST = { entry: 25, step: 10, name: 4 };

export const CODECS: { readonly [K in WireKind]: Codec<WireKinds[K]> } = {
  node: { layout: 'u32', put: (w, value) => w.u32(value), take: (r) => r.u32() },
  name: {
    layout: 'u32 length, bytes: no slash, no NUL, not . or .., at most 255',
    put: (w, name) => w.text(name),
    take: takeName,
  },
  text: {
    layout: 'u32 length, bytes',
    put: (w, text) => w.text(text),
    take: (r) => {
      const text = r.text();
      if (text.length > LARGEST_TEXT) throw new ProtocolError('a text is too long');
      return text;
    },
  },
  number: { layout: 'i64', put: (w, value) => w.i64(value), take: (r) => r.i64() },
  big: { layout: 'i64', put: (w, value) => w.big(value), take: (r) => r.big() },
  boolean: { layout: 'u8: 0 or 1', put: (w, value) => w.u8(value ? 1 : 0), take: (r) => r.u8() !== 0 },
  bytes: { layout: 'u32 length, bytes', put: (w, value) => w.bytes(value), take: (r) => r.bytes() },
  attributes: {
    layout:
      'i64 ino, u32 mode, u32 nlink, u32 uid, u32 gid, i64 rdev, i64 size, u32 blksize, i64 blocks, i64 atime, mtime, ctime, btime in nanoseconds',
    put: putAttributes,
    take: takeAttributes,
  },
  changes: {
    layout: `u32 bits for ${CHANGES.join(', ')}; then each that is set: i64`,
    put: putChanges,
    take: takeChanges,
  },
  creation: {
    layout: 'u32 mode, u32 uid, u32 gid, i64 rdev',
    put: (w, { mode, uid, gid, rdev = 0 }) => w.u32(mode).u32(uid).u32(gid).i64(rdev),
    take: (r) => ({ mode: r.u32(), uid: r.u32(), gid: r.u32(), rdev: r.i64() }),
  },
  entries: {
    layout: 'u32 count, each: name, i64 ino, u32 type (DT_*), i64 position after it',
    put: putEntries,
    take: takeEntries,
  },
  names: {
    layout: 'u32 count, each: text',
    put(w, names) {
      w.u32(names.length);
      for (const name of names) w.text(name);
    },
    take: (r) => Array.from({ length: r.count(LEAST.name) }, () => r.text()),
  },
  found: { layout: 'node, attributes', put: putFound, take: takeFound },
  steps: {
    layout:
      'u32 count, each: node of the directory, name, u8 bits (1: found follows, 2: target follows, 4: contents follow, 8: these are all names of the directory, 16: the contents will be wanted), found, text, bytes',
    put: putSteps,
    take: takeSteps,
  },
  listing: {
    layout: 'entries, steps, boolean: nothing follows',
    put(w, { entries, steps, last }) {
      putEntries(w, entries);
      putSteps(w, steps);
      w.u8(last ? 1 : 0);
    },
    take: (r) => ({ entries: takeEntries(r), steps: takeSteps(r), last: r.u8() !== 0 }),
  },
  status: {
    layout: 'i64 each: type, bsize, blocks, bfree, bavail, files, ffree, namelen, flags',
    put: (w, s) =>
      w
        .i64(s.type)
        .i64(s.bsize)
        .i64(s.blocks)
        .i64(s.bfree)
        .i64(s.bavail)
        .i64(s.files)
        .i64(s.ffree)
        .i64(s.namelen)
        .i64(s.flags),
    take: (r) => ({
      type: r.i64(),
      bsize: r.i64(),
      blocks: r.i64(),
      bfree: r.i64(),
      bavail: r.i64(),
      files: r.i64(),
      ffree: r.i64(),
      namelen: r.i64(),
      flags: r.i64(),
    }),
  },
  lock: {
    layout: 'u32 type (0 F_RDLCK, 1 F_WRLCK, 2 F_UNLCK), i64 start, i64 end (-1: none), i64 pid',
    put: (w, { type, start, end, pid }) => w.u32(type).i64(start).i64(end).i64(pid),
    take(r) {
      const lock = { type: r.u32(), start: r.i64(), end: r.i64(), pid: r.i64() };
      if (lock.type > 2 || lock.start < 0) throw new ProtocolError('not a lock');
      return lock;
    },
  },
  values: { layout: VALUES, put: putValues, take: (r) => takeValues(r, 0) },
  called: {
    layout: 'i64 result, values',
    put(w, { result, outputs }) {
      w.i64(result);
      putValues(w, outputs);
    },
    take: (r) => ({ result: r.i64(), outputs: takeValues(r, 0) }),
  },
  nothing: { layout: 'nothing', put: () => {}, take: () => null },
};

function takeName(r: Reader): string {
  const bytes = r.bytes();
  const dots = bytes.length <= 2 && bytes.every((byte) => byte === 0x2e);
  if (bytes.length > LARGEST_NAME || dots || bytes.includes(0) || bytes.includes(0x2f)) {
    throw new ProtocolError('not a name');
  }
  return decodePath(bytes);
}

function putAttributes(w: Writer, a: Attributes): void {
  w.i64(a.ino).u32(a.mode).u32(a.nlink).u32(a.uid).u32(a.gid).i64(a.rdev).i64(a.size).u32(a.blksize).i64(a.blocks);
  w.big(a.atime).big(a.mtime).big(a.ctime).big(a.btime);
}

function takeAttributes(r: Reader): Attributes {
  return {
    ino: r.i64(),
    mode: r.u32(),
    nlink: r.u32(),
    uid: r.u32(),
    gid: r.u32(),
    rdev: r.i64(),
    size: r.i64(),
    blksize: r.u32(),
    blocks: r.i64(),
    atime: r.big(),
    mtime: r.big(),
    ctime: r.big(),
    btime: r.big(),
  };
}

function putChanges(w: Writer, changes: AttributeChanges): void {
  const bits = CHANGES.reduce((all, name, i) => all | (changes[name] === undefined ? 0 : 1 << i), 0);
  w.u32(bits);
  for (const name of CHANGES) {
    const value = changes[name];
    if (typeof value === 'bigint') w.big(value);
    else if (value !== undefined) w.i64(value);
  }
}

function takeChanges(r: Reader): AttributeChanges {
  const bits = r.u32();
  const changes: Record<string, number | bigint> = {};
  for (const [i, name] of CHANGES.entries()) {
    if ((bits & (1 << i)) !== 0) changes[name] = TIMES.includes(name) ? r.big() : r.i64();
  }
  return changes;
}

function putEntries(w: Writer, entries: readonly DirectoryEntry[]): void {
  w.u32(entries.length);
  for (const { name, ino, type, next } of entries) w.text(name).i64(ino).u32(type).i64(next);
}

function takeEntries(r: Reader): DirectoryEntry[] {
  return Array.from({ length: r.count(LEAST.entry) }, () => ({
    name: takeName(r),
    ino: r.i64(),
    type: r.u32(),
    next: r.i64(),
  }));
}

function putFound(w: Writer, { node, attributes }: Found): void {
  w.u32(node);
  putAttributes(w, attributes);
}

function takeFound(r: Reader): Found {
  return { node: r.u32(), attributes: takeAttributes(r) };
}

function putSteps(w: Writer, steps: readonly Step[]): void {
  w.u32(steps.length);
  for (const { parent, name, found, target, contents, complete, wanted } of steps) {
    w.u32(parent).text(name);
    const follows = (found === null ? 0 : 1) | (target === null ? 0 : 2) | (contents === null ? 0 : 4);
    w.u8(follows | (complete ? 8 : 0) | (wanted ? 16 : 0));
    if (found !== null) putFound(w, found);
    if (target !== null) w.text(target);
    if (contents !== null) w.bytes(contents);
  }
}

function takeSteps(r: Reader): Step[] {
  return Array.from({ length: r.count(LEAST.step) }, () => {
    const parent = r.u32();
    const name = takeName(r);
    const bits = r.u8();
    return {
      parent,
      name,
      found: (bits & 1) !== 0 ? takeFound(r) : null,
      target: (bits & 2) !== 0 ? r.text() : null,
      contents: (bits & 4) !== 0 ? r.bytes().slice() : null,
      complete: (bits & 8) !== 0,
      wanted: (bits & 16) !== 0,
    };
  });
}

function putValues(w: Writer, values: readonly ForwardedValue[]): void {
  w.u32(values.length);
  for (const value of values) putValue(w, value);
}

function putValue(w: Writer, value: ForwardedValue): void {
  if (value === null) w.u8(0);
  else if (typeof value === 'number') w.u8(1).i64(value);
  else if (typeof value === 'bigint') w.u8(2).big(value);
  else if (typeof value === 'string') w.u8(3).text(value);
  else if (value instanceof Uint8Array) w.u8(4).bytes(value);
  else if (Array.isArray(value)) putValues(w.u8(5), value);
  else putValues(w.u8(6), Object.entries(value).flat());
}

function takeValues(r: Reader, depth: number): ForwardedValue[] {
  if (depth > DEEPEST) throw new ProtocolError('values lie too deep');
  return Array.from({ length: r.count(1) }, () => takeValue(r, depth));
}

function takeValue(r: Reader, depth: number): ForwardedValue {
  const tag = r.u8();
  switch (tag) {
    case 0:
      return null;
    case 1:
      return r.i64();
    case 2:
      return r.big();
    case 3:
      return r.text();
    case 4:
      return r.bytes().slice();
    case 5:
      return takeValues(r, depth + 1);
    case 6:
      return recordOf(takeValues(r, depth + 1));
    default:
      throw new ProtocolError(`there is no value of kind ${tag}`);
  }
}

function recordOf(values: readonly ForwardedValue[]): ForwardedRecord {
  const record: ForwardedRecord = Object.create(null);
  for (let i = 0; i + 1 < values.length; i += 2) record[String(values[i])] = values[i + 1];
  return record;
}
