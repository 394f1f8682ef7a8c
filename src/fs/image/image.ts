/**
 * Open files, and what they share, as plain data (DESIGN section 7): each object stands once, others refer to it by number.
 *
 * Saving follows references from whatever is asked for first. Loading makes all objects, then links them. What has a
 * place in a file system with names (inodes, regular files, directories) is in src/checkpoint.
 */
import { O_ACCMODE } from '../../abi/fs.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { Location } from '../../vfs/location.ts';
import type { MountNamespace } from '../../vfs/mounts.ts';
import { OpenFile } from '../../vfs/open-file.ts';
import type { Plain, Sleeper } from '../../wait/wait.ts';
import type { AnonymousFileSystems } from '../anonymous.ts';
import type { Alarms, Session } from '../caller.ts';
import type { DevPts } from '../devpts.ts';
import type { MemFs } from '../memfs.ts';
import type { MessageQueue } from '../mqueue.ts';
import type { Pipe } from '../pipe.ts';
import type { SignalSource } from '../signalfd.ts';
import type { SocketNames } from '../socket-names.ts';
import type { Tty } from '../tty.ts';
import {
  anything,
  int,
  integer,
  list,
  oneOf,
  optional,
  pair,
  pick,
  type RecordOf,
  record,
  type Shape,
  ShapeError,
  size,
  text,
  word,
} from './shape.ts';

export type Fields = { [name: string]: Plain };

/** What a shape describes is plain data, which its type does not tell. */
export const plain = (value: unknown) => value as Plain;
export const plainFields = (value: unknown) => value as Fields;

/** What every open file has: F_GETFL, position, F_SETOWN, F_SETSIG, and which descriptor of our caller it was made of. */
export const FILE_STATE = record({
  flags: word,
  position: size,
  owner: int,
  ownerSignal: integer(0, 64),
  inherited: integer(-1, 2 ** 20),
});

/** Members of OpenFile that an image has in another form. A test keeps the two complete. */
export const FILE_DERIVED = {
  references: 'counted again',
  location: 'place',
  ready: 'sleepers look again at what they wait for',
  notes: 'notes',
  inode: 'of its kind',
} as const;

/**
 * What becomes of a descriptor that leads outside: the restoring caller's of that number (the default), the same file of the
 * host again, nothing any more, a broken connection, or no image and no restored machine at all.
 */
export const POLICIES = ['caller', 'reopen', 'eof', 'error', 'fail'] as const;
export type Policy = (typeof POLICIES)[number];

/** One object of an image. */
export interface NodeImage {
  kind: string;
  /** Of open files. */
  file?: RecordOf<typeof FILE_STATE.members>;
  /** Of open files: what layers keep for them, and where they were opened. */
  notes?: Plain[];
  place?: Plain;
  /** Of open files that lead outside: what was asked for when the image was made. */
  policy?: Policy;
  fields: Fields;
}

export const NODE = record({
  kind: text,
  file: optional(FILE_STATE),
  notes: optional(list(pair(text, anything))),
  place: optional(anything),
  policy: optional(oneOf(...POLICIES)),
  fields: anything,
});

/** How what the files of this folder do not know is named and found again. */
export interface ImageHooks {
  saveInode(inode: Inode): Plain;
  loadInode(image: Plain): Inode;
  /** Where a file was opened that has a name: null when that is nowhere. */
  savePlace?(place: Location, writer: ImageWriter): Plain;
  loadPlace?(image: Plain, reader: ImageReader): Location;
  /** What takes the place of an open file of the image, where something does. */
  substitute?(node: NodeImage, id: number): OpenFile | null;
}

/** What the objects of a restored machine hang on. */
export interface ImageWorld {
  readonly anonymous: AnonymousFileSystems;
  readonly socketNames: SocketNames;
  readonly fifos: WeakMap<Inode, Pipe>;
  readonly queues: Map<string, MessageQueue>;
  readonly alarms: Alarms;
  readonly signals: SignalSource;
  /** Where memfds are. */
  readonly shm: MemFs;
  readonly pts: DevPts;
  readonly console: Tty | null;
  readonly namespace: MountNamespace;
  /** Opens what can simply be opened again. */
  readonly sleeper: Sleeper;
  session(id: number): Session | null;
}

/** How one kind of object is saved and made. */
export interface Kind<T extends object> {
  readonly name: string;
  /** What its fields must be. */
  readonly shape: Shape<unknown>;
  is(object: object): object is T;
  save(object: T, writer: ImageWriter): Fields;
  create(fields: Fields, reader: ImageReader): T;
  /** After all objects are there. */
  link?(object: T, fields: Fields, reader: ImageReader): void;
}

export class ImageWriter {
  readonly hooks: ImageHooks;
  readonly nodes: NodeImage[] = [];
  readonly #kinds: readonly Kind<object>[];
  readonly #ids = new Map<object, number>();

  constructor(kinds: readonly Kind<object>[], hooks: ImageHooks) {
    this.#kinds = kinds;
    this.hooks = hooks;
  }

  /** The number of an object, which is saved when it is met first; -1 for null. */
  id(object: object | null): number {
    if (object === null) return -1;
    const known = this.#ids.get(object);
    if (known !== undefined) return known;
    const id = this.nodes.length;
    this.#ids.set(object, id);
    const kind = this.#kinds.find((one) => one.is(object));
    if (kind === undefined) throw new Error(`an image cannot hold a ${object.constructor.name}`);
    const node: NodeImage = { kind: kind.name, fields: {} };
    this.nodes.push(node);
    node.fields = kind.save(object, this);
    if (object instanceof OpenFile) {
      node.file = pick(object, FILE_STATE);
      if (object.notes !== null) node.notes = [...object.notes];
      const { location } = object;
      if (location !== undefined && location.mount.id !== 0) node.place = this.hooks.savePlace?.(location, this);
    }
    return id;
  }

  /** All that was saved so far. */
  get objects(): object[] {
    return [...this.#ids.keys()];
  }

  ids(objects: Iterable<object>): number[] {
    return [...objects].map((object) => this.id(object));
  }
}

export class ImageReader {
  readonly world: ImageWorld;
  readonly hooks: ImageHooks;
  readonly #nodes: readonly NodeImage[];
  readonly #kinds: ReadonlyMap<string, Kind<object>>;
  readonly #objects: (object | undefined)[] = [];
  /** What took the place of an object is no object of its kind. */
  readonly #substituted = new Set<number>();
  /** Those that are being made: an object that needs itself cannot be. */
  readonly #making = new Set<number>();

  constructor(nodes: readonly NodeImage[], kinds: readonly Kind<object>[], world: ImageWorld, hooks: ImageHooks) {
    this.#kinds = new Map(kinds.map((kind) => [kind.name, kind]));
    this.world = world;
    this.hooks = hooks;
    const kindOf = (id: number) => nodes[id]?.kind;
    this.#nodes = nodes.map((node, id) => {
      const kind = this.#kinds.get(node.kind);
      if (kind === undefined) throw new ShapeError(`object ${id} is of an unknown kind`);
      return { ...node, fields: kind.shape(node.fields, `${node.kind} ${id}`, kindOf) as Fields };
    });
  }

  /** Makes and links everything. */
  load(): this {
    for (let id = 0; id < this.#nodes.length; id++) this.object(id);
    for (const [id, { kind, fields }] of this.#nodes.entries()) {
      if (!this.#substituted.has(id)) this.#kinds.get(kind)?.link?.(this.object(id), fields, this);
    }
    for (const [id, { place }] of this.#nodes.entries()) {
      const file = place === undefined || this.#substituted.has(id) ? null : this.object<OpenFile>(id);
      if (file !== null) file.location ??= this.hooks.loadPlace?.(place!, this);
    }
    return this;
  }

  /** The object of a number; made now if it has not been yet. */
  object<T extends object>(id: Plain): T {
    const known = this.#objects[id as number];
    if (known !== undefined) return known as T;
    const node = this.#nodes[id as number];
    if (node === undefined) throw new ShapeError(`there is no object ${id}`);
    if (this.#making.has(id as number)) throw new ShapeError(`${node.kind} ${id} contains itself`);
    this.#making.add(id as number);
    const made = this.#make(node, id as number);
    this.#making.delete(id as number);
    this.#objects[id as number] = made;
    return made as T;
  }

  #make(node: NodeImage, id: number): object {
    const { kind, file, notes, fields } = node;
    const given = file === undefined ? null : (this.hooks.substitute?.(node, id) ?? null);
    if (given !== null) this.#substituted.add(id);
    const made = given ?? this.#kinds.get(kind)!.create(fields, this);
    if (file === undefined) return made;
    if (!(made instanceof OpenFile)) throw new ShapeError(`${kind} ${id} is not an open file`);
    const { flags, position, ...rest } = file;
    Object.assign(made, given === null ? file : { ...rest, flags: (flags & ~O_ACCMODE) | (made.flags & O_ACCMODE) });
    if (notes !== undefined) made.notes = new Map(notes as [string, Plain][]);
    return made;
  }

  optional<T extends object>(id: Plain): T | null {
    return id === -1 ? null : this.object<T>(id);
  }
  objects<T extends object>(ids: Plain): T[] {
    return (ids as number[]).map((id) => this.object<T>(id));
  }
}
