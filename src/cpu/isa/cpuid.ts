/** What the processor says it is, and has: one table for CPUID and for which rows exist. */
import type { Feature } from './insn.ts';

/** Where CPUID leaf 1 reports a feature. */
interface FeatureBit {
  readonly register: 'edx' | 'ecx';
  readonly bit: number;
}

/** CPUID leaf 1 (SDM Vol. 2A, tables 3-10 and 3-11). */
export const FEATURE_BITS: Partial<Record<Feature, FeatureBit>> = {
  x87: { register: 'edx', bit: 0 },
  tsc: { register: 'edx', bit: 4 },
  cx8: { register: 'edx', bit: 8 },
  cmov: { register: 'edx', bit: 15 },
  clflush: { register: 'edx', bit: 19 },
  mmx: { register: 'edx', bit: 23 },
  fxsr: { register: 'edx', bit: 24 },
  sse: { register: 'edx', bit: 25 },
  sse2: { register: 'edx', bit: 26 },
  sse3: { register: 'ecx', bit: 0 },
  pclmulqdq: { register: 'ecx', bit: 1 },
  ssse3: { register: 'ecx', bit: 9 },
  'sse4.1': { register: 'ecx', bit: 19 },
  'sse4.2': { register: 'ecx', bit: 20 },
  movbe: { register: 'ecx', bit: 22 },
  popcnt: { register: 'ecx', bit: 23 },
  aes: { register: 'ecx', bit: 25 },
};

/** What a guest finds unless it asks for less. */
export const DEFAULT_FEATURES: readonly Feature[] = [
  'x87',
  'tsc',
  'cx8',
  'cmov',
  'clflush',
  'mmx',
  'fxsr',
  'sse',
  'sse2',
  'sse3',
  'ssse3',
  'sse4.1',
  'sse4.2',
  'movbe',
  'popcnt',
];

/** Family 6, model 26, stepping 5: the first Nehalem. */
export const SIGNATURE = 0x0001_06a5;
/** CLFLUSH line of 8 quadwords, one logical processor, APIC id 0. */
export const LEAF_1_EBX = 0x0001_0800;
export const VENDOR = 'GenuineIntel';
export const BRAND = 'Tallship virtual i686 processor';

export function featureWord(register: 'edx' | 'ecx', features: Iterable<Feature> = DEFAULT_FEATURES): number {
  let word = 0;
  for (const feature of features) {
    const at = FEATURE_BITS[feature];
    if (at?.register === register) word |= 1 << at.bit;
  }
  return word;
}

/** STATE.absentFeatures: a bit for each of DEFAULT_FEATURES, in their order, that is not among these. */
export function absentFeatures(features: Iterable<Feature>): number {
  const present = new Set(features);
  return DEFAULT_FEATURES.reduce((mask, feature, i) => (present.has(feature) ? mask : mask | (1 << i)), 0);
}
