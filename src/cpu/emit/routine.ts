import type { Emitter, WasmType } from './emitter.ts';

/** Shared code that bodies call: emitted once as a wasm function of its own, evaluated in place by the evaluator. */
export interface Routine {
  readonly name: string;
  readonly parameters: readonly WasmType[];
  readonly results: readonly WasmType[];
  /** Returns one value per result. */
  readonly body: <V>(e: Emitter<V>, ...args: V[]) => V[];
}

/** Declares a routine. Routines may call routines (not themselves); they may not touch operands or guest control flow. */
export function routine(
  name: string,
  parameters: readonly WasmType[],
  results: readonly WasmType[],
  body: Routine['body'],
): Routine {
  return { name, parameters, results, body };
}
