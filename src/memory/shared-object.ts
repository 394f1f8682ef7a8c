import type { Backing, SharedPages } from './backing.ts';
import { PAGE_SIZE, pageUp } from './page.ts';
import { createStore, type PageStore } from './page-store.ts';

/** Bytes of a file that are read in one go. */
const READ_AT_ONCE = 1 << 20;

/** An address space, as the objects that it maps see it. */
export interface Mapper {
  /** Software mode: copies the pages of its own memory out to the object's store. */
  flush(object: SharedObject): void;
  /** Software mode: takes the store's bytes into its own memory. */
  refresh(object: SharedObject, offset: number, length: number): void;
  /** The object ends at `size` now: pages beyond become inaccessible. */
  truncated(object: SharedObject, size: number): void;
}

/**
 * One object that address spaces map: a file's pages, or shared anonymous memory.
 *
 * Shared mappings work on the store: in hardware mode its memory file is mapped into the guests; in software mode each
 * guest has a copy, and `owner` is the one whose copy is the truth. Ownership moves when another guest runs.
 */
export class SharedObject implements SharedPages {
  readonly key: string;
  /** null: shared anonymous memory. */
  readonly backing: Backing | null;
  owner: Mapper | null = null;
  readonly #length: number;
  readonly #onLast: () => void;
  readonly #mappers = new Set<Mapper>();
  #references = 0;
  #store: PageStore | null = null;
  #writable = false;
  /** Pages of the file that the store holds, and for files that can be written what the file itself holds there. */
  readonly #resident = new Map<number, Uint8Array | null>();

  constructor(key: string, backing: Backing | null, length: number, onLast: () => void) {
    this.#length = length;
    this.key = key;
    this.backing = backing;
    this.#onLast = onLast;
  }

  /** Bytes of content. That of shared anonymous memory is fixed: mremap cannot extend it. */
  size(): number {
    return this.backing?.size() ?? this.#length;
  }

  get store(): PageStore {
    this.#store ??= createStore();
    return this.#store;
  }

  /** Counts one address space that maps it, or one other holder. */
  retain(mapper?: Mapper): void {
    if (this.#references++ === 0) this.backing?.mapped?.(this);
    if (mapper !== undefined) this.#mappers.add(mapper);
  }

  release(mapper?: Mapper): void {
    if (mapper !== undefined) {
      if (this.owner === mapper) this.owner = null;
      this.#mappers.delete(mapper);
    }
    if (--this.#references > 0) return;
    this.writeBack(0, Number.POSITIVE_INFINITY);
    this.#store?.close();
    this.#store = null;
    this.#resident.clear();
    this.backing?.unmapped?.();
    this.#onLast();
  }

  /** From now on a mapping may write: what the pages hold now is what the file holds. */
  allowWrites(): void {
    if (this.#writable || this.backing?.write === undefined) return;
    this.#writable = true;
    for (const page of this.#resident.keys()) this.#resident.set(page, this.#copyOf(page));
  }

  /** Brings the file's pages in [start, end) into the store. Answers 0 or a negative errno. */
  fill(start: number, end: number): number {
    if (this.backing === null) return 0;
    const size = pageUp(this.size());
    if (this.#resident.size * PAGE_SIZE >= size) return 0;
    const last = Math.min(end, size);
    for (let at = start; at < last; ) {
      if (this.#resident.has(at / PAGE_SIZE)) {
        at += PAGE_SIZE;
        continue;
      }
      let next = at + PAGE_SIZE;
      while (next < last && next - at < READ_AT_ONCE && !this.#resident.has(next / PAGE_SIZE)) next += PAGE_SIZE;
      const failed = this.#fillRun(at, next);
      if (failed < 0) return failed;
      at = next;
    }
    return 0;
  }

  #fillRun(start: number, end: number): number {
    const bytes = new Uint8Array(end - start);
    const answer = readAll(this.backing!, start, bytes);
    if (answer < 0) return answer;
    this.store.write(start, bytes);
    for (let at = start; at < end; at += PAGE_SIZE) {
      const pristine = this.#writable ? bytes.slice(at - start, at - start + PAGE_SIZE) : null;
      this.#resident.set(at / PAGE_SIZE, pristine);
    }
    return 0;
  }

  /** Reads content for a private page: the shared pages where there are any, else the file. */
  read(offset: number, into: Uint8Array): number {
    if (this.backing === null) {
      this.owner?.flush(this);
      this.store.read(offset, into);
      return into.length;
    }
    const answer = readAll(this.backing, offset, into);
    if (answer > 0) this.peek(offset, into.subarray(0, answer));
    return answer;
  }

  /** Writes changed pages of [start, end) to the file. Answers 0 or the first failure. */
  writeBack(start: number, end: number): number {
    const backing = this.backing;
    if (backing?.write === undefined || !this.#writable) return 0;
    this.owner?.flush(this);
    const size = backing.size();
    let result = 0;
    // In the file's order, whatever order pages were touched in.
    for (const [page, pristine] of [...this.#resident].sort(([a], [b]) => a - b)) {
      const offset = page * PAGE_SIZE;
      if (offset < start || offset >= end || offset >= size || pristine === null) continue;
      const now = this.#copyOf(page);
      if (same(now, pristine)) continue;
      const answer = backing.write(offset, now.subarray(0, Math.min(PAGE_SIZE, size - offset)));
      if (answer < 0) result ||= answer;
      else this.#resident.set(page, now);
    }
    return result;
  }

  peek(offset: number, into: Uint8Array): boolean {
    if (!this.#writable) return false;
    this.owner?.flush(this);
    let found = false;
    this.#eachResident(offset, into.length, (at, length) => {
      this.store.read(at, into.subarray(at - offset, at - offset + length));
      found = true;
    });
    return found;
  }

  poke(offset: number, from: Uint8Array): void {
    this.owner?.flush(this);
    this.#eachResident(offset, from.length, (at, length, pristine) => {
      const part = from.subarray(at - offset, at - offset + length);
      this.store.write(at, part);
      pristine?.set(part, at % PAGE_SIZE);
      this.owner?.refresh(this, at, length);
    });
  }

  truncate(size: number): void {
    this.owner?.flush(this);
    for (const [page, pristine] of this.#resident) {
      const offset = page * PAGE_SIZE;
      if (offset >= size) this.#resident.delete(page);
      else if (offset + PAGE_SIZE > size) pristine?.fill(0, size - offset);
    }
    this.#store?.truncate(size);
    for (const mapper of [...this.#mappers]) mapper.truncated(this, size);
  }

  #eachResident(
    offset: number,
    length: number,
    visit: (at: number, length: number, pristine: Uint8Array | null) => void,
  ): void {
    for (let at = offset; at < offset + length; ) {
      const page = Math.floor(at / PAGE_SIZE);
      const next = Math.min((page + 1) * PAGE_SIZE, offset + length);
      const pristine = this.#resident.get(page);
      if (pristine !== undefined) visit(at, next - at, pristine);
      at = next;
    }
  }

  #copyOf(page: number): Uint8Array {
    const bytes = new Uint8Array(PAGE_SIZE);
    this.store.read(page * PAGE_SIZE, bytes);
    return bytes;
  }
}

/** Reads until `into` is full or the file ends. */
function readAll(backing: Backing, offset: number, into: Uint8Array): number {
  let done = 0;
  while (done < into.length) {
    const count = backing.read(offset + done, into.subarray(done));
    if (count < 0) return count;
    if (count === 0) break;
    done += count;
  }
  return done;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  const x = new BigUint64Array(a.buffer, a.byteOffset, PAGE_SIZE / 8);
  const y = new BigUint64Array(b.buffer, b.byteOffset, PAGE_SIZE / 8);
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
  return true;
}

/** The objects that the address spaces of one machine share. */
export class SharedObjects {
  /** For recordings: all pages count as resident. Which ones are differs between hosts and ways to protect pages. */
  assumeResident = false;
  readonly #files = new Map<string, SharedObject>();
  #anonymous = 0;

  file(backing: Backing): SharedObject {
    let object = this.#files.get(backing.key);
    if (object === undefined) {
      object = new SharedObject(backing.key, backing, 0, () => this.#files.delete(backing.key));
      this.#files.set(backing.key, object);
    }
    return object;
  }

  /** Memory for MAP_SHARED | MAP_ANONYMOUS, or for whoever else names it (SysV, memfd). */
  anonymous(length: number): SharedObject {
    return new SharedObject(`anon:${++this.#anonymous}`, null, length, () => {});
  }
}
