import { STATE, STATE_SIZE } from '../../src/cpu/state.ts';

/** A register file with nothing in it but flat segments. */
export function flatState(): Uint8Array<ArrayBuffer> {
  const state = new Uint8Array(STATE_SIZE);
  const view = new DataView(state.buffer);
  for (const [i, selector] of [0x2b, 0x23, 0x2b, 0x2b].entries())
    view.setUint32(STATE.selector + 4 * i, selector, true);
  return state;
}
