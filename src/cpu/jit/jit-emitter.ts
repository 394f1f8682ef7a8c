/** The wasm emitter of compiled code: operands are constants, targets of jumps are blocks or other compiled code. */
import type { Decoded, DecodedOperand } from '../decode/decoded.ts';
import type { MemoryType } from '../emit/base-emitter.ts';
import type { Operand } from '../emit/emitter.ts';
import type { WasmTarget } from '../emit/wasm-emitter.ts';
import type { Exitway, LocalSlot, Node } from '../emit/wasm-ir.ts';
import { node } from '../emit/wasm-ir.ts';
import { leb } from '../emit/wasm-writer.ts';
import { Inner } from '../inner.ts';
import { RECORD_SIZE } from '../interp/record.ts';
import { CODE_HASH_ENTRIES, VM_CODE_HASH } from '../layout.ts';
import { ESP, STATE } from '../state.ts';
import type { Flow } from './flow.ts';

import type { FlagLiveness } from './liveness.ts';
import { flagEffects } from './liveness.ts';
import type { Block, CodeSource, Region, RegionInsn } from './region.ts';
import { isNearCall } from './region.ts';
import type { ImportedRoutines } from './routines.ts';
import { ENTER, JUMP } from './routines.ts';
import { VectorEmitter } from './vector-emitter.ts';

/** The entry's number in a function's word. */
const ENTRY_MASK = 0xfff;

/** Locals that all blocks of a region share. */
export interface RegionLocals {
  /** Eight registers and two flag words. */
  readonly kept: readonly LocalSlot[];
  /** What is left of the slice, times RECORD_SIZE. */
  readonly left: LocalSlot;
  /** The function's word without the entry. */
  readonly self: LocalSlot;
}

export interface CodeMode {
  /** Flags and counts are right at every access; slices end where they must. */
  readonly isExact: boolean;
  /** Registers are in the register file at every access that may fault. */
  readonly isPrecise: boolean;
}

/** All that a region's blocks are emitted with. */
export interface RegionContext {
  readonly target: WasmTarget;
  readonly source: CodeSource;
  readonly routines: ImportedRoutines;
  readonly region: Region;
  readonly flow: Flow;
  readonly flags: FlagLiveness;
  readonly locals: RegionLocals;
  readonly mode: CodeMode;
}

export class JitEmitter extends VectorEmitter {
  readonly #context: RegionContext;
  #block: Block;
  #insn: RegionInsn;
  #position = 0;
  #isSettled = false;

  constructor(context: RegionContext) {
    super(context.target, context.routines, context.locals.kept);
    this.#context = context;
    this.#block = context.region.blocks[0];
    this.#insn = this.#block.insns[0];
  }

  startBlock(block: Block): void {
    this.startOver();
    this.fpu.startOver();
    this.mayDefer = !this.#context.mode.isPrecise && !this.#context.mode.isExact;
    this.#block = block;
    this.#isSettled = false;
    this.#addresses.clear();
  }

  begin(insn: RegionInsn, position: number): void {
    this.reachFloats(insn, () => this.#turnTo(insn, position));
    this.#turnTo(insn, position);
    // Where only some paths write flags, what they had been is computed for all.
    if (flagEffects(insn.decoded).mayWrite) this.materialize();
    const { feature, deferrable = false } = insn.decoded.insn.options;
    if (feature === 'x87') this.fpu.begin(deferrable);
    else if (feature !== undefined) this.fpu.giveUp();
  }
  #turnTo(insn: RegionInsn, position: number): void {
    this.#insn = insn;
    this.#position = position;
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
    return this.const(0);
  }

  // Operands.

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
    let sum = this.state(base);
    if (index !== STATE.zero) {
      const scaled = this.shl(this.state(index), this.const(shift));
      sum = base === STATE.zero ? scaled : this.add(sum, scaled);
    }
    sum = this.add(sum, this.const(displacement));
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

  // Accesses.

  /** An access may leave this code as it stands, and someone wants to know where. */
  get #canTrap(): boolean {
    return this.target.protection === 'hardware' && this.#context.mode.isPrecise;
  }
  protected override beforeAccess(): void {
    if (!this.#canTrap) return;
    this.flush();
    // After a fault the interpreter goes on from here: in any case where the page can be had.
    if (this.#context.flags.isAsked(this.#block.index, this.#position)) this.storeFlags();
  }
  /** In software mode this is the path of the fault already. */
  protected override note(): void {
    if (!this.#canTrap) return;
    this.setState(STATE.eip, this.currentEip());
    if (this.#context.mode.isExact) this.setState(STATE.budget, this.#leftAfter(this.#position));
  }

  // Ways out.

  /** What is left when `count` instructions of the block have been done. */
  #leftAfter(count: number): Node {
    const settled = this.#isSettled ? this.#block.insns.length : 0;
    return this.sub(this.getLocal(this.#context.locals.left), this.const((count - settled) * RECORD_SIZE));
  }
  #answer(eip: Node): void {
    this.flush();
    super.leave('answer', eip);
  }

  /** To the interpreter: its fault, its trap, the instruction that is to be done again. */
  protected override leave(way: Exitway): void {
    this.flush();
    this.storeFlags();
    // A repeated instruction counts once, when it is over.
    const isDone = way === 'trap';
    this.setState(STATE.budget, this.#leftAfter(this.#position + Number(isDone)));
    if (way === 'restart') {
      this.#answer(this.currentEip());
      return;
    }
    if (way === 'pageFault') this.setState(STATE.exitReason, this.const(Inner.evaluate));
    this.setState(STATE.eip, way === 'trap' ? this.nextEip() : this.currentEip());
    this.#answer(this.const(0));
  }
  restart(): void {
    this.leave('restart');
  }

  /** The block is over: its instructions off the slice. */
  #settle(extra = 0): void {
    if (this.#isSettled) return;
    this.commitFloats();
    this.#isSettled = true;
    if (this.#context.mode.isPrecise) this.flush();
    // Another block knows nothing of the x87 stack.
    this.fpu.flush();
    const { left } = this.#context.locals;
    const count = this.#block.insns.length + extra;
    this.setLocal(left, this.sub(this.getLocal(left), this.const(count * RECORD_SIZE)));
  }
  #storeLeft(): void {
    this.setState(STATE.budget, this.getLocal(this.#context.locals.left));
  }

  jumpIf(condition: Node, target: Operand): void {
    this.#settle();
    this.if(condition, () => this.jump(target));
  }
  jump(target: Operand): void {
    const { value } = target as DecodedOperand;
    if (isNearCall(this.#decoded) && value !== this.#block.next) {
      this.#call(this.const(value));
      return;
    }
    this.#settle();
    this.#goTo(value);
  }
  jumpIndirect(target: Node): void {
    if (isNearCall(this.#decoded)) {
      this.#call(target);
      return;
    }
    this.#settle();
    this.flush();
    this.#leaveFlags();
    this.#storeLeft();
    if (this.#decoded.insn.name === 'ret') this.#answer(target);
    else {
      // Where it came from, should the target be unknown.
      this.setState(STATE.address, this.currentEip());
      this.#jumpAnywhere(target);
    }
  }

  #leaveFlags(): void {
    if (this.#context.flags.isAskedOutside(this.#block.index)) this.storeFlags();
  }

  /** A block of this region, if the address is one that control can come in at; or other code. */
  #jumpAnywhere(target: Node): void {
    if (this.#context.flow.isRootLoop && this.#decoded.insn.name === 'jmp') {
      const slot = this.shl(this.and(target, this.const(CODE_HASH_ENTRIES - 1)), this.const(3));
      const entry = this.add(slot, this.const(this.target.vmIndex));
      this.if(this.eq(this.vmLoad(entry, 'i32', VM_CODE_HASH), target), () => {
        const word = this.vmLoad(entry, 'i32', VM_CODE_HASH + 4);
        const number = this.xor(word, this.getLocal(this.#context.locals.self));
        const left = this.getLocal(this.#context.locals.left);
        const isHere = this.and(this.leU(number, this.const(ENTRY_MASK)), this.gtS(left, this.const(0)));
        this.if(isHere, () => super.leave('dispatch', number));
      });
    }
    this.#jumpTo(target);
  }
  /** Other code goes on in this code's place. */
  #jumpTo(target: Node): void {
    this.flush();
    this.append(node({ code: [0x12, ...leb(JUMP)], args: [target], effect: true }));
    this.end();
  }

  #call(target: Node): void {
    const { thunk } = this.#insn;
    if (thunk !== undefined) {
      this.setState(thunk, this.nextEip());
      this.setRegister(ESP, this.add(this.register(ESP, 4), this.const(4)), 4);
      this.#settle(2);
      this.#goTo(this.#block.next);
      return;
    }
    this.#settle();
    this.flush();
    this.#leaveFlags();
    this.#storeLeft();
    const answer = node({ kind: 'result', code: [], type: 'i32' });
    const callee = target.constant === undefined ? undefined : this.#context.source.callee(target.constant >>> 0);
    const index = callee ? this.#context.routines.callee(callee) : ENTER;
    const args = [callee ? this.const(callee.word) : target];
    this.append(node({ kind: 'call', code: [0x10, ...leb(index)], args, results: [answer], effect: true }));
    this.if(this.ne(answer, this.nextEip()), () => this.#answer(answer));
    const next = this.#context.region.byEip.get(this.#block.next);
    if (next) this.#toBlock('resume', next);
    else this.#jumpTo(this.nextEip());
  }

  #toBlock(way: 'block' | 'resume', { index }: Block): void {
    this.bequeath();
    this.append(node({ kind: 'goto', code: [], exitway: way, block: index, effect: true }));
    this.end();
  }

  /** Within the region, where it has code for the target. Backwards, the slice may end. */
  #goTo(eip: number): void {
    const { region, flow, flags, locals } = this.#context;
    const to = region.byEip.get(eip);
    if (!to) {
      this.setState(STATE.address, this.currentEip());
      this.storeFlags();
      this.#storeLeft();
      this.#jumpTo(this.const(eip));
      return;
    }
    if (flags.isAsked(to.index)) this.materialize();
    if (this.#context.mode.isExact || flow.isBackward(this.#block.index, to.index)) {
      this.if(this.leS(this.getLocal(locals.left), this.const(0)), () => {
        if (flags.isAsked(to.index)) this.storeFlags();
        this.#storeLeft();
        this.#answer(this.const(eip));
      });
    }
    this.#toBlock('block', to);
  }

  /** Behind the block's last instruction: into the next block, or out of the region. */
  finish(): void {
    if (this.isEnded) return;
    this.#settle();
    this.#goTo(this.#block.next);
  }
}
