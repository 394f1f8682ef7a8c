/** Tallship as the one that answers slots: register file and memory from a slot, and the answer as the oracle gives it. */
import { Cpu } from '../../../src/cpu/cpu.ts';
import { readEflags, writeEflags } from '../../../src/cpu/eflags.ts';
import { Exit } from '../../../src/cpu/exit.ts';
import { FEATURE_BITS } from '../../../src/cpu/isa/cpuid.ts';
import type { Feature } from '../../../src/cpu/isa/insn.ts';
import type { CpuMemory } from '../../../src/cpu/memory.ts';
import { STATE, STATE_SIZE } from '../../../src/cpu/state.ts';
import { descriptorOf } from '../../../src/kernel/user-desc.ts';
import { FlatCpuMemory } from '../../support/flat-cpu-memory.ts';
import type { MappedMemory } from '../../support/hardware-cpu-memory.ts';
import { signalOf } from './signal.ts';
import type { Slots } from './slot.ts';
import {
  CODE,
  CODE_SIZE,
  DATA,
  DATA_SIZE,
  GAPS,
  INT3,
  LDT,
  pattern,
  SLOT,
  SLOT_SIZE,
  TLS_BASES,
  WINDOWS,
} from './slot.ts';

const ES_BUSY = 0x8080;
/** Instructions after which a case has no end. */
const BUDGET = 3_000_000;

function loadX87(state: Uint8Array, words: Int32Array, slots: Slots, i: number): void {
  const half = (i * SLOT_SIZE + SLOT.fx) >> 1;
  const { u16, u32 } = slots;
  const status = u16[half + 1];
  const top = (status >> 11) & 7;
  const pending = status & ~u16[half] & 0x3f;
  words[STATE.fpuControl >> 2] = u16[half];
  words[STATE.fpuStatus >> 2] = (status & 0x477f) | (pending ? ES_BUSY : 0);
  words[STATE.fpuTop >> 2] = top;
  words[STATE.fpuOpcode >> 2] = u16[half + 3];
  words[STATE.fpuIp >> 2] = u32[(half >> 1) + 2];
  words[STATE.fpuDataPointer >> 2] = u32[(half >> 1) + 4];
  words[STATE.mxcsr >> 2] = u32[(half >> 1) + 6];
  for (let n = 0; n < 8; n++) {
    state[STATE.fpuEmpty + n] = ((u16[half + 2] >> n) & 1) ^ 1;
    const from = (i * SLOT_SIZE + SLOT.st + n * 16) >> 2;
    const to = (STATE.fpr + ((top + n) & 7) * 16) >> 2;
    words[to] = u32[from];
    words[to + 1] = u32[from + 1];
    words[to + 2] = u32[from + 2] & 0xffff;
  }
}

function storeX87(state: Uint8Array, words: Int32Array, slots: Slots, i: number): void {
  const half = (i * SLOT_SIZE + SLOT.fx) >> 1;
  const { u16, u32 } = slots;
  const top = words[STATE.fpuTop >> 2] & 7;
  u16[half] = words[STATE.fpuControl >> 2];
  u16[half + 1] = words[STATE.fpuStatus >> 2] | (top << 11);
  let tags = 0;
  for (let n = 0; n < 8; n++) {
    tags |= (state[STATE.fpuEmpty + n] ^ 1) << n;
    const to = (i * SLOT_SIZE + SLOT.st + n * 16) >> 2;
    const from = (STATE.fpr + ((top + n) & 7) * 16) >> 2;
    u32[to] = words[from];
    u32[to + 1] = words[from + 1];
    u32[to + 2] = words[from + 2] & 0xffff;
    u32[to + 3] = 0;
  }
  u16[half + 2] = tags;
  u16[half + 3] = words[STATE.fpuOpcode >> 2];
  u32[(half >> 1) + 2] = words[STATE.fpuIp >> 2];
  u32[(half >> 1) + 4] = words[STATE.fpuDataPointer >> 2];
  u32[(half >> 1) + 6] = words[STATE.mxcsr >> 2];
}

function describe(
  segments: readonly (readonly [base: number, limit: number, flags: number])[],
): Int32Array<ArrayBuffer> {
  const words = segments.map(([base, limit, flags]) => descriptorOf({ base, limit, flags }));
  return Int32Array.from(words.flatMap(({ low, high }) => [low, high]));
}
export const LDT_BYTES = new Uint8Array(describe([[0, 0, 0], ...LDT]).buffer).fill(0, 0, 8);
const TLS = describe(TLS_BASES.map((base) => [base, 0xfffff, 0x51]));

/** The register file of a slot. `words` and `state` are the same bytes. */
export function loadState(state: Uint8Array, words: Int32Array, slots: Slots, i: number): void {
  const word = (i * SLOT_SIZE) >> 2;
  const { u32, u16 } = slots;
  for (let n = 0; n < 8; n++) words[(STATE.gpr >> 2) + n] = u32[word + n];
  words[STATE.eip >> 2] = u32[word + (SLOT.eip >> 2)];
  writeEflags(state, u32[word + (SLOT.eflags >> 2)]);
  for (let n = 0; n < 6; n++) {
    words[(STATE.selector >> 2) + n] = u16[word * 2 + (SLOT.selectors >> 1) + n];
  }
  words.set(TLS, STATE.tls >> 2);
  loadX87(state, words, slots, i);
}

function hashOutside(data: Uint8Array): number {
  const words = new Int32Array(data.buffer, data.byteOffset, DATA_SIZE / 4);
  let hash = 0;
  for (const { from, to } of GAPS) {
    if (Buffer.compare(data.subarray(from, to), pattern.subarray(from, to)) === 0) continue;
    for (let at = from >> 2; at < to >> 2; at++) hash = Math.imul(hash + words[at], 0x9e3779b1);
    data.set(pattern.subarray(from, to), from);
  }
  return hash;
}

/** Puts a slot's windows into the data pages, and takes them out. */
export function loadWindows(data: Uint8Array, slots: Slots, i: number): void {
  for (const { from, to, at } of WINDOWS) data.set(slots.bytes(i, SLOT.windows + at, to - from), from);
}

export function storeAnswer(state: Uint8Array, words: Int32Array, data: Uint8Array, reason: number, out: Slots): void {
  const signal = signalOf(words, reason);
  for (let n = 0; n < 8; n++) out.u32[n] = words[(STATE.gpr >> 2) + n];
  out.u32[SLOT.eflags >> 2] = readEflags(state);
  out.u32[SLOT.eip >> 2] = words[STATE.eip >> 2];
  for (let n = 0; n < 6; n++) out.u16[(SLOT.selectors >> 1) + n] = words[(STATE.selector >> 2) + n];
  storeX87(state, words, out, 0);
  out.u8.set(state.subarray(STATE.xmm, STATE.xmm + 128), SLOT.xmm);
  for (const { from, to, at } of WINDOWS) out.u8.set(data.subarray(from, to), SLOT.windows + at);
  out.u32[SLOT.signo >> 2] = signal.signo;
  out.u32[SLOT.siCode >> 2] = signal.code;
  out.u32[SLOT.siAddr >> 2] = signal.address;
  out.u32[SLOT.trapno >> 2] = signal.trapno;
  out.u32[SLOT.error >> 2] = signal.error;
  out.u32[SLOT.outside >> 2] = hashOutside(data);
}

const ALL_FEATURES = Object.keys(FEATURE_BITS) as Feature[];
/** Programs that one compiler gets before it is replaced: it makes so many regions, and no more. */
const MOST_PROGRAMS = 500;
/** `exactly`: flags and counts are right wherever one can look, not only where the program does. */
export type Way = 'interpreted' | 'compiled' | 'compiled exactly';

/** Pages checked in software. */
export function softwareMemory(): MappedMemory {
  const memory = new FlatCpuMemory();
  return { memory, map: (start, end, permissions) => memory.map(start, end, permissions) };
}

export class CpuSubject {
  readonly #memory: CpuMemory;
  readonly #map: MappedMemory['map'];
  readonly #words: Int32Array;
  readonly #data: Uint8Array;
  readonly #way: Way;
  #cpu: Cpu;
  #programs = 0;
  #code: readonly [number, number] = [CODE, CODE];

  constructor({ memory, map }: MappedMemory, way: Way) {
    this.#memory = Object.assign(memory, { ldt: LDT_BYTES });
    this.#map = map;
    this.#way = way;
    this.#cpu = this.#makeCpu();
    const { state } = this.#cpu;
    this.#words = new Int32Array(state.buffer, state.byteOffset, STATE_SIZE / 4);
    map(CODE, CODE + CODE_SIZE, 3);
    map(DATA, DATA + DATA_SIZE, 3);
    memory.u8.fill(INT3, CODE, CODE + CODE_SIZE);
    this.#data = memory.u8.subarray(DATA, DATA + DATA_SIZE);
    this.#data.set(pattern);
    map(CODE, CODE + CODE_SIZE, 5);
    map(DATA, DATA + 0x1000, 1);
  }

  #placeCode(slots: Slots, i: number): void {
    const { u8, protection } = this.#memory;
    if (protection === 'hardware') this.#map(CODE, CODE + CODE_SIZE, 3);
    const [start, end] = this.#code;
    u8.fill(INT3, start, end);
    const at = slots.get(i, SLOT.codeAddress);
    const length = slots.get(i, SLOT.codeLength);
    u8.set(slots.bytes(i, SLOT.code, length), at);
    this.#code = [at, at + length];
    if (protection === 'hardware') this.#map(CODE, CODE + CODE_SIZE, 5);
    this.#cpu.invalidate(CODE, CODE + CODE_SIZE);
  }

  #makeCpu(): Cpu {
    const jit = this.#way === 'interpreted' ? false : 'always';
    return new Cpu(this.#memory, { features: ALL_FEATURES, jit, exact: this.#way === 'compiled exactly' });
  }

  /** Answers slot `i` in `out`. */
  run(slots: Slots, i: number, out: Slots): void {
    if (!slots.get(i, SLOT.isSameCode)) {
      if (++this.#programs % MOST_PROGRAMS === 0) this.#cpu = this.#makeCpu();
      this.#placeCode(slots, i);
    }
    loadWindows(this.#data, slots, i);
    const { state } = this.#cpu;
    loadState(state, this.#words, slots, i);
    state.set(slots.bytes(i, SLOT.xmm, 128), STATE.xmm);
    storeAnswer(state, this.#words, this.#data, this.#cpu.run(BUDGET), out);
  }
}

/** A case that did not end. */
export const TIMEOUT = Exit.budget;
