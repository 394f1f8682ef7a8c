/** Module hooks for layers: TypeScript on releases of Node that do not strip types, and `tallship` wherever they lie. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'amaro';

/** dist/src/cli/ or src/cli/. */
const OWN = new URL('../', import.meta.url);
const suffix = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

type Resolved = { url: string; shortCircuit?: boolean };
type Loaded = { format: string; source: string; shortCircuit: boolean };

function ownModule(specifier: string): string | undefined {
  if (specifier === 'tallship') return new URL(`index${suffix}`, OWN).href;
  return specifier === 'tallship/node' ? new URL(`node${suffix}`, OWN).href : undefined;
}

export function resolve<R>(
  specifier: string,
  context: object,
  next: (specifier: string, context: object) => R,
): R | Resolved {
  const url = ownModule(specifier);
  return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
}

export function load<R>(url: string, context: object, next: (url: string, context: object) => R): R | Loaded {
  if (!/\.m?ts$/.test(url) || !url.startsWith('file:')) return next(url, context);
  const { code } = transformSync(readFileSync(fileURLToPath(url), 'utf8'), { mode: 'strip-only' });
  return { format: 'module', source: code, shortCircuit: true };
}
