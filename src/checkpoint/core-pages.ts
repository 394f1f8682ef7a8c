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

/** Pages up to `end` that get there in one way; `offset` is where they are, if anywhere. */
interface Piece {
  readonly way: Way;
  readonly offset: number;
  readonly end: number;
}

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
      for (let page = start; page < end; ) {
        const piece = this.#piece(page, end);
        if (piece.way === 'new') {
          this.#ahead.push({ start: page, end: piece.end, offset: this.#size });
          this.#append(part, page, piece.end);
          this.#log.watch(page, piece.end);
        }
        page = piece.end;
      }
    }
  }

  /** At the machine's standstill: the rest. Answers the segments, in order. */
  finish(): Segment[] {
    this.#look = this.#log.begin();
    const segments: Segment[] = [];
    for (const vma of this.#mm.vmas) {
      if (!vma.shared) this.#log.look(vma.start, vma.end);
      for (const run of this.#runs(vma)) {
        if (!run.saved) {
          segments.push({ ...run, prot: vma.prot, offset: 0 });
          continue;
        }
        this.#placeRun(vma, run, segments);
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

  #placeRun(vma: Vma, { start, end }: { start: number; end: number }, segments: Segment[]): void {
    for (let page = start; page < end; ) {
      const from = page;
      const { way, offset: there, end: next } = this.#piece(page, end);
      page = next;
      const offset = way === 'ahead' || way === 'again' ? there : this.#size;
      if (way === 'again') uncovered(this.#mm, vma, from, page, () => this.#output.put(there, this.#bytes(from, page)));
      if (way === 'new') this.#append(vma, from, page);
      if (way === 'before') {
        this.#output.reuse!(this.#before!.file, there, page - from);
        this.#size += page - from;
      }
      const last = segments.at(-1);
      const grows = last?.saved === true && last.end === from && last.offset + (from - last.start) === offset;
      if (grows && last.prot === vma.prot) segments[segments.length - 1] = { ...last, end: page };
      else segments.push({ start: from, end: page, saved: true, prot: vma.prot, offset });
    }
  }

  /** How this page and those after it get into the file. */
  #piece(page: number, limit: number): Piece {
    const log = this.#log;
    const [ahead, otherwise] = placeAt(this.#ahead, page, limit);
    if (ahead !== undefined) {
      const end = log.endOfLike(page, otherwise, this.#aheadLook);
      return { way: log.isNewer(page, this.#aheadLook) ? 'again' : 'ahead', offset: offsetIn(ahead, page), end };
    }
    const before = this.#before;
    if (before === undefined) return { way: 'new', offset: 0, end: otherwise };
    const [place, end] = placeAt(before.places, page, log.endOfLike(page, otherwise, before.look));
    if (place === undefined || log.isNewer(page, before.look)) return { way: 'new', offset: 0, end };
    return { way: 'before', offset: offsetIn(place, page), end };
  }

  /** What an image has unchanged is known not to be zero, or as a file has it. */
  #runs(vma: Vma) {
    return runsOf(this.#mm, vma, this.#files, (page, limit) => {
      const { way, end } = this.#piece(page, limit);
      return way === 'ahead' || way === 'before' ? end : page;
    });
  }

  #bytes(start: number, end: number): Uint8Array {
    return this.#mm.u8.subarray(start, end);
  }

  #append(vma: Vma, start: number, end: number): void {
    uncovered(this.#mm, vma, start, end, () => this.#output.write(this.#bytes(start, end)));
    this.#size += end - start;
  }
}

/** The place that has this page, if any, and up to where that holds. */
function placeAt(places: readonly Place[], page: number, limit: number): readonly [Place | undefined, number] {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle].end <= page) low = middle + 1;
    else high = middle;
  }
  const place = places[low];
  if (place === undefined) return [undefined, limit];
  return place.start <= page ? [place, Math.min(place.end, limit)] : [undefined, Math.min(place.start, limit)];
}

const offsetIn = ({ start, offset }: Place, page: number): number => offset + (page - start);
