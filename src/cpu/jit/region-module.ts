/**
 * A region as a wasm module of one function, word -> answer (interp/compiled.ts).
 *
 * Control flow is structured by dominators (Ramsey, "Beyond Relooper", 2022): a block's code stands inside of the wasm blocks
 * whose ends are the merge points that it dominates; a natural loop is a wasm loop. Where several blocks can be entered, or
 * a jump backwards is no natural loop's, a br_table at the function's top leads to them.
 */
import type { WasmType } from '../emit/emitter.ts';
import { emitInsn } from '../emit/evaluate.ts';
import type { Routine } from '../emit/routine.ts';
import type { WasmTarget } from '../emit/wasm-emitter.ts';
import type { LocalSlot } from '../emit/wasm-ir.ts';
import { countUses, LocalPool } from '../emit/wasm-ir.ts';
import { writeModule } from '../emit/wasm-writer.ts';
import { HANDLER_TYPE } from '../interp/compiled.ts';
import { analyseFlow } from './flow.ts';
import { type CodeMode, JitEmitter } from './jit-emitter.ts';
import { KEPT, keptType } from './kept-emitter.ts';
import { dirtyRegisters, flagLiveness, liveRegisters } from './liveness.ts';
import type { Block, CodeSource, Region } from './region.ts';
import type { BlockCode } from './region-assembler.ts';
import { RegionAssembler } from './region-assembler.ts';
import { ImportedRoutines } from './routines.ts';

export interface RegionCode {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What the module imports from the interpreter. */
  readonly imports: readonly string[];
  /** Blocks that can be entered, by their numbers. */
  readonly entries: readonly Block[];
}

function emitBlock(e: JitEmitter, block: Block): BlockCode {
  e.startBlock(block);
  for (const [position, insn] of block.insns.entries()) {
    const { decoded } = insn;
    e.begin(insn, position);
    e.prepare(decoded.operands);
    emitInsn(e, decoded.insn, decoded.operands);
    if (e.isEnded) break;
  }
  e.finish();
  const { statements, variables, uses, definitions, dirtyAtEnd, inheritsAtEnd, storesInherited } = e;
  countUses(statements);
  return { statements, variables, uses, definitions, dirtyAtEnd, inheritsAtEnd, storesInherited };
}

export function compileRegion(source: CodeSource, region: Region, target: WasmTarget, mode: CodeMode): RegionCode {
  const slot = (local: number, type: WasmType = 'i32'): LocalSlot => ({ type, local });
  // Local 0 is the parameter.
  const locals = {
    kept: Array.from({ length: KEPT }, (_, n) => slot(1 + n, keptType(n))),
    left: slot(1 + KEPT),
    self: slot(2 + KEPT),
  };
  const pool = new LocalPool(
    1,
    [...locals.kept, locals.left, locals.self].map(({ type }) => type),
  );
  const routines = new ImportedRoutines();
  const flow = analyseFlow(region);
  const flags = flagLiveness(source, region, mode.isExact);
  const context = { target, source, routines, region, flow, flags, locals, mode };
  const e = new JitEmitter(context);
  const codes = region.blocks.map((block) => (flow.isReached(block.index) ? emitBlock(e, block) : undefined));
  const dirty = dirtyRegisters(region, codes);
  const live = liveRegisters(region, codes, dirty);
  const assembler = new RegionAssembler(context, codes, live, dirty, pool);
  const { rare } = assembler;
  const code = { type: HANDLER_TYPE, locals: pool.types, code: assembler.assemble(), exported: 'region', rare };
  // Were there a page for sure, V8 would take constant addresses in it for safe ones, whose faults end Node.
  const memory = { minimum: 0, maximum: 65536, shared: true };
  const imports: { name: string; type: Pick<Routine, 'parameters' | 'results'> }[] = routines.imports;
  return {
    bytes: writeModule({ imports, functions: [code], memory }),
    imports: imports.map(({ name }) => name),
    entries: flow.entries.map((index) => region.blocks[index]),
  };
}
