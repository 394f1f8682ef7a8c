// Emits the interpreter for both kinds of memory into dist, after tsc: a start then need not emit it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { targetKey } from '../dist/src/cpu/interp/load-module.js';
import { buildInterpreter } from '../dist/src/cpu/interp/module.js';
import { isa } from '../dist/src/cpu/isa/index.js';
import { HARDWARE_PLACE, SOFTWARE_PLACE } from '../dist/src/memory/vm-layout.js';

const out = new URL('../dist/src/interp/', import.meta.url);
mkdirSync(out, { recursive: true });
for (const target of [
  { protection: 'hardware', ...HARDWARE_PLACE },
  { protection: 'software', ...SOFTWARE_PLACE },
]) {
  const { bytes, keys } = buildInterpreter(isa, target);
  writeFileSync(new URL(`${targetKey(target)}.wasm`, out), bytes);
  writeFileSync(new URL(`${targetKey(target)}.json`, out), JSON.stringify(Object.fromEntries(keys)));
}
