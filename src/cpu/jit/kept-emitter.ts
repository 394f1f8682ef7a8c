/**
 * What compiled code keeps in wasm locals: the general registers, the flags' two words and the XMM registers.
 *
 * A register that was written goes to the register file before anything that may fault and at the end of its block, so that
 * whoever looks there (a fault's handler, the interpreter, a routine) sees the truth. Flags are computed where somebody asks
 * for them and go to the register file where control leaves the region; exact code does that before each access, too.
 */
import type { MemoryType } from '../emit/base-emitter.ts';
import type { Arm, Flags, GiveUp, WasmType } from '../emit/emitter.ts';
import type { LaneShape } from '../emit/ops.ts';
import type { RoutineTable, WasmTarget } from '../emit/wasm-emitter.ts';
import type { LocalSlot, Node } from '../emit/wasm-ir.ts';
import { node } from '../emit/wasm-ir.ts';
import { STATE } from '../state.ts';
import { FpuEmitter } from './fpu-emitter.ts';

const GPR_END = STATE.gpr + 32;
const XMM_END = STATE.xmm + 128;
/** Numbers of the locals: the general registers, the flags' words, the vectors. */
export const FLAG_RESULT = 8;
export const FLAG_AUX = 9;
const XMM = 10;
export const KEPT = XMM + 8;
const FLAGS = (1 << FLAG_RESULT) | (1 << FLAG_AUX);
const keptNumber = (offset: number): number => {
  if (offset < GPR_END) return offset >> 2;
  if (offset >= STATE.xmm && offset < XMM_END) return XMM + ((offset - STATE.xmm) >> 4);
  return offset === STATE.flagResult ? FLAG_RESULT : offset === STATE.flagAux ? FLAG_AUX : -1;
};
export const keptType = (number: number): WasmType => (number < XMM ? 'i32' : 'v128');
export const keptOffset = (number: number): number => {
  if (number >= XMM) return STATE.xmm + (number - XMM) * 16;
  return number < FLAG_RESULT ? STATE.gpr + number * 4 : number === FLAG_RESULT ? STATE.flagResult : STATE.flagAux;
};
/** A part of a vector: which lanes have its type, and how large they are. */
const LANES: Record<Exclude<MemoryType, 'v128'>, { shape: LaneShape; shift: number }> = {
  u8: { shape: 'i8x16', shift: 0 },
  u16: { shape: 'i16x8', shift: 1 },
  i32: { shape: 'i32x4', shift: 2 },
  i64: { shape: 'i64x2', shift: 3 },
  f32: { shape: 'f32x4', shift: 2 },
  f64: { shape: 'f64x2', shift: 3 },
};

export abstract class KeptEmitter extends FpuEmitter {
  readonly #kept: readonly LocalSlot[];
  /** Registers whose local is newer than the register file; flags are not among them. */
  #dirty = 0;
  /** And so may be those that were when the block began. */
  #inherits = false;
  /** Writes the flags' words, which nobody has asked for yet. */
  #pending: (() => void) | undefined;
  #depth = 0;
  /** Registers that the block reads before it has written them, and those that it writes in any case. */
  uses = 0;
  definitions = 0;
  /** What of this is dirty where control goes on within the region; and whether what the block inherits is stored anywhere. */
  dirtyAtEnd = 0;
  inheritsAtEnd = false;
  storesInherited = false;

  constructor(target: WasmTarget, routines: RoutineTable, kept: readonly LocalSlot[]) {
    super(target, routines);
    this.#kept = kept;
  }

  protected override startOver(): void {
    super.startOver();
    this.#dirty = 0;
    this.#pending = undefined;
    this.uses = 0;
    this.definitions = 0;
    this.#vectors.fill(undefined);
    this.#inherits = true;
    this.dirtyAtEnd = 0;
    this.inheritsAtEnd = false;
    this.storesInherited = false;
  }

  protected getLocal(slot: LocalSlot): Node {
    return this.append(node({ code: [0x20], type: slot.type, variable: slot }));
  }
  protected setLocal(slot: LocalSlot, value: Node): void {
    this.append(node({ code: [0x21], args: [value], effect: true, variable: slot }));
  }
  /** What each vector register holds where that is known, in the block's own list. */
  readonly #vectors: (Node | undefined)[] = new Array(KEPT).fill(undefined);
  #get(number: number): Node {
    const known = this.#vectors[number];
    if (known) return known;
    const value = this.#fetch(number);
    if (number >= XMM && this.#depth === 0) this.#vectors[number] = value;
    return value;
  }
  #fetch(number: number): Node {
    if (!(this.definitions & (1 << number))) this.uses |= 1 << number;
    return this.getLocal(this.#kept[number]);
  }
  #set(number: number, value: Node): void {
    const bit = 1 << number;
    if (this.#depth === 0) this.definitions |= bit;
    else if (!(this.definitions & bit)) this.uses |= bit;
    this.setLocal(this.#kept[number], value);
    if (number >= XMM) this.#vectors[number] = this.#depth === 0 ? value : undefined;
    if (!(bit & FLAGS)) this.#dirty |= bit;
  }

  override state(offset: number, type: MemoryType = 'i32', index?: Node): Node {
    if (offset === STATE.zero && index === undefined) return this.const(0);
    const number = index === undefined ? keptNumber(offset) : -1;
    if (number < 0) return super.state(offset, type, index);
    if (number >= XMM) return this.#vectorPart(this.#get(number), offset & 15, type);
    if (number >= FLAG_RESULT) this.materialize();
    const part = this.shrU(this.#get(number), this.const((offset & 3) * 8));
    if (type === 'i32') return part;
    return this.and(part, this.const(type === 'u8' ? 0xff : 0xffff));
  }

  override setState(offset: number, value: Node, type: MemoryType = 'i32', index?: Node): void {
    const number = index === undefined ? keptNumber(offset) : -1;
    if (number < 0) super.setState(offset, value, type, index);
    else if (number >= XMM) this.#set(number, this.#withPart(number, offset & 15, type, value));
    else if (type === 'i32') this.#set(number, value);
    else this.#set(number, this.#insert(number, value, (offset & 3) * 8, type === 'u8' ? 0xff : 0xffff));
  }
  #insert(number: number, part: Node, shift: number, mask: number): Node {
    const kept = this.and(this.#get(number), this.const(~(mask << shift)));
    return this.or(kept, this.shl(this.and(part, this.const(mask)), this.const(shift)));
  }

  #vectorPart(vector: Node, at: number, type: MemoryType): Node {
    if (type === 'v128') return vector;
    const { shape, shift } = LANES[type];
    return this.v128.extractLane(shape, vector, at >> shift);
  }
  #withPart(number: number, at: number, type: MemoryType, value: Node): Node {
    if (type === 'v128') return value;
    const { shape, shift } = LANES[type];
    return this.v128.replaceLane(shape, this.#get(number), at >> shift, value);
  }

  protected override deferFlags(flags: Flags<Node>): Flags<Node> {
    const defer = (compute: () => void): void => {
      this.#pending = compute;
    };
    return {
      ...flags,
      add: (a, b, sum, size) => defer(() => flags.add(a, b, sum, size)),
      sub: (a, b, difference, size) => defer(() => flags.sub(a, b, difference, size)),
      logic: (result, size) => defer(() => flags.logic(result, size)),
      result: (result, size, rest) => defer(() => flags.result(result, size, rest)),
      inc: (a, sum, size) => {
        this.materialize();
        defer(() => flags.inc(a, sum, size));
      },
      dec: (a, difference, size) => {
        this.materialize();
        defer(() => flags.dec(a, difference, size));
      },
      set: (values) => {
        this.materialize();
        flags.set(values);
      },
      restore: (image) => {
        this.#pending = undefined;
        flags.restore(image);
      },
    };
  }

  /** Computes the flags into their locals. */
  protected materialize(): void {
    const compute = this.#pending;
    this.#pending = undefined;
    compute?.();
  }

  #store(number: number): void {
    super.setState(keptOffset(number), this.#get(number));
  }
  /** The registers' truth into the register file. */
  protected flush(): void {
    this.append(
      node({ kind: 'spill', code: [], effect: true, spill: { dirty: this.#dirty, inherits: this.#inherits } }),
    );
    this.storesInherited ||= this.#inherits;
    this.#dirty = 0;
    this.#inherits = false;
    this.fpu.flush();
  }
  /** Control goes on in another block. */
  protected bequeath(): void {
    this.dirtyAtEnd |= this.#dirty;
    this.inheritsAtEnd ||= this.#inherits;
  }
  protected storeFlags(): void {
    this.materialize();
    this.#store(FLAG_RESULT);
    this.#store(FLAG_AUX);
  }

  // Paths: what holds at a path's beginning holds at the beginning of the other one too.

  override if(condition: Node, then: Arm<Node>, otherwise: () => void = () => {}): void {
    if (condition.constant !== undefined) {
      super.if(condition, then, otherwise);
      return;
    }
    const dirty = this.#dirty;
    const inherits = this.#inherits;
    const pending = this.#pending;
    const vectors = [...this.#vectors];
    const forgotten = new Set<number>();
    let after = 0;
    let inheritsAfter = false;
    const arm =
      (fill: Arm<Node>) =>
      (giveUp: GiveUp<Node>): void => {
        this.#dirty = dirty;
        this.#inherits = inherits;
        this.#pending = pending;
        this.#depth++;
        fill(giveUp);
        if (!this.isEnded && this.#pending !== pending) this.materialize();
        this.#depth--;
        for (let n = XMM; n < KEPT; n++) {
          if (!this.isEnded && this.#vectors[n] !== vectors[n]) forgotten.add(n);
          this.#vectors[n] = vectors[n];
        }
        if (this.isEnded) return;
        after |= this.#dirty;
        inheritsAfter ||= this.#inherits;
      };
    super.if(condition, arm(then), () => arm(otherwise)(() => {}));
    for (const n of forgotten) this.#vectors[n] = undefined;
    this.#dirty = after;
    this.#inherits = inheritsAfter;
    this.#pending = pending;
  }

  override while(condition: () => Node, body: () => void): void {
    this.materialize();
    this.flush();
    this.#vectors.fill(undefined);
    this.#depth++;
    const settled = (): Node => {
      const value = condition();
      this.flush();
      return value;
    };
    super.while(settled, () => {
      body();
      this.materialize();
      this.flush();
    });
    this.#vectors.fill(undefined);
    this.#depth--;
  }
}
