/** What layers find in an image: anything may be there, as it was made elsewhere, or for other options. */
import type { Plain } from '../wait/wait.ts';

/** An object's members; none where it is no object. */
export function members(value: Plain | undefined): { readonly [name: string]: Plain | undefined } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
    ? value
    : {};
}

/** A list's items; none where it is no list. */
export function items(value: Plain | undefined): readonly Plain[] {
  return Array.isArray(value) ? value : [];
}

/** How much was counted; 0 where that is no count. */
export function count(value: Plain | undefined): number {
  return typeof value === 'number' && value >= 0 && value < Infinity ? value : 0;
}
