/** The wasm emitter whose operands come from the decoded record. */
import type { MemoryType } from '../emit/base-emitter.ts';
import type { Operand } from '../emit/emitter.ts';
import { RecordEmitter } from '../emit/record-emitter.ts';
import type { RoutineTable, WasmTarget } from '../emit/wasm-emitter.ts';
import type { Node } from '../emit/wasm-ir.ts';
import { node } from '../emit/wasm-ir.ts';
import { STATE } from '../state.ts';
import type { MemoryShape } from './record.ts';
import { RECORD, RECORD_SIZE } from './record.ts';

/** An operand as one handler sees it: its kind is fixed, its values are in the record. */
export interface SlotOperand extends Operand {
  readonly shape?: MemoryShape;
  /** Field of the record that holds its value. */
  readonly slot: number;
}

/** What a handler is made for, besides its operands. */
export interface Mode {
  readonly operandSize: 2 | 4;
  readonly addressSize: 2 | 4;
  readonly repeat: 0 | 0xf2 | 0xf3;
}

/** Local 0 of every function that runs records. */
const RECORD_POINTER = node({ code: [0x20, 0], type: 'i32', inline: true });

export class InterpEmitter extends RecordEmitter {
  #mode: Mode;
  /** Whether the body asked for the mode: if not, one handler serves all. */
  readonly asked = { operandSize: false, addressSize: false };
  readonly #pointers = new Map<number, Node>();
  readonly #addresses = new Map<Operand, { offset: Node; linear: Node }>();

  constructor(target: WasmTarget, routines: RoutineTable, mode: Mode, operands: readonly SlotOperand[]) {
    super(target, routines);
    this.#mode = mode;
    this.#takeOperands(operands);
  }

  #takeOperands(operands: readonly SlotOperand[]): void {
    this.#pointers.clear();
    this.#addresses.clear();
    // What an operand needs is computed first, where every path of the body can use it; what is not used vanishes.
    for (const { slot, kind } of operands) {
      if (kind !== 'memory' && !this.#pointers.has(slot)) this.#pointers.set(slot, this.field(slot));
    }
    for (const operand of operands) if (operand.kind === 'memory') this.#addresses.set(operand, this.#address(operand));
  }

  get operandSize(): 2 | 4 {
    this.asked.operandSize = true;
    return this.#mode.operandSize;
  }
  get addressSize(): 2 | 4 {
    this.asked.addressSize = true;
    return this.#mode.addressSize;
  }
  get repeat(): 0 | 0xf2 | 0xf3 {
    return this.#mode.repeat;
  }

  protected recordPointer(): Node {
    return RECORD_POINTER;
  }
  field(offset: number, type: MemoryType = 'i32'): Node {
    return this.vmLoad(RECORD_POINTER, type, offset);
  }
  #stateAt(field: number): Node {
    return this.state(0, 'i32', this.field(field, 'u16'));
  }

  #address({ shape, size }: SlotOperand): { offset: Node; linear: Node } {
    const offset = this.#offset(shape !== 'm');
    return { offset, linear: shape === 's' ? this.inSegment(offset, this.segment(), size) : offset };
  }
  #offset(isIndexed: boolean): Node {
    const base = this.vmLoad(this.field(RECORD.base), 'i32', 0);
    if (!isIndexed) return this.add(base, this.field(RECORD.displacement));
    const scaled = this.shl(this.#stateAt(RECORD.index), this.field(RECORD.shift, 'u8'));
    return this.add(this.add(base, scaled), this.field(RECORD.displacement));
  }
  effectiveAddress(operand: Operand): Node {
    return this.#addresses.get(operand)!.offset;
  }
  operandAddress(operand: Operand): Node {
    return this.#addresses.get(operand)!.linear;
  }

  #value(operand: Operand): Node {
    return this.#pointers.get((operand as SlotOperand).slot)!;
  }
  protected fileLoad(operand: Operand, type: MemoryType, delta = 0): Node {
    return this.vmLoad(this.#value(operand), type, delta);
  }
  protected fileStore(operand: Operand, value: Node, type: MemoryType, delta = 0): void {
    this.vmStore(this.#value(operand), value, type, delta);
  }
  protected immediate(operand: Operand): Node {
    return this.#value(operand);
  }
  farSelector(_operand: Operand): Node {
    return this.field(RECORD.displacement);
  }

  currentEip(): Node {
    return this.field(RECORD.eip);
  }
  nextEip(): Node {
    return this.add(this.field(RECORD.eip), this.field(RECORD.length, 'u8'));
  }
  jump(target: Operand): void {
    const record = this.#value(target);
    this.if(this.eqz(record), () => this.leave('link'));
    this.leave('land', record);
  }
  /** Goes over to the instruction of the next record, in the same handler. */
  advance(mode: Mode, operands: readonly SlotOperand[]): void {
    const bytes = [...RECORD_POINTER.code, 0x41, RECORD_SIZE, 0x6a, 0x21, 0];
    this.append(node({ code: bytes, effect: true }));
    this.forgetAccess();
    this.#mode = mode;
    this.#takeOperands(operands);
  }
  /** On to the next record. */
  next(): void {
    if (!this.isEnded) this.leave('next');
  }
  // What the special handlers need.

  /** The offset of any address, and the base of its segment. */
  generalAddress(): Node {
    return this.#offset(true);
  }
  segment(): Node {
    return this.#stateAt(RECORD.segment);
  }
  recordByte(index: Node): Node {
    return this.vmLoad(this.add(RECORD_POINTER, index), 'u8', RECORD.a);
  }
  /** A fault whose reason is already in the register file. */
  leaveFaulting(): void {
    this.leave('fault');
  }
  /** To the next record, without counting an instruction. */
  proceed(): void {
    // What is stored must be exact too, for accesses that trap.
    this.setState(STATE.budget, this.add(this.state(STATE.budget), this.const(RECORD_SIZE)));
    this.leave('proceed', this.add(RECORD_POINTER, this.const(RECORD_SIZE)));
  }
  /** To another row, without counting an instruction; the slice may end there. */
  join(record: Node): void {
    this.leave('join', record);
  }
}
