// Emits the interpreter for both kinds of memory into dist, after tsc, and the tables that go with it: a start then need not.
import { mkdirSync, writeFileSync } from 'node:fs';
import { targetKey } from '../dist/src/cpu/interp/ahead.js';
import { build } from '../dist/src/cpu/interp/load-module.js';
import { HARDWARE_PLACE, SOFTWARE_PLACE } from '../dist/src/memory/vm-layout.js';

const out = new URL('../dist/src/interp/', import.meta.url);
mkdirSync(out, { recursive: true });
for (const target of [
  { protection: 'hardware', ...HARDWARE_PLACE },
  { protection: 'software', ...SOFTWARE_PLACE },
]) {
  const { bytes, keys, fusion, templates } = build(target);
  const write = (extension, content) => writeFileSync(new URL(`${targetKey(target)}.${extension}`, out), content);
  write('wasm', bytes());
  write('json', JSON.stringify(Object.fromEntries(keys())));
  write('fusion', fusion);
  write('templates', templates);
}
