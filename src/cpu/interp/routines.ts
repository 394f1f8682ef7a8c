/** Routines become wasm functions of their own, in the order in which handlers first call them. */
import type { Operand, WasmType } from '../emit/emitter.ts';
import type { Routine } from '../emit/routine.ts';
import type { RoutineTable, WasmTarget } from '../emit/wasm-emitter.ts';
import { WasmEmitter } from '../emit/wasm-emitter.ts';
import type { Assembler, Node } from '../emit/wasm-ir.ts';
import { assemble, countUses, LocalPool, node } from '../emit/wasm-ir.ts';
import type { FunctionCode } from '../emit/wasm-writer.ts';
import { Bytes } from '../emit/wasm-writer.ts';

function forbidden(): never {
  throw new Error('a routine has no operands and no guest control flow');
}

class RoutineEmitter extends WasmEmitter {
  get operandSize(): never {
    return forbidden();
  }
  get addressSize(): never {
    return forbidden();
  }
  get repeat(): never {
    return forbidden();
  }
  protected recordPointer(): undefined {
    return undefined;
  }
  parameter(index: number, type: WasmType): Node {
    return node({ code: [0x20, index], type, inline: true });
  }
  effectiveAddress(_operand: Operand): Node {
    return forbidden();
  }
  operandAddress(_operand: Operand): Node {
    return forbidden();
  }
  protected fileLoad(): Node {
    return forbidden();
  }
  protected fileStore(): void {
    forbidden();
  }
  protected immediate(): Node {
    return forbidden();
  }
  farSelector(): Node {
    return forbidden();
  }
  currentEip(): Node {
    return forbidden();
  }
  nextEip(): Node {
    return forbidden();
  }
  jump(): void {
    forbidden();
  }
  jumpIf(): void {
    forbidden();
  }
  jumpIndirect(): void {
    forbidden();
  }
  restart(): void {
    forbidden();
  }
  /** The results stay on wasm's stack at the function's end. */
  yield(values: readonly Node[]): void {
    this.append(node({ code: [0x0f], args: values, effect: true }));
  }
}

export class Routines implements RoutineTable {
  readonly #target: WasmTarget;
  readonly #first: number;
  readonly #indices = new Map<Routine, number>();
  readonly functions: FunctionCode[] = [];

  /** `first` is the function index of the first routine. */
  constructor(target: WasmTarget, first: number) {
    this.#target = target;
    this.#first = first;
  }

  index(routine: Routine): number {
    const known = this.#indices.get(routine);
    if (known !== undefined) return known;
    // Its own routines come first: they are called while it is emitted.
    const code = this.#emit(routine);
    const index = this.#first + this.functions.length;
    this.functions.push(code);
    this.#indices.set(routine, index);
    return index;
  }

  #emit(routine: Routine): FunctionCode {
    const e = new RoutineEmitter(this.#target, this);
    const parameters = routine.parameters.map((type, i) => e.parameter(i, type));
    e.yield(routine.body(e, ...parameters));
    const locals = new LocalPool(parameters.length, []);
    for (const variable of e.variables) variable.local = locals.take(variable.type);
    countUses(e.statements);
    const as: Assembler = { out: new Bytes(), locals, depth: 0, loop: 0, leave: forbidden };
    assemble(as, e.statements);
    as.out.u8(0x00);
    return { type: routine, locals: locals.types, code: as.out.bytes(), listed: routine.name };
  }
}
