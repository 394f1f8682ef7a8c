/** Module hooks for layers: TypeScript on releases of Node that do not strip types, and `tallship` wherever they lie. */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory } from './cache.ts';

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
  if (!/\.m?ts(\?|$)/.test(url) || !url.startsWith('file:')) return next(url, context);
  const source = stripped(readFileSync(fileURLToPath(url), 'utf8'));
  return { format: 'module', source, shortCircuit: true };
}

/** Loading the stripper takes most of a second: what it made is kept, by the source's hash. */
function stripped(source: string): string {
  const key = createHash('sha256').update(source).digest('hex');
  const file = join(cacheDirectory('layers'), `${key}.js`);
  try {
    return readFileSync(file, 'utf8');
  } catch {}
  const { transformSync }: typeof import('amaro') = createRequire(import.meta.url)('amaro');
  const { code } = transformSync(source, { mode: 'strip-only' });
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, code, { mode: 0o600 });
  renameSync(unfinished, file);
  return code;
}
