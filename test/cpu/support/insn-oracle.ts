/** The layouts of fixtures/native/insn-oracle.c, and the same experiment on the interpreter and the evaluator. */
import { spawnSync } from 'node:child_process';
import { Cpu } from '../../../src/cpu/cpu.ts';
import { readEflags, resetState, writeEflags } from '../../../src/cpu/eflags.ts';
import type { EvalMemory } from '../../../src/cpu/emit/evaluate.ts';
import { evaluateInsn } from '../../../src/cpu/emit/evaluate.ts';
import { Exit } from '../../../src/cpu/exit.ts';
import { isa } from '../../../src/cpu/isa/index.ts';
import { STATE, STATE_SIZE } from '../../../src/cpu/state.ts';
import { FlatCpuMemory } from '../../support/flat-cpu-memory.ts';

export const CODE = 0x1000_0000;
export const ENTRY = CODE + 0x800;
export const DATA = 0x2000_0000;
export const WINDOW = DATA + 0xf00;
export const WINDOW_SIZE = 512;
const REQUEST_SIZE = 64 + WINDOW_SIZE;
const REPLY_SIZE = 56 + WINDOW_SIZE;

export interface Experiment {
  readonly name: string;
  readonly code: Uint8Array;
  readonly gpr: readonly number[];
  readonly eflags: number;
  readonly window: Uint8Array;
}

/** Where it ended: registers, and the exception's vector, error code and address. */
export interface Outcome {
  gpr: number[];
  eflags: number;
  eip: number;
  vector: number;
  error: number;
  address: number;
  window: Uint8Array;
}

/** CF PF AF ZF SF DF OF. */
export const FLAGS = 0xcd5;

export function runNative(program: string, experiments: readonly Experiment[]): Outcome[] {
  const input = new Uint8Array(experiments.length * REQUEST_SIZE);
  const view = new DataView(input.buffer);
  experiments.forEach(({ code, gpr, eflags, window }, i) => {
    const at = i * REQUEST_SIZE;
    for (const [n, value] of gpr.entries()) view.setUint32(at + n * 4, value, true);
    view.setUint32(at + 32, eflags, true);
    view.setUint32(at + 36, code.length, true);
    input.set(code, at + 40);
    input.set(window, at + 64);
  });
  const { stdout } = spawnSync(program, { input, maxBuffer: 2 ** 30 });
  const out = new DataView(stdout.buffer, stdout.byteOffset, stdout.byteLength);
  return Array.from({ length: Math.floor(stdout.length / REPLY_SIZE) }, (_, i) => {
    const word = (n: number): number => out.getUint32(i * REPLY_SIZE + n * 4, true);
    const vector = word(10);
    return {
      gpr: Array.from({ length: 8 }, (_, n) => word(n)),
      eflags: word(8) & FLAGS,
      eip: word(9),
      vector,
      error: word(11),
      address: vector === Exit.pageFault ? word(12) : 0,
      window: new Uint8Array(stdout.subarray(i * REPLY_SIZE + 56, (i + 1) * REPLY_SIZE)),
    };
  });
}

function startState({ gpr, eflags }: Experiment): Uint8Array {
  const state = new Uint8Array(STATE_SIZE);
  resetState(state);
  const view = new DataView(state.buffer);
  for (const [n, value] of gpr.entries()) view.setUint32(STATE.gpr + n * 4, value, true);
  view.setUint32(STATE.eip, ENTRY, true);
  writeEflags(state, eflags);
  return state;
}

function outcome(state: Uint8Array, reason: number, window: Uint8Array): Outcome {
  const view = new DataView(state.buffer, state.byteOffset);
  const word = (offset: number): number => view.getUint32(offset, true);
  const isInterrupt = reason === Exit.interrupt;
  return {
    gpr: Array.from({ length: 8 }, (_, n) => word(STATE.gpr + n * 4)),
    eflags: readEflags(state) & FLAGS,
    eip: word(STATE.eip),
    vector: isInterrupt ? Exit.generalProtection : reason,
    // #DB has no error code: its detail is DR6.
    error: isInterrupt ? word(STATE.exitDetail) * 8 + 2 : reason === Exit.debug ? 0 : word(STATE.exitDetail),
    address: reason === Exit.pageFault ? word(STATE.lastAccess) : 0,
    window: window.slice(),
  };
}

/** Runs experiments on one Cpu after the other. */
export class InterpLab {
  readonly memory = new FlatCpuMemory();
  readonly cpu: Cpu;

  readonly #compiles: boolean;

  /** `compiles`: as compiled code. That is never from a writable page. */
  constructor(compiles = false) {
    this.#compiles = compiles;
    this.cpu = new Cpu(this.memory, { jit: compiles });
    this.memory.map(CODE, CODE + 0x1000, compiles ? 5 : 7);
    this.memory.map(DATA, DATA + 0x2000, 3);
  }

  run(experiment: Experiment): Outcome {
    const { u8 } = this.memory;
    u8.fill(0xcc, CODE, CODE + 0x1000);
    u8.set(experiment.code, ENTRY);
    u8.fill(0, DATA, DATA + 0x2000);
    u8.set(experiment.window, WINDOW);
    this.cpu.invalidate(CODE, CODE + 0x1000);
    this.cpu.load(startState(experiment));
    if (this.#compiles) this.cpu.compile();
    let reason = this.cpu.run(1000);
    for (let i = 0; reason === Exit.budget && i < 10; i++) reason = this.cpu.run(100_000);
    return outcome(this.cpu.state, reason, u8.subarray(WINDOW, WINDOW + WINDOW_SIZE));
  }
}

/** The data pages, and nothing else. */
function dataPages(): { memory: EvalMemory; data: Uint8Array } {
  const data = new Uint8Array(0x2000);
  const isInside = (address: number, length: number): boolean => address >= DATA && address + length <= DATA + 0x2000;
  const memory: EvalMemory = {
    read: (address, length) =>
      isInside(address, length) ? data.slice(address - DATA, address - DATA + length) : undefined,
    write(address, bytes) {
      if (isInside(address, bytes.length)) data.set(bytes, address - DATA);
      return isInside(address, bytes.length);
    },
    mayWrite: isInside,
  };
  return { memory, data };
}

/** Evaluates until the instruction is done (REP runs it several times); the int3 after it is implied. */
export function evaluateExperiment(experiment: Experiment): Outcome {
  const state = startState(experiment);
  const view = new DataView(state.buffer);
  const { memory, data } = dataPages();
  data.set(experiment.window, WINDOW - DATA);
  let reason: number | undefined;
  for (let i = 0; i < 10_000; i++) {
    reason = evaluateInsn(isa, experiment.code, state, memory);
    if (reason !== undefined || view.getUint32(STATE.eip, true) !== ENTRY) break;
  }
  if (reason === undefined) {
    const eip = view.getUint32(STATE.eip, true);
    reason = eip >= CODE && eip < CODE + 0x1000 ? Exit.breakpoint : Exit.pageFault;
    if (reason === Exit.breakpoint) view.setUint32(STATE.eip, eip + 1, true);
    const isPresent = eip >= DATA && eip < DATA + 0x2000;
    view.setUint32(STATE.exitDetail, reason === Exit.pageFault ? 0x14 | Number(isPresent) : 0, true);
    view.setUint32(STATE.lastAccess, eip, true);
  }
  const window = data.subarray(WINDOW - DATA, WINDOW - DATA + WINDOW_SIZE);
  return outcome(state, reason, window);
}
