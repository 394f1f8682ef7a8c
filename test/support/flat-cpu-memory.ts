import type { CpuMemory } from '../../src/cpu/memory.ts';
import { SOFTWARE_PLACE, VM_PERMISSIONS, VM_SIZE } from '../../src/memory/vm-layout.ts';

/** Software-checked memory without a kernel: pages are what `map` made them. */
export class FlatCpuMemory implements CpuMemory {
  ldt: Uint8Array | null = null;
  readonly protection = 'software';
  readonly vmIndex = SOFTWARE_PLACE.vmIndex;
  readonly vmOffset = SOFTWARE_PLACE.vmOffset;
  readonly memory = new WebAssembly.Memory({ initial: 65536, maximum: 65536, shared: true });
  readonly u8 = new Uint8Array(this.memory.buffer);
  readonly vm = new Uint8Array(this.memory.buffer, 0xd000_0000, VM_SIZE);

  map(start: number, end: number, permissions: number): void {
    this.vm.fill(permissions, VM_PERMISSIONS + (start >>> 12), VM_PERMISSIONS + Math.ceil(end / 4096));
  }

  accessible(address: number, length: number, write: boolean): boolean {
    const needed = write ? 2 : 1;
    for (let page = address >>> 12; page <= (address + length - 1) >>> 12; page++) {
      if (!(this.vm[VM_PERMISSIONS + page] & needed)) return false;
    }
    return true;
  }
}
