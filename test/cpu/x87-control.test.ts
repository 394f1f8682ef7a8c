/** What single instructions cannot show: pending exceptions, faults in the middle, and the environment's images. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Cpu } from '../../src/cpu/cpu.ts';
import { Exit } from '../../src/cpu/exit.ts';
import { FEATURE_BITS } from '../../src/cpu/isa/cpuid.ts';
import type { Feature } from '../../src/cpu/isa/insn.ts';
import { EAX, EBX, STATE } from '../../src/cpu/state.ts';
import { flatState } from '../support/flat-state.ts';
import { smallMemory } from './support/simd-interpret.ts';
import { CODE, MEMORY } from './support/simd-oracle.ts';

const memory = smallMemory();
const cpu = new Cpu(memory, { features: Object.keys(FEATURE_BITS) as Feature[] });
const view = new DataView(memory.u8.buffer);
const state = new DataView(cpu.state.buffer, cpu.state.byteOffset);
const word = (field: number): number => state.getUint32(field, true);

const INT3 = 0xcc;
const FNINIT = [0xdb, 0xe3],
  FLDZ = [0xd9, 0xee],
  FLD1 = [0xd9, 0xe8],
  FLDPI = [0xd9, 0xeb],
  FDIVP = [0xde, 0xf9];
/** Of an opcode and digit, with [EBX + offset]. */
const at = (opcode: number, digit: number, offset = 0): number[] => [opcode, 0x43 | (digit << 3), offset & 0xff];
const FNSTENV = (offset = 0) => at(0xd9, 6, offset);
const FNSTSW_AX = [0xdf, 0xe0];

/** Runs to INT3 or a fault; answers the reason and how far it came. */
function run(...code: number[][]): { reason: number; offset: number } {
  memory.u8.set([...code.flat(), INT3], CODE);
  cpu.invalidate(CODE, CODE + 0x1000);
  cpu.eip = CODE;
  const reason = cpu.run(1000);
  return { reason, offset: cpu.eip - CODE };
}

beforeEach(() => {
  memory.u8.fill(0xaa, MEMORY, MEMORY + 0x1000);
  cpu.load(flatState());
  cpu.regs[EBX] = MEMORY + 0x40;
  expect(run(FNINIT).reason).toBe(Exit.breakpoint);
});

describe('unmasked exceptions', () => {
  const CONTROL = 0x40;
  /** 1 / 0 with ZE unmasked leaves both operands. */
  const divide = [at(0xd9, 5, CONTROL), FLD1, FLDZ, FDIVP];

  beforeEach(() => view.setUint16(MEMORY + 0x80, 0x37f & ~4, true));

  it('are reported at the next waiting instruction', () => {
    const start = divide.flat().length;
    expect(run(...divide, FLDPI)).toEqual({ reason: Exit.x87, offset: start });
    expect(word(STATE.fpuTop)).toBe(6);
    expect(word(STATE.fpuStatus)).toBe(0x8084);
    expect(run([0x9b]).reason).toBe(Exit.x87);
  });

  it('do not disturb those that do not wait', () => {
    expect(run(...divide, FNSTSW_AX, [0xdb, 0xe2], FLDPI).reason).toBe(Exit.breakpoint);
    expect(cpu.regs[EAX] & 0xffff).toBe(0xb084);
    expect(word(STATE.fpuStatus)).toBe(0);
  });

  it('are reported by MMX too', () => {
    expect(run(...divide, [0x0f, 0x77]).reason).toBe(Exit.x87);
  });

  it('appear when FLDCW unmasks what has happened', () => {
    view.setUint16(MEMORY + 0x82, 0x37f, true);
    const masked = [at(0xd9, 5, CONTROL + 2), FLD1, FLDZ, FDIVP];
    expect(run(...masked, at(0xd9, 5, CONTROL), FNSTSW_AX).reason).toBe(Exit.breakpoint);
    expect(cpu.regs[EAX] & 0x8080).toBe(0x8080);
    expect(run(FLD1).reason).toBe(Exit.x87);
  });
});

describe('page faults', () => {
  it('leave a store undone and the stack as it was', () => {
    cpu.regs[EBX] = CODE;
    expect(run(FLD1, at(0xdd, 3, 0x40))).toEqual({ reason: Exit.pageFault, offset: 2 });
    expect(word(STATE.fpuTop)).toBe(7);
    expect(word(STATE.fpuStatus)).toBe(0);
  });

  for (const [name, code] of [
    ['FNSAVE', at(0xdd, 6)],
    ['FNSTENV', FNSTENV()],
    ['FSTP m80', at(0xdb, 7)],
  ] as const) {
    it(`leave no part of ${name} behind`, () => {
      cpu.regs[EBX] = CODE - 6;
      expect(run(FLD1, code).reason).toBe(Exit.pageFault);
      expect([...memory.u8.subarray(CODE - 6, CODE)]).toEqual(Array(6).fill(0xaa));
      expect(word(STATE.fpuTop)).toBe(7);
    });
  }
});

describe('images', () => {
  it('tell where the last instruction stood', () => {
    run([0x90], FLDPI, [0x90], FNSTENV());
    expect(view.getUint32(MEMORY + 0x4c, true)).toBe(CODE + 1);
  });

  it('FSAVE and FRSTOR keep everything', () => {
    run(FLDPI, FLD1, [0xd9, 0xfa], at(0xdd, 6));
    const image = memory.u8.slice(MEMORY + 0x40, MEMORY + 0x40 + 108);
    expect(word(STATE.fpuTop)).toBe(0);
    run(at(0xdd, 4), at(0xdd, 6));
    expect(memory.u8.slice(MEMORY + 0x40, MEMORY + 0x40 + 108)).toEqual(image);
  });

  const FXSAVE = [0x0f, 0xae, 0x03],
    FXRSTOR = [0x0f, 0xae, 0x0b];

  it('FXSAVE and FXRSTOR keep XMM registers and MXCSR too', () => {
    const xmm = Uint8Array.from({ length: 128 }, (_, i) => i * 7);
    cpu.state.set(xmm, STATE.xmm);
    state.setUint32(STATE.mxcsr, 0x1f82, true);
    run(FLDPI, FLD1, FXSAVE);
    const saved = Buffer.from(memory.u8.slice(MEMORY + 0x40, MEMORY + 0x40 + 512));
    expect(saved.readUInt16LE(0)).toBe(0x37f);
    expect(saved.readUInt16LE(2)).toBe(6 << 11);
    expect(saved[4]).toBe(0xc0);
    expect(saved.readUInt32LE(24)).toBe(0x1f82);
    expect(saved.readBigUInt64LE(48)).toBe(0xc90fdaa22168c235n);
    expect(saved.subarray(160, 288)).toEqual(Buffer.from(xmm));
    expect(saved.subarray(288)).toEqual(Buffer.alloc(224, 0xaa));
    const before = cpu.state.slice(STATE.fpr, STATE.scratch);
    run(FNINIT);
    cpu.state.fill(0, STATE.fpr, STATE.scratch);
    state.setUint32(STATE.mxcsr, 0x1f80, true);
    expect(run(FXRSTOR).reason).toBe(Exit.breakpoint);
    expect(cpu.state.slice(STATE.fpr, STATE.scratch)).toEqual(before);
    expect(word(STATE.mxcsr)).toBe(0x1f82);
    expect(word(STATE.fpuTop)).toBe(6);
    expect([...cpu.state.subarray(STATE.fpuEmpty, STATE.fpuEmpty + 8)]).toEqual([1, 1, 1, 1, 1, 1, 0, 0]);
  });

  it('must be aligned for FXSAVE, and MXCSR without reserved bits', () => {
    cpu.regs[EBX] = MEMORY + 0x48;
    expect(run(FXSAVE).reason).toBe(Exit.generalProtection);
    cpu.regs[EBX] = MEMORY + 0x40;
    run(FXSAVE);
    view.setUint32(MEMORY + 0x58, 0x1_0000, true);
    expect(run(FXRSTOR).reason).toBe(Exit.generalProtection);
  });
});
