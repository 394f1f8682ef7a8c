import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { loadKoffi } from '../../src/host/koffi.ts';

it('loads the binary that koffi itself would load', () => {
  const koffi = loadKoffi();
  expect(koffi.version).toBe(createRequire(import.meta.url)('koffi').version);
  expect(koffi.load(null).func('int getpid(void)')()).toBe(process.pid);
});

it('knows of a call that failed why it did', () => {
  const koffi = loadKoffi();
  expect(koffi.load(null).func('int close(int fd)')(-1)).toBe(-1);
  expect(koffi.errno()).toBe(9);
});
