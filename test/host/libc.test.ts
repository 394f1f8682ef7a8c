import { describe, expect, it } from 'vitest';
import { AT_FDCWD, HOST, libc } from '../../src/host/libc.ts';

const host = libc()!;
const ENOENT = 2;
const EBADF = 9;
const EINVAL = 22;

describe('the host C library', () => {
  it('answers results, or the negative errno', () => {
    expect(host.getpagesize()).toBeGreaterThanOrEqual(4096);
    expect(host.close(9999)).toBe(-EBADF);
    expect(host.openat(AT_FDCWD, '/no/such/file', 0, 0)).toBe(-ENOENT);
    expect(host.mprotect(1, 4096, 0)).toBe(-EINVAL);
  });

  it('moves bytes in and out of JavaScript memory, shared or not', () => {
    const fd = host.memfd_create('test', HOST.MFD_CLOEXEC);
    expect(fd).toBeGreaterThan(2);
    const from = new Uint8Array(new SharedArrayBuffer(16), 4, 8).fill(7);
    expect(host.pwrite(fd, from, 8, 2 ** 33)).toBe(8);
    const into = new Uint8Array(8);
    expect(host.pread(fd, into, 8, 2 ** 33)).toBe(8);
    expect(into).toEqual(new Uint8Array(8).fill(7));
    expect(host.close(fd)).toBe(0);
  });

  it('has every function that is declared', () => {
    const own = ['has', 'address', 'view', 'pollAsync'];
    const names = Object.getOwnPropertyNames(host).filter((name) => !own.includes(name));
    expect(names.length).toBeGreaterThan(30);
    expect(names.filter((name) => !host.has(name as Parameters<typeof host.has>[0]))).toEqual([]);
  });
});
