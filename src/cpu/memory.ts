/** What the CPU needs to know of an address space; src/memory implements it. */
export interface CpuMemory {
  /** Guest address = wasm address. */
  readonly memory: WebAssembly.Memory;
  readonly protection: 'hardware' | 'software';
  /** The VM's own data lies at wasm address vmOffset + vmIndex: a static offset and a constant index. */
  readonly vmIndex: number;
  readonly vmOffset: number;
  /** TypeScript's view of the same bytes. */
  readonly vm: Uint8Array;
  /** All of the guest's memory; only what is accessible may be touched. */
  readonly u8: Uint8Array;
  /** The local descriptor table, eight bytes an entry, if there is one. */
  readonly ldt?: Uint8Array | null;
  /** May these bytes be read or written? Pages that are filled lazily are filled now. */
  accessible(address: number, length: number, write: boolean): boolean;
}
