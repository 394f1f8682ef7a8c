/** The evaluator as the one that answers slots, one instruction at a time. */
import { rowTable } from '../../../src/cpu/decode/rows.ts';
import { Exit } from '../../../src/cpu/exit.ts';
import { isa } from '../../../src/cpu/isa/index.ts';
import { STATE, STATE_SIZE } from '../../../src/cpu/state.ts';
import { Stepper } from '../../../src/cpu/stepper.ts';
import type { FlatCpuMemory } from '../../support/flat-cpu-memory.ts';
import type { Slots } from './slot.ts';
import { CODE, CODE_SIZE, DATA, DATA_SIZE, INT3, pattern, SLOT } from './slot.ts';
import { LDT_BYTES, loadState, loadWindows, storeAnswer } from './subject.ts';

const table = rowTable(isa, new Set(isa.map((one) => one.options.feature ?? 'base')));
const STEPS = 100_000;

export class EvalSubject {
  readonly #state = new Uint8Array(STATE_SIZE);
  readonly #words = new Int32Array(this.#state.buffer);
  readonly #stepper: Stepper;
  readonly #code: Uint8Array;
  readonly #data: Uint8Array;

  constructor(memory: FlatCpuMemory) {
    memory.map(CODE, CODE + CODE_SIZE, 5);
    memory.map(DATA, DATA + DATA_SIZE, 3);
    memory.map(DATA, DATA + 0x1000, 1);
    memory.ldt = LDT_BYTES;
    this.#stepper = new Stepper(memory, this.#state, () => table);
    // Whether segments are flat is not known here.
    this.#stepper.isFlat = false;
    this.#code = memory.u8.subarray(CODE, CODE + CODE_SIZE);
    this.#data = memory.u8.subarray(DATA, DATA + DATA_SIZE);
    this.#data.set(pattern);
  }

  run(slots: Slots, i: number, out: Slots): void {
    this.#code.fill(INT3);
    const at = slots.get(i, SLOT.codeAddress) - CODE;
    this.#code.set(slots.bytes(i, SLOT.code, slots.get(i, SLOT.codeLength)), at);
    loadWindows(this.#data, slots, i);
    loadState(this.#state, this.#words, slots, i);
    this.#state.set(slots.bytes(i, SLOT.xmm, 128), STATE.xmm);
    let reason: number | undefined;
    for (let n = 0; n < STEPS && reason === undefined; n++) reason = this.#stepper.step();
    storeAnswer(this.#state, this.#words, this.#data, reason ?? Exit.budget, out);
  }
}
