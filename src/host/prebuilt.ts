/** What `npm run build` makes of the instructions, beside the compiled sources (scripts/build-interp.mjs). */
import { readFileSync } from 'node:fs';

export interface PrebuiltFiles {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly keys: () => ReadonlyMap<string, number>;
  readonly fusion: Uint16Array;
  readonly templates: Int32Array;
}

const place = (name: string): URL => new URL(`../interp/${name}`, import.meta.url);
/** A Buffer may be a part of a larger one, at any place: this has its own. */
const read = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(place(name)));

/** Undefined where nothing was built: running from the sources. */
export function readPrebuilt(name: string): PrebuiltFiles | undefined {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = read(`${name}.wasm`);
  } catch {
    return undefined;
  }
  const templates = read(`${name}.templates`);
  const fusion = read(`${name}.fusion`);
  let keys: ReadonlyMap<string, number> | undefined;
  return {
    bytes,
    keys: () => {
      keys ??= new Map(Object.entries(JSON.parse(readFileSync(place(`${name}.json`), 'utf8')) as object));
      return keys;
    },
    templates: new Int32Array(templates.buffer),
    fusion: new Uint16Array(fusion.buffer),
  };
}
