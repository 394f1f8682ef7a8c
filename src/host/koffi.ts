import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export type Koffi = typeof import('koffi');

/** Throws where koffi is not installed, or has nothing for this kind of machine. */
export function loadKoffi(): Koffi {
  const require = createRequire(import.meta.url);
  return loadBinary(require) ?? require('koffi');
}

/**
 * koffi's binary by itself: the way to it through six files of two packages takes 5 ms, a tenth of a short run. Undefined where
 * the binary is not where npm puts it, is of another release than our package.json asks for, or is not for this C library.
 */
function loadBinary(require: NodeJS.Require): Koffi | undefined {
  const name = `@koromix/koffi-linux-${process.arch}`;
  try {
    if (!isForGlibc(process.execPath)) return undefined;
    for (const directory of require.resolve.paths(name) ?? []) {
      const file = join(directory, name, `linux_${process.arch}/koffi.node`);
      if (!existsSync(file)) continue;
      const module: { exports: Partial<Koffi> } = { exports: {} };
      process.dlopen(module, file);
      return module.exports.version?.startsWith('3.') ? (module.exports as Koffi) : undefined;
    }
  } catch {
    // koffi itself knows more, or says better what is wrong.
  }
  return undefined;
}

/** By the dynamic linker's name, which is in the first page of the file. */
function isForGlibc(program: string): boolean {
  const head = Buffer.alloc(4096);
  const file = openSync(program, 'r');
  try {
    readSync(file, head, 0, head.length, 0);
  } finally {
    closeSync(file);
  }
  return head.includes('/ld-linux');
}
