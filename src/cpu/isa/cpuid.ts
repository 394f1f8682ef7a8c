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
  ssse3: { register: 'ecx', bit: 9 },
  'sse4.1': { register: 'ecx', bit: 19 },
  'sse4.2': { register: 'ecx', bit: 20 },
  movbe: { register: 'ecx', bit: 22 },
  popcnt: { register: 'ecx', bit: 23 },
};

const I686: readonly Feature[] = ['x87', 'tsc', 'cx8', 'cmov'];
const PENTIUM3: readonly Feature[] = [...I686, 'mmx', 'fxsr', 'sse'];
const PENTIUM4: readonly Feature[] = [...PENTIUM3, 'sse2', 'clflush'];
const CORE2: readonly Feature[] = [...PENTIUM4, 'sse3', 'ssse3'];
const NEHALEM: readonly Feature[] = [...CORE2, 'sse4.1', 'sse4.2', 'popcnt', 'movbe'];

/** A processor that Tallship can be: family, model and stepping as CPUID leaf 1 has them, and what it can do. */
export interface CpuModel {
  readonly signature: number;
  readonly features: readonly Feature[];
}

/** The first of each generation that a program may ask for; the newest one knows MOVBE before its time. */
export const CPU_MODELS = {
  i686: { signature: 0x0000_0619, features: I686 },
  pentium3: { signature: 0x0000_0673, features: PENTIUM3 },
  pentium4: { signature: 0x0000_0f12, features: PENTIUM4 },
  core2: { signature: 0x0000_06f6, features: CORE2 },
  nehalem: { signature: 0x0001_06a5, features: NEHALEM },
} as const satisfies Record<string, CpuModel>;
export type CpuModelName = keyof typeof CPU_MODELS;
export const CPU_MODEL_NAMES = Object.keys(CPU_MODELS) as CpuModelName[];
/** What a guest finds unless it asks for less. */
export const DEFAULT_MODEL: CpuModelName = 'nehalem';
export const DEFAULT_FEATURES = NEHALEM;

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

/** STATE.processor: a bit for each of DEFAULT_FEATURES, in their order, that is not there; from bit 24 on the model's number. */
export function processorWord(model: CpuModelName, features: Iterable<Feature>): number {
  const present = new Set(features);
  const absent = DEFAULT_FEATURES.reduce((mask, feature, i) => (present.has(feature) ? mask : mask | (1 << i)), 0);
  return absent | (CPU_MODEL_NAMES.indexOf(model) << MODEL_SHIFT);
}
export const MODEL_SHIFT = 24;
