/** Where Tallship keeps what it can fetch or make again. */
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export function cacheDirectory(name: string): string {
  const { TALLSHIP_CACHE, XDG_CACHE_HOME } = process.env;
  const base = TALLSHIP_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'tallship');
  const directory = join(base, name);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}
