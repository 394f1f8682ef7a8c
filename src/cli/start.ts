#!/usr/bin/env node
/**
 * The command as it is installed: the bundled command line (main.cjs), compiled from V8's code cache where the Node that runs
 * it is the one that built it. V8 refuses the cache of another version and compiles as always.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { tuneV8 } from '../host/v8.ts';

const file = join(import.meta.dirname, 'main.cjs');
const cache = `${file}.cache`;

// V8's flags are part of what a code cache is valid for.
tuneV8();
const source = readFileSync(file, 'latin1');
const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
  filename: file,
  cachedData: readCache(),
});
// The build runs a program once: what that needed is in the cache, compiled.
if (process.env.TALLSHIP_WRITE_CODE_CACHE) {
  process.on('exit', () => writeFileSync(cache, script.createCachedData()));
}
const module = { exports: {} };
script.runInThisContext()(module.exports, createRequire(import.meta.filename), module, file, import.meta.dirname);

function readCache(): Buffer | undefined {
  try {
    return readFileSync(cache);
  } catch {
    return undefined;
  }
}
