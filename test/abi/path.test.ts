import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodePath, dirname, encodePath, pathLength } from '../../src/abi/path.ts';

test('any bytes survive the way through text', () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  const mixed = fc.array(
    fc.oneof(fc.constantFrom(0x41, 0x2f, 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0xed, 0xa0)),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        bytes,
        mixed.map((list) => Uint8Array.from(list)),
      ),
      (name) => {
        const text = decodePath(name);
        expect([...encodePath(text)]).toEqual([...name]);
        expect(pathLength(text)).toBe(name.length);
      },
    ),
    { numRuns: 1000 },
  );
});

test('text is UTF-8, and what is not UTF-8 is escaped byte by byte', () => {
  expect(decodePath(new TextEncoder().encode('\u00e4/\u20ac/\u{1f600}'))).toBe('\u00e4/\u20ac/\u{1f600}');
  expect(decodePath(Uint8Array.of(0x61, 0xff, 0x62, 0xc3))).toBe('a\udcffb\udcc3');
  // Surrogates and overlong forms are no UTF-8.
  expect(decodePath(Uint8Array.of(0xed, 0xa0, 0x80))).toBe('\udced\udca0\udc80');
  expect(decodePath(Uint8Array.of(0xc0, 0xaf))).toBe('\udcc0\udcaf');
  expect(decodePath(new Uint8Array(new SharedArrayBuffer(2)).fill(0xe4))).toBe('\udce4\udce4');
});

test('dirname', () => {
  expect(['/a/b', '/a', 'a', 'a/b'].map(dirname)).toEqual(['/a', '/', '.', 'a']);
});
