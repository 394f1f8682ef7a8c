/** What compiled regions import: the ways into other code, and the interpreter's routines. */
import type { Routine } from '../emit/routine.ts';
import type { RoutineTable } from '../emit/wasm-emitter.ts';
import { HANDLER_TYPE } from '../interp/compiled.ts';

/** Function indices: EIP to answer, by a call and in the caller's place (interp/compiled.ts). */
export const ENTER = 0;
export const JUMP = 1;
const FIRST = 2;

/** Compiled code that is called without looking for it: its function's number in the table, and the entry's word. */
export interface Callee {
  readonly slot: number;
  readonly word: number;
}

type Import = { name: string; type: { parameters: Routine['parameters']; results: Routine['results'] } };

/** Routines are the interpreter's: imported by name. Other compiled code is imported by its number. */
export class ImportedRoutines implements RoutineTable {
  readonly #list: (Routine | number)[] = [];

  index(routine: Routine): number {
    return this.#index(routine);
  }
  callee({ slot }: Callee): number {
    return this.#index(slot);
  }
  #index(what: Routine | number): number {
    const known = this.#list.indexOf(what);
    return FIRST + (known >= 0 ? known : this.#list.push(what) - 1);
  }
  get imports(): Import[] {
    return [
      { name: 'enterCode', type: HANDLER_TYPE },
      { name: 'jumpToCode', type: HANDLER_TYPE },
      ...this.#list.map((one) =>
        typeof one === 'number' ? { name: `${one}`, type: HANDLER_TYPE } : { name: one.name, type: one },
      ),
    ];
  }
}
