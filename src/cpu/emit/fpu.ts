/** The x87 register stack, as bodies and routines see it (SDM Vol. 1, 8.1.2). Registers are named by their physical number. */
import { C1, exponentOf, isNormal, PE, PLAIN_CONTROL, PLAIN_MASK } from '../f80/format.ts';
import { STATE } from '../state.ts';
import type { Emitter } from './emitter.ts';

/** ES of the status word: an unmasked exception is pending. */
const PENDING = 0x80;

export interface Fpu<V> {
  /** The register that is ST(i). */
  physical(i: V): V;
  /** TOP moves: by 1 for a pop. */
  turn(by: number): void;
  isEmpty(register: V): V;
  setEmpty(register: V, empty: 0 | 1): void;
  /** Significand, sign and exponent. */
  read(register: V): [V, V];
  /** Leaves its tag alone. `isNormal`, where that is known: isNormal() will answer it. */
  write(register: V, sig: V, se: V, isNormal?: V): void;
  /** Is its value a normal number? Its value is what read() has answered. */
  isNormal(register: V, value: readonly [V, V]): V;
  /** A normal number takes the place of a value in use. */
  replace(register: V, sig: V, se: V): void;
  /** C1, 0 or 1, and PE if anything was lost (i64), of a result under the control word that the fast paths are written for. */
  round(lost: V, up: V): void;
  /** C1 := 0. */
  clearRoundUp(): void;
  /** The control word is what the fast paths are written for (f80/format.ts). */
  isPlain(): V;
  isPending(): V;
  /** No exception is pending: that has been looked at. */
  settle(): void;
  /** The instruction is done but for an exception of its own. */
  finish(): void;
}

const slot = <V>(e: Emitter<V>, register: V): V => e.shl(register, e.const(4));

export class MemoryFpu<V> implements Fpu<V> {
  protected readonly e: Emitter<V>;
  constructor(e: Emitter<V>) {
    this.e = e;
  }

  physical(i: V): V {
    const { e } = this;
    return e.and(e.add(e.state(STATE.fpuTop), i), e.const(7));
  }
  turn(by: number): void {
    const { e } = this;
    e.setState(STATE.fpuTop, e.and(e.add(e.state(STATE.fpuTop), e.const(by)), e.const(7)));
  }
  isEmpty(register: V): V {
    return this.e.state(STATE.fpuEmpty, 'u8', register);
  }
  setEmpty(register: V, empty: 0 | 1): void {
    this.e.setState(STATE.fpuEmpty, this.e.const(empty), 'u8', register);
  }
  read(register: V): [V, V] {
    const { e } = this;
    return [e.state(STATE.fpr, 'i64', slot(e, register)), e.state(STATE.fpr + 8, 'i32', slot(e, register))];
  }
  write(register: V, sig: V, se: V, _isNormal?: V): void {
    const { e } = this;
    e.setState(STATE.fpr, sig, 'i64', slot(e, register));
    e.setState(STATE.fpr + 8, se, 'i32', slot(e, register));
  }
  isNormal(_register: V, [sig, se]: readonly [V, V]): V {
    return isNormal(this.e, sig, exponentOf(this.e, se));
  }
  replace(register: V, sig: V, se: V): void {
    this.write(register, sig, se);
  }
  #addStatus(bits: V): void {
    const { e } = this;
    e.setState(STATE.fpuStatus, e.or(e.and(e.state(STATE.fpuStatus), e.const(~C1)), bits));
  }
  round(lost: V, up: V): void {
    const { e } = this;
    const precision = e.mul(e.i64.ne(lost, e.const64(0n)), e.const(PE));
    this.#addStatus(e.or(precision, e.mul(up, e.const(C1))));
  }
  clearRoundUp(): void {
    this.#addStatus(this.e.const(0));
  }
  isPlain(): V {
    const { e } = this;
    return e.eq(e.and(e.state(STATE.fpuControl), e.const(PLAIN_MASK)), e.const(PLAIN_CONTROL));
  }
  isPending(): V {
    return this.e.and(this.e.state(STATE.fpuStatus), this.e.const(PENDING));
  }
  settle(): void {}
  finish(): void {
    const { e } = this;
    e.setState(STATE.fpuIp, e.currentEip());
    e.if(this.isPending(), () => e.noteException());
    this.settle();
  }
}
