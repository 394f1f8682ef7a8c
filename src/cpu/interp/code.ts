/** Code that is written by hand: bytes with a few instructions' names. */
import type { WasmTarget } from '../emit/wasm-emitter.ts';
import { Bytes } from '../emit/wasm-writer.ts';
import { VM_STATE } from '../layout.ts';

export class Code extends Bytes {
  readonly #target: WasmTarget;
  constructor(target: WasmTarget) {
    super();
    this.#target = target;
  }
  get(local: number): this {
    return this.u8(0x20).u32(local);
  }
  set(local: number): this {
    return this.u8(0x21).u32(local);
  }
  const(value: number): this {
    return this.u8(0x41).s32(value);
  }
  /** Field of the record that `local` points to. */
  field(local: number, offset: number, load = 0x28): this {
    return this.get(local)
      .u8(load)
      .u8(0)
      .u32(this.#target.vmOffset + offset);
  }
  vmLoad(offset: number): this {
    return this.u8(0x28)
      .u8(0)
      .u32(this.#target.vmOffset + offset);
  }
  state(offset: number, load = 0x28): this {
    return this.const(this.#target.vmIndex)
      .u8(load)
      .u8(0)
      .u32(this.#target.vmOffset + VM_STATE + offset);
  }
  setState(offset: number, value: () => void): this {
    this.const(this.#target.vmIndex);
    value();
    return this.u8(0x36)
      .u8(0)
      .u32(this.#target.vmOffset + VM_STATE + offset);
  }
  br(from: number, to: number): this {
    return this.u8(0x0c).u32(from - to);
  }
  /** Two bytes at `at` that the assembly left open. */
  patch(at: number, value: number): void {
    this.data[at] = (value & 0x7f) | 0x80;
    this.data[at + 1] = value >> 7;
  }
}
