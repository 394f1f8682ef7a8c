/** Address spaces and the objects that they share. What the pages of an address space hold is in its core file (cores.ts). */
import { plain } from '../../fs/image/image.ts';
import type { Kind } from '../../fs/image/index.ts';
import {
  bool,
  bytes,
  integer,
  list,
  maybe,
  noneOr,
  oneOf,
  optional,
  pair,
  pick,
  real,
  record,
  ref,
  size,
  text,
  wide,
  word,
} from '../../fs/image/shape.ts';
import { MemfdFile, MemfdInode } from '../../fs/memfd.ts';
import { fillsLazily } from '../../memory/fill.ts';
import { Mm } from '../../memory/mm.ts';
import { PAGE_SIZE, TASK_SIZE } from '../../memory/page.ts';
import { SharedObject } from '../../memory/shared-object.ts';
import { place, type Vma } from '../../memory/vma.ts';
import type { Inode } from '../../vfs/inode.ts';
import { Mapping, mappingOf } from '../../vfs/page-cache.ts';
import { failed, type Plain } from '../../wait/wait.ts';
import { type ContentMark, isSame, markOf } from '../content-mark.ts';
import { ImageError } from '../image.ts';
import { type FreezeWriter, freezing, worldOf } from '../world.ts';
import { anInode } from './inodes.ts';

const address = integer(0, 2 ** 32);
const aligned: typeof address = (value, at, kindOf) => {
  const checked = integer(0, TASK_SIZE)(value, at, kindOf);
  if (checked % PAGE_SIZE !== 0) throw new ImageError(`${at} is not a page's address`);
  return checked;
};

/** What a VMA is beside its object: memory/vma.ts. `lazy` follows from the host. */
export const VMA = record({
  ...{ start: aligned, end: aligned, offset: size, prot: integer(0, 7), shared: bool, maxProt: integer(0, 7) },
  ...{ growsDown: bool, locked: bool, copied: bool, noReserve: bool, dontFork: bool, wipeOnFork: bool, dontDump: bool },
  object: noneOr(ref('shared-object')),
});

/** The members of Mm that are simply kept. */
export const MM_STATE = record({
  limits: record({ as: real, data: real, stack: real, memlock: real }),
  layout: record({ base: address, bottomUp: bool, stackTop: address }),
  ...{ readImpliesExec: bool, lockFuture: bool, ldt: maybe(bytes) },
  ...{ startCode: address, endCode: address, startData: address, endData: address, startBrk: address, brkEnd: address },
  ...{ startStack: address, argStart: address, argEnd: address, envStart: address, envEnd: address, vdso: address },
});

/** Members of Mm that an image has in another form, or that follow from the rest. */
export const MM_DERIVED = {
  guest: 'made anew; its pages are in the core',
  vmas: 'vmas',
  objects: 'of the kernel',
  random: 'only used when a layout is chosen',
  onInvalidate: 'set by the processor',
  fills: 'follows from what is filled',
  auxv: 'auxv',
  exe: 'exe',
  '#held': 'follows from the VMAs',
  '#users': 'follows from the tasks',
  '#counted': 'follows from the VMAs',
} as const;

const mm: Kind<Mm> = {
  name: 'mm',
  shape: record({
    ...{
      state: MM_STATE,
      auxv: list(word, 256),
      exe: noneOr(ref('shared-object')),
      vmas: list(VMA, 65536),
    },
    protection: oneOf('hardware', 'software'),
  }),
  is: (object): object is Mm => object instanceof Mm,
  save(space, writer) {
    const vmas = [...space.vmas].map((vma) => ({ ...pick(vma, VMA), object: writer.id(vma.object) }));
    const exe =
      space.exe === null
        ? null
        : ([...space.vmas].find(({ object }) => object?.key === space.exe!.key)?.object ?? null);
    return {
      ...{
        state: pick(space, MM_STATE) as unknown as Plain,
        auxv: [...space.auxv],
        exe: writer.id(exe),
      },
      ...{ vmas: vmas as unknown as Plain, protection: space.protection },
    };
  },
  create(fields, reader) {
    const { kernel, processors } = worldOf(reader);
    const space = new Mm({ protection: kernel.protection, objects: kernel.objects });
    processors.set(space, kernel.processorFor(space));
    Object.assign(space, fields.state);
    space.auxv = Uint32Array.from(fields.auxv as number[]);
    space.exe = reader.optional<SharedObject>(fields.exe)?.backing ?? null;
    let last = 0;
    for (const vma of fields.vmas as unknown as (Omit<Vma, 'object'> & { object: number })[]) {
      if (vma.start < last || vma.end <= vma.start) throw new ImageError('mappings overlap');
      last = vma.end;
      addVma(space, { ...vma, object: reader.optional<SharedObject>(vma.object) });
    }
    return space;
  },
};

function addVma(space: Mm, vma: Vma): void {
  const { object, shared, maxProt, start, end, offset } = vma;
  if (shared && object === null) throw new ImageError('a shared mapping has no object');
  if ((vma.prot & ~maxProt) !== 0 && shared) throw new ImageError('a mapping allows more than its object');
  if (shared && (maxProt & 2) !== 0) object!.allowWrites();
  const lazy = vma.growsDown || fillsLazily(space.guest, object, shared, end - start);
  // Where a file cannot be read now, its pages are those of the core, and not those that a fork would take from the file.
  const copied = vma.copied || (!shared && object?.backing?.sleeps === true);
  const added = space.add(place({ ...vma, lazy, copied }, start, end, offset));
  if (added < 0) throw new ImageError(`a mapping cannot be made (errno ${-added})`);
}

/** A file that is mapped is written back first: what its pages hold is what the file holds. */
const sharedObject: Kind<SharedObject> = {
  name: 'shared-object',
  shape: record({
    file: maybe(
      record({
        ...{ inode: anInode, path: text, writable: bool },
        mark: optional(record({ size, mtime: wide, sum: text })),
      }),
    ),
    ...{ length: size, pages: list(pair(size, size)) },
  }),
  is: (object): object is SharedObject => object instanceof SharedObject,
  save(object, writer) {
    const inode = inodeOf(object);
    if (inode !== null) {
      const writable = object.backing!.write !== undefined;
      return {
        file: {
          ...{ inode: writer.hooks.saveInode(inode), path: object.backing!.path, writable },
          mark: isReferred(object, inode, freezing(writer)) ? plain(markOf(freezing(writer).sleeper, inode)) : null,
        },
        length: 0,
        pages: [],
      };
    }
    object.owner?.flush(object);
    const pages: [number, number][] = [];
    const length = Math.min(object.size(), 2 ** 32);
    for (const offset of object.store.pages(length)) {
      const page = new Uint8Array(PAGE_SIZE);
      object.store.read(offset, page);
      if (page.some((byte) => byte !== 0)) pages.push([offset, freezing(writer).keep(page)]);
    }
    return { file: null, length, pages };
  },
  create(fields, reader) {
    const { kernel, sleeper, namespace } = worldOf(reader);
    const file = fields.file as { inode: Plain; path: string; writable: boolean; mark?: ContentMark | null } | null;
    if (file === null) {
      const object = kernel.objects.anonymous(fields.length as number);
      for (const [offset, page] of fields.pages as [number, number][]) {
        if (offset % PAGE_SIZE !== 0 || offset >= 2 ** 32)
          throw new ImageError('shared memory has a page that is none');
        object.store.write(offset, worldOf(reader).page(page));
      }
      return object;
    }
    const inode = reader.hooks.loadInode(file.inode);
    if (file.mark && inode.fs.sleeps !== true && !isSame(sleeper, inode, file.mark)) {
      throw new ImageError(
        `${file.path} has changed since, and the program's memory refers to it: give the file as it was by --map (checkpoint --files content would have kept it)`,
      );
    }
    if (inode instanceof MemfdInode && !file.writable) {
      const backing = new MemfdFile(namespace, inode, 0).backing(sleeper);
      if (!failed(backing)) return kernel.objects.file(backing);
    }
    const mapping = mappingOf(sleeper, inode, file.path);
    if (failed(mapping)) throw new ImageError(`${file.path} cannot be mapped again (errno ${-mapping})`);
    return kernel.objects.file(mapping);
  },
};

/** Pages that nobody has changed are in the image by the file's name alone. What may be written through it changes rightly. */
function isReferred({ backing }: SharedObject, inode: Inode, { files }: FreezeWriter): boolean {
  return files === 'reference' && backing instanceof Mapping && inode.fs.sleeps !== true && inode.writers <= 0;
}

/** The file behind an object; null: memory, among it mappings of /dev/zero. */
function inodeOf(object: SharedObject): Inode | null {
  const { backing } = object;
  if (backing instanceof Mapping) return backing.node;
  return (backing as { node?: Inode } | null)?.node ?? null;
}

export const MEMORY_KINDS = [mm, sharedObject] as readonly Kind<object>[];
