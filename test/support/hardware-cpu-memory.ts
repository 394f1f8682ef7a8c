import type { CpuMemory } from '../../src/cpu/memory.ts';
import { acquireMemory, hardwareAvailable } from '../../src/memory/guest-memory.ts';
import { VM_PERMISSIONS } from '../../src/memory/vm-layout.ts';

/** A CPU's memory without a kernel, and what gives its pages permissions. */
export interface MappedMemory {
  readonly memory: CpuMemory;
  map(start: number, end: number, permissions: number): void;
}

/** The host protects the pages: what the guest may not do, TypeScript may not either. Undefined where it cannot. */
export function hardwareMemory(): MappedMemory | undefined {
  if (!hardwareAvailable()) return undefined;
  const guest = acquireMemory('hardware');
  const isAllowed = (page: number, needed: number): boolean => (guest.vm[VM_PERMISSIONS + page] & needed) !== 0;
  const memory: CpuMemory = Object.assign(Object.create(guest), {
    accessible(address: number, length: number, write: boolean): boolean {
      const needed = write ? 2 : 1;
      return isAllowed(address >>> 12, needed) && isAllowed((address + length - 1) >>> 12, needed);
    },
  });
  return {
    memory,
    map(start, end, permissions) {
      guest.permissions.fill(permissions, start >>> 12, end >>> 12);
      guest.protect(start, end, permissions);
    },
  };
}
