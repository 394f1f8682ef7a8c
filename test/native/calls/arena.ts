/** The memory of a child, as the plan and the changes after each call make it. */
import { ARENA, ARENA_BYTES, type Change } from './plan.ts';

export class Arena {
  readonly #bytes = new Uint8Array(2 * ARENA_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(content: Uint8Array) {
    this.#bytes.set(content);
  }

  byte(address: number): number {
    return this.#bytes[address - ARENA];
  }

  /** The bytes that change, by their addresses. */
  apply(changes: readonly Change[]): number[] {
    const changed: number[] = [];
    for (const { address, words } of changes) {
      const before = this.#bytes.slice(address - ARENA, address - ARENA + 4 * words.length);
      for (const [i, word] of words.entries()) this.#view.setInt32(address - ARENA + 4 * i, word, true);
      for (const [i, byte] of before.entries()) if (this.byte(address + i) !== byte) changed.push(address + i);
    }
    return changed;
  }
}
