import { describe, expect, it } from 'vitest';
import { Mm } from '../../src/memory/mm.ts';
import { modes } from './modes.ts';
import { wasmAccess } from './wasm-access.ts';

const BASE = 0x20000000;
const PAGES = 48;
const PAGE = 4096;

/** xorshift32. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

interface Page {
  prot: number;
  value: number;
}

/** What a page-by-page account of the same calls says. */
class Model {
  pages: (Page | null)[] = Array(PAGES).fill(null);

  map(first: number, count: number, prot: number): void {
    for (let i = first; i < first + count; i++) this.pages[i] = { prot, value: 0 };
  }
  unmap(first: number, count: number): void {
    this.pages.fill(null, first, first + count);
  }
  protect(first: number, count: number, prot: number): void {
    for (let i = first; i < first + count; i++) {
      const page = this.pages[i];
      if (page === null) return;
      page.prot = prot;
    }
  }
  discard(first: number, count: number): void {
    for (const page of this.pages.slice(first, first + count)) if (page !== null) page.value = 0;
  }
  move(from: number, count: number, to: number): void {
    const moved = this.pages.slice(from, from + count);
    this.pages.fill(null, from, from + count);
    this.pages.splice(to, count, ...moved);
  }
}

describe.each(modes)('random sequences of mapping calls, %s', (protection) => {
  it('leave what a page-by-page account says', () => {
    const random = generator(42);
    for (let round = 0; round < 20; round++) {
      let mm = new Mm({ protection });
      const model = new Model();
      for (let step = 0; step < 150; step++) {
        const first = random(PAGES);
        const count = 1 + random(Math.min(8, PAGES - first));
        const prot = [0, 1, 3, 3, 5, 7][random(6)];
        const at = BASE + first * PAGE;
        const length = count * PAGE;
        switch (random(8)) {
          case 0:
          case 1:
            expect(mm.mmap(at, length, prot, 0x32)).toBe(at);
            model.map(first, count, prot);
            break;
          case 2:
            expect(mm.munmap(at, length)).toBe(0);
            model.unmap(first, count);
            break;
          case 3:
          case 4:
            mm.mprotect(at, length, prot);
            model.protect(first, count, prot);
            break;
          case 5:
            mm.madvise(at, length, 4);
            model.discard(first, count);
            break;
          case 6: {
            const to = random(PAGES - count + 1);
            const whole = model.pages
              .slice(first, first + count)
              .every((page) => page?.prot === model.pages[first]?.prot);
            if (!whole || model.pages[first] === null || Math.abs(to - first) < count) break;
            expect(mm.mremap(at, length, length, 3, BASE + to * PAGE)).toBe(BASE + to * PAGE);
            model.move(first, count, to);
            break;
          }
          default: {
            const page = model.pages[first];
            const writable = page !== null && (page.prot & 2) !== 0;
            expect(mm.writeU32(at, step + 1)).toBe(writable ? 0 : -14);
            if (writable) page.value = step + 1;
          }
        }
        if (step === 75) {
          const child = mm.fork() as Mm;
          mm.release();
          mm = child;
        }
      }
      check(mm, model);
      mm.release();
    }
  });

  function check(mm: Mm, model: Model): void {
    const guest = wasmAccess(mm);
    const reachable = (work: () => void) => {
      try {
        work();
        return true;
      } catch {
        return false;
      }
    };
    model.pages.forEach((page, i) => {
      const at = BASE + i * PAGE;
      const readable = page !== null && page.prot !== 0;
      const writable = page !== null && (page.prot & 2) !== 0;
      expect(mm.readU32(at)).toBe(readable ? page.value : -14);
      const seen = new Uint8Array(4);
      expect(mm.peek(at, seen)).toBe(page === null ? -14 : 0);
      if (page !== null) expect(new DataView(seen.buffer).getUint32(0, true)).toBe(page.value);
      if (protection !== 'hardware') return;
      expect(reachable(() => guest.load(at))).toBe(readable);
      expect(reachable(() => guest.store(at + 100, 1))).toBe(writable);
    });
    const covered = [...mm.vmas].reduce((sum, vma) => sum + (vma.end - vma.start) / PAGE, 0);
    expect(covered).toBe(model.pages.filter((page) => page !== null).length);
    expect(mm.vmas.total).toBe(covered);
  }
});
