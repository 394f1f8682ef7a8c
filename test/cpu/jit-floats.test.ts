/** Runs of SSE arithmetic compiled, against the interpreter: registers, memory and MXCSR after values of every kind. */
import { describe, expect, it } from 'vitest';
import { Cpu } from '../../src/cpu/cpu.ts';
import { resetState } from '../../src/cpu/eflags.ts';
import { Exit } from '../../src/cpu/exit.ts';
import { STATE, STATE_SIZE } from '../../src/cpu/state.ts';
import { FlatCpuMemory } from '../support/flat-cpu-memory.ts';

const CODE = 0x0804_8000;
const DATA = 0x0805_0000;
const ROUNDS = 48;
const le32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const DOUBLES = [
  0,
  -0,
  1,
  -1.5,
  3e-308,
  5e-324,
  -2e-310,
  2.2250738585072014e-308,
  1e308,
  -1e308,
  1e-200,
  Infinity,
  NaN,
];
const PREFIX = [0xf2, 0xf3, 0x66, 0] as const; // sd ss pd ps
const OPERATIONS = [0x58, 0x59, 0x5c, 0x5e, 0x51] as const;

/** mov ecx, ROUNDS; mov esi, DATA; 1: ... ; add esi, 64; dec ecx; jnz 1b; int 0x80 */
function program(random: (below: number) => number): number[] {
  const modrm = (register: number): number[] =>
    random(2) ? [0xc0 | (register << 3) | random(8)] : [0x46 | (register << 3), random(4) * 16];
  const insn = (prefix: number, ...rest: number[]): number[] => [...(prefix ? [prefix] : []), 0x0f, ...rest];
  const body: number[] = [];
  for (let i = 4 + random(16); i > 0; i--) {
    const register = random(8);
    const prefix = PREFIX[random(6) < 3 ? 0 : random(4)];
    const choice = random(10);
    if (choice < 7) body.push(...insn(prefix, OPERATIONS[random(9) % 5], ...modrm(register)));
    else if (choice === 7) body.push(...insn(prefix, 0x10, ...modrm(register)));
    else if (choice === 8) body.push(...insn(0x66, 0x14, 0xc0 | (register << 3) | random(8)));
    else body.push(...insn(prefix, 0x11, 0x46 | (register << 3), random(4) * 16));
  }
  const loop = [...body, 0x83, 0xc6, 64, 0x49];
  return [0xb9, ...le32(ROUNDS), 0xbe, ...le32(DATA), ...loop, 0x0f, 0x85, ...le32(-(loop.length + 6)), 0xcd, 0x80];
}

function run(code: readonly number[], seed: number, jit: 'always' | false): number[] {
  const random = generator(seed);
  const memory = new FlatCpuMemory();
  memory.map(CODE, CODE + 0x1000, 3);
  memory.map(DATA, DATA + 0x2000, 3);
  memory.u8.set(code, CODE);
  memory.map(CODE, CODE + 0x1000, 5);
  const view = new DataView(memory.u8.buffer, DATA, 0x2000);
  for (let at = 0; at < 0x2000; at += 8) {
    const isOdd = random(24) === 0;
    if (random(12) === 0) view.setFloat32(at, Math.fround(DOUBLES[random(DOUBLES.length)]), true);
    else view.setFloat64(at, isOdd ? DOUBLES[random(DOUBLES.length)] : (random(2000) - 1000) / 37, true);
  }
  const cpu = new Cpu(memory, { jit });
  const state = new Uint8Array(STATE_SIZE);
  resetState(state);
  cpu.load(state);
  cpu.eip = CODE;
  const words = new DataView(cpu.state.buffer, cpu.state.byteOffset);
  if (seed & 1) words.setUint32(STATE.mxcsr, 0x1fa0, true);
  let reason: number = Exit.budget;
  for (let i = 0; i < 1000 && reason === Exit.budget; i++) reason = cpu.run(1_000_000, false);
  const xmm = Array.from({ length: 32 }, (_, i) => words.getUint32(STATE.xmm + i * 4, true));
  return [
    reason,
    cpu.eip,
    words.getUint32(STATE.mxcsr, true),
    ...xmm,
    ...new Uint32Array(memory.u8.buffer, DATA, 0x800),
  ];
}

describe('SSE arithmetic in compiled code', () => {
  for (let group = 0; group < 2; group++)
    it(`computes and raises what the interpreter does (${group})`, () => {
      for (let n = 0; n < 8; n++) {
        const seed = group * 8 + n;
        const code = program(generator(seed + 7919));
        expect(run(code, seed, 'always'), `seed ${seed}`).toEqual(run(code, seed, false));
      }
    });
});
