/**
 * Code that is compiled, for the interpreter too. What it never does: instructions about segments are evaluated (stepper.ts).
 */
import { Inner } from '../inner.ts';
import type { MemoryType } from './base-emitter.ts';
import { BaseEmitter } from './base-emitter.ts';

/** Sizes that one access has. */
const PROBE_TYPE: Partial<Record<number, MemoryType>> = { 1: 'u8', 2: 'u16', 4: 'i32', 8: 'i64' };

const PAGE_SIZE = 4096;

function evaluated(): never {
  throw new Error('an instruction about segments is evaluated, not compiled');
}

export abstract class CompiledEmitter<V> extends BaseEmitter<V> {
  get stackSize(): 4 {
    return 4;
  }
  get isStepped(): boolean {
    return false;
  }
  descriptor(): never {
    return evaluated();
  }
  requireCode(): void {
    evaluated();
  }
  localTable(): never {
    return evaluated();
  }
  jumpFar(): void {
    evaluated();
  }
  protected loadSegment(): void {
    evaluated();
  }

  noteException(): void {
    this.trap(Inner.exception);
  }

  /** Writes back one access, or the first and the last byte: no other task can see it. */
  probeWrite(address: V, bytes: number): void {
    const type = PROBE_TYPE[bytes];
    if (type) return this.guestStore(address, this.guestLoad(address, type, true), type);
    // The first byte, and the first one on the next page where the range reaches it.
    const lastPage = this.and(this.add(address, this.const(bytes - 1)), this.const(-PAGE_SIZE));
    const second = this.select(this.gtU(lastPage, address), lastPage, address);
    for (const at of [address, second]) this.guestStore(at, this.guestLoad(at, 'u8', true), 'u8');
  }
}
