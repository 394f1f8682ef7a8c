import { pageUp } from './page.ts';
import type { SharedObject } from './shared-object.ts';
import { clip, continues, gapStart, isData, pages, place, type Vma } from './vma.ts';

/** The VMAs of one address space: sorted, disjoint, equal neighbours merged. */
export class VmaSet {
  #list: Vma[] = [];
  /** Pages mapped; those that Linux counts as data; those that are locked. */
  total = 0;
  data = 0;
  locked = 0;
  /** Pages of lazy VMAs. */
  lazy = 0;
  /** A file was cut short under a mapping. */
  isCut = false;
  #hasHoles: boolean | undefined;
  /** Pages of each object that are mapped; `touched` are those whose count changed since it was last emptied. */
  readonly objects = new Map<SharedObject, number>();
  readonly touched = new Set<SharedObject>();

  [Symbol.iterator](): Iterator<Vma> {
    return this.#list[Symbol.iterator]();
  }

  /**
   * Some shared mapping reaches beyond the end of its file: accesses there are no SIGSEGV. Private ones are not asked for, as
   * each library is one for a moment.
   */
  get hasHoles(): boolean {
    if (this.isCut) return true;
    this.#hasHoles ??= this.#list.some(
      ({ object, shared, offset, start, end }) =>
        shared && object !== null && offset + (end - start) > pageUp(object.size()),
    );
    return this.#hasHoles;
  }

  get count(): number {
    return this.#list.length;
  }

  /** The VMA that holds the address. */
  find(address: number): Vma | undefined {
    const vma = this.#list[this.#indexAfter(address)];
    return vma !== undefined && vma.start <= address ? vma : undefined;
  }

  /** The first VMA that ends above the address: Linux's find_vma. */
  findOrNext(address: number): Vma | undefined {
    return this.#list[this.#indexAfter(address)];
  }

  /** The last VMA that ends at or below the address. */
  before(address: number): Vma | undefined {
    return this.#list[this.#indexAfter(address) - 1];
  }

  /** The VMAs that overlap [start, end), whole. */
  overlapping(start: number, end: number): Vma[] {
    const found: Vma[] = [];
    for (let i = this.#indexAfter(start); i < this.#list.length && this.#list[i].start < end; i++) {
      found.push(this.#list[i]);
    }
    return found;
  }

  /** The parts of VMAs that lie in [start, end). */
  within(start: number, end: number): Vma[] {
    return this.overlapping(start, end).map((vma) => clip(vma, start, end));
  }

  /** True when every page of [start, end) is mapped. */
  covers(start: number, end: number): boolean {
    let at = start;
    for (const vma of this.overlapping(start, end)) {
      if (vma.start > at) return false;
      at = vma.end;
    }
    return at >= end;
  }

  /** Removes [start, end), splitting what straddles its ends; answers the removed parts. */
  remove(start: number, end: number): Vma[] {
    const hit = this.overlapping(start, end);
    if (hit.length === 0) return [];
    const kept: Vma[] = [];
    const first = hit[0];
    const last = hit[hit.length - 1];
    if (first.start < start) kept.push(clip(first, first.start, start));
    if (last.end > end) kept.push(clip(last, end, last.end));
    this.#list.splice(this.#indexAfter(start), hit.length, ...kept);
    const removed = hit.map((vma) => clip(vma, start, end));
    for (const vma of removed) this.#count(vma, -1);
    return removed;
  }

  /** Adds a VMA where nothing is, and merges it with its neighbours. */
  insert(vma: Vma): void {
    this.#count(vma, 1);
    const index = this.#indexAfter(vma.start);
    let merged = vma;
    let from = index;
    let count = 0;
    const previous = this.#list[index - 1];
    const next = this.#list[index];
    if (previous !== undefined && continues(previous, merged)) {
      merged = place(previous, previous.start, merged.end, previous.offset);
      from--;
      count++;
    }
    if (next !== undefined && continues(merged, next)) {
      merged = place(merged, merged.start, next.end, merged.offset);
      count++;
    }
    this.#list.splice(from, count, merged);
  }

  /** Replaces what lies in [start, end) by what `change` makes of each part. */
  update(start: number, end: number, change: (part: Vma) => Vma): void {
    for (const part of this.remove(start, end)) this.insert(change(part));
  }

  /** The highest free range of `length` bytes within [low, high): its start, or -1. */
  findFreeBelow(low: number, high: number, length: number): number {
    let top = high;
    for (let i = this.#indexAfter(high - 1); i >= 0; i--) {
      const vma = this.#list[i];
      if (vma === undefined) continue;
      if (top - length >= Math.max(low, vma.end)) return top - length;
      top = Math.min(top, gapStart(vma));
    }
    return top - length >= low ? top - length : -1;
  }

  /** The lowest free range of `length` bytes within [low, high): its start, or -1. */
  findFreeAbove(low: number, high: number, length: number): number {
    let bottom = low;
    for (let i = this.#indexAfter(low); i < this.#list.length; i++) {
      const vma = this.#list[i];
      if (vma.start >= high) break;
      if (gapStart(vma) - length >= bottom) break;
      bottom = Math.max(bottom, vma.end);
    }
    const next = this.findOrNext(bottom);
    const limit = next === undefined ? high : Math.min(high, gapStart(next));
    return bottom + length <= limit ? bottom : -1;
  }

  #count(vma: Vma, sign: number): void {
    const count = sign * pages(vma);
    this.#hasHoles = undefined;
    this.total += count;
    if (isData(vma)) this.data += count;
    if (vma.locked) this.locked += count;
    if (vma.lazy) this.lazy += count;
    if (vma.object === null) return;
    this.objects.set(vma.object, (this.objects.get(vma.object) ?? 0) + count);
    this.touched.add(vma.object);
  }

  /** Index of the first VMA that ends above the address. */
  #indexAfter(address: number): number {
    let low = 0;
    let high = this.#list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#list[middle].end > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
