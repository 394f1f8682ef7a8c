/** Which pages were written since they were watched: what images that begin with the one before are made of. */
import { describe, expect, it } from 'vitest';
import { writeTracking } from '../../src/host/write-tracking.ts';
import { Mm } from '../../src/memory/mm.ts';
import { SharedObjects } from '../../src/memory/shared-object.ts';
import { modes } from './modes.ts';

const PAGE = 4096;
const RW = 3;
const MAYMOVE = 1;

describe.each(modes)('written pages, %s', (protection) => {
  const setup = () => {
    const mm = new Mm({ protection, objects: new SharedObjects() });
    const at = mm.mmap(0, 16 * PAGE, RW, 0x22);
    for (let i = 0; i < 16; i++) mm.copyOut(at + i * PAGE, Uint8Array.of(i));
    const written = (from = at, count = 16) =>
      mm.guest
        .written(from, from + count * PAGE)
        ?.flatMap(([start, end]) =>
          Array.from({ length: (end - start) / PAGE }, (_, i) => (start - from) / PAGE + i),
        ) ?? null;
    return { mm, at, written };
  };
  const all = Array.from({ length: 16 }, (_, i) => i);
  /** Where the host says nothing, that is all there is to see. */
  const told = <T>(pages: T) => (writeTracking() === null ? null : pages);

  it('are all that nobody watches', () => {
    const { written } = setup();
    expect(written()).toEqual(told(all));
  });

  it('are those that were written after', () => {
    const { mm, at, written } = setup();
    mm.guest.watch(at, at + 16 * PAGE);
    expect(written()).toEqual(told([]));
    mm.copyOut(at + 3 * PAGE + 5, Uint8Array.of(1, 2, 3));
    mm.copyOut(at + 7 * PAGE - 1, Uint8Array.of(1, 2));
    expect(written()).toEqual(told([3, 6, 7]));
    mm.guest.watch(at + 3 * PAGE, at + 4 * PAGE);
    expect(written()).toEqual(told([6, 7]));
  });

  it('are those that lost their content or were protected otherwise in between', () => {
    const { mm, at, written } = setup();
    mm.guest.watch(at, at + 16 * PAGE);
    mm.mprotect(at + PAGE, PAGE, 0);
    mm.mprotect(at + PAGE, PAGE, RW);
    expect(written()).toEqual(told([]));
    mm.madvise(at + 2 * PAGE, PAGE, 4);
    mm.copyOut(at + 2 * PAGE, Uint8Array.of(9));
    mm.mmap(at + 5 * PAGE, PAGE, RW, 0x32);
    mm.copyOut(at + 5 * PAGE, Uint8Array.of(9));
    expect(written()).toEqual(told([2, 5]));
  });

  it('are those that came from elsewhere, and those that are written there', () => {
    const { mm, at } = setup();
    const large = 64;
    const from = mm.mmap(0, large * PAGE, RW, 0x22);
    for (let i = 0; i < large; i++) mm.copyOut(from + i * PAGE, Uint8Array.of(i + 1));
    mm.guest.watch(from, from + large * PAGE);
    const to = mm.mremap(from, large * PAGE, 4 * large * PAGE, MAYMOVE, 0);
    const count = (start: number) => {
      const written = mm.guest.written(start, start + large * PAGE);
      return written?.reduce((sum, [a, b]) => sum + (b - a) / PAGE, 0) ?? null;
    };
    expect(to === from || count(to) === told(large)).toBe(true);
    mm.guest.watch(to, to + large * PAGE);
    mm.copyOut(to + 9 * PAGE, Uint8Array.of(77));
    expect(count(to)).toBe(told(1));
    expect(mm.copyIn(at, 1)).toEqual(Uint8Array.of(0));
  });
});
