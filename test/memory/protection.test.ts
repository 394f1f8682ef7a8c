import { describe, expect, it } from 'vitest';
import { hardwareAvailable } from '../../src/memory/guest-memory.ts';
import { Mm } from '../../src/memory/mm.ts';
import { TASK_SIZE } from '../../src/memory/page.ts';
import { wasmAccess } from './wasm-access.ts';

describe.each(hardwareAvailable() ? ['hardware'] : [])('%s protection', () => {
  it('lets the guest reach what is mapped and nothing else', () => {
    const mm = new Mm({ protection: 'hardware' });
    const guest = wasmAccess(mm);
    const page = mm.mmap(0x10000000, 8192, 3, 0x32);
    guest.store(page + 1, 42);
    expect(guest.load(page + 1)).toBe(42);
    expect(() => guest.load(page + 8192)).toThrow(WebAssembly.RuntimeError);
    expect(mm.mprotect(page, 4096, 1)).toBe(0);
    expect(() => guest.store(page, 1)).toThrow(WebAssembly.RuntimeError);
    expect(guest.load(page + 1)).toBe(42);
    expect(mm.munmap(page, 4096)).toBe(0);
    expect(() => guest.load(page)).toThrow(WebAssembly.RuntimeError);
    mm.release();
  });

  it('shows every page from 3 GiB up to nobody', () => {
    const mm = new Mm({ protection: 'hardware' });
    const guest = wasmAccess(mm);
    let reached = 0;
    for (let address = TASK_SIZE; address < 2 ** 32; address += 4096) {
      try {
        guest.load(address | 0);
        reached++;
      } catch {}
      try {
        guest.store((address + 4095) | 0, 1);
        reached++;
      } catch {}
    }
    expect(reached).toBe(0);
    mm.vm[12345] = 77;
    expect(guest.loadVm(12345)).toBe(77);
    mm.release();
  }, 60000);
});

describe('software protection', () => {
  it('keeps the VM data where TypeScript and wasm both find it, and permission bytes of all pages above 3 GiB at 0', () => {
    const mm = new Mm({ protection: 'software' });
    mm.vm[0x200001] = 77;
    expect(wasmAccess(mm).loadVm(0x200001)).toBe(77);
    expect(mm.guest.permissions.subarray(TASK_SIZE / 4096).every((byte) => byte === 0)).toBe(true);
    expect(mm.accessible(TASK_SIZE - 1, 2, false)).toBe(false);
    expect(mm.accessible(0xffffffff, 4, true)).toBe(false);
    mm.release();
  });
});
