/**
 * The pages of an address space on their way into its core file. Most of them can be written while the machine runs; at its
 * standstill those follow that were written since, and of those that the image before has, only a note where.
 */
import type { Mm } from '../memory/mm.ts';
import { PAGE_SIZE } from '../memory/page.ts';
import type { Vma } from '../memory/vma.ts';
import type { Segment } from './core.ts';
import type { ImageOutput } from './image.ts';
import { type FilesMode, runsOf, uncovered } from './runs.ts';
import { WriteLog } from './write-log.ts';

/** What is written in one go while the machine runs. */
const WINDOW = 2 << 20;

/** Pages that stand in a file. */
interface Place {
  readonly start: number;
  readonly end: number;
  readonly offset: number;
}

/** Where an image has the pages of an address space, and how they were at that look. */
export interface PagesBefore {
  readonly look: number;
  readonly file: string;
  readonly places: readonly Place[];
}

/** How a page gets into the file: it is there, there as it was, in the file before, or nowhere. */
type Way = 'ahead' | 'again' | 'before' | 'new';

export class CorePages {
  readonly #mm: Mm;
  readonly #output: ImageOutput;
  readonly #files: FilesMode;
  readonly #log: WriteLog;
  readonly #before: PagesBefore | undefined;
  readonly #ahead: Place[] = [];
  #aheadLook = 0;
  #look = 0;
  /** Of the file: its first page is the ELF header's. */
  #size = PAGE_SIZE;

  constructor(mm: Mm, output: ImageOutput, files: FilesMode, before: PagesBefore | undefined) {
    this.#mm = mm;
    this.#output = output;
    this.#files = files;
    this.#log = WriteLog.of(mm);
    this.#before = output.reuse === undefined ? undefined : before;
    output.write(new Uint8Array(PAGE_SIZE));
  }

  /** Writes what there is now, a window at each step; between steps the machine may run. */
  *writeAhead(): Generator<void> {
    this.#aheadLook = this.#log.begin();
    for (const { start, end } of [...this.#mm.vmas]) {
      for (let at = start; at < end; at += WINDOW) {
        for (const part of this.#mm.vmas.within(at, Math.min(end, at + WINDOW))) {
          // Pages of files are few and cost comparing; they wait.
          if (part.object === null) this.#window(part);
        }
        yield;
      }
    }
  }

  #window(part: Vma): void {
    if (this.#ahead.length > 0 && this.#ahead.at(-1)!.end > part.start) return; // the mapping has moved meanwhile
    this.#log.look(part.start, part.end);
    for (const { start, end, saved } of this.#runs(part)) {
      if (!saved) continue;
      const wayOf = cursor(this.#before?.places ?? []);
      const known = (page: number) => this.#isUnchanged(this.#before, page) && wayOf(page) >= 0;
      for (let page = start; page < end; ) {
        const from = page;
        const skip = known(page);
        do page += PAGE_SIZE;
        while (page < end && known(page) === skip);
        if (skip) continue;
        this.#ahead.push({ start: from, end: page, offset: this.#size });
        this.#append(part, from, page);
        this.#log.watch(from, page);
      }
    }
  }

  /** At the machine's standstill: the rest. Answers the segments, in order. */
  finish(): Segment[] {
    this.#look = this.#log.begin();
    const segments: Segment[] = [];
    const ways = new Ways(this.#ahead, this.#before?.places ?? []);
    for (const vma of this.#mm.vmas) {
      if (!vma.shared) this.#log.look(vma.start, vma.end);
      for (const run of this.#runs(vma)) {
        if (!run.saved) {
          segments.push({ ...run, prot: vma.prot, offset: 0 });
          continue;
        }
        this.#placeRun(vma, run, ways, segments);
        // Only for whom the next image can begin with this one.
        if (this.#output.reuse !== undefined) this.#log.watch(run.start, run.end);
      }
    }
    return segments;
  }

  /** For the next image: where this one has them. */
  placed(file: string, segments: readonly Segment[]): PagesBefore {
    return { look: this.#look, file, places: segments.filter(({ saved }) => saved) };
  }

  get size(): number {
    return this.#size;
  }

  #placeRun(vma: Vma, { start, end }: { start: number; end: number }, ways: Ways, segments: Segment[]): void {
    for (let page = start; page < end; ) {
      const from = page;
      const [way, at] = this.#wayOf(page, ways);
      do page += PAGE_SIZE;
      while (page < end && this.#continues(page, ways, way, at + page - from));
      const offset = way === 'ahead' || way === 'again' ? at : this.#size;
      if (way === 'again') uncovered(this.#mm, vma, from, page, () => this.#output.put(at, this.#bytes(from, page)));
      if (way === 'new') this.#append(vma, from, page);
      if (way === 'before') {
        this.#output.reuse!(this.#before!.file, at, page - from);
        this.#size += page - from;
      }
      const last = segments.at(-1);
      const grows = last?.saved === true && last.end === from && last.offset + (from - last.start) === offset;
      if (grows && last.prot === vma.prot) segments[segments.length - 1] = { ...last, end: page };
      else segments.push({ start: from, end: page, saved: true, prot: vma.prot, offset });
    }
  }

  #continues(page: number, ways: Ways, way: Way, at: number): boolean {
    const [next, place] = this.#wayOf(page, ways);
    return next === way && (way === 'new' || place === at);
  }

  /** And the offset in the file that has it. */
  #wayOf(page: number, { ahead, before }: Ways): readonly [Way, number] {
    const place = ahead(page);
    if (place >= 0) return [this.#log.isNewer(page, this.#aheadLook) ? 'again' : 'ahead', place];
    const known = this.#isUnchanged(this.#before, page) ? before(page) : -1;
    return known >= 0 ? ['before', known] : ['new', 0];
  }

  #isUnchanged(since: { readonly look: number } | undefined, page: number): boolean {
    return since !== undefined && !this.#log.isNewer(page, since.look);
  }

  /** What an image has unchanged is known not to be zero, or as a file has it. */
  #runs(vma: Vma) {
    const [ahead, before] = [cursor(this.#ahead), cursor(this.#before?.places ?? [])];
    const isKept = (page: number) =>
      (this.#isUnchanged(this.#before, page) && before(page) >= 0) ||
      (!this.#log.isNewer(page, this.#aheadLook) && ahead(page) >= 0);
    return runsOf(this.#mm, vma, this.#files, isKept);
  }

  #bytes(start: number, end: number): Uint8Array {
    return this.#mm.u8.subarray(start, end);
  }

  #append(vma: Vma, start: number, end: number): void {
    uncovered(this.#mm, vma, start, end, () => this.#output.write(this.#bytes(start, end)));
    this.#size += end - start;
  }
}

/** Both lists of places, each with its own cursor. */
class Ways {
  readonly ahead: (page: number) => number;
  readonly before: (page: number) => number;

  constructor(ahead: readonly Place[], before: readonly Place[]) {
    this.ahead = cursor(ahead);
    this.before = cursor(before);
  }
}

/** Looks pages up in places that are in order; quick for pages in order. Answers the offset, or -1. */
function cursor(places: readonly Place[]): (page: number) => number {
  let i = 0;
  return (page) => {
    while (i > 0 && places[i - 1].end > page) i--;
    while (i < places.length && places[i].end <= page) i++;
    const place = places[i];
    return place !== undefined && place.start <= page ? place.offset + (page - place.start) : -1;
  };
}
