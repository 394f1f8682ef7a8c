/** Interesting and random operands and states for single x87 instructions, the same for the same seed. */
import type { Case, F80 } from './x87-harness.ts';
import { MEMORY_SIZE } from './x87-harness.ts';

export class Random {
  #state: bigint;
  constructor(seed: number) {
    this.#state = BigInt(seed) * 0x9e3779b97f4a7c15n + 1n;
  }
  /** 64 bits, by splitmix64's counter and two multiplications. */
  u64(): bigint {
    this.#state = BigInt.asUintN(64, this.#state + 0x9e3779b97f4a7c15n);
    let x = this.#state;
    x = BigInt.asUintN(64, (x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n);
    x = BigInt.asUintN(64, (x ^ (x >> 27n)) * 0x94d049bb133111ebn);
    return x ^ (x >> 31n);
  }
  below(n: number): number {
    return Number(this.u64() % BigInt(n));
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }
}

const TOP = 1n << 63n;
const SPECIAL_SIGNIFICANDS = [
  0n,
  1n,
  TOP,
  TOP + 1n,
  3n << 62n,
  (3n << 62n) + 1n,
  (1n << 64n) - 1n,
  TOP - 1n,
  1n << 62n,
];
const SPECIAL_EXPONENTS = [0, 1, 2, 0x3ffe, 0x3fff, 0x4000, 0x403e, 0x403f, 0x7ffd, 0x7ffe, 0x7fff];

/** A value: mostly normal, of an exponent near `near` or anywhere; sometimes any bits at all. */
export function value(r: Random, near = 0x3fff): F80 {
  const sign = r.below(2) << 15;
  const kind = r.below(16);
  let sig = r.u64() | TOP;
  // Sparse significands make exact and halfway cases.
  if (r.chance(3)) sig = TOP | (r.u64() & (r.u64() << BigInt(r.below(64))) & ((1n << 64n) - 1n));
  if (r.chance(8)) sig |= (1n << BigInt(r.below(64))) - 1n;
  if (kind < 9) return { sig, se: sign | clamp(near + r.below(140) - 70) };
  if (kind < 11) return { sig, se: sign | (1 + r.below(0x7ffe)) };
  if (kind === 11) return { sig, se: sign | r.pick(SPECIAL_EXPONENTS) };
  if (kind === 12) return { sig: r.pick(SPECIAL_SIGNIFICANDS), se: sign | r.pick(SPECIAL_EXPONENTS) };
  if (kind === 13) return { sig: r.u64() >> BigInt(r.below(64)), se: sign | r.pick([0, 0, 0x7fff]) };
  if (kind === 14) return small(r);
  return { sig: r.u64(), se: r.below(0x10000) };
}

const clamp = (exponent: number): number => Math.min(0x7ffe, Math.max(1, exponent));

/** An integer or half-integer below 2**20. */
function small(r: Random): F80 {
  const n = r.below(1 << r.below(21));
  if (n === 0) return { sig: 0n, se: r.below(2) << 15 };
  const length = 32 - Math.clz32(n);
  return { sig: BigInt(n) << BigInt(64 - length), se: (r.below(2) << 15) | (0x3fff + length - 1 - r.below(2)) };
}

const CONTROLS = [0x37f, 0x27f, 0x07f, 0xf7f, 0x77f, 0xb7f, 0x17f];

export function controlWord(r: Random): number {
  if (r.below(3) > 0) return 0x37f;
  if (r.below(2) > 0) return r.pick(CONTROLS);
  return (r.below(64) | 0x40 | (r.below(16) << 8)) & 0xf7f;
}

function double(r: Random): bigint {
  const bits = r.u64();
  const exponent = BigInt(r.pick([0, 0, 1, 0x7ff, 0x7fe, 0x3ff, 0x3fe, 0x400, 1023 + r.below(60) - 30, r.below(2048)]));
  const fraction = r.chance(4) ? r.pick([0n, 1n, 1n << 51n, (1n << 51n) - 1n]) : bits & ((1n << 52n) - 1n);
  return (bits & TOP) | (exponent << 52n) | fraction;
}

function single(r: Random): bigint {
  const bits = r.u64();
  const exponent = BigInt(r.pick([0, 0, 1, 0xff, 0xfe, 127, 126, 128, 127 + r.below(40) - 20, r.below(256)]));
  const fraction = r.chance(4) ? r.pick([0n, 1n, 1n << 22n, (1n << 22n) - 1n]) : bits & ((1n << 23n) - 1n);
  return (bits & 0x80000000n) | (exponent << 23n) | fraction;
}

function integer(r: Random): bigint {
  return r.chance(4) ? r.pick([0n, 1n, (1n << 64n) - 1n, TOP, 0x8000n, 0x80000000n]) : r.u64() >> BigInt(r.below(64));
}

function decimal(r: Random): bigint {
  let out = 0n;
  for (let i = 0; i < 16; i++) out = (out << 4n) | BigInt(r.below(10));
  return out;
}

export type MemoryKind = 'none' | 'single' | 'double' | 'extended' | 'integer' | 'decimal' | 'environment';

function environment(r: Random, out: Buffer): void {
  for (let i = 0; i < 28; i += 4) out.writeUInt32LE(Number(r.u64() & 0xffffffffn), i);
}

function memoryBytes(r: Random, kind: MemoryKind): Uint8Array {
  const out = Buffer.alloc(MEMORY_SIZE);
  if (kind === 'none') return out;
  if (kind === 'environment') {
    environment(r, out);
    return out;
  }
  if (kind === 'extended') {
    const { sig, se } = value(r);
    out.writeBigUInt64LE(sig, 0);
    out.writeUInt16LE(se, 8);
    return out;
  }
  out.writeBigUInt64LE({ single, double, integer, decimal }[kind](r), 0);
  if (kind === 'decimal') out.writeUInt16LE(r.below(10) | (r.below(10) << 4) | (r.below(2) << 15), 8);
  return out;
}

/** Two-bit tags that FRSTOR looks at: only 11, empty, counts. */
function tagsOf(r: Random): number {
  if (r.below(4) > 0) return r.pick([0, 0x3fff, 0x3ff, 0x0fff]);
  let tags = 0;
  for (let i = 0; i < 8; i++) if (r.chance(4)) tags |= 3 << (2 * i);
  return tags;
}

export function makeCase(r: Random, code: readonly number[], kind: MemoryKind, near?: number): Case {
  const first = value(r, near);
  const second = value(r, r.below(3) ? (first.se & 0x7fff) + r.below(6) - 3 : near);
  const others = Array.from({ length: 6 }, () => value(r));
  if (r.chance(16)) others[0] = first;
  const control = controlWord(r);
  // Exceptions already there must be masked, or the next instruction would trap.
  const flags = r.below(64) & control & 0x3f;
  const status =
    (r.below(8) * 0x800) |
    flags |
    ((r.below(16) & 7) << 8) |
    (r.below(2) << 14) |
    (r.chance(4) && control & 1 ? 0x40 : 0);
  return {
    control,
    status,
    tags: tagsOf(r),
    registers: [first, second, ...others],
    eflags: 0x202 | (r.below(0x1000) & 0x8d5),
    eax: Number(r.u64() & 0xffffffffn),
    code: [...code],
    memory: memoryBytes(r, kind),
  };
}
