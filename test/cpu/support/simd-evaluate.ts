/** Runs the oracle's requests on the evaluator, and compares. */
import { evaluateInsn, flatMemory } from '../../../src/cpu/emit/evaluate.ts';
import { Exit } from '../../../src/cpu/exit.ts';
import type { Insn } from '../../../src/cpu/isa/insn.ts';
import { EAX, EDI, STATE } from '../../../src/cpu/state.ts';
import { flatState } from '../../support/flat-state.ts';
import type { Reply, Request } from './simd-oracle.ts';
import { CODE, MEMORY } from './simd-oracle.ts';

const SIGNALS: Record<number, number> = {
  [Exit.simd]: 8,
  [Exit.generalProtection]: 11,
  [Exit.pageFault]: 11,
  [Exit.undefinedOpcode]: 4,
};

/** The register file of a request; flags in their lazy form (emit/flags.ts). */
export function stateOf(request: Request): Uint8Array {
  const state = flatState();
  const view = new DataView(state.buffer);
  request.gpr.forEach((value, i) => {
    view.setUint32(STATE.gpr + 4 * (EAX + i), value, true);
  });
  view.setUint32(STATE.gpr + 4 * EDI, MEMORY, true);
  view.setUint32(STATE.eip, CODE, true);
  const bit = (n: number): number => (request.eflags >> n) & 1;
  view.setUint32(STATE.flagResult, bit(6) ? 0 : 1, true);
  const carries = ((bit(0) << 31) | ((bit(0) ^ bit(11)) << 30)) >>> 0;
  view.setUint32(STATE.flagAux, (carries | (bit(4) << 3) | bit(7) | ((bit(2) ^ bit(6)) << 8)) >>> 0, true);
  view.setInt32(STATE.direction, 1, true);
  view.setUint32(STATE.mxcsr, request.mxcsr, true);
  view.setUint32(STATE.fpuControl, 0x37f, true);
  state.fill(request.mmx ? 0 : 1, STATE.fpuEmpty, STATE.fpuEmpty + 8);
  request.xmm.forEach((value, i) => {
    state.set(value, STATE.xmm + 16 * i);
  });
  request.mm.forEach((value, i) => {
    state.set(value, STATE.fpr + 16 * i);
    view.setUint32(STATE.fpr + 16 * i + 8, 0xffff, true);
  });
  return state;
}

function eflagsOf(view: DataView): number {
  const result = view.getInt32(STATE.flagResult, true);
  const aux = view.getUint32(STATE.flagAux, true);
  let parity = (result ^ (aux >>> 8)) & 0xff;
  parity ^= parity >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  const sf = ((result >>> 31) ^ aux) & 1;
  const of = ((aux >>> 31) ^ (aux >>> 30)) & 1;
  const zf = result === 0 ? 1 : 0;
  return (aux >>> 31) | (((parity & 1) ^ 1) << 2) | (((aux >>> 3) & 1) << 4) | (zf << 6) | (sf << 7) | (of << 11);
}

/** What a register file, memory and exit reason amount to. */
export function replyOf(state: Uint8Array, memory: Uint8Array, exit: number | undefined): Reply {
  const view = new DataView(state.buffer, state.byteOffset);
  const part = (at: number, length: number): Uint8Array => state.slice(at, at + length);
  return {
    signal: exit === undefined ? 0 : (SIGNALS[exit] ?? exit),
    mxcsr: view.getUint32(STATE.mxcsr, true),
    eflags: eflagsOf(view),
    gpr: [0, 1, 2, 3].map((i) => view.getUint32(STATE.gpr + 4 * i, true)),
    empty: part(STATE.fpuEmpty, 8).every((byte) => byte === 1),
    memory: memory.slice(0, 32),
    xmm: [0, 1, 2].map((i) => part(STATE.xmm + 16 * i, 16)),
    st: [0, 1].map((i) => part(STATE.fpr + 16 * i, 10)),
  };
}

export function runEvaluator(insns: readonly Insn[], request: Request): Reply {
  const state = stateOf(request);
  const memory = request.memory.slice();
  const exit = evaluateInsn(insns, Uint8Array.from(request.code), state, flatMemory(memory, MEMORY));
  return replyOf(state, memory, exit);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).reverse().toString('hex');

/** A reply as comparable text. */
export function show(reply: Reply): string {
  const { signal, mxcsr, eflags, gpr, empty, memory, xmm, st } = reply;
  const words = `sig ${signal} mxcsr ${mxcsr.toString(16)} eflags ${eflags.toString(16)}`;
  const registers = gpr.map((g) => g.toString(16)).join(' ');
  return `${words} gpr ${registers} empty ${empty} st ${st.map(hex).join(' ')} xmm ${xmm.map(hex).join(' ')} mem ${hex(memory)}`;
}
