/** Turns a handler's statements into bytes: as part of the interpreter's one big function, or as a function of its own. */

import type { WasmEmitter } from '../emit/wasm-emitter.ts';
import type { Assembler, CompiledExit, Exitway } from '../emit/wasm-ir.ts';
import { assemble, countUses, LocalPool } from '../emit/wasm-ir.ts';
import { Bytes } from '../emit/wasm-writer.ts';
import { RECORD_SIZE } from './record.ts';

/** Locals of the big function: its parameter, the slice's credit (see module.ts) and the record to go to. */
export const LOCAL = { record: 0, credit: 1, target: 2 } as const;
const FIXED = ['i32', 'i32'] as const;
/** Labels of the big function that handlers branch to. */
export type Label = 'next' | 'land' | 'fault' | 'trap' | 'pageFault' | 'link' | 'lookup';

/** A branch out of a handler: where its two-byte depth stands and how deep inside the handler it is. */
interface Fixup {
  readonly at: number;
  readonly depth: number;
  readonly label: Label;
}

export interface InlineCode {
  readonly bytes: Uint8Array;
  readonly fixups: readonly Fixup[];
}

class InlineAssembler implements Assembler {
  readonly out = new Bytes();
  readonly locals: LocalPool;
  readonly fixups: Fixup[] = [];
  depth = 0;
  loop = 0;

  constructor(locals: LocalPool) {
    this.locals = locals;
  }

  #branch(label: Label): void {
    this.out.u8(0x0c);
    this.fixups.push({ at: this.out.length, depth: this.depth, label });
    this.out.u8(0x80).u8(0);
  }

  leave(way: Exitway, argument: (() => void) | undefined): void {
    const { out } = this;
    argument?.();
    switch (way) {
      case 'next':
        out.u8(0x20).u32(LOCAL.record).u8(0x41).s32(RECORD_SIZE).u8(0x6a).u8(0x21).u32(LOCAL.record);
        this.#branch('next');
        return;
      case 'restart':
        out.u8(0x20).u32(LOCAL.record);
        out.u8(0x21).u32(LOCAL.target);
        this.#branch('land');
        return;
      case 'land':
        out.u8(0x21).u32(LOCAL.target);
        this.#branch('land');
        return;
      case 'join':
        out.u8(0x21).u32(LOCAL.target);
        out.u8(0x20).u32(LOCAL.credit).u8(0x41).s32(RECORD_SIZE).u8(0x6a).u8(0x21).u32(LOCAL.credit);
        this.#branch('land');
        return;
      case 'proceed':
        // credit += target - record
        out.u8(0x22).u32(LOCAL.target).u8(0x20).u32(LOCAL.credit).u8(0x6a);
        out.u8(0x20).u32(LOCAL.record).u8(0x6b).u8(0x21).u32(LOCAL.credit);
        out.u8(0x20).u32(LOCAL.target).u8(0x21).u32(LOCAL.record);
        this.#branch('next');
        return;
      case 'block':
      case 'resume':
      case 'dispatch':
      case 'answer':
        throw new Error(`only compiled regions have the way out ${way}`);
      default:
        this.#branch(way);
    }
  }
}

/** What a handler's own function answers; anything else is the record to go to. */
export const OUTCOME: Record<Exclude<Exitway, 'land' | 'proceed' | 'join' | CompiledExit>, number> = {
  next: 1,
  fault: 2,
  trap: 3,
  pageFault: 4,
  lookup: 5,
  link: 6,
  restart: 7,
};

class FunctionAssembler implements Assembler {
  readonly out = new Bytes();
  readonly locals: LocalPool;
  depth = 0;
  loop = 0;

  constructor(locals: LocalPool) {
    this.locals = locals;
  }

  leave(way: Exitway, argument: (() => void) | undefined): void {
    argument?.();
    if (way !== 'land') {
      const outcome = (OUTCOME as Partial<Record<Exitway, number>>)[way];
      if (outcome === undefined) throw new Error(`a handler's function has no way out ${way}`);
      this.out.u8(0x41).s32(outcome);
    }
    this.out.u8(0x0f);
  }
}

function assembleBody(as: Assembler, e: WasmEmitter): void {
  countUses(e.statements);
  for (const variable of e.variables) variable.local = as.locals.take(variable.type);
  assemble(as, e.statements);
}

export function bigFunctionLocals(): LocalPool {
  return new LocalPool(1, FIXED);
}

export function assembleInline(e: WasmEmitter, locals: LocalPool): InlineCode {
  locals.reset(FIXED.length);
  const as = new InlineAssembler(locals);
  assembleBody(as, e);
  return { bytes: as.out.bytes(), fixups: as.fixups };
}

/** A handler as a function: record -> outcome. */
export function assembleFunction(e: WasmEmitter): { code: Uint8Array; locals: LocalPool } {
  const locals = new LocalPool(1, []);
  const as = new FunctionAssembler(locals);
  assembleBody(as, e);
  as.out.u8(0x00);
  return { code: as.out.bytes(), locals };
}
