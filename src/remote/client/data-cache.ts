/** How much of served files is kept here, over all files: the blocks used least recently go first. */
import { WaitQueue } from '../../wait/wait.ts';

export const BLOCK = 1 << 16;

/** Bytes of clean blocks, and of writes that were not acknowledged. */
const MOST_BYTES = 256 << 20;
const MOST_DIRTY = 32 << 20;

export interface Block {
  bytes: Uint8Array;
  readonly forget: () => void;
}

export class DataCache {
  readonly #blocks = new Set<Block>();
  #bytes = 0;
  /** Bytes written by programs that are not at home yet. */
  dirty = 0;
  /** Woken when there is room to write. */
  readonly room = new WaitQueue();

  get full(): boolean {
    return this.dirty >= MOST_DIRTY;
  }

  written(bytes: number): void {
    this.dirty -= bytes;
    if (!this.full) this.room.wake();
  }

  add(block: Block): void {
    this.#blocks.add(block);
    this.#bytes += BLOCK;
    while (this.#bytes > MOST_BYTES) {
      const [oldest] = this.#blocks;
      this.remove(oldest);
      oldest.forget();
    }
  }

  use(block: Block): void {
    this.#blocks.delete(block);
    this.#blocks.add(block);
  }

  remove(block: Block): void {
    if (this.#blocks.delete(block)) this.#bytes -= BLOCK;
  }
}
