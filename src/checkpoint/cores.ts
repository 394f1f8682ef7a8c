/** The cores of an image while it is made: one for each process, the pages of an address space in one of them. */
import type { Kernel } from '../kernel/kernel.ts';
import type { ThreadGroup } from '../kernel/thread-group.ts';
import type { Mm } from '../memory/mm.ts';
import { PAGE_SIZE } from '../memory/page.ts';
import { finishCore } from './core.ts';
import type { Note } from './core-notes.ts';
import { CorePages, type PagesBefore } from './core-pages.ts';
import { coreName, type ImageOutput, type ImageSink } from './image.ts';
import type { FilesMode } from './runs.ts';

/** By address space: where its pages are in an image. */
export type History = Map<Mm, PagesBefore>;

export interface CoreOptions {
  readonly files?: FilesMode;
  /** Where the sink's image before has the pages of this machine; changed to where the new one has them when that is complete. */
  readonly history?: History;
}

export class Cores {
  readonly #sink: ImageSink;
  readonly #files: FilesMode;
  readonly #before: History;
  readonly #after: History = new Map();
  readonly #begun = new Map<Mm, { name: string; output: ImageOutput; pages: CorePages }>();

  constructor(sink: ImageSink, { files = 'reference', history = new Map() }: CoreOptions) {
    this.#sink = sink;
    this.#files = files;
    this.#before = history;
  }

  /** Writes pages while the machine may run between two steps. */
  *writeAhead(kernel: Kernel): Generator<void> {
    for (const group of [...kernel.groups.values()]) {
      if (group.zombie || group.tasks.size === 0) continue;
      const [{ mm }] = group.tasks;
      if (!this.#begun.has(mm)) yield* this.#begin(group, mm).writeAhead();
    }
  }

  /** What has been written ahead of processes that are gone, or have another program now. */
  dropOthers(kernel: Kernel): void {
    const names = new Map<Mm, string>();
    for (const { zombie, tasks, id } of kernel.groups.values()) {
      if (zombie) continue;
      const [{ mm }] = tasks;
      if (!names.has(mm)) names.set(mm, coreName(id));
    }
    for (const [mm, { name, output }] of this.#begun) {
      if (names.get(mm) === name) continue;
      output.drop();
      this.#begun.delete(mm);
    }
  }

  /** Completes the core of the first process with this address space: pages, then notes. */
  write(group: ThreadGroup, mm: Mm, notes: readonly Note[]): void {
    if (!this.#begun.has(mm)) this.#begin(group, mm);
    const { name, output, pages } = this.#begun.get(mm)!;
    const segments = pages.finish();
    this.#after.set(mm, pages.placed(name, segments));
    finishCore(output, pages.size, notes, segments);
  }

  /** A process that borrows its address space (vfork) has no pages of its own. */
  writeBorrower(group: ThreadGroup, mm: Mm, notes: readonly Note[]): void {
    const output = this.#sink.create(coreName(group.id));
    output.write(new Uint8Array(PAGE_SIZE));
    const segments = [...mm.vmas].map(({ start, end, prot }) => ({ start, end, prot, saved: false, offset: 0 }));
    finishCore(output, PAGE_SIZE, notes, segments);
  }

  /** The image is there: the next one can begin with it. */
  done(): void {
    this.#before.clear();
    for (const [mm, pages] of this.#after) this.#before.set(mm, pages);
  }

  #begin(group: ThreadGroup, mm: Mm): CorePages {
    const name = coreName(group.id);
    const output = this.#sink.create(name);
    const pages = new CorePages(mm, output, this.#files, this.#before.get(mm));
    this.#begun.set(mm, { name, output, pages });
    return pages;
  }
}
