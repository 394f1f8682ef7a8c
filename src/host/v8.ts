import { setFlagsFromString } from 'node:v8';

let tuned = false;

/**
 * Sets V8's flags for the interpreter, before its module is compiled. V8 asks its tier-up logic each time a function has
 * run this many bytes of code; a turn of the interpreter's loop counts as up to 400 KB, and with the default of 1.8 MB the
 * guest runs ten times slower until the optimised code is there (measured: 70 to 190 ns an instruction, not 7).
 *
 * The interpreter's module is validated function by function when they are compiled: 2 ms less for each start.
 *
 * The young generation is a megabyte or few: the collector's other threads take longer to wake than it takes to collect. Where
 * others work on the machine too, a start's five collections wait 45 ms in place of 73.
 *
 * V8's full register allocator (--no-turbo-use-mid-tier-regalloc-for-huge-functions) made no better code of the
 * interpreter (2.6 ns either way) and took 2 s longer.
 */
export function tuneV8(): void {
  if (tuned) return;
  tuned = true;
  setFlagsFromString('--wasm-tiering-budget=30000000');
  setFlagsFromString('--wasm-lazy-validation');
  setFlagsFromString('--no-parallel-scavenge');
  // Compiled code says which branches are hardly ever taken.
  setFlagsFromString('--experimental-wasm-branch-hinting');
}

/**
 * Compiles a module on V8's other threads with its functions, in place of each when it is first called: all, or those that
 * its hints name. V8 begins, and ends, in turns of the event loop.
 */
export async function compileWhole(bytes: Uint8Array): Promise<WebAssembly.Module> {
  tuneV8();
  setFlagsFromString('--no-wasm-lazy-compilation');
  setFlagsFromString('--experimental-wasm-compilation-hints');
  // By itself, this keeps no process alive on newer releases.
  const alive = setInterval(() => {}, 1000);
  try {
    return await WebAssembly.compile(bytes);
  } finally {
    clearInterval(alive);
    // As it was: what follows is not worth it, and a code cache is valid for the very flags that it was made with.
    setFlagsFromString('--wasm-lazy-compilation');
    setFlagsFromString('--no-experimental-wasm-compilation-hints');
  }
}
