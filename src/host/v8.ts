import { setFlagsFromString } from 'node:v8';

let tuned = false;

/**
 * Sets the V8 flags that the interpreter's giant function needs (DESIGN section 3). Called before the first module is
 * compiled. V8 complains on stderr about a flag it does not know and offers no way to ask, so the one flag that only old
 * versions have is chosen by version.
 */
export function tuneV8(): void {
  if (tuned) return;
  tuned = true;
  if (Number.parseInt(process.versions.v8, 10) < 12) {
    setFlagsFromString('--no-turbo-use-mid-tier-regalloc-for-huge-functions');
  }
  setFlagsFromString('--wasm-tiering-budget=30000000');
}
