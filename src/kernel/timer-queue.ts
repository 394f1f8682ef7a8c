/** Whoever wants to be told when a time has come. */
export interface Expiring {
  expire(now: number): void;
}

/** What is to happen at which time of the monotonic clock: a binary heap, earliest first. */
export class TimerQueue {
  readonly #heap: { deadline: number; target: Expiring }[] = [];
  readonly #deadlines = new Map<Expiring, number>();

  /** Each target waits for one time: adding it again moves it. */
  add(deadline: number, target: Expiring): void {
    this.#deadlines.set(target, deadline);
    this.#push({ deadline, target });
  }

  remove(target: Expiring): void {
    this.#deadlines.delete(target);
    if (this.#deadlines.size === 0) this.#heap.length = 0;
  }

  /** The next deadline; undefined when nobody waits. Entries that were removed or moved are dropped when they surface. */
  get next(): number | undefined {
    while (this.#heap.length > 0) {
      const first = this.#heap[0];
      if (this.#deadlines.get(first.target) === first.deadline) return first.deadline;
      this.#pop();
    }
    return undefined;
  }

  /** Tells everyone whose time has come. */
  expire(now: number): void {
    for (let next = this.next; next !== undefined && next <= now; next = this.next) {
      const { target } = this.#heap[0];
      this.#pop();
      this.#deadlines.delete(target);
      target.expire(now);
    }
  }

  #push(entry: { deadline: number; target: Expiring }): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent].deadline <= entry.deadline) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1].deadline < heap[child].deadline) child++;
      if (heap[child].deadline >= last.deadline) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
  }
}
