/**
 * The inode operations, declared once as data: parameters by name and kind, what is answered, and what it means to do one
 * twice. Whatever stands between the VFS and a file system derives from this: remote frames, policies, traces.
 */
import type { Sleeper } from '../wait/wait.ts';
import type { AttributeChanges, Attributes, Creation, DirectoryEntry, Inode } from './inode.ts';

/** What travels. `into` is filled by the operation, as far as its answer says. */
export interface Kinds {
  inode: Inode;
  name: string;
  text: string;
  number: number;
  boolean: boolean;
  into: Uint8Array;
  from: Uint8Array;
  attributes: Attributes;
  changes: AttributeChanges;
  creation: Creation;
  entries: DirectoryEntry[];
  names: string[];
  bytes: Uint8Array;
}
export type Kind = keyof Kinds;

/**
 * look: changes nothing. set: changes, and doing it again changes nothing more. once: must be done exactly once, so that
 * a repeated request has to be recognised.
 */
export type Effect = 'look' | 'set' | 'once';

export interface InodeOperation {
  /** Those after the sleeper. */
  readonly parameters: readonly (readonly [name: string, kind: Kind])[];
  /** `number` is 0 or a count; every operation may answer a negative errno or BLOCKED instead. */
  readonly answer: Kind;
  readonly effect: Effect;
}

export const INODE_OPERATIONS = {
  attributes: { parameters: [], answer: 'attributes', effect: 'look' },
  change: { parameters: [['changes', 'changes']], answer: 'number', effect: 'set' },
  lookup: { parameters: [['name', 'name']], answer: 'inode', effect: 'look' },
  entries: { parameters: [['position', 'number']], answer: 'entries', effect: 'look' },
  create: {
    parameters: [
      ['name', 'name'],
      ['how', 'creation'],
    ],
    answer: 'inode',
    effect: 'once',
  },
  mkdir: {
    parameters: [
      ['name', 'name'],
      ['how', 'creation'],
    ],
    answer: 'inode',
    effect: 'once',
  },
  symlink: {
    parameters: [
      ['name', 'name'],
      ['target', 'text'],
      ['how', 'creation'],
    ],
    answer: 'inode',
    effect: 'once',
  },
  tmpfile: { parameters: [['how', 'creation']], answer: 'inode', effect: 'once' },
  link: {
    parameters: [
      ['name', 'name'],
      ['inode', 'inode'],
    ],
    answer: 'number',
    effect: 'once',
  },
  unlink: { parameters: [['name', 'name']], answer: 'number', effect: 'once' },
  rmdir: { parameters: [['name', 'name']], answer: 'number', effect: 'once' },
  rename: {
    parameters: [
      ['name', 'name'],
      ['to', 'inode'],
      ['newName', 'name'],
      ['flags', 'number'],
    ],
    answer: 'number',
    effect: 'once',
  },
  readlink: { parameters: [], answer: 'text', effect: 'look' },
  opened: { parameters: [['flags', 'number']], answer: 'number', effect: 'once' },
  read: {
    parameters: [
      ['position', 'number'],
      ['into', 'into'],
    ],
    answer: 'number',
    effect: 'look',
  },
  write: {
    parameters: [
      ['position', 'number'],
      ['from', 'from'],
    ],
    answer: 'number',
    effect: 'set',
  },
  allocate: {
    parameters: [
      ['mode', 'number'],
      ['offset', 'number'],
      ['length', 'number'],
    ],
    answer: 'number',
    effect: 'set',
  },
  fsync: { parameters: [['dataOnly', 'boolean']], answer: 'number', effect: 'set' },
  seekHole: {
    parameters: [
      ['offset', 'number'],
      ['whence', 'number'],
    ],
    answer: 'number',
    effect: 'look',
  },
  getxattr: { parameters: [['name', 'text']], answer: 'bytes', effect: 'look' },
  setxattr: {
    parameters: [
      ['name', 'text'],
      ['value', 'from'],
      ['flags', 'number'],
    ],
    answer: 'number',
    effect: 'once',
  },
  listxattr: { parameters: [], answer: 'names', effect: 'look' },
  removexattr: { parameters: [['name', 'text']], answer: 'number', effect: 'once' },
} as const satisfies Record<string, InodeOperation>;

export type InodeOperationName = keyof typeof INODE_OPERATIONS;

/** The arguments of an operation, after the sleeper. */
export type ArgumentsOf<N extends InodeOperationName> = Values<(typeof INODE_OPERATIONS)[N]['parameters']>;
export type AnswerOf<N extends InodeOperationName> = Kinds[(typeof INODE_OPERATIONS)[N]['answer']];

type Values<P extends readonly (readonly [string, Kind])[]> = {
  -readonly [I in keyof P]: P[I] extends readonly [string, infer K extends Kind] ? Kinds[K] : never;
};

/** Calls an operation by its name. Does not compile where the declarations and the class disagree. */
export function callInode<N extends InodeOperationName>(
  inode: Inode,
  name: N,
  s: Sleeper,
  values: ArgumentsOf<N>,
): AnswerOf<N> | number {
  const operations: { [K in InodeOperationName]: (s: Sleeper, ...values: ArgumentsOf<K>) => AnswerOf<K> | number } =
    inode;
  return operations[name].call(inode, s, ...values) as AnswerOf<N> | number;
}
