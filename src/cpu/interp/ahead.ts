/** Interpreter modules that are compiled before a processor asks for one. Imports nothing that takes time to load. */
import type { WasmTarget } from '../emit/wasm-emitter.ts';

const done = new Map<string, WebAssembly.Module>();
const begun: Promise<void>[] = [];

export function targetKey({ protection, vmIndex, vmOffset }: WasmTarget): string {
  return `${protection}-${(vmIndex >>> 0).toString(16)}-${(vmOffset >>> 0).toString(16)}`;
}

export function compiledAhead(key: string): WebAssembly.Module | undefined {
  return done.get(key);
}

/** Where it fails, whoever asks for the module compiles it himself, and says why that is not possible. */
export function compileAhead(key: string, compiling: Promise<WebAssembly.Module>): void {
  begun.push(
    compiling.then(
      (module) => void done.set(key, module),
      () => {},
    ),
  );
}

/** To be awaited before the first processor is made. */
export async function allCompiled(): Promise<void> {
  await Promise.all(begun);
}
