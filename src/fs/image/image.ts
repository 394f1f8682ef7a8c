/**
 * Open files, and what they share, as plain data (DESIGN section 7): each object stands once, others refer to it by number.
 *
 * Saving follows references from whatever is asked for first. Loading makes all objects, then links them. What has a
 * place in a file system with names (inodes, regular files, directories) is the caller's to save: ImageHooks.
 */
import type { Inode } from '../../vfs/inode.ts';
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

export type Fields = { [name: string]: Plain };

/** One object of an image. */
export interface NodeImage {
  kind: string;
  /** Of open files: F_GETFL, position, F_SETOWN, F_SETSIG. */
  file?: { flags: number; position: number; owner: number; ownerSignal: number };
  fields: Fields;
}

/** How what the files of this folder do not know is named and found again. */
export interface ImageHooks {
  saveInode(inode: Inode): Plain;
  loadInode(image: Plain): Inode;
  /** Open files of kinds that have no row in KINDS: regular files, directories, inherited descriptors. */
  saveFile(file: OpenFile, writer: ImageWriter): Fields;
  loadFile(fields: Fields): OpenFile;
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
  is(object: object): object is T;
  save(object: T, writer: ImageWriter): Fields;
  create(fields: Fields, reader: ImageReader): T;
  /** After all objects are there. */
  link?(object: T, fields: Fields, reader: ImageReader): void;
}

const OTHER_FILE = 'file';

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
    const node: NodeImage = { kind: OTHER_FILE, fields: {} };
    this.nodes.push(node);
    const kind = this.#kinds.find((one) => one.is(object));
    if (kind !== undefined) {
      node.kind = kind.name;
      node.fields = kind.save(object, this);
    } else if (object instanceof OpenFile) node.fields = this.hooks.saveFile(object, this);
    else throw new Error(`an image cannot hold a ${object.constructor.name}`);
    if (object instanceof OpenFile) {
      const { flags, position, owner, ownerSignal } = object;
      node.file = { flags, position, owner, ownerSignal };
    }
    return id;
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

  /** Makes and links everything. */
  constructor(nodes: readonly NodeImage[], kinds: readonly Kind<object>[], world: ImageWorld, hooks: ImageHooks) {
    this.#nodes = nodes;
    this.#kinds = new Map(kinds.map((kind) => [kind.name, kind]));
    this.world = world;
    this.hooks = hooks;
    for (let id = 0; id < nodes.length; id++) this.object(id);
    for (const [id, { kind, fields }] of nodes.entries()) this.#kinds.get(kind)?.link?.(this.object(id), fields, this);
  }

  /** The object of a number; made now if it has not been yet. */
  object<T extends object>(id: Plain): T {
    const known = this.#objects[id as number];
    if (known !== undefined) return known as T;
    const { kind, file, fields } = this.#nodes[id as number];
    const row = this.#kinds.get(kind);
    const made = row === undefined ? this.hooks.loadFile(fields) : row.create(fields, this);
    if (file !== undefined) Object.assign(made, file);
    this.#objects[id as number] = made;
    return made as T;
  }

  optional<T extends object>(id: Plain): T | null {
    return id === -1 ? null : this.object<T>(id);
  }
  objects<T extends object>(ids: Plain): T[] {
    return (ids as number[]).map((id) => this.object<T>(id));
  }
}
