import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ENXIO } from '../../src/abi/errno.ts';
import { SEEK_DATA, SEEK_HOLE } from '../../src/abi/fs.ts';
import { PageStore } from '../../src/fs/page-store.ts';

const SPACE = 200_000;
const position = fc.oneof(fc.integer({ min: 0, max: SPACE }), fc.constantFrom(0, 4095, 4096, 65535, 65536, 131072));
const length = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 70_000 }));

type Step = (store: PageStore, model: { bytes: Uint8Array; size: number }) => void;

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(position, length, fc.integer({ min: 1, max: 255 })).map(
    ([at, count, fill]): Step =>
      (store, model) => {
        expect(store.write(at, new Uint8Array(count).fill(fill))).toBe(count);
        model.bytes.fill(fill, at, at + count);
        if (count > 0) model.size = Math.max(model.size, at + count);
      },
  ),
  position.map(
    (size): Step =>
      (store, model) => {
        store.truncate(size);
        if (size < model.size) model.bytes.fill(0, size);
        model.size = size;
      },
  ),
  fc.tuple(position, length).map(
    ([at, count]): Step =>
      (store, model) => {
        store.clear(at, count);
        model.bytes.fill(0, at, Math.min(at + count, model.size));
      },
  ),
);

describe('page store', () => {
  test('holds what a plain array holds', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), position, length, (steps, at, count) => {
        const store = new PageStore();
        const model = { bytes: new Uint8Array(400_000), size: 0 };
        for (const run of steps) run(store, model);
        expect(store.size).toBe(model.size);
        const whole = new Uint8Array(model.size).fill(0xee);
        expect(store.read(0, whole)).toBe(model.size);
        expect(Buffer.compare(whole, model.bytes.subarray(0, model.size))).toBe(0);
        const part = new Uint8Array(count).fill(0xee);
        const got = store.read(at, part);
        expect(got).toBe(Math.max(0, Math.min(count, model.size - at)));
        expect(Buffer.compare(part.subarray(0, got), model.bytes.subarray(at, at + got))).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test('a byte far out takes one page', () => {
    const store = new PageStore();
    store.write(2 ** 40, Uint8Array.of(1));
    expect(store.size).toBe(2 ** 40 + 1);
    expect(store.pages).toBe(1);
    expect([...store.contents()].map(({ offset }) => offset)).toEqual([2 ** 40]);
  });

  test('data and holes', () => {
    const store = new PageStore();
    store.write(100_000, new Uint8Array(10).fill(1));
    store.truncate(300_000);
    expect(store.seek(0, SEEK_DATA)).toBe(98304);
    expect(store.seek(98304, SEEK_HOLE)).toBe(102400);
    expect(store.seek(0, SEEK_HOLE)).toBe(0);
    expect(store.seek(102400, SEEK_DATA)).toBe(-ENXIO);
    expect(store.seek(300_000, SEEK_HOLE)).toBe(-ENXIO);
    store.clear(98304, 4096);
    expect(store.pages).toBe(0);
    expect(store.seek(0, SEEK_DATA)).toBe(-ENXIO);
  });

  test('reserved pages count and read as zeros', () => {
    const store = new PageStore();
    store.reserve(0, 10_000);
    store.truncate(10_000);
    expect(store.pages).toBe(3);
    const bytes = new Uint8Array(10_000).fill(9);
    expect(store.read(0, bytes)).toBe(10_000);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    expect([...store.contents()]).toHaveLength(3);
  });
});
