/**
 * Imports a layer's file. A module of its own beside the bundle of the command line (scripts/bundle.mjs): the bundle has no
 * import() of its own, and the layer's `tallship` is the package.
 */
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

/** The file's default export. */
export async function importDefault(path: string): Promise<unknown> {
  useHooks();
  return (await import(pathToFileURL(path).href)).default;
}
