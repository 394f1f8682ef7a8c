import { afterEach, describe, expect, it } from 'vitest';
import { Mm } from '../../src/memory/mm.ts';
import { BytesFile } from '../support/bytes-file.ts';
import { modes } from './modes.ts';

const R = 1;
const RW = 3;
const RX = 5;
const PRIVATE = 0x22;
const SHARED = 0x21;
const FIXED = 0x10;
const EPERM = 1;
const ENOMEM = 12;
const EACCES = 13;
const EFAULT = 14;
const EEXIST = 17;
const EINVAL = 22;
const GIB = 2 ** 30;

const content = (length: number) => Uint8Array.from({ length }, (_, i) => (i >> 12) + i);

describe.each(modes)('mmap and its family, %s', (protection) => {
  let mm: Mm;
  const fresh = (limits = {}) => {
    mm = new Mm({
      protection,
      limits: { as: 2 ** 40, data: 2 ** 40, stack: 8 << 20, memlock: 1 << 20, ...limits },
    });
    return mm;
  };
  const anonymous = (address: number, length: number, prot = RW, flags = PRIVATE) =>
    mm.mmap(address, length, prot, flags);
  const maps = () => [...mm.vmas].map(({ start, end, prot }) => [start, end, prot]);

  afterEach(() => mm.release());

  it('places mappings from the top down and fills gaps from above', () => {
    fresh();
    const a = anonymous(0, 0x3000);
    const b = anonymous(0, 0x1000);
    expect(a).toBe(mm.layout.base - 0x3000);
    expect(b).toBe(a - 0x1000);
    expect(mm.munmap(a + 0x1000, 0x1000)).toBe(0);
    expect(anonymous(0, 0x1000)).toBe(a + 0x1000);
    expect(anonymous(0x12345678, 0x1000)).toBe(0x12346000);
    expect(anonymous(0x12346000, 0x1000)).toBe(b - 0x1000);
  });

  it('merges equal neighbours and splits on change', () => {
    fresh();
    anonymous(0x10000000, 0x1000);
    anonymous(0x10001000, 0x2000);
    expect(maps()).toEqual([[0x10000000, 0x10003000, RW]]);
    expect(mm.mprotect(0x10001000, 0x1000, R)).toBe(0);
    expect(maps()).toEqual([
      [0x10000000, 0x10001000, RW],
      [0x10001000, 0x10002000, R],
      [0x10002000, 0x10003000, RW],
    ]);
    expect(mm.mprotect(0x10001000, 0x1000, RW)).toBe(0);
    expect(maps()).toEqual([[0x10000000, 0x10003000, RW]]);
  });

  it('answers bad arguments as Linux does', () => {
    fresh();
    expect(anonymous(0, 0)).toBe(-EINVAL);
    expect(mm.mmap(0, 4096, RW, 0x20)).toBe(-EINVAL);
    expect(anonymous(0x10000100, 4096, RW, PRIVATE | FIXED)).toBe(-EINVAL);
    expect(anonymous(0xbffff000, 0x2000, RW, PRIVATE | FIXED)).toBe(-ENOMEM);
    expect(anonymous(0, 4096, RW, PRIVATE | FIXED)).toBe(-EPERM);
    expect(anonymous(0, 0xf0000000)).toBe(-ENOMEM);
    expect(anonymous(0x10000000, 4096)).toBe(0x10000000);
    expect(anonymous(0x10000000, 4096, RW, PRIVATE | 0x100000)).toBe(-EEXIST);
    expect(mm.munmap(0x10000001, 4096)).toBe(-EINVAL);
    expect(mm.munmap(0x10000000, 0)).toBe(-EINVAL);
    expect(mm.munmap(0x20000000, 4096)).toBe(0);
    expect(mm.mprotect(0x10000001, 4096, R)).toBe(-EINVAL);
    expect(mm.mprotect(0x10000000, 8192, R)).toBe(-ENOMEM);
    expect(mm.vmas.find(0x10000000)?.prot).toBe(R);
    expect(mm.mprotect(0x10000000, 0, R)).toBe(0);
    expect(mm.mprotect(0x10000000, 4096, 0x10)).toBe(-EINVAL);
    expect(mm.mprotect(0x10000000, 4096, 0x01000001)).toBe(-EINVAL);
  });

  it('gives zeros again after munmap, MAP_FIXED and MADV_DONTNEED', () => {
    fresh();
    const at = anonymous(0x10000000, 0x3000);
    const dirty = () => mm.copyOut(at, new Uint8Array(0x3000).fill(7));
    dirty();
    mm.munmap(at, 0x3000);
    expect(mm.readU8(at)).toBe(-EFAULT);
    anonymous(at, 0x3000);
    expect(mm.readU32(at + 0x2ffc)).toBe(0);
    dirty();
    anonymous(at + 0x1000, 0x1000, RW, PRIVATE | FIXED);
    expect([0, 0x1000, 0x2000].map((offset) => mm.readU8(at + offset))).toEqual([7, 0, 7]);
    dirty();
    expect(mm.madvise(at, 0x2000, 4)).toBe(0);
    expect([0, 0x1000, 0x2000].map((offset) => mm.readU8(at + offset))).toEqual([0, 0, 7]);
    expect(mm.madvise(at + 1, 0x1000, 4)).toBe(-EINVAL);
    expect(mm.madvise(at, 0x1000, 99)).toBe(-EINVAL);
    expect(mm.madvise(at, 0x10000, 4)).toBe(-ENOMEM);
  });

  it('keeps content while a page is PROT_NONE', () => {
    fresh();
    const at = anonymous(0, 0x2000);
    mm.writeU32(at, 0x12345678);
    mm.mprotect(at, 0x2000, 0);
    expect(mm.readU32(at)).toBe(-EFAULT);
    expect(mm.fault(at, 'read')).toEqual({ signal: 'SEGV', code: 2, address: at });
    mm.mprotect(at, 0x2000, R);
    expect(mm.readU32(at)).toBe(0x12345678);
    expect(mm.writeU32(at, 1)).toBe(-EFAULT);
    expect(mm.fault(at, 'write')).toEqual({ signal: 'SEGV', code: 2, address: at });
    expect(mm.fault(at + 0x2000, 'write')).toEqual({ signal: 'SEGV', code: 1, address: at + 0x2000 });
  });

  it('lets a guest reserve 2.5 GiB and use a page of it', () => {
    fresh();
    const at = anonymous(0, 2.5 * GIB, 0, PRIVATE | 0x4000);
    expect(at).toBeGreaterThan(0);
    expect(mm.mprotect(at + 2 * GIB, 0x1000, RW)).toBe(0);
    expect(mm.writeU32(at + 2 * GIB, 5)).toBe(0);
    expect(anonymous(0, GIB)).toBe(-ENOMEM);
  });

  it('obeys RLIMIT_AS, RLIMIT_DATA and RLIMIT_MEMLOCK', () => {
    fresh({ as: 0x10000, memlock: 0x2000 });
    expect(anonymous(0, 0x11000)).toBe(-ENOMEM);
    const at = anonymous(0, 0x10000);
    expect(anonymous(0, 0x1000)).toBe(-ENOMEM);
    expect(anonymous(at, 0x10000, RW, PRIVATE | FIXED)).toBe(at);
    expect(mm.mlock(at, 0x3000)).toBe(-ENOMEM);
    expect(mm.mlock(at, 0x2000)).toBe(0);
    expect(mm.mlock(at, 0x2000)).toBe(0);
    expect(mm.munlock(at, 0x10000)).toBe(0);
    mm.release();
    fresh({ data: 0x4000 });
    expect(anonymous(0, 0x5000)).toBe(-ENOMEM);
    expect(anonymous(0, 0x5000, R)).toBeGreaterThan(0);
    mm.startBrk = mm.brkEnd = 0x9000000;
    expect(mm.brk(0x9003000)).toBe(0x9003000);
    expect(mm.brk(0x9005000)).toBe(0x9003000);
  });

  it('moves the break, not into other mappings', () => {
    fresh();
    mm.startBrk = mm.brkEnd = 0x9000000;
    expect(mm.brk(0)).toBe(0x9000000);
    expect(mm.brk(0x9000123)).toBe(0x9000123);
    expect(mm.writeU8(0x9000fff, 9)).toBe(0);
    expect(mm.brk(0x9003000)).toBe(0x9003000);
    anonymous(0x9010000, 0x1000);
    expect(mm.brk(0x9010000)).toBe(0x9003000);
    expect(mm.brk(0x8fff000)).toBe(0x9003000);
    expect(mm.brk(0x9000000)).toBe(0x9000000);
    expect(mm.brk(0x9001000)).toBe(0x9001000);
    expect(mm.readU8(0x9000fff)).toBe(0);
    expect(mm.nameOf(mm.vmas.find(0x9000000)!)).toBe('[heap]');
  });

  it('grows stacks on use, to their limit and not into what is below', () => {
    fresh({ stack: 16 << 20 });
    expect(mm.createStack(RW)).toBe(0);
    const top = mm.layout.stackTop;
    expect(mm.writeU32(top - (8 << 20), 1)).toBe(0);
    expect(mm.writeU32(top - (12 << 20), 1)).toBe(0);
    expect(mm.writeU32(top - (16 << 20) - 4, 1)).toBe(-EFAULT);
    const growing = anonymous(0x20000000, 0x2000, RW, PRIVATE | 0x100);
    expect(growing).toBe(0x20000000);
    expect(mm.writeU32(growing - 4, 1)).toBe(0);
    anonymous(0x1fe00000, 0x1000);
    expect(mm.writeU32(0x1fe00000 + 0x101000, 1)).toBe(0);
    expect(mm.writeU32(0x1fe00000 + 0x2000, 1)).toBe(-EFAULT);
  });

  it.each([0x3000, 0x100000])(
    'maps a private file of %i bytes: content, zeros to the page end, SIGBUS beyond',
    (size) => {
      fresh();
      const file = new BytesFile(content(size - 100));
      const at = mm.mmap(0, size + 0x2000, RW, 2, { object: file, offset: 0, maxProt: 7 });
      expect(Buffer.compare(mm.copyIn(at, size - 100) as Uint8Array, file.bytes)).toBe(0);
      expect(mm.copyIn(at + size - 100, 100)).toEqual(new Uint8Array(100));
      expect(mm.readU8(at + size)).toBe(-EFAULT);
      expect(mm.fault(at + size, 'read')).toEqual({ signal: 'BUS', code: 2, address: at + size });
      mm.writeU8(at, 77);
      expect(file.bytes[0]).toBe(0);
      mm.madvise(at, 0x1000, 4);
      expect(mm.readU8(at)).toBe(0);
      const second = mm.mmap(0, 0x1000, R, 2, { object: file, offset: 0x1000, maxProt: 7 });
      expect(mm.copyIn(second, 16)).toEqual(file.bytes.slice(0x1000, 0x1010));
    },
  );

  it('fills large files on use, in windows', () => {
    fresh();
    const size = 20 << 20;
    const file = new BytesFile(new Uint8Array(size));
    file.bytes.set([1, 2, 3], 0x201000);
    const at = mm.mmap(0, size, RX, 2, { object: file, offset: 0, maxProt: 7 });
    expect(file.reads).toBe(0);
    expect(mm.resumable).toBe(true);
    expect(mm.fault(at + 0x200123, 'fetch')).toBe('retry');
    const { reads } = file;
    expect(mm.executable(at + 0x201000, 0x1000)).toBe(true);
    expect(file.reads).toBe(reads);
    expect(mm.copyIn(at + 0x201000, 4)).toEqual(new Uint8Array([1, 2, 3, 0]));
    mm.munmap(at, size);
    expect(mm.resumable).toBe(false);
  });

  it('says who decoded code when it goes or changes', () => {
    fresh();
    const calls: [number, number][] = [];
    mm.onInvalidate = (start, end) => calls.push([start, end]);
    const at = anonymous(0x10000000, 0x4000, RX);
    anonymous(0x20000000, 0x1000);
    mm.munmap(0x20000000, 0x1000);
    expect(calls).toEqual([]);
    mm.mprotect(at, 0x1000, 7);
    mm.writeU32(at + 8, 1);
    mm.poke(at + 0x2000, new Uint8Array([1, 2]));
    mm.munmap(at + 0x1000, 0x1000);
    expect(calls).toEqual([
      [at, at + 0x1000],
      [at + 8, at + 12],
      [at + 0x2000, at + 0x3000],
      [at + 0x1000, at + 0x2000],
    ]);
    expect(mm.readU16(at + 0x2000)).toBe(0x0201);
    expect(mm.writeU8(at + 0x2000, 1)).toBe(-EFAULT);
    expect(mm.poke(0x30000000, new Uint8Array(1))).toBe(-EFAULT);
  });

  it('checks copies against the mappings', () => {
    fresh();
    const at = anonymous(0x10000000, 0x2000);
    expect(mm.view(at + 0x1000, 0x1001, false)).toBe(-EFAULT);
    expect(mm.viewPrefix(at + 0x1000, 0x2000, false)).toHaveLength(0x1000);
    expect(mm.viewPrefix(at + 0x2000, 1, false)).toBe(-EFAULT);
    expect(mm.view(0xfffffff0, 0x20, true)).toBe(-EFAULT);
    expect(mm.view(-16, 4, true)).toBe(-EFAULT);
    expect(mm.view(at, 0, true)).toHaveLength(0);
    mm.copyOut(at + 0x1ffd, new Uint8Array([65, 66, 0]));
    expect(mm.readCString(at + 0x1ffd)).toBe('AB');
    mm.writeU8(at + 0x1fff, 67);
    expect(mm.readCString(at + 0x1ffd)).toBe(-EFAULT);
    mm.copyOut(at, new Uint8Array(0x2000).fill(65));
    expect(mm.readCString(at, 4096)).toBe(-36);
    mm.writeU64(at + 4, 0x1122334455667788n);
    expect(mm.readU64(at + 4)).toBe(0x1122334455667788n);
    expect(mm.readU32(at + 4)).toBe(0x55667788);
  });

  it('remaps: grows in place, moves, shrinks, to a fixed place, a second view of shared pages', () => {
    fresh();
    const at = anonymous(0x10000000, 0x2000);
    mm.copyOut(at, content(0x2000));
    expect(mm.mremap(at, 0x2000, 0x4000, 0)).toBe(at);
    anonymous(at + 0x4000, 0x1000, R);
    expect(mm.mremap(at, 0x4000, 0x5000, 0)).toBe(-ENOMEM);
    const moved = mm.mremap(at, 0x4000, 0x6000, 1);
    expect(moved).toBe(mm.layout.base - 0x6000);
    expect(mm.copyIn(moved, 0x2000)).toEqual(content(0x2000));
    expect(mm.readU32(moved + 0x5ffc)).toBe(0);
    expect(mm.readU8(at)).toBe(-EFAULT);
    expect(mm.mremap(moved, 0x6000, 0x1000, 0)).toBe(moved);
    expect(mm.readU8(moved + 0x1000)).toBe(-EFAULT);
    expect(mm.mremap(moved, 0x1000, 0x2000, 3, 0x30000000)).toBe(0x30000000);
    expect(mm.copyIn(0x30000000, 0x1000)).toEqual(content(0x1000));
    expect(mm.mremap(0x30000000, 0x1000, 0x1000, 5)).not.toBe(0x30000000);
    expect(mm.readU8(0x30000000)).toBe(0);
    expect(mm.mremap(0x40000000, 0x1000, 0x1000, 0)).toBe(-EFAULT);
    expect(mm.mremap(0x30000001, 0x1000, 0x1000, 0)).toBe(-EINVAL);
    expect(mm.mremap(0x30000000, 0, 0x1000, 1)).toBe(-EINVAL);
    expect(mm.mremap(0x30000000, 0x1000, 0x1000, 2, 0x50000000)).toBe(-EINVAL);
  });

  it('moves large areas, hidden ones too', () => {
    fresh();
    const at = anonymous(0x10000000, 4 << 20);
    for (let page = 0; page < 4 << 20; page += 4096) mm.writeU32(at + page, page + 1);
    anonymous(at + (4 << 20), 0x1000, R);
    mm.mprotect(at, 4 << 20, 0);
    const moved = mm.mremap(at, 4 << 20, 8 << 20, 1);
    mm.mprotect(moved, 8 << 20, RW);
    const wrong = Array.from({ length: 1024 }, (_, i) => i * 4096).filter(
      (page) => mm.readU32(moved + page) !== page + 1,
    );
    expect(wrong).toEqual([]);
    expect(mm.readU32(moved + (4 << 20))).toBe(0);
    expect(anonymous(at, 4 << 20)).toBe(at);
    expect(mm.readU32(at + 4096)).toBe(0);
    expect(mm.writeU32(at + 4096, 1)).toBe(0);
    expect(mm.readU32(moved + 4096)).toBe(4097);
  });

  it('keeps shared mappings of a file open for reading from becoming writable', () => {
    fresh();
    const file = new BytesFile(content(0x1000));
    const source = { object: file, offset: 0, maxProt: 5 };
    expect(mm.mmap(0, 0x1000, RW, 1, source)).toBe(-EACCES);
    const at = mm.mmap(0, 0x1000, R, 1, source);
    expect(mm.mprotect(at, 0x1000, RW)).toBe(-EACCES);
    const copy = mm.mmap(0, 0x1000, RW, 2, { ...source, maxProt: 7 });
    expect(mm.writeU8(copy, 1)).toBe(0);
    expect(anonymous(0, 0x1000, RW, SHARED)).toBeGreaterThan(0);
  });

  it('answers mincore, msync and mlock', () => {
    fresh();
    const at = anonymous(0x10000000, 0x4000);
    const vector = anonymous(0, 0x1000);
    mm.writeU8(at + 0x1000, 1);
    expect(mm.mincore(at, 0x4000, vector)).toBe(0);
    expect(mm.readU8(vector + 1)).toBe(1);
    expect(mm.mincore(at + 1, 1, vector)).toBe(-EINVAL);
    expect(mm.mincore(at, 0x5000, vector)).toBe(-ENOMEM);
    expect(mm.mincore(at, 0x1000, 0x50000000)).toBe(-EFAULT);
    expect(mm.msync(at, 0x4000, 4)).toBe(0);
    expect(mm.msync(at, 0x5000, 4)).toBe(-ENOMEM);
    expect(mm.msync(at, 0x1000, 5)).toBe(-EINVAL);
    expect(mm.mlock(at, 0x5000)).toBe(-ENOMEM);
    expect(mm.mlockall(4)).toBe(-EINVAL);
    expect(mm.mlockall(3)).toBe(0);
    expect(anonymous(0, 0x200000)).toBe(-11);
    expect(mm.mlockall(0)).toBe(0);
    expect(anonymous(0, 0x200000)).toBeGreaterThan(0);
  });
});
