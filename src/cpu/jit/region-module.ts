/**
 * A region as a wasm module of one function, entry -> outcome (interp/assembly.ts).
 *
 *   loop                       the local `next` says which block runs
 *     block n-1 ... block 0    br_table
 *       code of block 0, 1 ... each behind the end of its wasm block
 *
 * A jump forwards is a branch to the end of the target's wasm block, one to the block's own start a loop of its own; other
 * jumps backwards go through the table.
 */
import { emitInsn } from '../emit/evaluate.ts';
import type { Routine } from '../emit/routine.ts';
import type { RoutineTable, WasmTarget } from '../emit/wasm-emitter.ts';
import type { Assembler, Exitway, LocalSlot } from '../emit/wasm-ir.ts';
import { assemble, countUses, LocalPool } from '../emit/wasm-ir.ts';
import { Bytes, writeModule } from '../emit/wasm-writer.ts';
import { OUTCOME } from '../interp/assembly.ts';
import { HANDLER_TYPE } from '../interp/module.ts';
import { VM_STATE } from '../layout.ts';
import { STATE } from '../state.ts';
import type { RegionLocals } from './jit-emitter.ts';
import { JitEmitter } from './jit-emitter.ts';
import type { Block, Region } from './region.ts';

/** Local 0, the parameter: the block to run. */
const NEXT = 0;
const REGISTERS = 8;

/** Routines are the interpreter's: imported by name. */
class ImportedRoutines implements RoutineTable {
  readonly list: Routine[] = [];
  index(routine: Routine): number {
    const known = this.list.indexOf(routine);
    return known >= 0 ? known : this.list.push(routine) - 1;
  }
}

class BlockAssembler implements Assembler {
  readonly out: Bytes;
  readonly locals: LocalPool;
  depth = 0;
  loop = 0;
  readonly #index: number;
  /** Depth of the block's code, in its own loop. */
  readonly #base: number;
  readonly #count: number;

  constructor(out: Bytes, locals: LocalPool, index: number, count: number) {
    this.out = out;
    this.locals = locals;
    this.#index = index;
    this.#count = count;
    this.#base = count - index + 1;
  }

  #branch(to: number): void {
    this.out.u8(0x0c).u32(this.#base + this.depth - to);
  }

  leave(way: Exitway, argument: (() => void) | undefined, block: number | undefined): void {
    if (way === 'block') {
      if (block === this.#index) this.#branch(this.#base);
      else if (block! > this.#index) this.#branch(1 + this.#count - block!);
      else {
        this.out.u8(0x41).s32(block!).u8(0x21).u32(NEXT);
        this.#branch(1);
      }
      return;
    }
    if (way === 'next' || way === 'proceed' || way === 'join') throw new Error(`compiled code does not ${way}`);
    argument?.();
    if (way !== 'land') this.out.u8(0x41).s32(OUTCOME[way]);
    this.out.u8(0x0f);
  }
}

function emitBlock(
  target: WasmTarget,
  routines: RoutineTable,
  region: Region,
  block: Block,
  locals: RegionLocals,
): JitEmitter {
  const e = new JitEmitter(target, routines, region, block, locals);
  for (const insn of block.insns) {
    const { decoded } = insn;
    e.begin(insn);
    e.prepare(decoded.operands);
    emitInsn(e, decoded.insn, decoded.operands);
    if (e.isEnded) break;
  }
  e.finish();
  return e;
}

/** Loads the registers and the credit into their locals. */
function prologue(out: Bytes, target: WasmTarget, locals: RegionLocals): void {
  const load = (slot: LocalSlot, offset: number): void => {
    out
      .u8(0x41)
      .s32(target.vmIndex)
      .u8(0x28)
      .u8(0)
      .u32(target.vmOffset + VM_STATE + offset);
    out.u8(0x21).u32(slot.local);
  };
  locals.registers.forEach((slot, n) => {
    load(slot, STATE.gpr + n * 4);
  });
  load(locals.credit, STATE.budget);
}

export interface RegionCode {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly routines: readonly Routine[];
}

export function compileRegion(region: Region, target: WasmTarget): RegionCode {
  const slot = (local: number): LocalSlot => ({ type: 'i32', local });
  const locals = { registers: Array.from({ length: REGISTERS }, (_, n) => slot(1 + n)), credit: slot(1 + REGISTERS) };
  const fixed = Array.from({ length: REGISTERS + 1 }, () => 'i32' as const);
  const pool = new LocalPool(1, fixed);
  const routines = new ImportedRoutines();
  const out = new Bytes();
  prologue(out, target, locals);
  const { blocks } = region;
  out.all([0x03, 0x40]);
  for (let i = 0; i < blocks.length; i++) out.all([0x02, 0x40]);
  out
    .u8(0x20)
    .u32(NEXT)
    .u8(0x0e)
    .u32(blocks.length - 1);
  for (let i = 0; i < blocks.length; i++) out.u32(i);
  for (const block of blocks) {
    out.all([0x0b, 0x03, 0x40]);
    const e = emitBlock(target, routines, region, block, locals);
    pool.reset(fixed.length);
    for (const variable of e.variables) variable.local = pool.take(variable.type);
    countUses(e.statements);
    assemble(new BlockAssembler(out, pool, block.index, blocks.length), e.statements);
    out.all([0x00, 0x0b]);
  }
  out.all([0x0b, 0x00]);
  const code = { type: HANDLER_TYPE, locals: pool.types, code: out.bytes(), exported: 'region' };
  const imports = routines.list.map((routine) => ({ name: routine.name, type: routine }));
  const memory = { minimum: 1, maximum: 65536, shared: true };
  return { bytes: writeModule({ imports, functions: [code], memory }), routines: routines.list };
}
