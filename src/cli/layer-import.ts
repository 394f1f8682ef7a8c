/**
 * Imports a layer's file. A module of its own beside the bundle of the command line (scripts/bundle.mjs): the bundle has no
 * import() of its own, and the layer's `tallship` is the package.
 */
import { statSync } from 'node:fs';
import * as modules from 'node:module';
import { pathToFileURL } from 'node:url';
import * as hooks from './layer-hooks.ts';

let hooked = false;

/** Hooks on this thread where Node has them; else on a thread of their own. */
function useHooks(): void {
  if (hooked) return;
  hooked = true;
  const { registerHooks, register } = modules as typeof modules & { registerHooks?(hooks: object): void };
  if (registerHooks !== undefined) registerHooks(hooks);
  else register(new URL(`layer-hooks${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url));
}

/** When each file was changed that has been imported. */
const imported = new Map<string, number>();

/** The file's default export. A file that has changed meanwhile is imported anew; what it imports itself is not. */
export async function importDefault(path: string): Promise<unknown> {
  useHooks();
  const { href } = pathToFileURL(path);
  const { mtimeMs } = statSync(path);
  const known = imported.get(path) ?? mtimeMs;
  if (known === mtimeMs) imported.set(path, mtimeMs);
  return (await import(known === mtimeMs ? href : `${href}?${mtimeMs}`)).default;
}
