import { describe, expect, it } from 'vitest';
import { hostMappings, type Protection } from '../../src/memory/guest-memory.ts';
import { Mm } from '../../src/memory/mm.ts';
import { SharedObjects } from '../../src/memory/shared-object.ts';
import { BytesFile } from '../support/bytes-file.ts';
import { modes } from './modes.ts';
import { wasmAccess } from './wasm-access.ts';

const RW = 3;
const text = (value: Uint8Array | number) => (typeof value === 'number' ? value : new TextDecoder().decode(value));
const bytes = (value: string) => new TextEncoder().encode(value);

/** Two address spaces of one machine; `run` does something as the one that is scheduled. */
function machine(protection: Protection) {
  const objects = new SharedObjects();
  const make = () => new Mm({ protection, objects });
  const run = <T>(mm: Mm, work: (mm: Mm) => T): T => {
    mm.activate();
    return work(mm);
  };
  return { make, run, objects };
}

describe.each(modes)('shared mappings, %s', (protection) => {
  const file = (size = 0x3000) => new BytesFile(new Uint8Array(size).fill(46));
  const map = (mm: Mm, object: BytesFile, length: number, offset = 0) =>
    mm.mmap(0, length, RW, 1, { object, offset, maxProt: 7 });

  it('of a file are seen by all who map it, and by read(2), and are written back', () => {
    const { make, run } = machine(protection);
    const backing = file();
    const [a, b] = [make(), make()];
    const at = run(a, (mm) => map(mm, backing, 0x3000));
    const there = run(b, (mm) => map(mm, backing, 0x1000, 0x1000));
    run(a, (mm) => mm.copyOut(at + 0x1000, bytes('from a')));
    expect(run(b, (mm) => text(mm.copyIn(there, 7)))).toBe('from a.');
    run(b, (mm) => mm.copyOut(there + 6, bytes(', from b')));
    const seen = new Uint8Array(14);
    backing.read(0x1000, seen);
    expect(backing.pages!.peek(0x1000, seen)).toBe(true);
    expect(text(seen)).toBe('from a, from b');
    backing.pages!.poke(0x1000, bytes('written'));
    expect(run(a, (mm) => text(mm.copyIn(at + 0x1000, 14)))).toBe('written from b');
    expect(backing.writes).toEqual([]);
    expect(run(a, (mm) => mm.msync(at, 0x3000, 4))).toBe(0);
    expect(backing.writes).toEqual([0x1000]);
    expect(text(backing.bytes.subarray(0x1000, 0x100e))).toBe('written from b');
    run(b, (mm) => mm.copyOut(there + 100, bytes('late')));
    a.release();
    b.release();
    expect(backing.writes).toEqual([0x1000, 0x1000]);
    expect(text(backing.bytes.subarray(0x1064, 0x1068))).toBe('late');
    expect(backing.pages).toBeNull();
  });

  it('are what wasm code itself writes', () => {
    const { make, run } = machine(protection);
    const backing = file();
    const [a, b] = [make(), make()];
    const at = run(a, (mm) => map(mm, backing, 0x1000));
    run(a, (mm) => mm.accessible(at, 1, true));
    wasmAccess(a).store(at + 5, 65);
    const there = run(b, (mm) => map(mm, backing, 0x1000));
    expect(run(b, (mm) => mm.readU8(there + 5))).toBe(65);
    a.release();
    b.release();
    expect(backing.bytes[5]).toBe(65);
  });

  it('never write what nobody changed, nor beyond the end of the file', () => {
    const { make } = machine(protection);
    const backing = file(0x1800);
    const mm = make();
    mm.activate();
    const at = map(mm, backing, 0x4000);
    expect(mm.readU8(at)).toBe(46);
    mm.writeU8(at + 0x17ff, 1);
    mm.writeU8(at + 0x1900, 2);
    expect(mm.fault(at + 0x2000, 'write')).toEqual({ signal: 'BUS', code: 2, address: at + 0x2000 });
    mm.release();
    expect(backing.writes).toEqual([0x1000]);
    expect(backing.bytes.length).toBe(0x1800);
    expect(backing.bytes[0x17ff]).toBe(1);
  });

  it('survive a truncation: SIGBUS beyond, zeros in the last page, and growth', () => {
    const { make } = machine(protection);
    const backing = file(0x4000);
    const mm = make();
    mm.activate();
    const at = map(mm, backing, 0x4000);
    const copy = mm.mmap(0, 0x4000, RW, 2, { object: backing, offset: 0, maxProt: 7 });
    mm.copyOut(at, new Uint8Array(0x4000).fill(1));
    backing.truncate(0x1100);
    expect(mm.readU8(at + 0x10ff)).toBe(1);
    expect(mm.readU8(at + 0x1100)).toBe(0);
    for (const address of [at + 0x2000, at + 0x3fff, copy + 0x2000]) {
      expect(mm.fault(address, 'read')).toEqual({ signal: 'BUS', code: 2, address });
    }
    if (protection === 'hardware') expect(() => wasmAccess(mm).load(at + 0x2000)).toThrow(WebAssembly.RuntimeError);
    backing.truncate(0x3000);
    expect(mm.readU8(at + 0x2fff)).toBe(0);
    expect(mm.writeU8(at + 0x2fff, 9)).toBe(0);
    mm.release();
    expect(backing.bytes[0x2fff]).toBe(9);
  });

  it('of anonymous memory are shared across fork, private memory is not', () => {
    const { make, run } = machine(protection);
    const parent = make();
    parent.activate();
    const shared = parent.mmap(0, 0x2000, RW, 0x21);
    const own = parent.mmap(0, 0x2000, RW, 0x22);
    parent.writeU32(shared, 1);
    parent.writeU32(own, 1);
    const child = parent.fork() as Mm;
    run(child, (mm) => [mm.writeU32(shared, 2), mm.writeU32(shared + 0x1000, 3), mm.writeU32(own, 2)]);
    expect(run(parent, (mm) => [shared, shared + 0x1000, own].map((at) => mm.readU32(at)))).toEqual([2, 3, 1]);
    expect(child.sharedLocation(shared + 4)).toEqual(parent.sharedLocation(shared + 4));
    expect(child.sharedLocation(own)).toBeNull();
    child.release();
    parent.release();
  });

  it('may be mapped a second time by mremap and emptied by MADV_REMOVE', () => {
    const { make } = machine(protection);
    const mm = make();
    mm.activate();
    const at = mm.mmap(0, 0x2000, RW, 0x21);
    mm.writeU32(at + 0x1000, 7);
    const other = make();
    other.activate();
    mm.activate();
    expect(mm.madvise(at + 0x1000, 0x1000, 9)).toBe(0);
    expect(mm.readU32(at + 0x1000)).toBe(0);
    mm.release();
    other.release();
  });
});

describe.each(modes)('fork, %s', (protection) => {
  it('copies mappings, content and what is inaccessible; honours MADV_DONTFORK and WIPEONFORK', () => {
    const backing = new BytesFile(new Uint8Array(1 << 20).fill(5));
    const parent = new Mm({ protection });
    parent.createStack(RW);
    const big = parent.mmap(0x20000000, 64 << 20, RW, 0x22);
    const lazy = parent.mmap(0, 1 << 20, 1, 2, { object: backing, offset: 0, maxProt: 7 });
    const [hidden, gone, wiped] = [0, 0, 0].map(() => parent.mmap(0, 0x1000, RW, 0x22));
    for (const at of [big, big + (33 << 20), hidden, gone, wiped]) parent.writeU32(at, at);
    parent.mprotect(hidden, 0x1000, 0);
    parent.madvise(gone, 0x1000, 10);
    parent.madvise(wiped, 0x1000, 18);
    parent.writeU32(parent.layout.stackTop - 4, 99);
    const child = parent.fork() as Mm;
    expect(child.readU32(big + (33 << 20))).toBe(big + (33 << 20));
    expect(child.readU32(big + (32 << 20))).toBe(0);
    expect(child.readU32(child.layout.stackTop - 4)).toBe(99);
    expect(child.readU8(lazy + 0x50000)).toBe(5);
    expect(child.readU32(hidden)).toBe(-14);
    child.mprotect(hidden, 0x1000, 1);
    expect(child.readU32(hidden)).toBe(hidden);
    expect(parent.readU32(hidden)).toBe(-14);
    expect(child.readU32(gone)).toBe(-14);
    expect(child.readU32(wiped)).toBe(0);
    child.writeU32(big, 1);
    expect(parent.readU32(big)).toBe(big);
    parent.release();
    expect(child.readU32(big)).toBe(1);
    child.release();
  });

  it('copies what was written to private pages of files, and what became read-only since', () => {
    const backing = new BytesFile(new Uint8Array(0x4000).fill(5));
    const parent = new Mm({ protection });
    const source = { object: backing, offset: 0, maxProt: 7 };
    const at = parent.mmap(0, 0x4000, RW, 2, source);
    const text = parent.mmap(0, 0x4000, 5, 2, source);
    for (const page of [0, 2]) parent.writeU8(at + page * 0x1000, 6 + page);
    parent.mprotect(at, 0x1000, 1);
    parent.poke(text + 0x1000, new Uint8Array([0xcc]));
    const child = parent.fork() as Mm;
    const seen = (mm: Mm) =>
      [0, 1, 2, 3].flatMap((page) => [mm.readU8(at + page * 0x1000), mm.readU8(text + page * 0x1000)]);
    expect(seen(child)).toEqual([6, 5, 5, 0xcc, 8, 5, 5, 5]);
    child.writeU8(at + 0x3000, 9);
    child.madvise(at + 0x2000, 0x1000, 4);
    expect(seen(parent)).toEqual([6, 5, 5, 0xcc, 8, 5, 5, 5]);
    expect(seen(child)).toEqual([6, 5, 5, 0xcc, 5, 5, 9, 5]);
    expect(child.writeU8(at, 1)).toBe(-14);
    expect(child.writeU8(text, 1)).toBe(-14);
    const moved = child.mremap(at, 0x4000, 0x4000, 3, 0x30000000);
    expect([0, 1, 2, 3].map((page) => child.readU8(moved + page * 0x1000))).toEqual([6, 5, 5, 9]);
    parent.release();
    child.release();
    expect(backing.pages).toBeNull();
    expect(backing.writes).toEqual([]);
  });

  it('reuses memories, always empty', () => {
    for (let i = 0; i < 40; i++) {
      const mm = new Mm({ protection });
      const at = mm.mmap(0x20000000, 0x4000, RW, 0x22);
      expect(mm.readU32(at)).toBe(0);
      expect(mm.vm.subarray(0x100000, 0x101000).every((byte) => byte === 0)).toBe(true);
      mm.writeU32(at, i + 1);
      mm.vm[0x100000] = 1;
      mm.release();
      expect(mm.guest.permissions.subarray(0x20000, 0x20004)).toEqual(new Uint8Array(4));
    }
  });
});

describe.each(modes.filter((mode) => mode === 'hardware'))('a host short of mappings', (protection) => {
  it('gives the child software protection, which shares and copies alike', () => {
    const { objects } = machine(protection);
    const parent = new Mm({ protection, objects });
    const shared = parent.mmap(0, 0x2000, RW, 0x21);
    const own = parent.mmap(0, 0x1000, RW, 0x22);
    parent.writeU32(shared, 1);
    parent.writeU32(own, 11);
    const { budget } = hostMappings;
    hostMappings.budget = 0;
    const child = parent.fork() as Mm;
    hostMappings.budget = budget;
    expect(child.protection).toBe('software');
    child.activate();
    expect([child.readU32(shared), child.readU32(own)]).toEqual([1, 11]);
    child.writeU32(shared, 2);
    child.writeU32(own, 12);
    parent.activate();
    expect([parent.readU32(shared), parent.readU32(own)]).toEqual([2, 11]);
    parent.writeU32(shared, 3);
    child.activate();
    expect(child.readU32(shared)).toBe(3);
    child.release();
    parent.release();
  });

  it('answers -ENOMEM before Node itself runs out of them', () => {
    const mm = new Mm({ protection });
    const at = mm.mmap(0, 0x20000000, RW, 0x22);
    let made = 0;
    let failure = 0;
    while (failure === 0 && made < 70000) failure = mm.mprotect(at + 0x2000 * made++, 0x1000, 1);
    expect(failure).toBe(-12);
    expect(made).toBeGreaterThan(1000);
    expect(mm.writeU8(at + 0x1000, 1)).toBe(0);
    const child = mm.fork() as Mm;
    expect(child.protection).toBe('software');
    expect(child.readU8(at + 0x1000)).toBe(1);
    child.release();
    mm.release();
    expect(hostMappings.used).toBeLessThan(1000);
  });
});
