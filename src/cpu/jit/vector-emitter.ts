/** Runs of SSE instructions between which nothing but registers changes: their exceptions are looked for at the end. */
import type { DecodedOperand } from '../decode/decoded.ts';
import type { MemoryType } from '../emit/base-emitter.ts';
import type { FloatWay, Operand } from '../emit/emitter.ts';
import { emitInsn } from '../emit/evaluate.ts';
import type { Node } from '../emit/wasm-ir.ts';
import { type DeferrableName, DeferredFloats } from './deferred-floats.ts';
import { KeptEmitter } from './kept-emitter.ts';
import type { RegionInsn } from './region.ts';

const ARITHMETIC = /^(add|sub|mul|div|sqrt)([sp])([sd])$/;
/** They change XMM registers and nothing else, and cannot raise anything; where their destination is one. */
const MOVES = new Set(
  'movsd movss movapd movaps movupd movups movdqa movdqu movq movlps movlpd movhps movhpd movhlps movlhps movddup'
    .concat(
      ' unpcklpd unpckhpd unpcklps unpckhps shufpd shufps pshufd andpd andps andnpd andnps orpd orps xorpd xorps pxor',
    )
    .split(' '),
);
/** They change general registers, flags and nothing else; where their destination is no memory. */
const PLAIN = new Set(
  'mov add sub lea inc dec and or xor cmp test shl shr sar imul movzx movsx neg not nop'.split(' '),
);

interface Step {
  readonly insn: RegionInsn;
  /** The emitter is at the instruction. */
  readonly turn: () => void;
}

export abstract class VectorEmitter extends KeptEmitter {
  readonly #floats = new DeferredFloats(this);
  /** What is done once more if something was out of the ordinary; and the registers' values before it. */
  #steps: Step[] = [];
  readonly #before = new Map<number, Node>();
  #isAgain = false;
  /** The emitter is at the instruction that it has reached. */
  #here: () => void = () => {};
  /** Faults kill, and nobody looks at what they find. */
  mayDefer = false;

  protected override startOver(): void {
    super.startOver();
    this.#floats.startOver();
    this.#steps = [];
    this.#before.clear();
  }

  /** Before an instruction: it joins those whose exceptions are open, lets them be, or ends them. */
  protected reachFloats(insn: RegionInsn, turn: () => void): void {
    if (!this.mayDefer) return;
    this.#here = turn;
    const { insn: what, operands } = insn.decoded;
    const target = operands[0]?.kind;
    const isArithmetic = ARITHMETIC.test(what.name);
    if (isArithmetic || (this.#steps.length > 0 && MOVES.has(what.name) && target === 'xmm')) {
      const { offset } = operands[0] as DecodedOperand;
      if (!this.#before.has(offset)) this.#before.set(offset, this.state(offset, 'v128'));
      this.#steps.push({ insn, turn });
    } else if (!PLAIN.has(what.name) || target === 'memory') this.commitFloats();
  }

  override deferFloat(name: string, size: 4 | 8, isPacked: boolean, dst: Operand, src: Operand): FloatWay {
    if (!this.mayDefer || !ARITHMETIC.test(`${name}${isPacked ? 'p' : 's'}${size === 4 ? 's' : 'd'}`)) return 'checked';
    if (this.#isAgain) return 'exact';
    if (isPacked) this.requireAligned(src, 16);
    const b = isPacked || !this.isMemory(src) ? this.fileOrMemory(src) : this.loadExtended(src, size);
    this.store(dst, this.#floats.apply(name as DeferrableName, size, isPacked, this.fileOrMemory(dst), b));
    return 'done';
  }
  /** All of an XMM register, or 16 bytes of memory. */
  protected fileOrMemory(operand: Operand): Node {
    if (this.isMemory(operand)) return this.guestLoad(this.operandAddress(operand), 'v128');
    return this.fileLoad(operand, 'v128');
  }

  /** The registers are as they must be, and MXCSR. */
  protected commitFloats(): void {
    const steps = this.#steps;
    if (steps.length === 0) return;
    this.#steps = [];
    const good = this.#floats.verdict();
    if (good) this.rarely(this.eqz(good), () => this.#doAgain(steps));
    this.#before.clear();
    this.#floats.revise();
  }
  #doAgain(steps: readonly Step[]): void {
    this.#isAgain = true;
    for (const [offset, value] of this.#before) this.setState(offset, value, 'v128');
    for (const { insn, turn } of steps) {
      turn();
      emitInsn(this, insn.decoded.insn, insn.decoded.operands);
    }
    this.#here();
    this.#isAgain = false;
  }

  /** A lane that is stored needs no way over an integer register. */
  protected override guestStore(address: Node, value: Node, type: MemoryType): void {
    const { code, args } = value;
    const isLane = code[0] === 0xfd && args[0]?.type === 'v128' && code.length === 3;
    if (isLane && type === 'i64' && code[1] === 0x1d)
      super.guestStore(address, this.v128.extractLane('f64x2', args[0], code[2]), 'f64');
    else if (isLane && type === 'i32' && code[1] === 0x1b)
      super.guestStore(address, this.v128.extractLane('f32x4', args[0], code[2]), 'f32');
    else super.guestStore(address, value, type);
  }
}
