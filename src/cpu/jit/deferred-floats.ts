/**
 * SSE arithmetic whose exceptions are looked for once, behind several operations.
 *
 * With PE set and all exceptions masked, the usual case, wasm's result is the processor's and nothing else happens as long
 * as no operand is denormal, no result tiny, infinite or a NaN (DESIGN section 3, float/vector.ts). What decides that is
 * gathered in vectors: numbers shifted left by one, so that the sign is gone, as unsigned words; the smallest tells of denormals,
 * the largest of NaNs and infinities. NaNs and infinities live on in sums and products, so that only the last ones count. If
 * something was out of the ordinary, all is done once more, exactly: nothing but registers has changed since.
 */
import type { Emitter } from '../emit/emitter.ts';
import type { Node } from '../emit/wasm-ir.ts';
import { isQuiet } from '../float/mxcsr.ts';

export type DeferrableName = 'add' | 'sub' | 'mul' | 'div' | 'sqrt';
type Size = 4 | 8;

/** Upper words of numbers without their sign bit: of the smallest normal number and a little more, and of infinity. */
const NORMAL: Record<Size, number> = { 4: 0x0100_0001, 8: 0x0020_0001 };
const INFINITE: Record<Size, number> = { 4: 0xff00_0000 | 0, 8: 0xffe0_0000 | 0 };
/** Lanes of 32 bits that decide. */
const LANES: Record<Size, { scalar: number; packed: readonly number[] }> = {
  4: { scalar: 0, packed: [0, 1, 2, 3] },
  8: { scalar: 1, packed: [1, 3] },
};

interface Gathered {
  readonly size: Size;
  readonly isPacked: boolean;
  smallest: Node | undefined;
  largest: Node | undefined;
}

interface Result {
  readonly vector: Node;
  readonly size: Size;
  readonly isPacked: boolean;
}

export class DeferredFloats {
  readonly #e: Emitter<Node>;
  readonly #gathered: Gathered[] = [];
  /** Results that no other operation has taken in. */
  #last: Result[] = [];
  /** Values that are known not to be denormal, by whether that was asked of all lanes; and shifted ones. */
  readonly #clean = new Map<Node, boolean>();
  readonly #shifted = new Map<Node, Map<Size, Node>>();

  constructor(e: Emitter<Node>) {
    this.#e = e;
  }

  /** Another block. */
  startOver(): void {
    this.#gathered.length = 0;
    this.#last = [];
    this.#clean.clear();
    this.#shifted.clear();
  }

  /** The operation's result, whole registers: `a` is the destination before. */
  apply(name: DeferrableName, size: Size, isPacked: boolean, a: Node, b: Node): Node {
    const operands = name === 'sqrt' ? [b] : [a, b];
    const vector = isPacked ? this.#packed(name, size, a, b) : this.#scalar(name, size, a, b);
    const into = this.#into(size, isPacked);
    for (const operand of operands) this.#requireNormal(into, operand);
    if (name === 'mul' || name === 'div') this.#requireLarge(into, vector, name === 'mul' ? operands : [a]);
    if (name === 'add' || name === 'sub' || name === 'mul') this.#last = this.#last.filter((one) => !takesIn(one));
    function takesIn(one: Result): boolean {
      return operands.includes(one.vector) && one.size === size && (isPacked || !one.isPacked);
    }
    this.#last.push({ vector, size, isPacked });
    return vector;
  }

  #packed(name: DeferrableName, size: Size, a: Node, b: Node): Node {
    const { v128 } = this.#e;
    const single = size === 4;
    switch (name) {
      case 'add':
        return single ? v128.f32x4Add(a, b) : v128.f64x2Add(a, b);
      case 'sub':
        return single ? v128.f32x4Sub(a, b) : v128.f64x2Sub(a, b);
      case 'mul':
        return single ? v128.f32x4Mul(a, b) : v128.f64x2Mul(a, b);
      case 'div':
        return single ? v128.f32x4Div(a, b) : v128.f64x2Div(a, b);
      case 'sqrt':
        return single ? v128.f32x4Sqrt(b) : v128.f64x2Sqrt(b);
    }
  }
  #scalar(name: DeferrableName, size: Size, a: Node, b: Node): Node {
    const { v128, f32, f64 } = this.#e;
    const shape = size === 4 ? 'f32x4' : 'f64x2';
    const ops = size === 4 ? f32 : f64;
    const y = v128.extractLane(shape, b, 0);
    const result = name === 'sqrt' ? ops.sqrt(y) : ops[name](v128.extractLane(shape, a, 0), y);
    return v128.replaceLane(shape, a, 0, result);
  }

  #into(size: Size, isPacked: boolean): Gathered {
    let into = this.#gathered.find((one) => one.size === size && one.isPacked === isPacked);
    if (!into) this.#gathered.push((into = { size, isPacked, smallest: undefined, largest: undefined }));
    return into;
  }
  #shift(size: Size, vector: Node): Node {
    const { v128 } = this.#e;
    let sizes = this.#shifted.get(vector);
    if (!sizes) this.#shifted.set(vector, (sizes = new Map()));
    let shifted = sizes.get(size);
    if (!shifted) {
      const one = this.#e.const(1);
      shifted = size === 4 ? v128.i32x4Shl(vector, one) : v128.i64x2Shl(vector, one);
      sizes.set(size, shifted);
    }
    return shifted;
  }
  #least(into: Gathered, words: Node): void {
    into.smallest = into.smallest ? this.#e.v128.i32x4MinU(into.smallest, words) : words;
  }

  /** No denormal; zero, less one, is the largest of all. */
  #requireNormal(into: Gathered, operand: Node): void {
    const known = this.#clean.get(operand);
    if (known || known === into.isPacked) return;
    this.#clean.set(operand, into.isPacked);
    const { v128 } = this.#e;
    const less = this.#e.constV128(new Array<number>(16).fill(0xff));
    const shifted = this.#shift(into.size, operand);
    this.#least(into, into.size === 4 ? v128.i32x4Add(shifted, less) : v128.i64x2Add(shifted, less));
  }
  /** Above the smallest normal number, lest it was rounded up to it; or zero because of a factor. */
  #requireLarge(into: Gathered, result: Node, factors: readonly Node[]): void {
    const { v128 } = this.#e;
    const [first, second = first] = factors.map((factor) => this.#shift(into.size, factor));
    const smaller = first === second ? first : v128.i32x4MinU(first, second);
    const isZero = v128.i32x4Eq(smaller, this.#e.constV128(new Array<number>(16).fill(0)));
    this.#least(into, v128.or(this.#shift(into.size, result), isZero));
    if (into.isPacked || !this.#clean.has(result)) this.#clean.set(result, into.isPacked);
  }

  /** Whether all since the last time was ordinary; undefined if there was nothing. */
  verdict(): Node | undefined {
    if (this.#last.length === 0) return undefined;
    const { v128 } = this.#e;
    for (const { vector, size, isPacked } of this.#last) {
      const into = this.#into(size, isPacked);
      const words = this.#shift(size, vector);
      into.largest = into.largest ? v128.i32x4MaxU(into.largest, words) : words;
    }
    let good = isQuiet(this.#e);
    for (const one of this.#gathered) good = this.#e.and(good, this.#isGood(one));
    this.#gathered.length = 0;
    this.#last = [];
    return good;
  }
  /** The registers may have other values from here on than were computed. */
  revise(): void {
    this.#shifted.clear();
  }

  #isGood({ size, isPacked, smallest, largest }: Gathered): Node {
    const e = this.#e;
    const { scalar, packed } = LANES[size];
    const word = (vector: Node, lane: number): Node => e.v128.extractLane('i32x4', vector, lane);
    if (!isPacked) {
      const isSmall = smallest ? e.geU(word(smallest, scalar), e.const(NORMAL[size])) : e.const(1);
      return largest ? e.and(isSmall, e.ltU(word(largest, scalar), e.const(INFINITE[size]))) : isSmall;
    }
    const lanes = (value: number, others: number): Node =>
      e.constV128([0, 1, 2, 3].flatMap((lane) => bytes(packed.includes(lane) ? value : others)));
    const isNormal = smallest && e.v128.i32x4GeU(smallest, lanes(NORMAL[size], 0));
    const isBounded = largest && e.v128.i32x4LeU(largest, lanes(INFINITE[size] - 1, -1));
    const both = isNormal && isBounded ? e.v128.and(isNormal, isBounded) : (isNormal ?? isBounded!);
    return e.v128.i8x16AllTrue(both);
  }
}

const bytes = (word: number): number[] => [0, 8, 16, 24].map((shift) => (word >>> shift) & 0xff);
