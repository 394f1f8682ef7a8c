/** Layouts against the sizes that the i386 headers give, and reading back what was written. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { msqidLayout, permLayout, semidLayout, shmidLayout } from '../../src/abi/ipc.ts';
import { cloneArgsLayout, rusageLayout, userDescLayout, waitInfoLayout } from '../../src/abi/process.ts';
import {
  oldSigactionLayout,
  sigactionLayout,
  sigcontextLayout,
  sigeventLayout,
  ucontextLayout,
} from '../../src/abi/signal.ts';
import { array, bytes, i16, i32, i64, n64, pad, struct, text, u8, u16, u32, u64 } from '../../src/abi/struct.ts';
import { newUtsnameLayout, oldestUtsnameLayout, sysinfoLayout } from '../../src/abi/system.ts';
import { itimerspec64Layout, timespec32Layout, timespec64Layout, timexLayout } from '../../src/abi/time.ts';

test.each([
  [timespec32Layout, 8],
  [timespec64Layout, 16],
  [itimerspec64Layout, 32],
  [timexLayout, 128],
  [sigactionLayout, 20],
  [oldSigactionLayout, 16],
  [sigcontextLayout, 88],
  [ucontextLayout, 116],
  [sigeventLayout, 64],
  [rusageLayout, 72],
  [userDescLayout, 16],
  [cloneArgsLayout, 64],
  [waitInfoLayout, 32],
  [newUtsnameLayout, 390],
  [oldestUtsnameLayout, 45],
  [sysinfoLayout, 64],
  [permLayout, 36],
  [semidLayout, 64],
  [msqidLayout, 88],
  [shmidLayout, 84],
])('layout %# has the size of the header', (layout, size) => {
  expect(layout.size).toBe(size);
});

test('fields are aligned as the i386 psABI wants: 64-bit integers to 4', () => {
  const layout = struct({ a: u8, b: u16, c: u8, d: u64, e: u8, f: pad(3), g: array(u16, 3) });
  expect(layout.offsets).toEqual({ a: 0, b: 2, c: 4, d: 8, e: 16, f: 17, g: 20 });
  expect(layout.size).toBe(28);
});

test('what is written is read back', () => {
  const layout = struct({
    a: u8,
    b: i16,
    c: u32,
    d: i32,
    e: u64,
    f: i64,
    g: n64,
    h: array(u16, 2),
    i: bytes(3),
    j: text(8),
    k: pad(2),
  });
  const value = fc.record({
    a: fc.nat(255),
    b: fc.integer({ min: -32768, max: 32767 }),
    c: fc.nat(0xffffffff),
    d: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
    e: fc.bigInt(0n, 2n ** 64n - 1n),
    f: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
    g: fc.maxSafeInteger(),
    h: fc.array(fc.nat(65535), { minLength: 2, maxLength: 2 }),
    i: fc.uint8Array({ minLength: 3, maxLength: 3 }),
    j: fc.stringMatching(/^[ -~]{0,7}$/),
  });
  fc.assert(
    fc.property(value, (wanted) => {
      const view = new DataView(new ArrayBuffer(layout.size + 4));
      layout.write(view, 2, wanted);
      expect(layout.read(view, 2)).toEqual(wanted);
    }),
  );
});
