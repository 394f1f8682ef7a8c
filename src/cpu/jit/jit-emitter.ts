/**
 * The wasm emitter of compiled code: operands are constants. General registers live in wasm locals; each write also goes to
 * the register file, so that whoever looks there (a fault's handler, the interpreter, a routine) sees the truth.
 */
import type { Decoded, DecodedOperand } from '../decode/decoded.ts';
import type { MemoryType } from '../emit/base-emitter.ts';
import type { Operand } from '../emit/emitter.ts';
import { RecordEmitter } from '../emit/record-emitter.ts';
import type { RoutineTable, WasmTarget } from '../emit/wasm-emitter.ts';
import type { Exitway, LocalSlot, Node } from '../emit/wasm-ir.ts';
import { node } from '../emit/wasm-ir.ts';
import { RECORD, RECORD_SIZE } from '../interp/record.ts';
import { STATE } from '../state.ts';
import type { Block, Region, RegionInsn } from './region.ts';

const GPR_END = STATE.gpr + 32;

/** Locals that all blocks of a region share. */
export interface RegionLocals {
  readonly registers: readonly LocalSlot[];
  readonly credit: LocalSlot;
}

export class JitEmitter extends RecordEmitter {
  readonly #region: Region;
  readonly #block: Block;
  readonly #locals: RegionLocals;
  #insn: RegionInsn;

  constructor(target: WasmTarget, routines: RoutineTable, region: Region, block: Block, locals: RegionLocals) {
    super(target, routines);
    this.#region = region;
    this.#block = block;
    this.#locals = locals;
    this.#insn = block.insns[0];
  }

  begin(insn: RegionInsn): void {
    this.#insn = insn;
    this.modified = undefined;
    this.forgetAccess();
  }
  get #decoded(): Decoded {
    return this.#insn.decoded;
  }

  get operandSize(): 2 | 4 {
    return this.#decoded.operandSize;
  }
  get addressSize(): 2 | 4 {
    return this.#decoded.addressSize;
  }
  get repeat(): 0 | 0xf2 | 0xf3 {
    return this.#decoded.repeat;
  }
  protected recordPointer(): Node {
    return this.const(this.#insn.record);
  }

  #get(slot: LocalSlot): Node {
    return this.append(node({ code: [0x20], type: 'i32', variable: slot }));
  }
  #set(slot: LocalSlot, value: Node): void {
    this.append(node({ code: [0x21], args: [value], effect: true, variable: slot }));
  }

  override state(offset: number, type: MemoryType = 'i32', index?: Node): Node {
    if (offset === STATE.zero && index === undefined) return this.const(0);
    if (offset >= GPR_END || index !== undefined) return super.state(offset, type, index);
    const value = this.#get(this.#locals.registers[offset >> 2]);
    const part = this.shrU(value, this.const((offset & 3) * 8));
    if (type === 'i32') return part;
    return this.and(part, this.const(type === 'u8' ? 0xff : 0xffff));
  }

  override setState(offset: number, value: Node, type: MemoryType = 'i32', index?: Node): void {
    if (offset >= GPR_END || index !== undefined) {
      super.setState(offset, value, type, index);
      return;
    }
    const slot = this.#locals.registers[offset >> 2];
    const whole =
      type === 'i32' ? value : this.#insert(this.#get(slot), value, (offset & 3) * 8, type === 'u8' ? 0xff : 0xffff);
    this.#set(slot, whole);
    super.setState(offset & ~3, whole);
  }
  #insert(old: Node, part: Node, shift: number, mask: number): Node {
    const kept = this.and(old, this.const(~(mask << shift)));
    return this.or(kept, this.shl(this.and(part, this.const(mask)), this.const(shift)));
  }

  protected fileLoad(operand: Operand, type: MemoryType, delta = 0): Node {
    return this.state((operand as DecodedOperand).offset + delta, type);
  }
  protected fileStore(operand: Operand, value: Node, type: MemoryType, delta = 0): void {
    this.setState((operand as DecodedOperand).offset + delta, value, type);
  }
  protected immediate(operand: Operand): Node {
    return this.const((operand as DecodedOperand).value);
  }
  farSelector(operand: Operand): Node {
    return this.const((operand as DecodedOperand).selector);
  }

  effectiveAddress(operand: Operand): Node {
    const { base, index, shift, displacement, narrow } = (operand as DecodedOperand).address!;
    const scaled = this.shl(this.state(index), this.const(shift));
    const sum = this.add(this.add(this.state(base), scaled), this.const(displacement));
    return narrow ? this.and(sum, this.const(0xffff)) : sum;
  }
  readonly #addresses = new Map<Operand, Node>();
  /** The same node each time: a read-modify-write checks its address once. */
  operandAddress(operand: Operand): Node {
    let address = this.#addresses.get(operand);
    if (!address) {
      const { segment } = (operand as DecodedOperand).address!;
      const offset = this.effectiveAddress(operand);
      address = segment === STATE.zero ? offset : this.inSegment(offset, this.state(segment), operand.size);
      this.#addresses.set(operand, address);
    }
    return address;
  }
  /** Computes a memory operand's address before the body, where all of its paths can use it. */
  prepare(operands: readonly DecodedOperand[]): void {
    for (const operand of operands) if (operand.kind === 'memory') this.operandAddress(operand);
  }

  currentEip(): Node {
    return this.const(this.#decoded.eip);
  }
  nextEip(): Node {
    return this.const(this.#decoded.eip + this.#decoded.length);
  }

  /** To the interpreter, which goes on from this instruction's record as the way out says. */
  protected override leave(way: Exitway, argument?: Node): void {
    // The access that faults has noted the record already, and with it what kind of access it was.
    if (way !== 'pageFault') super.setState(STATE.record, this.const(this.#insn.record));
    super.leave(way, argument);
  }

  jump(target: Operand): void {
    const block = this.#region.byEip.get((target as DecodedOperand).value);
    if (block) {
      this.#transition(block);
      return;
    }
    const record = this.vmLoad(this.const(this.#insn.record), 'i32', RECORD.immediate);
    this.if(this.eqz(record), () => this.leave('link'));
    this.leave('land', record);
  }

  /** Within the region. Backwards, the slice may end: the interpreter finds that out when it lands there. */
  #transition(block: Block): void {
    const start = block.insns[0].record;
    const passed = this.const(this.#insn.record + RECORD_SIZE);
    if (block.index <= this.#block.index) {
      const left = this.sub(this.#get(this.#locals.credit), passed);
      this.if(this.leS(left, this.const(0)), () => this.leave('land', this.const(start)));
    }
    if (start !== this.#insn.record + RECORD_SIZE) {
      const credit = this.add(this.#get(this.#locals.credit), this.sub(this.const(start), passed));
      this.#set(this.#locals.credit, credit);
      super.setState(STATE.budget, this.#get(this.#locals.credit));
    }
    this.append(node({ kind: 'goto', code: [], exitway: 'block', block: block.index, effect: true }));
    this.end();
  }

  /** Behind the block's last instruction: into the next block, or out of the region. */
  finish(): void {
    if (this.isEnded) return;
    const block = this.#region.byEip.get(this.#block.next);
    if (block) this.#transition(block);
    else this.jumpIndirect(this.const(this.#block.next));
  }
}
