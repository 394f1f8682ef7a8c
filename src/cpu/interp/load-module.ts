/** Interpreter modules by target, compiled once per process. */
import type { Row } from '../decode/rows.ts';
import type { WasmTarget } from '../emit/wasm-emitter.ts';
import { isa } from '../isa/index.ts';
import { fusedPairs } from './fusions.ts';
import type { InterpModule } from './module.ts';
import { buildInterpreter } from './module.ts';
import type { FoundHandler } from './record-cache.ts';

export interface CompiledInterp {
  readonly module: WebAssembly.Module;
  readonly keys: ReadonlyMap<string, number>;
  readonly fused: ReadonlyMap<number, number>;
  /** See Isa.found. */
  readonly found: Map<Row, Map<number, FoundHandler>>;
}

const compiled = new Map<string, CompiledInterp>();
let prebuilt: (name: string) => InterpModule | undefined = () => undefined;

export function targetKey({ protection, vmIndex, vmOffset }: WasmTarget): string {
  return `${protection}-${(vmIndex >>> 0).toString(16)}-${(vmOffset >>> 0).toString(16)}`;
}

/** Says where modules are that were emitted when Tallship was built, by targetKey. */
export function usePrebuilt(find: (name: string) => InterpModule | undefined): void {
  prebuilt = find;
}

export function loadInterpreter(target: WasmTarget): CompiledInterp {
  const key = targetKey(target);
  let found = compiled.get(key);
  if (!found) {
    const { bytes, keys } = prebuilt(key) ?? buildInterpreter(isa, target);
    found = { module: new WebAssembly.Module(bytes), keys, fused: fusedPairs(keys), found: new Map() };
    compiled.set(key, found);
  }
  return found;
}
