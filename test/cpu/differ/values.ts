/** Interesting values of every kind, drawn once and picked from. */

import { companion, random as simdRandom, vectorOf } from '../support/simd-values.ts';
import { value as f80Value, Random as X87Random } from '../support/x87-cases.ts';
import type { Random } from './random.ts';

export const CORNERS = [
  0, 1, 2, 3, 4, 8, 15, 16, 31, 32, 33, 63, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fff_ffff,
  0x8000_0000, 0x8000_0001, 0xffff_fffe, 0xffff_ffff,
];

const FAMILIES = 512;
/** Vectors of a family go together: they nearly cancel, are equal, or continue each other. */
export const FAMILY = 8;
export type Element = 0 | 4 | 8;

/** 16 bytes each. */
function makeFamilies(element: Element): Uint8Array {
  const r = simdRandom(element + 77);
  const out = new Uint8Array(FAMILIES * FAMILY * 16);
  for (let i = 0; i < FAMILIES; i++) {
    const first = vectorOf(r, element);
    out.set(first, i * FAMILY * 16);
    for (let k = 1; k < FAMILY; k++) out.set(companion(r, first, element), (i * FAMILY + k) * 16);
  }
  return out;
}

const families = new Map<Element, Uint8Array>();
/** The vectors of one family, 128 bytes. */
export function family(random: Random, element: Element): Uint8Array {
  let all = families.get(element);
  if (!all) families.set(element, (all = makeFamilies(element)));
  const at = random.below(FAMILIES) * FAMILY * 16;
  return all.subarray(at, at + FAMILY * 16);
}

const EXTENDED = 4096;
let extended: Uint8Array | undefined;

/** Values of ten bytes, 16 apart: neighbours are near each other in size. */
function makeExtended(): Uint8Array {
  const r = new X87Random(4711);
  const out = new Uint8Array(EXTENDED * 16);
  const view = new DataView(out.buffer);
  let near = 0x3fff;
  for (let i = 0; i < EXTENDED; i++) {
    const { sig, se } = f80Value(r, near);
    near = i % 8 === 7 ? 0x3fff : r.below(3) ? Math.min(0x7ffe, Math.max(1, (se & 0x7fff) + r.below(6) - 3)) : near;
    view.setBigUint64(i * 16, sig, true);
    view.setUint16(i * 16 + 8, se, true);
  }
  return out;
}

/** Eight values, 128 bytes in the layout of an FXSAVE image. */
export function stack(random: Random): Uint8Array {
  extended ??= makeExtended();
  const at = random.below(EXTENDED - 8) * 16;
  return extended.subarray(at, at + 128);
}

const noise = new Uint8Array(0x1_0000 + 512);
{
  const r = simdRandom(99);
  for (let i = 0; i < noise.length; i++) {
    const interesting = (i >> 5) % 3 === 0;
    noise[i] = interesting ? [0, 1, 0x7f, 0x80, 0xfe, 0xff, 0x10, 0x33][r() & 7] : r();
  }
}
/** 512 random bytes. */
export function noiseBytes(random: Random): Uint8Array {
  const at = random.u32() & 0xffff;
  return noise.subarray(at, at + 512);
}

export function generalValue(random: Random): number {
  const kind = random.u32() & 15;
  if (kind < 5) return random.pick(CORNERS);
  if (kind < 8) return (random.u32() & 0x7f) - 0x20;
  if (kind < 10) return random.u32() >>> (random.u32() & 31);
  return random.u32();
}

const CONTROLS = [0x37f, 0x27f, 0x07f, 0xf7f, 0x77f, 0xb7f, 0x17f];
export function controlWord(random: Random): number {
  const kind = random.u32() & 7;
  if (kind < 4) return 0x37f;
  if (kind < 6) return random.pick(CONTROLS);
  return ((random.u32() & 0xf3f) | 0x40) & (kind === 6 ? -1 : 0xf7f);
}

/** MXCSR: mostly as programs have it. */
export function mxcsr(random: Random): number {
  const kind = random.below(100);
  if (kind < 35) return 0x1fa0;
  if (kind < 45) return 0x1f80;
  if (kind < 60) return 0x1f80 | ((random.u32() & 3) << 13) | (random.u32() & 0x3f);
  if (kind < 75) return 0x1f80 | (random.u32() & 0xe07f);
  if (kind < 90) return (random.u32() & 0x9fff & ~(0x80 << random.below(6))) | random.pick([0x1f80, 0]);
  return random.u32() & 0xffff;
}
