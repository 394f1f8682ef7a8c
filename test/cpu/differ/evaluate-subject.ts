/** The evaluator as the one that answers slots, one instruction at a time. */
import { decode, isFault } from '../../../src/cpu/decode/decoder.ts';
import { rowTable } from '../../../src/cpu/decode/rows.ts';
import type { EvalMemory } from '../../../src/cpu/emit/evaluate.ts';
import { evaluateDecoded } from '../../../src/cpu/emit/evaluate.ts';
import { Exit } from '../../../src/cpu/exit.ts';
import { isa } from '../../../src/cpu/isa/index.ts';
import { delaysTrap, holdRepeat, resumeRepeat } from '../../../src/cpu/single-step.ts';
import { STATE, STATE_SIZE } from '../../../src/cpu/state.ts';
import type { Slots } from './slot.ts';
import { CODE, CODE_SIZE, DATA, DATA_SIZE, INT3, pattern, SLOT } from './slot.ts';
import { loadState, loadWindows, storeAnswer } from './subject.ts';

const table = rowTable(isa, new Set(isa.map((one) => one.options.feature ?? 'base')));
const READ_ONLY = 0x1000;
const STEPS = 100_000;
const FETCH_ERROR = 0x14;
const TRAP_FLAG = 0x100;
const DR6_BS = 0x4000;

export class EvalSubject {
  readonly #data = pattern.slice();
  readonly #code = new Uint8Array(CODE_SIZE);
  /** The code where the decoder looks for it. */
  readonly #fetch = new Proxy(this.#code, {
    get: (code, key) => code[Number(key) - CODE],
  });
  readonly #memory: EvalMemory = {
    read: (address, length) => {
      if (address >= CODE && address + length <= CODE + CODE_SIZE)
        return this.#code.slice(address - CODE, address - CODE + length);
      const isInside = address >= DATA && address + length <= DATA + DATA_SIZE;
      return isInside ? this.#data.slice(address - DATA, address - DATA + length) : undefined;
    },
    write: (address, bytes) => {
      const isInside = this.#memory.mayWrite(address, bytes.length);
      if (isInside) this.#data.set(bytes, address - DATA);
      return isInside;
    },
    mayWrite: (address, length) => address >= DATA + READ_ONLY && address + length <= DATA + DATA_SIZE,
  };
  readonly #state = new Uint8Array(STATE_SIZE);
  readonly #words = new Int32Array(this.#state.buffer);
  #delaysTrap = false;

  run(slots: Slots, i: number, out: Slots): void {
    this.#code.fill(INT3);
    const at = slots.get(i, SLOT.codeAddress) - CODE;
    this.#code.set(slots.bytes(i, SLOT.code, slots.get(i, SLOT.codeLength)), at);
    loadWindows(this.#data, slots, i);
    loadState(this.#state, this.#words, slots, i);
    this.#state.set(slots.bytes(i, SLOT.xmm, 128), STATE.xmm);
    let reason: number | undefined;
    for (let n = 0; n < STEPS && (reason === undefined || reason === Exit.budget); n++) reason = this.#traced();
    storeAnswer(this.#state, this.#words, this.#data, reason ?? Exit.budget, out);
  }

  /** With TF set an instruction ends in #DB; MOV SS and POP SS put that off. */
  #traced(): number | undefined {
    const isTraced = (this.#words[STATE.flagSystem / 4] & TRAP_FLAG) !== 0;
    this.#delaysTrap = false;
    const reason = this.#step(isTraced);
    if (!isTraced || this.#delaysTrap || (reason !== undefined && reason !== Exit.budget)) return reason;
    this.#words[STATE.exitDetail / 4] = DR6_BS;
    return Exit.debug;
  }

  #step(isTraced: boolean): number | undefined {
    const eip = this.#words[STATE.eip / 4] >>> 0;
    const isCode = eip >= CODE && eip < CODE + CODE_SIZE;
    const limit = isCode ? CODE + CODE_SIZE : eip;
    const decoded = decode(table, { bytes: this.#fetch, limit }, eip);
    if (!isFault(decoded)) {
      this.#delaysTrap = delaysTrap(decoded);
      const held = isTraced ? holdRepeat(this.#words, decoded) : undefined;
      const reason = evaluateDecoded(decoded, this.#state, this.#memory);
      if (held) resumeRepeat(this.#words, decoded, held, reason === undefined);
      return reason;
    }
    const isFetch = decoded.vector === Exit.pageFault;
    const isData = decoded.address >= DATA && decoded.address < DATA + DATA_SIZE;
    this.#words[STATE.lastAccess / 4] = decoded.address;
    this.#words[STATE.exitDetail / 4] = isFetch ? FETCH_ERROR | Number(isData) : 0;
    return decoded.vector;
  }
}
