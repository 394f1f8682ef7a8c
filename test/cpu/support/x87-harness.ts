/** Runs single x87 instructions on the evaluator and on the real FPU (fixtures/native/x87-oracle.c) in the same format. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Cpu } from '../../../src/cpu/cpu.ts';
import { evaluateInsn, flatMemory } from '../../../src/cpu/emit/evaluate.ts';
import { Exit } from '../../../src/cpu/exit.ts';
import { FEATURE_BITS } from '../../../src/cpu/isa/cpuid.ts';
import { type Feature, type Insn, insn } from '../../../src/cpu/isa/insn.ts';
import { x87 } from '../../../src/cpu/isa/x87.ts';
import { EBX, EDI, ESP, STATE } from '../../../src/cpu/state.ts';
import { flatState } from '../../support/flat-state.ts';
import { smallMemory } from './simd-interpret.ts';
import { CODE, MEMORY } from './simd-oracle.ts';

/** An 80-bit value. */
export interface F80 {
  readonly sig: bigint;
  readonly se: number;
}

/** What an instruction starts from, and what it leaves. `registers` is ST(0) to ST(7); `tags` two bits each, physical. */
export interface Case {
  control: number;
  status: number;
  tags: number;
  registers: F80[];
  eflags: number;
  eax: number;
  code: number[];
  memory: Uint8Array;
}

const FPU_SIZE = 108;
const HEADER = FPU_SIZE + 24;
export const MEMORY_SIZE = 32;
export const RECORD_SIZE = HEADER + MEMORY_SIZE;

export function encode(one: Case): Buffer {
  const out = Buffer.alloc(RECORD_SIZE);
  out.writeUInt32LE((0xffff0000 | one.control) >>> 0, 0);
  out.writeUInt32LE((0xffff0000 | one.status) >>> 0, 4);
  out.writeUInt32LE((0xffff0000 | one.tags) >>> 0, 8);
  out.writeUInt32LE(0xffff0000, 24);
  for (const [i, { sig, se }] of one.registers.entries()) {
    out.writeBigUInt64LE(sig, 28 + i * 10);
    out.writeUInt16LE(se, 36 + i * 10);
  }
  out.writeUInt32LE(one.eflags, FPU_SIZE);
  out.writeUInt32LE(one.eax >>> 0, FPU_SIZE + 4);
  out.fill(0x90, FPU_SIZE + 8, HEADER);
  out.set(one.code, FPU_SIZE + 8);
  out.set(one.memory, HEADER);
  return out;
}

export function decode(bytes: Buffer): Case {
  const registers: F80[] = [];
  for (let i = 0; i < 8; i++) {
    registers.push({ sig: bytes.readBigUInt64LE(28 + i * 10), se: bytes.readUInt16LE(36 + i * 10) });
  }
  return {
    control: bytes.readUInt16LE(0),
    status: bytes.readUInt16LE(4),
    tags: bytes.readUInt16LE(8),
    registers,
    eflags: bytes.readUInt32LE(FPU_SIZE),
    eax: bytes.readUInt32LE(FPU_SIZE + 4),
    code: [...bytes.subarray(FPU_SIZE + 8, HEADER)],
    memory: new Uint8Array(bytes.subarray(HEADER, HEADER + MEMORY_SIZE)),
  };
}

const helpers = [
  insn('popf', {}, ['9D'], (e) => e.flags.restore(e.register(0, 4))),
  insn('pushf', {}, ['9C'], (e) => e.setRegister(0, e.flags.image(), 4)),
];
const environment = x87.filter((one) => one.name === 'fnsave' || one.name === 'frstor');

/** The same record after the instruction, by the evaluator. */
export function evaluate(record: Buffer): Buffer {
  const out = Buffer.from(record);
  const state = flatState();
  const view = new DataView(state.buffer);
  const memory = flatMemory(out, 0);
  const step = (insns: readonly Insn[], code: Uint8Array, base: number): void => {
    view.setUint32(STATE.eip, CODE, true);
    view.setUint32(STATE.gpr + EBX * 4, base, true);
    const exit = evaluateInsn(insns, code, state, memory);
    if (exit !== undefined) throw new Error(`exit ${exit}`);
  };
  view.setUint32(STATE.gpr, out.readUInt32LE(FPU_SIZE), true);
  step(helpers, Uint8Array.of(0x9d), 0);
  step(environment, Uint8Array.of(0xdd, 0x23), 0);
  view.setUint32(STATE.gpr, out.readUInt32LE(FPU_SIZE + 4), true);
  step(x87, out.subarray(FPU_SIZE + 8, HEADER), HEADER);
  out.writeUInt32LE(view.getUint32(STATE.gpr, true), FPU_SIZE + 4);
  step(helpers, Uint8Array.of(0x9c), 0);
  out.writeUInt32LE(view.getUint32(STATE.gpr, true), FPU_SIZE);
  step(environment, Uint8Array.of(0xdd, 0x33), 0);
  return out;
}

/** FRSTOR, POPF, EAX and EBX, the code, PUSHF, EAX, FNSAVE, INT3: what the oracle does, with the record at EDI. */
const BEFORE = [0xdd, 0x27, 0xff, 0x77, 0x6c, 0x9d, 0x8b, 0x47, 0x70, 0x8d, 0x9f, HEADER, 0, 0, 0];
const AFTER = [0x9c, 0x8f, 0x47, 0x6c, 0x89, 0x47, 0x70, 0xdd, 0x37, 0xcc];

/** The same record after the instruction, by the interpreter. */
export function interpreter(): (record: Buffer) => Buffer {
  const memory = smallMemory();
  const cpu = new Cpu(memory, { features: Object.keys(FEATURE_BITS) as Feature[] });
  const state = flatState();
  let last = '';
  return (record) => {
    const code = record.subarray(FPU_SIZE + 8, HEADER);
    if (code.toString('hex') !== last) {
      last = code.toString('hex');
      memory.u8.set([...BEFORE, ...code, ...AFTER], CODE);
      cpu.invalidate(CODE, CODE + 0x1000);
    }
    memory.u8.set(record, MEMORY);
    cpu.load(state);
    cpu.regs[EDI] = MEMORY;
    cpu.regs[ESP] = MEMORY + 0x800;
    cpu.eip = CODE;
    const reason = cpu.run(100);
    if (reason !== Exit.breakpoint) throw new Error(`exit ${reason}`);
    return Buffer.from(memory.u8.slice(MEMORY, MEMORY + record.length));
  };
}

const oracle = fileURLToPath(new URL('../../../fixtures/bin/x87-oracle', import.meta.url));

/** The records after the real FPU. */
export function runNative(records: readonly Buffer[]): Buffer[] {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(MEMORY_SIZE);
  const input = Buffer.concat([head, ...records]);
  const ran = spawnSync(oracle, { input, maxBuffer: input.length + 4096 });
  if (ran.status !== 0) throw new Error(`${oracle}: ${ran.error?.message ?? ran.signal ?? ran.status}`);
  return records.map((_, i) => ran.stdout.subarray(i * RECORD_SIZE, (i + 1) * RECORD_SIZE));
}

/** Why the oracle's answers would say nothing here; C1 and condition codes are not the same on every make of FPU. */
export function whyNotNative(cpuinfo: string): string | undefined {
  if (!/GenuineIntel/.test(cpuinfo)) return 'not an Intel processor';
  const probe = spawnSync(oracle, { input: Buffer.alloc(4) });
  return probe.status === 0 ? undefined : `cannot run i386 programs: ${probe.error?.message ?? probe.signal}`;
}

/** CF PF AF ZF SF OF: what FCOMI may change. */
const FLAGS = 0x8d5;
const C1 = 0x200;

/** Steps between two values on the line of all values of a format. */
function steps(a: F80, b: F80): bigint {
  const place = ({ sig, se }: F80): bigint => {
    const magnitude = (BigInt(se & 0x7fff) << 63n) + (sig & ((1n << 63n) - 1n));
    return se & 0x8000 ? -magnitude : magnitude;
  };
  const distance = place(a) - place(b);
  return distance < 0n ? -distance : distance;
}

/** Fields in which two outcomes differ, as text. `near`: registers may be off by one step, and C1 with them. */
export function differences(expected: Buffer, actual: Buffer, near = false): string[] {
  const a = decode(expected),
    b = decode(actual);
  const out: string[] = [];
  const check = (name: string, x: number | bigint, y: number | bigint): void => {
    if (x !== y) out.push(`${name} ${x.toString(16)} != ${y.toString(16)}`);
  };
  const told = near ? ~C1 : ~0;
  check('control', a.control, b.control);
  check('status', a.status & told, b.status & told);
  check('tags', a.tags, b.tags);
  check('ip moved', Number(expected.readUInt32LE(12) !== 0), Number(actual.readUInt32LE(12) !== 0));
  for (const [i, r] of a.registers.entries()) {
    if (near && steps(r, b.registers[i]) <= 1n) continue;
    check(`st${i}.se`, r.se, b.registers[i].se);
    check(`st${i}.sig`, r.sig, b.registers[i].sig);
  }
  check('eflags', a.eflags & FLAGS, b.eflags & FLAGS);
  check('eax', a.eax, b.eax);
  for (const [i, byte] of a.memory.entries()) check(`memory[${i}]`, byte, b.memory[i]);
  return out;
}
