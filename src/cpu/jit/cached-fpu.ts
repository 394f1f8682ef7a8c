/**
 * The x87 stack within a block of compiled code: TOP moves when the code is made, the registers that it uses are in locals,
 * and what is known of their tags and values need not be looked at. Instructions whose paths leave the stack alike (deferrable
 * in insn.ts) change the locals only: the register file gets them by flush(), before somebody looks there. All others, and
 * routines, work on the register file.
 */
import type { Emitter, Variable } from '../emit/emitter.ts';
import { MemoryFpu } from '../emit/fpu.ts';
import type { Node } from '../emit/wasm-ir.ts';
import { C1 } from '../f80/format.ts';
import { STATE } from '../state.ts';
import type { Knowledge } from './fpu-knowledge.ts';
import { isNewer, NOTHING, numbersIn } from './fpu-knowledge.ts';

interface Register {
  readonly sig: Variable<Node>;
  readonly se: Variable<Node>;
  /** Made when it is first asked for. */
  normal: Variable<Node> | undefined;
}

/** Locals that are set where the stack is opened. */
interface Opened {
  readonly top: Variable<Node>;
  /** The control word is what the fast paths are written for. */
  readonly plain: Variable<Node>;
  /** Not 0: PE. C1. */
  readonly lost: Variable<Node>;
  readonly up: Variable<Node>;
}

export class CachedFpu extends MemoryFpu<Node> {
  #known: Knowledge = NOTHING;
  readonly #numbers = new WeakMap<Node, number>();
  readonly #registers = new Map<number, Register>();
  #opened: Opened | undefined;
  /** How many conditions the code at hand depends on. */
  #depth = 0;
  /** The instruction at hand may leave its changes in locals. */
  #defers = false;
  /** The accesses to the register file are this object's own. */
  isAtWork = false;

  constructor(e: Emitter<Node>) {
    super(e);
  }

  /** Before an x87 instruction. */
  begin(defers: boolean): void {
    this.#defers = defers;
    if (!defers) this.flush();
    if (this.#known.isOpen) return;
    const { e } = this;
    const top = e.state(STATE.fpuTop);
    const plain = super.isPlain();
    const zero = e.const64(0n);
    if (this.#opened) {
      this.#opened.top.set(top);
      this.#opened.plain.set(plain);
      this.#opened.lost.set(zero);
    } else {
      const up = e.variable('i32', e.const(0));
      this.#opened = {
        top: e.variable('i32', top),
        plain: e.variable('i32', plain),
        lost: e.variable('i64', zero),
        up,
      };
    }
    this.#known = { ...NOTHING, isOpen: true, isSettled: this.#known.isSettled };
  }
  /** Before an instruction that may look at the register file, or change it there. */
  giveUp(): void {
    this.#defers = false;
    this.flush();
  }
  /** Another block, which has locals of its own. */
  startOver(): void {
    this.#known = NOTHING;
    this.#opened = undefined;
    this.#registers.clear();
  }
  /** The register file is changed by somebody else. */
  forget(): void {
    if (this.#depth > 0 && isNewer(this.#known)) throw new Error('what is deferred on one path is lost on another');
    this.flush();
    this.#known = NOTHING;
  }
  #change(change: Partial<Knowledge>): void {
    this.#known = { ...this.#known, ...change };
  }

  #work<T>(work: () => T): T {
    this.isAtWork = true;
    const result = work();
    this.isAtWork = false;
    return result;
  }

  /** What the locals have and the register file has not. */
  flush(): void {
    if (!isNewer(this.#known)) return;
    this.#work(() => {
      const { newer, newerTags, isBehind, ip } = this.#known;
      for (const number of numbersIn(newer)) this.#writeBack(number);
      for (const number of numbersIn(newerTags)) this.#writeTag(number);
      if (isBehind) this.#writeStatus();
      if (ip) this.e.setState(STATE.fpuIp, ip);
    });
    this.#change({ newer: 0, newerTags: 0, isBehind: false, ip: undefined });
    if (this.#depth === 0) this.#opened!.lost.set(this.e.const64(0n));
  }
  #writeBack(number: number): void {
    const { sig, se } = this.#registers.get(number)!;
    super.write(this.#node(number), sig.get(), se.get());
  }
  #writeTag(number: number): void {
    super.setEmpty(this.#node(number), this.#known.empty & (1 << number) ? 1 : 0);
  }
  #writeStatus(): void {
    this.e.setState(STATE.fpuTop, this.#node(this.#known.top));
    super.round(this.#opened!.lost.get(), this.#opened!.up.get());
  }

  #node(number: number): Node {
    const { e } = this;
    const top = this.#opened!.top.get();
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
    this.#change({ top: (this.#known.top + by) & 7, isBehind: this.#defers });
    if (!this.#defers) this.#work(() => this.e.setState(STATE.fpuTop, this.#node(this.#known.top)));
  }

  #bit(register: Node): number {
    const number = this.#known.isOpen ? this.#numbers.get(register) : undefined;
    if (number === undefined && this.#defers && isNewer(this.#known)) throw new Error('a register without a number');
    return number === undefined ? 0 : 1 << number;
  }
  override isEmpty(register: Node): Node {
    const bit = this.#bit(register);
    if (bit & this.#known.used) return this.e.const(0);
    return bit & this.#known.empty ? this.e.const(1) : super.isEmpty(register);
  }
  override setEmpty(register: Node, isEmpty: 0 | 1): void {
    const bit = this.#bit(register);
    const { used, empty, newerTags } = this.#known;
    if (bit & (isEmpty ? empty : used)) return;
    if (bit === 0) this.#change({ used: 0, empty: 0 });
    else if (isEmpty) this.#change({ used: used & ~bit, empty: empty | bit });
    else this.#change({ used: used | bit, empty: empty & ~bit });
    if (bit && this.#defers) this.#change({ newerTags: newerTags | bit });
    else this.#work(() => super.setEmpty(register, isEmpty));
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
  override write(register: Node, sig: Node, se: Node, isNormal?: Node): void {
    const bit = this.#bit(register);
    const isDeferred = bit !== 0 && this.#defers;
    if (!isDeferred) this.#work(() => super.write(register, sig, se));
    if (bit === 0) {
      this.#change({ held: 0, classed: 0 });
      return;
    }
    const number = this.#numbers.get(register)!;
    this.#keep(number, [sig, se]);
    if (isNormal) this.#classify(number, isNormal);
    if (isDeferred) this.#change({ newer: this.#known.newer | bit });
  }
  override replace(register: Node, sig: Node, se: Node): void {
    this.write(register, sig, se, this.e.const(1));
    const bit = this.#bit(register);
    this.#change({ used: this.#known.used | bit, empty: this.#known.empty & ~bit });
  }
  override isNormal(register: Node, value: readonly [Node, Node]): Node {
    const bit = this.#bit(register);
    const number = this.#numbers.get(register)!;
    if (bit & this.#known.classed) return this.#registers.get(number)!.normal!.get();
    const isNormal = super.isNormal(register, value);
    if (bit & this.#known.held && this.#depth === 0) this.#classify(number, isNormal);
    return isNormal;
  }
  #keep(number: number, [sig, se]: readonly [Node, Node]): void {
    const { e } = this;
    const register = this.#registers.get(number);
    if (register) {
      register.sig.set(sig);
      register.se.set(se);
    } else {
      const made = { sig: e.variable('i64', sig), se: e.variable('i32', se), normal: undefined };
      this.#registers.set(number, made);
    }
    const bit = 1 << number;
    this.#change({ held: this.#known.held | bit, classed: this.#known.classed & ~bit });
  }
  #classify(number: number, isNormal: Node): void {
    const register = this.#registers.get(number)!;
    if (register.normal) register.normal.set(isNormal);
    else register.normal = this.e.variable('i32', isNormal);
    this.#change({ classed: this.#known.classed | (1 << number) });
  }
  /** From the register file. */
  #load(number: number, isClassed: boolean): void {
    const value = super.read(this.#node(number));
    this.#keep(number, value);
    if (isClassed) this.#classify(number, super.isNormal(value[0], value));
  }

  override round(lost: Node, up: Node): void {
    if (!this.#defers) {
      super.round(lost, up);
      return;
    }
    const opened = this.#opened!;
    opened.lost.set(this.e.i64.or(opened.lost.get(), lost));
    opened.up.set(up);
    this.#change({ isBehind: true });
  }
  override clearRoundUp(): void {
    if (!this.#defers) {
      super.clearRoundUp();
      return;
    }
    this.#opened!.up.set(this.e.const(0));
    this.#change({ isBehind: true });
  }
  #loadRoundUp(): void {
    const { e } = this;
    this.#opened!.up.set(e.ne(e.and(e.state(STATE.fpuStatus), e.const(C1)), e.const(0)));
  }

  override isPlain(): Node {
    return this.#known.isOpen ? this.#opened!.plain.get() : super.isPlain();
  }
  override isPending(): Node {
    return this.#known.isSettled ? this.e.const(0) : super.isPending();
  }
  override settle(): void {
    this.#change({ isSettled: true });
  }
  override finish(): void {
    if (!this.#defers || !this.#known.isOpen) {
      super.finish();
      return;
    }
    this.#change({ ip: this.e.currentEip() });
    this.e.if(this.isPending(), () => this.e.noteException());
    this.settle();
  }

  /** A routine has worked on the stack. */
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
    const begin = (fill: () => boolean): boolean => {
      this.#known = before;
      this.#depth++;
      return fill();
    };
    return [
      () => {
        if (!begin(first)) after = this.#known;
        this.#depth--;
        this.#known = before;
      },
      () => {
        const isEnded = begin(second);
        if (isEnded) this.#known = after ?? before;
        else if (after) this.#meet(after, check);
        this.#depth--;
        if (this.#known.isStale && this.#depth === 0) this.#known = NOTHING;
      },
    ];
  }

  /** On the second path, of which the first one's end is known: what holds on both. */
  #meet(first: Knowledge, check: () => void): void {
    if (this.#known.isStale && first.isOpen && !first.isStale) this.#reload(first, check);
    const isSettled = first.isSettled && this.#known.isSettled;
    const isStale = first.isStale || this.#known.isStale;
    if (!first.isOpen || !this.#known.isOpen || first.top !== this.#known.top) {
      if (isNewer(first)) throw new Error('what is deferred on one path is lost on another');
      this.flush();
      this.#known = { ...NOTHING, isSettled, isStale };
      return;
    }
    this.#agreeOn(first);
    const { held, used, empty, classed, newer, newerTags, ip } = this.#known;
    this.#known = {
      ...first,
      held: first.held & held,
      used: first.used & used,
      empty: first.empty & empty,
      classed: first.classed & classed,
      newer: first.newer | newer,
      newerTags: first.newerTags | newerTags,
      ip: first.ip ?? ip,
      isSettled,
    };
  }

  /** What is in locals on one path only, gets there on this one, or into the register file. */
  #agreeOn(first: Knowledge): void {
    const { held, newer, newerTags, used, empty, isBehind } = this.#known;
    for (const number of numbersIn(first.newer & ~held)) this.#load(number, false);
    const known = (first.used & used) | (first.empty & empty);
    if (first.newerTags & ~known) throw new Error('tags that are deferred on one path differ on another');
    if (first.isBehind && !isBehind) this.#loadRoundUp();
    this.#work(() => {
      for (const number of numbersIn(newer & ~first.held)) this.#writeBack(number);
      for (const number of numbersIn(newerTags & ~known)) this.#writeTag(number);
      if (isBehind && !first.isBehind) this.#writeStatus();
    });
    this.#change({ newer: this.#known.newer & first.held, newerTags: newerTags & known });
  }

  #reload(wanted: Knowledge, check: () => void): void {
    check();
    this.#known = { ...wanted, held: 0 };
    for (const number of numbersIn(wanted.held)) this.#load(number, (wanted.classed & (1 << number)) !== 0);
    this.#opened!.lost.set(this.e.const64(0n));
    if (wanted.isBehind) this.#loadRoundUp();
  }
}
