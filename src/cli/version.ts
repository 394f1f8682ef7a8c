import { readFileSync } from 'node:fs';

/** The package's version: package.json stands three directories above dist/src/cli, two above src/cli. */
export function version(): string {
  for (const above of ['../../../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(above, import.meta.url), 'utf8'));
      if (name === 'tallship') return `tallship ${version}`;
    } catch {}
  }
  return 'tallship (unknown version)';
}
