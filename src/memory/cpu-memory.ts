import type { Protection } from './guest-memory.ts';

/** What the CPU needs of an address space. A guest address is a wasm address. */
export interface CpuMemory {
  readonly memory: WebAssembly.Memory;
  readonly protection: Protection;
  /** The VM's own data: wasm code reaches it at this constant index plus this static offset; the guest cannot. */
  readonly vmIndex: number;
  readonly vmOffset: number;
  /** TypeScript's view of the same bytes. */
  readonly vm: Uint8Array;
  /** All of the guest's memory; touch only what `accessible` allows. */
  readonly u8: Uint8Array;
  /** Lazily filled pages in the range are filled on the way. */
  accessible(address: number, length: number, write: boolean): boolean;
  /** Like `accessible`, for instruction bytes. */
  executable(address: number, length: number): boolean;
}
