/** Puts the blocks of a region into one wasm function: see region-module.ts. */
import { accessCode } from '../emit/wasm-codes.ts';
import type { Assembler, Exitway, LocalPool, LocalSlot, Node, Spill } from '../emit/wasm-ir.ts';
import { assemble } from '../emit/wasm-ir.ts';
import { LOAD, STORE } from '../emit/wasm-tables.ts';
import { Bytes } from '../emit/wasm-writer.ts';
import { VM_STATE } from '../layout.ts';
import { STATE } from '../state.ts';
import { ROOT } from './flow.ts';
import type { RegionContext } from './jit-emitter.ts';
import { FLAG_AUX, FLAG_RESULT, KEPT, keptOffset } from './kept-emitter.ts';

/** Local 0: the function's word, then the number of the entry to go to. */
const NUMBER = 0;
const ENTRY_MASK = 0xfff;
const FLAGS = (1 << FLAG_RESULT) | (1 << FLAG_AUX);

/** A block's statements, and which registers it reads before it has written them, or writes in any case. */
export interface BlockCode {
  readonly statements: readonly Node[];
  readonly variables: readonly LocalSlot[];
  readonly uses: number;
  readonly definitions: number;
  /** Registers that it leaves newer than the register file. */
  readonly dirtyAtEnd: number;
  readonly inheritsAtEnd: boolean;
  readonly storesInherited: boolean;
}

export class RegionAssembler implements Assembler {
  readonly out = new Bytes();
  readonly rare: number[] = [];
  readonly locals: LocalPool;
  /** Labels that are open. */
  depth = 0;
  loop = 0;
  readonly #context: RegionContext;
  readonly #codes: readonly (BlockCode | undefined)[];
  readonly #live: readonly number[];
  readonly #dirty: readonly number[];
  /** Depth at which a block's label was opened: for jumps to it, and back to it as a loop. */
  readonly #labels = new Map<number, number>();
  readonly #loops = new Map<number, number>();
  #current = 0;

  constructor(
    context: RegionContext,
    codes: readonly (BlockCode | undefined)[],
    live: readonly number[],
    dirty: readonly number[],
    locals: LocalPool,
  ) {
    this.#context = context;
    this.#codes = codes;
    this.#live = live;
    this.#dirty = dirty;
    this.locals = locals;
  }

  assemble(): Uint8Array {
    const { out } = this;
    const { flow, locals } = this.#context;
    const { entries } = flow;
    // self := word & ~ENTRY_MASK, number := word & ENTRY_MASK
    out.u8(0x20).u32(NUMBER).u8(0x41).s32(~ENTRY_MASK).u8(0x71).u8(0x21).u32(locals.self.local);
    out.u8(0x20).u32(NUMBER).u8(0x41).s32(ENTRY_MASK).u8(0x71).u8(0x21).u32(NUMBER);
    this.#load(entries.reduce((all, entry) => all | this.#live[entry], FLAGS));
    if (flow.isRootLoop) this.#open(0x03, this.#loops, ROOT);
    this.#within(ROOT, flow.mergesOf(ROOT));
    if (flow.isRootLoop) this.#close();
    out.u8(0x00);
    return out.bytes();
  }

  /** From the register file into locals: registers by their bits, and what is left of the slice. */
  #load(registers: number): void {
    const { target, locals } = this.#context;
    const load = ({ local, type }: LocalSlot, offset: number): void => {
      this.out
        .u8(0x41)
        .s32(target.vmIndex)
        .all(accessCode(LOAD, type, target.vmOffset + VM_STATE + offset));
      this.out.u8(0x21).u32(local);
    };
    for (let n = 0; n < KEPT; n++) if (registers & (1 << n)) load(locals.kept[n], keptOffset(n));
    load(locals.left, STATE.budget);
  }

  #open(opcode: 0x02 | 0x03, labels: Map<number, number>, block: number): void {
    this.out.u8(opcode).u8(0x40);
    this.depth++;
    labels.set(block, this.depth);
  }
  #close(): void {
    this.out.u8(0x0b);
    this.depth--;
  }
  #branch(level: number | undefined): void {
    if (level === undefined) throw new Error('a jump without its label');
    this.out.u8(0x0c).u32(this.depth - level);
  }

  /** A block's code, inside of the labels of the merge points that it dominates; each followed by its own code. */
  #within(block: number, merges: readonly number[]): void {
    const last = merges[merges.length - 1];
    if (last === undefined) {
      if (block === ROOT) this.#table();
      else this.#code(block);
      return;
    }
    this.#open(0x02, this.#labels, last);
    this.#within(block, merges.slice(0, -1));
    this.#close();
    this.#tree(last);
  }

  #tree(block: number): void {
    const { flow } = this.#context;
    const isLoop = flow.isLoopHeader(block);
    if (isLoop) this.#open(0x03, this.#loops, block);
    this.#within(block, flow.mergesOf(block));
    if (isLoop) this.#close();
  }

  #table(): void {
    const { entries, isMerge } = this.#context.flow;
    if (entries.length === 1 && !isMerge(entries[0])) {
      this.#tree(entries[0]);
      return;
    }
    this.out.u8(0x20).u32(NUMBER).u8(0x0e).u32(entries.length);
    for (const entry of [...entries, entries[0]]) this.out.u32(this.depth - this.#labels.get(entry)!);
  }

  #code(block: number): void {
    const code = this.#codes[block]!;
    const outer = this.#current;
    this.#current = block;
    for (const variable of code.variables) variable.local = this.locals.take(variable.type);
    assemble(this, code.statements);
    for (const variable of code.variables) this.locals.give(variable.local);
    this.#current = outer;
  }

  spill({ dirty, inherits }: Spill): void {
    const { target, locals } = this.#context;
    const all = dirty | (inherits ? this.#dirty[this.#current] : 0);
    for (let n = 0; n < KEPT; n++) {
      if (!(all & (1 << n))) continue;
      const { local, type } = locals.kept[n];
      this.out.u8(0x41).s32(target.vmIndex).u8(0x20).u32(local);
      this.out.all(accessCode(STORE, type, target.vmOffset + VM_STATE + keptOffset(n)));
    }
  }

  leave(way: Exitway, argument: (() => void) | undefined, block: number | undefined): void {
    const { out } = this;
    const { flow } = this.#context;
    argument?.();
    switch (way) {
      case 'answer':
        out.u8(0x0f);
        return;
      case 'dispatch':
        out.u8(0x21).u32(NUMBER);
        this.#branch(this.#loops.get(ROOT));
        return;
      case 'resume':
        this.#load(this.#live[block!]);
        break;
      case 'block':
        break;
      default:
        throw new Error(`compiled code does not ${way}`);
    }
    const to = block!;
    if (flow.isDispatched(this.#current, to)) {
      out.u8(0x41).s32(flow.entries.indexOf(to)).u8(0x21).u32(NUMBER);
      this.#branch(this.#loops.get(ROOT));
    } else if (flow.isBackward(this.#current, to)) this.#branch(this.#loops.get(to));
    else if (flow.isMerge(to)) this.#branch(this.#labels.get(to));
    else this.#tree(to);
  }
}
