/** What `npm run build` makes of the instructions, beside the compiled sources (scripts/build-interp.mjs). */
import { readFileSync } from 'node:fs';

export interface PrebuiltFiles {
  readonly bytes: () => Uint8Array<ArrayBuffer>;
  readonly keys: () => ReadonlyMap<string, number>;
  readonly fusion: Uint16Array;
  readonly templates: Int32Array;
}

const place = (name: string): URL => new URL(`../interp/${name}`, import.meta.url);
/** A Buffer may be a part of a larger one, at any place: this has its own. */
const read = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(place(name)));

/** The interpreter's module alone. */
export function readModule(name: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return read(`${name}.wasm`);
  } catch {
    return undefined;
  }
}

/** Undefined where nothing was built: running from the sources. */
export function readPrebuilt(name: string): PrebuiltFiles | undefined {
  let templates: Uint8Array<ArrayBuffer>;
  try {
    templates = read(`${name}.templates`);
  } catch {
    return undefined;
  }
  const fusion = read(`${name}.fusion`);
  let keys: ReadonlyMap<string, number> | undefined;
  return {
    bytes: () => read(`${name}.wasm`),
    keys: () => {
      keys ??= new Map(Object.entries(JSON.parse(readFileSync(place(`${name}.json`), 'utf8')) as object));
      return keys;
    },
    templates: new Int32Array(templates.buffer),
    fusion: new Uint16Array(fusion.buffer),
  };
}
