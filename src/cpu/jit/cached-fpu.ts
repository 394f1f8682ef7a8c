/**
 * The x87 stack within a block of compiled code: TOP moves when the code is made, the registers that it uses are in locals,
 * and what is known of their tags need not be looked at. All is written through to the register file, which routines work on.
 */
import type { Emitter, Variable } from '../emit/emitter.ts';
import { MemoryFpu } from '../emit/fpu.ts';
import type { Node } from '../emit/wasm-ir.ts';
import { STATE } from '../state.ts';

/** What holds at a point of the code. Registers are numbered from where TOP was at the beginning: a bit each. */
interface Knowledge {
  /** TOP has been loaded. */
  isOpen: boolean;
  top: number;
  /** In their locals, in use, empty. */
  held: number;
  used: number;
  empty: number;
  /** No exception is pending. */
  isSettled: boolean;
  /** A routine has worked on the register file. */
  isStale: boolean;
}

const NOTHING: Knowledge = {
  isOpen: false,
  top: 0,
  held: 0,
  used: 0,
  empty: 0,
  isSettled: false,
  isStale: false,
};

interface Register {
  readonly sig: Variable<Node>;
  readonly se: Variable<Node>;
}

export class CachedFpu extends MemoryFpu<Node> {
  #known: Knowledge = { ...NOTHING };
  readonly #numbers = new WeakMap<Node, number>();
  readonly #registers = new Map<number, Register>();
  #top: Variable<Node> | undefined;
  #plain: Variable<Node> | undefined;
  /** How many conditions the code at hand depends on. */
  #depth = 0;
  /** The accesses to the register file are this object's own. */
  isAtWork = false;

  constructor(e: Emitter<Node>) {
    super(e);
  }

  /** Before an x87 instruction. */
  begin(): void {
    if (this.#known.isOpen) return;
    this.#top = this.#setOrMake(this.#top, 'i32', this.e.state(STATE.fpuTop));
    this.#plain = this.#setOrMake(this.#plain, 'i32', super.isPlain());
    this.#known = { ...NOTHING, isOpen: true, isSettled: this.#known.isSettled };
  }
  /** Another block, which has locals of its own. */
  startOver(): void {
    this.forget();
    this.#top = undefined;
    this.#plain = undefined;
    this.#registers.clear();
  }
  forget(): void {
    this.#known = { ...NOTHING };
  }

  #setOrMake(variable: Variable<Node> | undefined, type: 'i32' | 'i64', value: Node): Variable<Node> {
    if (!variable) return this.e.variable(type, value);
    variable.set(value);
    return variable;
  }
  #work<T>(work: () => T): T {
    this.isAtWork = true;
    const result = work();
    this.isAtWork = false;
    return result;
  }

  #node(number: number): Node {
    const { e } = this;
    const top = this.#top!.get();
    const register = number === 0 ? top : e.and(e.add(top, e.const(number)), e.const(7));
    this.#numbers.set(register, number);
    return register;
  }
  override physical(i: Node): Node {
    if (!this.#known.isOpen || i.constant === undefined) return super.physical(i);
    return this.#node((this.#known.top + i.constant) & 7);
  }
  override turn(by: number): void {
    if (!this.#known.isOpen) {
      this.#work(() => super.turn(by));
      return;
    }
    this.#known.top = (this.#known.top + by) & 7;
    this.#work(() => this.e.setState(STATE.fpuTop, this.#node(this.#known.top)));
  }

  #bit(register: Node): number {
    const number = this.#known.isOpen ? this.#numbers.get(register) : undefined;
    return number === undefined ? 0 : 1 << number;
  }
  override isEmpty(register: Node): Node {
    const bit = this.#bit(register);
    if (bit & this.#known.used) return this.e.const(0);
    return bit & this.#known.empty ? this.e.const(1) : super.isEmpty(register);
  }
  override setEmpty(register: Node, empty: 0 | 1): void {
    const bit = this.#bit(register);
    const known = this.#known;
    if (bit === 0) known.used = known.empty = 0;
    else if (bit & (empty ? known.empty : known.used)) return;
    known.used = empty ? known.used & ~bit : known.used | bit;
    known.empty = empty ? known.empty | bit : known.empty & ~bit;
    this.#work(() => super.setEmpty(register, empty));
  }

  override read(register: Node): [Node, Node] {
    const bit = this.#bit(register);
    if (bit === 0) return super.read(register);
    const number = this.#numbers.get(register)!;
    if (!(bit & this.#known.held)) {
      const value = super.read(register);
      if (this.#depth > 0) return value;
      this.#keep(number, value);
    }
    const { sig, se } = this.#registers.get(number)!;
    return [sig.get(), se.get()];
  }
  override write(register: Node, sig: Node, se: Node): void {
    this.#work(() => super.write(register, sig, se));
    if (this.#bit(register) === 0) this.#known.held = 0;
    else this.#keep(this.#numbers.get(register)!, [sig, se]);
  }
  #keep(number: number, [sig, se]: [Node, Node]): void {
    const old = this.#registers.get(number);
    this.#registers.set(number, {
      sig: this.#setOrMake(old?.sig, 'i64', sig),
      se: this.#setOrMake(old?.se, 'i32', se),
    });
    this.#known.held |= 1 << number;
  }

  override isPlain(): Node {
    return this.#known.isOpen ? this.#plain!.get() : super.isPlain();
  }
  override isPending(): Node {
    return this.#known.isSettled ? this.e.const(0) : super.isPending();
  }
  override settle(): void {
    this.#known.isSettled = true;
  }

  /** A routine works on the stack. */
  routineCalled(): void {
    this.#known = { ...NOTHING, isStale: this.#depth > 0 };
  }

  /**
   * Two paths, and what holds after them: the second may be one that only routines go, which do as the first does. There
   * the registers are loaded anew, after `check` has looked for an exception; with one, the stack is not as expected.
   */
  paths(first: () => boolean, second: () => boolean, check: () => void): readonly [() => void, () => void] {
    const before = { ...this.#known, isStale: false };
    let after: Knowledge | undefined;
    const arm = (fill: () => boolean, isLast: boolean) => (): void => {
      this.#known = { ...before };
      this.#depth++;
      const ends = fill();
      const now = this.#known;
      if (isLast && !ends && now.isStale && after && !after.isStale && after.isOpen) this.#reload(after, check);
      this.#depth--;
      if (ends) {
        if (isLast) this.#known = after ?? { ...before };
        else this.#known = before;
        return;
      }
      if (!isLast) {
        after = this.#known;
        this.#known = before;
      } else this.#known = after ? merge(after, this.#known) : this.#known;
      if (isLast && this.#known.isStale && this.#depth === 0) this.forget();
    };
    return [arm(first, false), arm(second, true)];
  }

  #reload(wanted: Knowledge, check: () => void): void {
    check();
    this.#known = { ...wanted };
    for (let number = 0; number < 8; number++) {
      if (!(wanted.held & (1 << number))) continue;
      this.#keep(number, super.read(this.#node(number)));
    }
  }
}

function merge(a: Knowledge, b: Knowledge): Knowledge {
  const isSettled = a.isSettled && b.isSettled;
  if (!a.isOpen || !b.isOpen || a.top !== b.top) return { ...NOTHING, isSettled, isStale: a.isStale || b.isStale };
  const [held, used, empty] = [a.held & b.held, a.used & b.used, a.empty & b.empty];
  return { ...a, held, used, empty, isSettled };
}
