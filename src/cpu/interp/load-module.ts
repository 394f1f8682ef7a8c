/** Interpreter modules by target, compiled once per process. */
import type { WasmTarget } from '../emit/wasm-emitter.ts';
import { isa } from '../isa/index.ts';
import type { InterpModule } from './module.ts';
import { buildInterpreter } from './module.ts';

export interface CompiledInterp {
  readonly module: WebAssembly.Module;
  readonly keys: ReadonlyMap<string, number>;
}

const compiled = new Map<string, CompiledInterp>();
const prebuilt = new Map<string, InterpModule>();

export function targetKey({ protection, vmIndex, vmOffset }: WasmTarget): string {
  return `${protection}-${(vmIndex >>> 0).toString(16)}-${(vmOffset >>> 0).toString(16)}`;
}

/** Hands in a module that was emitted when Tallship was built. */
export function providePrebuilt(target: WasmTarget, module: InterpModule): void {
  prebuilt.set(targetKey(target), module);
}

export function loadInterpreter(target: WasmTarget): CompiledInterp {
  const key = targetKey(target);
  let found = compiled.get(key);
  if (!found) {
    const { bytes, keys } = prebuilt.get(key) ?? buildInterpreter(isa, target);
    found = { module: new WebAssembly.Module(bytes), keys };
    compiled.set(key, found);
  }
  return found;
}
