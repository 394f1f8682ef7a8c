/** The interpreter's modules as `npm run build` leaves them beside the compiled sources. */
import { existsSync, readFileSync } from 'node:fs';

export interface PrebuiltFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly keys: ReadonlyMap<string, number>;
}

const place = (name: string): URL => new URL(`../interp/${name}`, import.meta.url);

/** Undefined where nothing was built: running from the sources. */
export function readPrebuilt(name: string): PrebuiltFile | undefined {
  if (!existsSync(place(`${name}.wasm`))) return undefined;
  const bytes = new Uint8Array(readFileSync(place(`${name}.wasm`)));
  const keys = JSON.parse(readFileSync(place(`${name}.json`), 'utf8')) as Record<string, number>;
  return { bytes, keys: new Map(Object.entries(keys)) };
}
