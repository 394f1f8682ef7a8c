/**
 * Decodes what programs consist of nearly always, straight into records, by the templates of decode/templates.ts. It makes no
 * objects and calls little, as most instructions are decoded by code that V8 has not optimised yet; so it is written out. What
 * it does not know, record-cache.ts decodes as the manual says.
 */
import {
  ARGUMENT_MASK,
  ARGUMENT_SHIFT,
  FLAG,
  NO_HANDLER,
  OPCODES,
  PLACE_SHIFT,
  SIZE_SHIFT,
  SOURCE,
  SOURCE_MASK,
  TEMPLATE,
  type Templates,
} from '../decode/templates.ts';
import { registerOffset } from '../emit/base-emitter.ts';
import { HASH_ENTRIES, VM_HASH, VM_STATE } from '../layout.ts';
import type { CpuMemory } from '../memory.ts';
import type { OpenSegments } from '../segment/evaluated.ts';
import { CS, EBP, ESP, FS, STATE } from '../state.ts';
import type { EipTable } from './eip-table.ts';
import { RECORD, RECORD_SIZE } from './record.ts';
import { specialIndex } from './specials.ts';

/** Bytes that an instruction takes at most. */
export const MAX_LENGTH = 15;
/** More prefixes than anyone writes. */
const MAX_PREFIXES = 6;
/** Branches of a run whose targets may be decoded by its end. */
const MAX_BRANCHES = 64;
const ADDRESS = specialIndex('address');
const SEGMENT_ADDRESS = specialIndex('segmentAddress');

/** Offsets in the register file, by class and number: see SOURCE.reg. */
const REGISTER_OFFSETS = [
  (n: number) => registerOffset(n, 1),
  (n: number) => registerOffset(n, 4),
  (n: number) => STATE.fpr + n * 16,
  (n: number) => STATE.xmm + n * 16,
  (n: number) => STATE.selector + n * 4,
].flatMap((offset) => [0, 1, 2, 3, 4, 5, 6, 7].map(offset));

export class FastDecoder {
  readonly #bytes: Uint8Array;
  /** The VM's area. */
  readonly #words: Int32Array;
  readonly #templates: Templates;
  readonly #records: EipTable;
  /** Wasm index of the VM's area, and of the register file. */
  readonly #vmIndex: number;
  readonly #file: number;
  /** Wasm indices of registers. */
  readonly #registers: Int32Array;
  readonly #branches = new Int32Array(MAX_BRANCHES);
  #branchCount = 0;
  /** See segment/evaluated.ts. */
  open: OpenSegments = 0;

  /** Where decode() stopped: the next instruction and the next free record; how many it has decoded. */
  eip = 0;
  free = 0;
  count = 0;
  /** The last instruction never leads to the next. */
  ended = false;
  /** Some instruction had a segment override. */
  hadOverride = false;

  /** Behind the prefixes and the opcode. */
  #at = 0;
  /** Segment override 0..5, or -1. */
  #override = -1;
  #lock = false;

  constructor(memory: CpuMemory, templates: Templates, records: EipTable) {
    const { vm, vmIndex } = memory;
    this.#bytes = memory.u8;
    this.#words = new Int32Array(vm.buffer, vm.byteOffset, vm.byteLength >> 2);
    this.#templates = templates;
    this.#records = records;
    this.#vmIndex = vmIndex;
    this.#file = (vmIndex + VM_STATE) | 0;
    this.#registers = Int32Array.from(REGISTER_OFFSETS, (offset) => this.#file + offset);
  }

  /**
   * Decodes up to `count` instructions that begin at `eip` and before `end`, into records from `free` on. Stops at one that has
   * a record, behind one that never leads to the next, and at one that it does not know.
   */
  decode(eip: number, end: number, free: number, count: number): void {
    const bytes = this.#bytes;
    const templates = this.#templates;
    const words = this.#words;
    const records = this.#records;
    const registers = this.#registers;
    const file = this.#file;
    const vmIndex = this.#vmIndex;
    let left = count;
    this.ended = false;
    let isAfterCall = false;
    for (; left > 0 && eip < end && records.get(eip) === 0; left--) {
      const byte = bytes[eip];
      let at = eip + 1;
      let entry = templates[byte];
      let segment: number = STATE.zero;
      if (entry === 0) {
        entry = this.#prefixes(byte, at);
        at = this.#at;
        if (this.#override >= FS) segment = STATE.segmentBase + this.#override * 4;
      } else {
        this.#override = -1;
        this.#lock = false;
      }
      let modrm = 0;
      if (entry < 0) {
        modrm = bytes[at++];
        const isRegister = modrm >= 0xc0 ? 1 : 0;
        entry = templates[~entry + ((modrm >> 2) & 14) + isRegister];
        if (entry < 0) entry = templates[~entry + (modrm & 7)];
      }
      if (entry === 0) break;
      const flags = templates[entry + TEMPLATE.flags];
      if ((this.#override >= 0 || this.#lock) && !this.#allows(flags)) break;
      let shift = 0;
      let index = 0;
      let base = 0;
      let displacement = 0;
      if (modrm < 0xc0 && (flags & (FLAG.memory | FLAG.skips)) !== 0) {
        index = STATE.zero;
        base = modrm & 7;
        const mod = (flags & FLAG.absolute) !== 0 ? 0 : modrm >> 6;
        if ((flags & FLAG.absolute) !== 0) base = EBP;
        else if (base === ESP) {
          const sib = bytes[at++];
          base = sib & 7;
          if ((sib & 0x38) !== ESP << 3) {
            index = STATE.gpr + ((sib >> 3) & 7) * 4;
            shift = sib >> 6;
          }
        }
        if (mod === 1) displacement = (bytes[at++] << 24) >> 24;
        else if (mod === 2 || base === EBP) {
          displacement = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
          at += 4;
        }
        base = mod === 0 && base === EBP ? file + STATE.zero : file + STATE.gpr + base * 4;
      }
      let handler = templates[entry + TEMPLATE.handler];
      // The shape of a memory operand, as memoryShape() has it.
      let isComputed = false;
      if ((flags & FLAG.memory) === 0) {
        shift = 0;
      } else if (segment !== STATE.zero && (flags & FLAG.addressOnly) === 0) {
        const segmented = templates[entry + TEMPLATE.segmented];
        isComputed = segmented === NO_HANDLER;
        if (!isComputed) handler = segmented;
      } else if (index !== STATE.zero) {
        const indexed = templates[entry + TEMPLATE.indexed];
        isComputed = indexed === NO_HANDLER;
        if (!isComputed) handler = indexed;
      }
      const first = free >> 2;
      const to = isComputed ? first + RECORD_SIZE / 4 : first;
      words.fill(0, first, to + RECORD_SIZE / 4);
      if ((flags & FLAG.memory) !== 0 && !isComputed) {
        words[to + RECORD.base / 4] = base;
        words[to + RECORD.displacement / 4] = displacement;
        words[to + RECORD.index / 4] = index | (segment << 16);
      }
      if (isComputed) {
        words[first + RECORD.base / 4] = base;
        words[first + RECORD.displacement / 4] = displacement;
        words[first + RECORD.index / 4] = index | (((flags & FLAG.addressOnly) !== 0 ? STATE.zero : segment) << 16);
        words[to + RECORD.base / 4] = file + STATE.address;
      }
      for (let i = entry + TEMPLATE.operands; i < entry + TEMPLATE.words; i++) {
        const operand = templates[i];
        const argument = (operand >> ARGUMENT_SHIFT) & ARGUMENT_MASK;
        let value = 0;
        switch (operand & SOURCE_MASK) {
          case SOURCE.none:
            continue;
          case SOURCE.reg:
            value = registers[argument * 8 + ((modrm >> 3) & 7)];
            break;
          case SOURCE.rm:
            value = registers[argument * 8 + (modrm & 7)];
            break;
          case SOURCE.file:
            value = file + argument;
            break;
          case SOURCE.value:
            value = argument;
            break;
          case SOURCE.stack:
            value = modrm & 7;
            break;
          case SOURCE.imm8:
            value = (bytes[at++] << 24) >> 24;
            if (argument !== 4) value &= argument === 1 ? 0xff : 0xffff;
            break;
          case SOURCE.imm16:
            value = bytes[at] | (bytes[at + 1] << 8);
            at += 2;
            break;
          case SOURCE.imm32:
            value = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
            at += 4;
            break;
          case SOURCE.rel8: {
            const target = (bytes[at] << 24) >> 24;
            at++;
            value = this.#branch(to, at + target);
            break;
          }
          default: {
            const target = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
            at += 4;
            value = this.#branch(to, at + target);
          }
        }
        words[to + (operand >> (PLACE_SHIFT + 2))] = value;
      }
      const length = at - eip;
      if (length > MAX_LENGTH) break;
      words[to] = handler | (length << 16) | (isComputed ? 0 : shift << 24);
      words[to + RECORD.eip / 4] = eip;
      if (isComputed) {
        const isBased = segment !== STATE.zero && (flags & FLAG.addressOnly) === 0;
        words[first] = (isBased ? SEGMENT_ADDRESS : ADDRESS) | (length << 16) | (shift << 24);
        words[first + RECORD.a / 4] = -(flags >> SIZE_SHIFT);
        words[first + RECORD.eip / 4] = eip;
      }
      records.set(eip, free + vmIndex);
      if (isAfterCall) this.#expectReturn(eip, free + vmIndex);
      isAfterCall = (flags & FLAG.call) !== 0;
      free = (to << 2) + RECORD_SIZE;
      eip = at;
      if ((flags & FLAG.ends) !== 0) {
        this.ended = true;
        left--;
        break;
      }
    }
    this.count = count - left;
    this.eip = eip;
    this.free = free;
  }

  /** Entry of an opcode that has prefixes or more than one byte. */
  #prefixes(first: number, start: number): number {
    const bytes = this.#bytes;
    let byte = first;
    let at = start;
    let operandSize = 0;
    let repeat = 0;
    this.#override = -1;
    this.#lock = false;
    for (; at - start < MAX_PREFIXES; byte = bytes[at++]) {
      if (byte === 0x66) operandSize = OPCODES;
      else if (byte === 0xf3) repeat = 2 * OPCODES;
      else if (byte === 0xf2) repeat = 3 * OPCODES;
      else if (byte === 0xf0) this.#lock = true;
      else if (byte === 0x64 || byte === 0x65) this.#override = byte - 0x60;
      else if ((byte & 0xe7) === 0x26) this.#override = (byte >> 3) & 3;
      else break;
    }
    let opcode = byte;
    if (byte === 0x0f) {
      byte = bytes[at++];
      if (byte === 0x38) opcode = 0x200 + bytes[at++];
      else opcode = byte === 0x3a ? 0x300 + bytes[at++] : 0x100 + byte;
    }
    this.#at = at;
    return operandSize !== 0 && repeat !== 0 ? 0 : this.#templates[operandSize + repeat + opcode];
  }

  /** Are these prefixes allowed? Segments: see isEvaluated(). */
  #allows(flags: number): boolean {
    if (this.#lock && (flags & FLAG.lockable) === 0) return false;
    const override = this.#override;
    if (override < 0) return true;
    if ((flags & FLAG.skips) === 0) {
      if (override === CS) return false;
      if (override >= FS && ((flags & FLAG.flat) !== 0 || ((this.open >> (override - FS)) & 1) === 0)) return false;
    }
    this.hadOverride = true;
    return true;
  }

  /** Notes the target of the branch in the record at `to` (a word); answers the target's record, 0 if there is none yet. */
  #branch(to: number, target: number): number {
    this.#words[to + RECORD.displacement / 4] = target;
    const known = this.#records.get(target >>> 0);
    if (known === 0 && this.#branchCount < MAX_BRANCHES) this.#branches[this.#branchCount++] = to;
    return known;
  }

  /** Links branches of the run to what has been decoded since. */
  link(): void {
    for (let i = 0; i < this.#branchCount; i++) {
      const to = this.#branches[i];
      const target = this.#words[to + RECORD.displacement / 4] >>> 0;
      this.#words[to + RECORD.immediate / 4] = this.#records.get(target);
    }
    this.#branchCount = 0;
  }

  /** The interpreter will find the record of a return address by itself. */
  #expectReturn(eip: number, record: number): void {
    const entry = (VM_HASH >> 2) + (eip & (HASH_ENTRIES - 1)) * 2;
    this.#words[entry] = eip;
    this.#words[entry + 1] = record;
  }
}
