/** What compiled code knows of the x87 stack at a point. */
import type { Node } from '../emit/wasm-ir.ts';

/** Registers are numbered from where TOP was at the beginning: a bit each. */
export interface Knowledge {
  /** TOP has been loaded. */
  readonly isOpen: boolean;
  readonly top: number;
  /** In their locals, in use, empty; in a local, too, whether they are normal numbers. */
  readonly held: number;
  readonly used: number;
  readonly empty: number;
  readonly classed: number;
  /** What the register file does not have yet: values, tags; TOP and the status word; the last instruction's address. */
  readonly newer: number;
  readonly newerTags: number;
  readonly isBehind: boolean;
  readonly ip: Node | undefined;
  /** No exception is pending. */
  readonly isSettled: boolean;
  /** A routine has worked on the register file. */
  readonly isStale: boolean;
}

export const NOTHING: Knowledge = {
  isOpen: false,
  top: 0,
  held: 0,
  used: 0,
  empty: 0,
  classed: 0,
  newer: 0,
  newerTags: 0,
  isBehind: false,
  ip: undefined,
  isSettled: false,
  isStale: false,
};

export const isNewer = ({ newer, newerTags, isBehind, ip }: Knowledge): boolean =>
  (newer | newerTags) !== 0 || isBehind || ip !== undefined;

export const numbersIn = (bits: number): number[] => [0, 1, 2, 3, 4, 5, 6, 7].filter((number) => bits & (1 << number));
