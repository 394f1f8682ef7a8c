/**
 * Runs single instructions through the evaluator: those that are about segments, and all of them where a segment is not
 * flat, where alignment is checked or where the trap flag is set.
 */

import type { Decoded } from './decode/decoded.ts';
import type { DecodeFault } from './decode/decoder.ts';
import { decode, isFault } from './decode/decoder.ts';
import { codeLimit, fetchError, permissionsOf } from './decode/fetch.ts';
import type { RowTable } from './decode/rows.ts';
import type { EvalMemory } from './emit/evaluate.ts';
import { Evaluator } from './emit/evaluate.ts';
import { Exit } from './exit.ts';
import type { CpuMemory } from './memory.ts';
import type { Descriptor } from './segment/descriptor.ts';
import { baseOf, isBig, limitOf } from './segment/descriptor.ts';
import type { Segments } from './segment/segments.ts';
import { CS, GS, SS, STATE } from './state.ts';

const TRAP_FLAG = 0x100;
const RESUME_FLAG = 0x1_0000;
/** DR6.BS: single step. */
const DR6_BS = 0x4000;
const IS_PRESENT = 1;
const MOV_SREG = 0x8e;

function evaluatorMemory(memory: CpuMemory): EvalMemory {
  const isThere = (address: number, length: number, isWrite: boolean): boolean =>
    address + length <= 2 ** 32 && memory.accessible(address, length, isWrite);
  return {
    read: (address, length) =>
      isThere(address, length, false) ? memory.u8.slice(address, address + length) : undefined,
    write(address, bytes) {
      memory.u8.set(bytes, address);
      return true;
    },
    mayWrite: (address, length) => isThere(address, length, true),
  };
}

/** MOV SS and POP SS: #DB waits for the next instruction (SDM Vol. 3A, 6.8.3). */
const delaysTrap = ({ insn, operands }: Decoded): boolean =>
  insn.options.evaluated === true && operands.length < 3 && operands[0]?.offset === STATE.selector + SS * 4;

export class Stepper {
  readonly segments: Segments;
  readonly #memory: CpuMemory;
  readonly #words: Int32Array;
  readonly #evaluator: Evaluator;
  readonly #table: () => RowTable;
  /** Whether the last step executed its instruction to the end. */
  isRetired = false;

  constructor(memory: CpuMemory, state: Uint8Array, table: () => RowTable) {
    this.#memory = memory;
    this.#words = new Int32Array(state.buffer, state.byteOffset, state.byteLength >> 2);
    this.#evaluator = new Evaluator(state, evaluatorMemory(memory), () => memory.ldt ?? null);
    this.segments = this.#evaluator.segments;
    this.#table = table;
  }

  /** Executes the instruction at EIP, or one element of a repeated one. Undefined: on to the next. */
  step(): number | undefined {
    const words = this.#words;
    const eip = words[STATE.eip / 4] >>> 0;
    const isTraced = (words[STATE.flagSystem / 4] & TRAP_FLAG) !== 0;
    words[STATE.flagSystem / 4] &= ~RESUME_FLAG;
    this.isRetired = false;
    if (!isTraced && this.isFlat && this.#loadsDataSegment(eip)) return undefined;
    const { code } = this.segments;
    if (!code) return this.#refuse(Exit.generalProtection, this.segments.selector(CS) & 0xfffc);
    const decoded = this.#decode(code, eip);
    if (isFault(decoded)) return this.#refuseToDecode(code, decoded);
    this.#evaluator.isStepped = isTraced || !this.isFlat;
    const reason = this.#evaluator.execute(decoded);
    const isStill = words[STATE.eip / 4] >>> 0 === eip;
    this.isRetired = reason === undefined ? !(isStill && decoded.repeat) : !isStill;
    if (reason === Exit.pageFault) {
      const address = words[STATE.lastAccess / 4] >>> 0;
      if (permissionsOf(this.#memory, address) !== 0) words[STATE.exitDetail / 4] |= IS_PRESENT;
    }
    if (reason !== undefined && reason !== Exit.budget) return reason;
    if (!isTraced || delaysTrap(decoded)) return undefined;
    // An instruction that is left in its middle goes on without a trap of its own (SDM Vol. 3B, 17.3.1.1).
    if (decoded.repeat && isStill) words[STATE.flagSystem / 4] |= RESUME_FLAG;
    words[STATE.exitDetail / 4] = DR6_BS;
    return Exit.debug;
  }

  /**
   * MOV Sreg,r16: every program does it once when it starts, and should not wait until the evaluator is ready. False: it is
   * something else, or an exception.
   */
  #loadsDataSegment(eip: number): boolean {
    // Nothing may be looked at that is not there.
    if (codeLimit(this.#memory, eip) < eip + 2) return false;
    const [opcode, modrm] = this.#memory.u8.subarray(eip, eip + 2);
    const segment = (modrm >> 3) & 7;
    const isData = segment !== CS && segment !== SS && segment <= GS;
    if (opcode !== MOV_SREG || modrm < 0xc0 || !isData) return false;
    const words = this.#words;
    const selector = words[STATE.gpr / 4 + (modrm & 7)] & 0xffff;
    if (this.segments.loadFault(segment, selector)) return false;
    words[STATE.selector / 4 + segment] = selector;
    words[STATE.eip / 4] = eip + 2;
    this.isRetired = true;
    return true;
  }

  /** Set by Cpu: nothing but the trap flag, or the instruction itself, is why it is here. */
  isFlat = true;

  #decode(code: Descriptor, eip: number): Decoded | DecodeFault {
    const base = baseOf(code);
    const end = codeLimit(this.#memory, (base + eip) >>> 0) - base;
    const limit = Math.min(end, limitOf(code) + 1);
    return decode(this.#table(), { bytes: this.#memory.u8, limit, base, is16: !isBig(code) }, eip);
  }

  #refuse(vector: number, detail: number): number {
    this.#words[STATE.exitReason / 4] = vector;
    this.#words[STATE.exitDetail / 4] = detail;
    return vector;
  }

  #refuseToDecode(code: Descriptor, { vector, address }: DecodeFault): number {
    if (vector !== Exit.pageFault) return this.#refuse(vector, 0);
    if (address > limitOf(code)) return this.#refuse(Exit.generalProtection, 0);
    const linear = (baseOf(code) + address) >>> 0;
    this.#words[STATE.lastAccess / 4] = linear;
    return this.#refuse(vector, fetchError(this.#memory, linear));
  }
}
