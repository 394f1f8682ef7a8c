/** Where the present flags come from: a condition on them is then a comparison of its own, and needs no flags. */
import type { BaseEmitter } from './base-emitter.ts';
import type { Flags, Size } from './emitter.ts';
import { I32 } from './ops.ts';
import type { Node } from './wasm-ir.ts';

/** The emitter, and which of its lists of statements there is, or is around it. */
interface OriginEmitter extends BaseEmitter<Node> {
  readonly statements: Node[];
  isVisible(list: Node[]): boolean;
}

const isDifference = ({ code, args }: Node, a: Node, b: Node): boolean =>
  code[0] === I32.sub.code && args[0] === a && args[1] === b;

/** The operation whose flags are the present ones: a subtraction (two operands), a logical one, or another, with its result. */
interface Origin {
  readonly kind: 'difference' | 'logic' | 'result';
  readonly operands?: readonly Node[];
  readonly result: Node;
  readonly size: Size;
  readonly list: Node[];
}

export class FlagOrigin {
  readonly #emitter: OriginEmitter;
  #origin: Origin | undefined;

  constructor(emitter: OriginEmitter) {
    this.#emitter = emitter;
  }

  /** Not known. */
  forget(): void {
    this.#origin = undefined;
  }

  /** As `lazy`, and notes what the flags come from: a condition on them is then a comparison of its own. */
  remembering(lazy: Flags<Node>): Flags<Node> {
    const remember = (origin: Omit<Origin, 'list'>): void => {
      this.#origin = { ...origin, list: this.#emitter.statements };
    };
    return {
      ...lazy,
      add: (a, b, sum, size) => {
        lazy.add(a, b, sum, size);
        remember({ kind: 'result', result: sum, size });
      },
      sub: (a, b, difference, size) => {
        lazy.sub(a, b, difference, size);
        // Not with a borrow (SBB).
        const isPlain = isDifference(difference, a, b);
        if (isPlain) remember({ kind: 'difference', operands: [a, b], result: difference, size });
        else remember({ kind: 'result', result: difference, size });
      },
      logic: (result, size) => {
        lazy.logic(result, size);
        remember({ kind: 'logic', result, size });
      },
      inc: (a, sum, size) => {
        lazy.inc(a, sum, size);
        remember({ kind: 'result', result: sum, size });
      },
      dec: (a, difference, size) => {
        lazy.dec(a, difference, size);
        remember({ kind: 'result', result: difference, size });
      },
      result: (result, size, rest) => {
        lazy.result(result, size, rest);
        remember({ kind: 'result', result, size });
      },
      set: (values) => {
        lazy.set(values);
        this.#origin = undefined;
      },
      restore: (image) => {
        lazy.restore(image);
        this.#origin = undefined;
      },
    };
  }

  /** The condition from its origin, if that still holds here; null: it takes the flags. */
  condition(positive: number): Node | null {
    const origin = this.#origin;
    const e = this.#emitter;
    if (!origin || !e.isVisible(origin.list)) return null;
    const signed = (value: Node): Node => e.sext(value, origin.size);
    const zero = e.const(0);
    const [a, b] = origin.operands?.map((value) => e.zext(value, origin.size)) ?? [
      e.zext(origin.result, origin.size),
      zero,
    ];
    if (positive === 2) return e.eq(a, b);
    if (positive === 4) return e.ltS(signed(origin.result), zero);
    if (origin.kind === 'result') return null;
    switch (positive) {
      case 1:
        return origin.operands ? e.ltU(a, b) : zero;
      case 3:
        return origin.operands ? e.leU(a, b) : e.eqz(a);
      case 6:
        return e.ltS(signed(a), signed(b));
      case 7:
        return e.leS(signed(a), signed(b));
      default:
        return null;
    }
  }
}
