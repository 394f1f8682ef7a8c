/** The table that compiled code looks in (layout.ts, VM_CODE_HASH): from EIP to a function's word. */
import { ENTRY_BITS } from '../interp/compiled.ts';
import { CODE_HASH_ENTRIES, VM_CODE_HASH } from '../layout.ts';
import type { CpuMemory } from '../memory.ts';

export class CodeTable {
  readonly #vm: Uint8Array;
  readonly #words: Int32Array;

  constructor({ vm }: CpuMemory) {
    this.#vm = vm;
    this.#words = new Int32Array(vm.buffer, vm.byteOffset + VM_CODE_HASH, CODE_HASH_ENTRIES * 2);
    // Memory that has never held one is all zeros, and stays untouched.
    if (this.#words[0] === 0) this.#words[0] = 1;
    else this.clear();
  }

  clear(): void {
    this.#vm.fill(0, VM_CODE_HASH, VM_CODE_HASH + CODE_HASH_ENTRIES * 8);
    // An empty entry must not match: 0 is the EIP of entry 0 only.
    this.#words[0] = 1;
  }

  set(eip: number, word: number): void {
    const at = (eip & (CODE_HASH_ENTRIES - 1)) * 2;
    this.#words[at] = eip;
    this.#words[at + 1] = word;
  }

  /** Unless another function has taken the entry. */
  remove(eip: number, slot: number): void {
    const at = (eip & (CODE_HASH_ENTRIES - 1)) * 2;
    if (this.#words[at] !== (eip | 0) || this.#words[at + 1] >>> ENTRY_BITS !== slot) return;
    this.#words[at] = at === 0 ? 1 : 0;
  }
}
