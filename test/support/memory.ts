/** A page of guest memory at address 0, for ioctls. */
import { EFAULT } from '../../src/abi/errno.ts';
import type { UserMemory } from '../../src/vfs/open-file.ts';

export class FakeMemory implements UserMemory {
  readonly bytes = new Uint8Array(4096);

  view(address: number, length: number): Uint8Array | number {
    return address + length > this.bytes.length ? -EFAULT : this.bytes.subarray(address, address + length);
  }
  /** Puts an int at address 0. */
  with(value: number): this {
    new DataView(this.bytes.buffer).setInt32(0, value, true);
    return this;
  }
  i32(address: number): number {
    return new DataView(this.bytes.buffer).getInt32(address, true);
  }
}
