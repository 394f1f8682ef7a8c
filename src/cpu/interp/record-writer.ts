/** Writes decoded instructions into the VM's records (record.ts). */
import type { Decoded, DecodedOperand } from '../decode/decoded.ts';
import { VM_STATE } from '../layout.ts';
import type { CpuMemory } from '../memory.ts';
import { STATE } from '../state.ts';
import { slots } from './handlers.ts';
import { handlerFor } from './isa-tables.ts';
import type { MemoryShape } from './record.ts';
import { RECORD, RECORD_SIZE } from './record.ts';
import type { FoundHandler, Isa } from './record-cache.ts';
import { specialIndex } from './specials.ts';

export class RecordWriter {
  readonly #memory: CpuMemory;
  readonly #isa: Isa;
  readonly #vm: DataView;
  /** Offset in the VM's area of the next free record. */
  free = 0;

  constructor(memory: CpuMemory, isa: Isa, vm: DataView) {
    this.#memory = memory;
    this.#isa = isa;
    this.#vm = vm;
  }

  head(at: number, handler: number, eip: number, length: number): void {
    for (let i = 0; i < RECORD_SIZE; i += 4) this.#vm.setUint32(at + i, 0, true);
    this.#vm.setUint16(at + RECORD.handler, handler, true);
    this.#vm.setUint8(at + RECORD.length, length);
    this.#vm.setUint32(at + RECORD.eip, eip, true);
  }

  proceed(at: number, eip: number, target: number): void {
    this.head(at, specialIndex('proceed'), eip, 0);
    this.#vm.setUint32(at + RECORD.immediate, target, true);
    this.#vm.setUint32(at + RECORD.displacement, eip, true);
  }

  /** A record that raises an exception; `address` is that of a #PF. */
  raise(at: number, eip: number, vector: number, detail: number, address = 0): void {
    this.head(at, specialIndex('decodeFault'), eip, 0);
    this.#vm.setUint32(at + RECORD.immediate, vector, true);
    this.#vm.setUint32(at + RECORD.displacement, detail, true);
    this.#vm.setUint32(at + RECORD.b, address, true);
  }

  /** The instruction itself; `isComputed`: the record before it computes its memory operand's address. */
  insn(decoded: Decoded, handler: FoundHandler, isComputed: boolean): void {
    const { eip, length, operands } = decoded;
    const at = this.free;
    this.head(at, handler.handler, eip, length);
    for (let i = 0; i < operands.length; i++) {
      const operand = operands[i];
      if (operand.kind === 'memory') this.#memoryOperand(at, operand, isComputed);
      else this.#vm.setUint32(at + handler.places[i], this.#operandValue(at, operand), true);
    }
    this.free += RECORD_SIZE;
  }

  /** The handler of a row depends on few things more: each is looked up by its name once. */
  handler(decoded: Decoded, shape: MemoryShape | undefined): FoundHandler {
    const { row, insn, operandSize, addressSize, repeat } = decoded;
    const variant = (operandSize << 10) | (addressSize << 13) | (repeat << 16) | (shape ? shape.charCodeAt(0) : 0);
    let variants = this.#isa.found.get(row);
    if (!variants) {
      variants = new Map();
      this.#isa.found.set(row, variants);
    }
    let found = variants.get(variant);
    if (!found) {
      const handler = handlerFor(this.#isa.handlers, decoded, shape);
      if (handler === undefined) throw new Error(`no handler for ${insn.name} (${row.text})`);
      found = { handler, places: slots(decoded.operands) };
      variants.set(variant, found);
    }
    return found;
  }

  check({ eip, length }: Decoded): void {
    const at = this.free;
    this.head(at, specialIndex('check'), eip, length);
    this.#memory.vm.set(this.#memory.u8.subarray(eip, eip + length), at + RECORD.a);
    this.free += RECORD_SIZE;
  }

  #pointer(offset: number): number {
    return this.#memory.vmIndex + VM_STATE + offset;
  }

  /** What goes into the operand's slot; a branch's target is linked when it is first taken. */
  #operandValue(at: number, operand: DecodedOperand): number {
    switch (operand.kind) {
      case 'relative':
        this.#vm.setUint32(at + RECORD.displacement, operand.value, true);
        return 0;
      case 'far':
        this.#vm.setUint32(at + RECORD.displacement, operand.selector, true);
        return operand.value;
      case 'immediate':
      case 'x87':
        return operand.value;
      default:
        return this.#pointer(operand.offset);
    }
  }

  #memoryOperand(at: number, operand: DecodedOperand, isComputed: boolean): void {
    if (isComputed) {
      this.#vm.setUint32(at + RECORD.base, this.#pointer(STATE.address), true);
      return;
    }
    const { base, index, shift, displacement, segment } = operand.address!;
    this.#vm.setUint32(at + RECORD.base, this.#pointer(base), true);
    this.#vm.setInt32(at + RECORD.displacement, displacement, true);
    this.#vm.setUint16(at + RECORD.index, index, true);
    this.#vm.setUint16(at + RECORD.segment, segment, true);
    this.#vm.setUint8(at + RECORD.shift, shift);
  }

  address({ eip, length, insn }: Decoded, operand: DecodedOperand): void {
    const at = this.free;
    const { narrow, segment } = operand.address!;
    const isBased = segment !== STATE.zero && insn.name !== 'lea';
    this.head(at, specialIndex(narrow ? 'narrowAddress' : isBased ? 'segmentAddress' : 'address'), eip, length);
    this.#memoryOperand(at, operand, false);
    if (!isBased) this.#vm.setUint16(at + RECORD.segment, STATE.zero, true);
    this.#vm.setInt32(at + RECORD.a, -operand.size, true);
    this.free += RECORD_SIZE;
  }

  /** An instruction for the evaluator. */
  evaluate({ eip, length }: Decoded): void {
    this.head(this.free, specialIndex('evaluate'), eip, length);
    this.free += RECORD_SIZE;
  }
}
