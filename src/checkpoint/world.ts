/** What the kinds of objects here know of the machine that is frozen, and of the one that is made. */
import type { Session } from '../fs/caller.ts';
import type { ImageHooks, ImageReader, ImageWorld, Kind } from '../fs/image/index.ts';
import { ImageWriter } from '../fs/image/index.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Processor } from '../kernel/processor.ts';
import type { Mm } from '../memory/mm.ts';
import type { FileSystem, Inode, TreeOrigin } from '../vfs/inode.ts';
import type { Sleeper } from '../wait/wait.ts';
import type { FilesMode } from './runs.ts';

/** File systems of the machine that every machine has: an image names them. */
export interface OwnFileSystems {
  readonly proc: FileSystem | null;
  readonly sysfs: FileSystem | null;
}

/** Collects what a machine consists of. */
export class FreezeWriter extends ImageWriter {
  readonly kernel: Kernel;
  readonly sleeper: Sleeper;
  /** Keeps a page of 4096 bytes; answers its number in the file of pages. */
  readonly keep: (page: Uint8Array) => number;
  readonly files: FilesMode;

  constructor(
    kinds: readonly Kind<object>[],
    hooks: ImageHooks,
    parts: { kernel: Kernel; sleeper: Sleeper; keep(page: Uint8Array): number; files: FilesMode },
  ) {
    super(kinds, hooks);
    this.kernel = parts.kernel;
    this.sleeper = parts.sleeper;
    this.keep = parts.keep;
    this.files = parts.files;
  }
}

export interface ThawWorld extends ImageWorld {
  readonly kernel: Kernel;
  readonly processors: Map<Mm, Processor>;
  readonly sessions: Map<number, Session>;
  /** The address space of those that have ended. */
  readonly gone: () => { mm: Mm; processor: Processor };
  /** The page with this number. */
  page(index: number): Uint8Array;
  /** What lies outside of the image: a tree of the host. */
  openTree(origin: TreeOrigin, device: number): FileSystem;
  /** What was found at a path of another machine's tree; undefined: it is looked up. */
  found(fs: FileSystem, names: readonly string[]): Inode | undefined;
  own(type: string, device: number): FileSystem;
  /** Something could not be restored as it was; what happens instead. */
  warn(line: string): void;
}

export const freezing = (writer: ImageWriter): FreezeWriter => writer as FreezeWriter;
export const worldOf = (reader: ImageReader): ThawWorld => reader.world as ThawWorld;
