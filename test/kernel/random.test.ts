import { expect, test } from 'vitest';
import { chachaBlock, Random } from '../../src/kernel/random.ts';

test('the block function answers the vector of RFC 8439, section 2.3.2', () => {
  const key = new Uint32Array(Uint8Array.from({ length: 32 }, (_, i) => i).buffer);
  // The RFC's counter is 1 and its nonce 09000000 4a000000 00000000; ours is the same 128 bits.
  const block = chachaBlock(key, [1, 0x09000000, 0x4a000000, 0]);
  const hex = Buffer.from(block).toString('hex');
  expect(hex).toBe(
    '10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e' +
      'd2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e',
  );
});

test('streams differ by seed, do not repeat, and fill any length', () => {
  const a = new Random(new Uint8Array(32));
  const b = new Random(new Uint8Array(32).fill(1));
  expect(a.bytes(16)).not.toEqual(b.bytes(16));
  expect(a.bytes(16)).not.toEqual(a.bytes(16));
  for (const length of [0, 1, 63, 64, 65, 1000]) expect(a.bytes(length)).toHaveLength(length);
  expect(new Set(Array.from({ length: 1000 }, () => a.u32())).size).toBeGreaterThan(990);
});

test('a reseeded stream goes on elsewhere', () => {
  const a = new Random(new Uint8Array(32));
  const b = new Random(new Uint8Array(32));
  expect(a.bytes(8)).toEqual(b.bytes(8));
  b.reseed(new Uint8Array(32).fill(5));
  expect(a.bytes(8)).not.toEqual(b.bytes(8));
});
