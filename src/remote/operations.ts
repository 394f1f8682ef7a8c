/**
 * What can be asked of a served tree, declared once: the inode operations of src/vfs/operations.ts as they travel, and those
 * that exist only because there is a way between (walks in one go, listings with attributes, locks, handles). Frames,
 * server, client and docs/PROTOCOL.md derive from this table.
 */
import type { AttributeChanges, Attributes, Creation, DirectoryEntry, FileSystemStatus } from '../vfs/inode.ts';
import {
  type Effect,
  INODE_OPERATIONS,
  type InodeOperation,
  type InodeOperationName,
  type Kind,
} from '../vfs/operations.ts';

import type { Called, ForwardedValue } from './forward.ts';

/** An inode as the other side learns of it. */
export interface Found {
  /** What requests call it, from now on. */
  node: number;
  attributes: Attributes;
}

/** One step of a walk, or one entry of a listing. */
export interface Step {
  /** The directory. */
  parent: number;
  name: string;
  /** Null: there is no such name. */
  found: Found | null;
  /** Of a symlink. */
  target: string | null;
  /** All of a small file's contents. */
  contents: Uint8Array | null;
  /** With the steps before it, these are all names of the directory. */
  complete: boolean;
  /** The file's contents will be asked for: whoever can fetches them at once. */
  wanted: boolean;
}

export interface Listing {
  steps: Step[];
  entries: DirectoryEntry[];
  /** Nothing follows. */
  last: boolean;
}

/** A record lock or a flock: type F_RDLCK, F_WRLCK or F_UNLCK; end -1: to the end of the file, however it grows. */
export interface WireLock {
  type: number;
  start: number;
  end: number;
  pid: number;
}

/** What travels, as the client's and the server's code see it. */
export interface WireKinds {
  node: number;
  name: string;
  text: string;
  number: number;
  boolean: boolean;
  bytes: Uint8Array;
  attributes: Attributes;
  changes: AttributeChanges;
  creation: Creation;
  entries: DirectoryEntry[];
  names: string[];
  found: Found;
  steps: Step[];
  listing: Listing;
  status: FileSystemStatus;
  lock: WireLock;
  big: bigint;
  values: ForwardedValue[];
  called: Called;
  nothing: null;
}
export type WireKind = keyof WireKinds;

export interface WireOperation {
  /** What frames call it. */
  readonly number: number;
  readonly parameters: readonly (readonly [name: string, kind: WireKind])[];
  readonly answer: WireKind;
  readonly effect: Effect;
  readonly describe: string;
}

/** Numbers are never used again: 1 to 31 for the inode operations, the others above. */
const NUMBERS: Record<InodeOperationName, number> = {
  attributes: 1,
  change: 2,
  lookup: 3,
  entries: 4,
  create: 5,
  mkdir: 6,
  symlink: 7,
  tmpfile: 8,
  link: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  readlink: 13,
  opened: 14,
  read: 15,
  write: 16,
  allocate: 17,
  fsync: 18,
  seekHole: 19,
  getxattr: 20,
  setxattr: 21,
  listxattr: 22,
  removexattr: 23,
};

/** A parameter: inodes are numbers of nodes, and where bytes are to be read goes only how many. */
type SentKind<K extends Kind> = K extends 'inode'
  ? 'node'
  : K extends 'into'
    ? 'number'
    : K extends 'from'
      ? 'bytes'
      : K;
type SentParameters<P extends readonly (readonly [string, Kind])[]> = {
  readonly [I in keyof P]: P[I] extends readonly [infer N, infer K extends Kind] ? readonly [N, SentKind<K>] : never;
};
type AnsweredKind<O extends InodeOperation> = O['answer'] extends 'inode' ? 'found' : O['answer'];

type InodeWire = {
  readonly [N in InodeOperationName]: {
    readonly number: number;
    readonly parameters: SentParameters<(typeof INODE_OPERATIONS)[N]['parameters']>;
    readonly answer: N extends 'read' ? 'bytes' : AnsweredKind<(typeof INODE_OPERATIONS)[N]>;
    readonly effect: Effect;
    readonly describe: string;
  };
};

function sent(name: InodeOperationName): WireOperation {
  const operation: InodeOperation = INODE_OPERATIONS[name];
  const parameters = operation.parameters.map(
    ([parameter, kind]) =>
      [parameter, kind === 'inode' ? 'node' : kind === 'into' ? 'number' : kind === 'from' ? 'bytes' : kind] as const,
  );
  const { answer, effect } = operation;
  const reads = operation.parameters.some(([, kind]) => kind === 'into');
  return {
    number: NUMBERS[name],
    parameters: parameters as WireOperation['parameters'],
    answer: reads ? 'bytes' : answer === 'inode' ? 'found' : (answer as WireKind),
    effect,
    describe: `Inode.${name}() of src/vfs/inode.ts`,
  };
}

const INODE_WIRE = Object.fromEntries(
  (Object.keys(INODE_OPERATIONS) as InodeOperationName[]).map((name) => [name, sent(name)]),
) as InodeWire;

const OWN = {
  attach: {
    number: 32,
    parameters: [['path', 'text']],
    answer: 'found',
    effect: 'look',
    describe: 'The root of an exported tree, or a directory below it. The empty path is the first export. Node 0.',
  },
  reopen: {
    number: 33,
    parameters: [
      ['path', 'text'],
      ['ino', 'number'],
      ['type', 'number'],
      ['btime', 'big'],
      ['opens', 'number'],
      ['writes', 'number'],
    ],
    answer: 'found',
    effect: 'look',
    describe:
      'After the server was started anew: the inode at a path from the node, if it is still the one with this number, type and time of birth; -ESTALE otherwise. It is opened as often as it was.',
  },
  walk: {
    number: 34,
    parameters: [
      ['path', 'text'],
      ['contents', 'number'],
      ['ahead', 'boolean'],
    ],
    answer: 'steps',
    effect: 'look',
    describe:
      'Looks the names of a path up, one after the other, and follows symlinks that stay in the tree: everything that a walk needs, in one go. Files that are not larger than `contents` come with theirs. `ahead`: round trips are dear, so the rest of a small directory comes along, and of a dynamic program its interpreter and libraries.',
  },
  list: {
    number: 35,
    parameters: [
      ['position', 'number'],
      ['contents', 'number'],
    ],
    answer: 'listing',
    effect: 'look',
    describe:
      'Entries of a directory with their attributes, and small files with their contents, as far as a frame goes.',
  },
  append: {
    number: 36,
    parameters: [
      ['from', 'bytes'],
      ['expected', 'number'],
    ],
    answer: 'number',
    effect: 'once',
    describe:
      'Writes at the end of the file, wherever that is by now; answers where the file ends then. `expected` is where the client believes the end to be: from that, and from what stands there, a server that was started anew tells whether it was done.',
  },
  closed: {
    number: 37,
    parameters: [['flags', 'number']],
    answer: 'nothing',
    effect: 'once',
    describe: 'A description has gone: what `opened` began.',
  },
  forget: {
    number: 38,
    parameters: [['times', 'number']],
    answer: 'nothing',
    effect: 'once',
    describe: 'The client does not need the node any more; it was told of it so many times.',
  },
  status: { number: 39, parameters: [], answer: 'status', effect: 'look', describe: 'statfs(2).' },
  lock: {
    number: 40,
    parameters: [
      ['owner', 'number'],
      ['lock', 'lock'],
      ['wait', 'boolean'],
    ],
    answer: 'number',
    effect: 'set',
    describe: 'fcntl(2): F_SETLK, and with `wait` F_SETLKW. Owners are numbers that the client chooses.',
  },
  testLock: {
    number: 41,
    parameters: [
      ['owner', 'number'],
      ['lock', 'lock'],
    ],
    answer: 'lock',
    effect: 'look',
    describe: 'F_GETLK: the lock that is in the way, or F_UNLCK.',
  },
  flock: {
    number: 42,
    parameters: [
      ['owner', 'number'],
      ['type', 'number'],
      ['wait', 'boolean'],
    ],
    answer: 'number',
    effect: 'set',
    describe: 'flock(2), by the types of record locks.',
  },
  unlockAll: {
    number: 43,
    parameters: [['owner', 'number']],
    answer: 'nothing',
    effect: 'set',
    describe: 'All locks of an owner on this file go.',
  },
  cancel: {
    number: 44,
    parameters: [['request', 'number']],
    answer: 'nothing',
    effect: 'set',
    describe: 'A request that waits for a lock need not wait any longer: it is answered with -EINTR. Node 0.',
  },
  call: {
    number: 45,
    parameters: [
      ['name', 'text'],
      ['values', 'values'],
    ],
    answer: 'called',
    effect: 'once',
    describe:
      'A system call that is made at home (--forward), if it is allowed there: its inputs in the order of its declaration. Node 0. The calls and their values are in "Forwarded calls".',
  },
} as const satisfies Record<string, WireOperation>;

export const REMOTE_OPERATIONS = { ...INODE_WIRE, ...OWN };

export type RemoteOperationName = keyof typeof REMOTE_OPERATIONS;

type Values<P extends readonly (readonly [string, WireKind])[]> = {
  -readonly [I in keyof P]: P[I] extends readonly [string, infer K extends WireKind] ? WireKinds[K] : never;
};
export type WireArguments<N extends RemoteOperationName> = Values<(typeof REMOTE_OPERATIONS)[N]['parameters']>;
export type WireAnswer<N extends RemoteOperationName> = WireKinds[(typeof REMOTE_OPERATIONS)[N]['answer']];

export const NAME_OF_NUMBER: ReadonlyMap<number, RemoteOperationName> = new Map(
  (Object.entries(REMOTE_OPERATIONS) as [RemoteOperationName, WireOperation][]).map(([name, { number }]) => [
    number,
    name,
  ]),
);
