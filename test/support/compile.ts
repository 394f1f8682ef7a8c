import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripTypeScript } from './strip.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A directory with source files and all that they import as JavaScript, for tests that need a Node process of their own. */
export function compile(...entries: string[]): string {
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  const out = mkdtempSync(join(ROOT, '.cache/test-'));
  writeFileSync(join(out, 'package.json'), '{"type":"module"}');
  const seen = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    const code = stripTypeScript(path).replace(/(from\s+'\.[^']*)\.ts'/g, "$1.js'");
    for (const [, target] of code.matchAll(/from\s+'(\.[^']*)\.js'/g)) {
      visit(`${relative(ROOT, join(ROOT, dirname(path), target))}.ts`);
    }
    const to = join(out, path.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, code);
  };
  entries.forEach(visit);
  return out;
}
