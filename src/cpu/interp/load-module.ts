/** Interpreter modules by target, compiled once per process. */
import type { WasmTarget } from '../emit/wasm-emitter.ts';
import { isa } from '../isa/index.ts';
import { fusionTable } from './fusions.ts';
import { type IsaParts, templatesFor } from './isa-tables.ts';
import { buildInterpreter } from './module.ts';

/** What is made of the instructions when Tallship is built; running from the sources, when it is first needed. */
export interface BuiltInterp extends Omit<IsaParts, 'found'> {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface CompiledInterp extends IsaParts {
  readonly module: WebAssembly.Module;
}

const compiled = new Map<string, CompiledInterp>();
let prebuilt: (name: string) => BuiltInterp | undefined = () => undefined;

export function targetKey({ protection, vmIndex, vmOffset }: WasmTarget): string {
  return `${protection}-${(vmIndex >>> 0).toString(16)}-${(vmOffset >>> 0).toString(16)}`;
}

/** Says where modules are that were emitted when Tallship was built, by targetKey. */
export function usePrebuilt(find: (name: string) => BuiltInterp | undefined): void {
  prebuilt = find;
}

export function build(target: WasmTarget): BuiltInterp {
  const { bytes, keys } = buildInterpreter(isa, target);
  return { bytes, keys: () => keys, fusion: fusionTable(keys), templates: templatesFor(keys) };
}

export function loadInterpreter(target: WasmTarget): CompiledInterp {
  const key = targetKey(target);
  let found = compiled.get(key);
  if (!found) {
    const { bytes, keys, fusion, templates } = prebuilt(key) ?? build(target);
    found = { module: new WebAssembly.Module(bytes), keys, fusion, templates, found: new Map() };
    compiled.set(key, found);
  }
  return found;
}
