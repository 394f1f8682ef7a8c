/** Interpreter modules by target, compiled once per process. */
import type { WasmTarget } from '../emit/wasm-emitter.ts';
import { listedNames } from '../emit/wasm-writer.ts';
import { isa } from '../isa/index.ts';
import { compiledAhead, targetKey } from './ahead.ts';
import { fusionTable } from './fusions.ts';
import { type IsaParts, templatesFor } from './isa-tables.ts';
import { buildInterpreter } from './module.ts';

/** What is made of the instructions when Tallship is built; running from the sources, when it is first needed. */
export interface BuiltInterp extends Omit<IsaParts, 'found'> {
  readonly bytes: () => Uint8Array<ArrayBuffer>;
}

export interface CompiledInterp extends IsaParts {
  readonly module: WebAssembly.Module;
  /** Of its functions that compiled code calls, in the order of their table. */
  readonly routines: () => readonly string[];
}

const compiled = new Map<string, CompiledInterp>();
let prebuilt: (name: string) => BuiltInterp | undefined = () => undefined;

/** Says where modules are that were emitted when Tallship was built, by targetKey. */
export function usePrebuilt(find: (name: string) => BuiltInterp | undefined): void {
  prebuilt = find;
}

export function build(target: WasmTarget): BuiltInterp {
  const { bytes, keys } = buildInterpreter(isa, target);
  return { bytes: () => bytes, keys: () => keys, fusion: fusionTable(keys), templates: templatesFor(keys) };
}

export function loadInterpreter(target: WasmTarget): CompiledInterp {
  const key = targetKey(target);
  let found = compiled.get(key);
  if (!found) {
    const { bytes, keys, fusion, templates } = prebuilt(key) ?? build(target);
    const module = compiledAhead(key) ?? new WebAssembly.Module(bytes());
    let names: readonly string[] | undefined;
    const routines = (): readonly string[] => {
      names ??= listedNames(module);
      return names;
    };
    found = { module, routines, keys, fusion, templates, found: new Map() };
    compiled.set(key, found);
  }
  return found;
}
