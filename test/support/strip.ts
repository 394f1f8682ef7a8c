import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'amaro';

/** A source file of the project as JavaScript, for small programs that tests start. */
export function stripTypeScript(path: string): string {
  const source = readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
  return transformSync(source, { mode: 'strip-only' }).code;
}
