/** What compiled regions import: the ways into other code, and the interpreter's routines. */
import type { Routine } from '../emit/routine.ts';
import type { RoutineTable } from '../emit/wasm-emitter.ts';
import { HANDLER_TYPE } from '../interp/compiled.ts';

/** Function indices: EIP to answer, by a call and in the caller's place (interp/compiled.ts). */
export const ENTER = 0;
export const JUMP = 1;
const FIRST = 2;

/** Routines are the interpreter's: imported by name. */
export class ImportedRoutines implements RoutineTable {
  readonly #list: Routine[] = [];
  index(routine: Routine): number {
    const known = this.#list.indexOf(routine);
    return FIRST + (known >= 0 ? known : this.#list.push(routine) - 1);
  }
  get imports(): { name: string; type: { parameters: Routine['parameters']; results: Routine['results'] } }[] {
    return [
      { name: 'enterCode', type: HANDLER_TYPE },
      { name: 'jumpToCode', type: HANDLER_TYPE },
      ...this.#list.map((routine) => ({ name: routine.name, type: routine })),
    ];
  }
}
