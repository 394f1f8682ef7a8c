/** Frames that are on their way in the same moment: small ones travel together. */
import type { Transport } from '../transport.ts';

/** What is larger is not copied for that. */
const MOST_JOINED = 16 << 10;

export class Outbox {
  #frames: Uint8Array[] = [];
  #length = 0;

  /** Answers whether it is the first one that waits. */
  add(frame: Uint8Array): boolean {
    this.#length += frame.length;
    return this.#frames.push(frame) === 1;
  }

  clear(): void {
    this.#frames = [];
    this.#length = 0;
  }

  send(transport: Transport): void {
    const frames = this.#frames;
    const length = this.#length;
    this.clear();
    if (frames.length < 2 || length > MOST_JOINED) {
      for (const frame of frames) transport.send(frame);
      return;
    }
    const whole = new Uint8Array(length);
    let at = 0;
    for (const frame of frames) {
      whole.set(frame, at);
      at += frame.length;
    }
    transport.send(whole);
  }
}
