/** When each page of an address space was last written, counted in looks: what an image has already need not be written again. */
import type { Mm } from '../memory/mm.ts';
import { PAGE_SIZE, TASK_SIZE } from '../memory/page.ts';

const logs = new WeakMap<Mm, WriteLog>();

export class WriteLog {
  readonly #mm: Mm;
  /** By page: the look that found it written last. Pages that nobody watches are found written each time. */
  readonly #found = new Uint32Array(TASK_SIZE / PAGE_SIZE);
  #look = 0;

  private constructor(mm: Mm) {
    this.#mm = mm;
  }

  static of(mm: Mm): WriteLog {
    const log = logs.get(mm) ?? new WriteLog(mm);
    logs.set(mm, log);
    return log;
  }

  /** Begins a look and answers its number: what is found from here on was written after all looks before. */
  begin(): number {
    return ++this.#look;
  }

  /** Looks at a range. Where the host does not say what was written, all of it was. */
  look(start: number, end: number): void {
    const written = this.#mm.guest.written(start, end) ?? [[start, end]];
    for (const [from, to] of written) this.#found.fill(this.#look, from / PAGE_SIZE, to / PAGE_SIZE);
  }

  /** Has been written after that look. */
  isNewer(page: number, look: number): boolean {
    return this.#found[page / PAGE_SIZE] > look;
  }

  /** Where, up to `end`, the pages end that are like this one: written after that look, or not. */
  endOfLike(page: number, end: number, look: number): number {
    const found = this.#found;
    const newer = found[page / PAGE_SIZE] > look;
    let i = page / PAGE_SIZE + 1;
    while (i < end / PAGE_SIZE && found[i] > look === newer) i++;
    return i * PAGE_SIZE;
  }

  /** Watches the pages of a range that this look has found written. */
  watch(start: number, end: number): void {
    for (let page = start; page < end; page += PAGE_SIZE) {
      if (this.#found[page / PAGE_SIZE] !== this.#look) continue;
      const from = page;
      while (page < end && this.#found[page / PAGE_SIZE] === this.#look) page += PAGE_SIZE;
      this.#mm.guest.watch(from, page);
    }
  }
}
