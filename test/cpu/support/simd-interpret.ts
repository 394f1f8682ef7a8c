/** Runs the oracle's requests on the interpreter. */
import { Cpu } from '../../../src/cpu/cpu.ts';
import { Exit } from '../../../src/cpu/exit.ts';
import { FEATURE_BITS } from '../../../src/cpu/isa/cpuid.ts';
import type { Feature } from '../../../src/cpu/isa/insn.ts';
import type { CpuMemory } from '../../../src/cpu/memory.ts';
import { STATE } from '../../../src/cpu/state.ts';
import {
  PERMISSION_EXECUTE,
  PERMISSION_READ,
  PERMISSION_WRITE,
  VM_PERMISSIONS,
  VM_SIZE,
} from '../../../src/memory/vm-layout.ts';
import { flatState } from '../../support/flat-state.ts';
import { replyOf, stateOf } from './simd-evaluate.ts';
import type { Reply, Request } from './simd-oracle.ts';
import { CODE, MEMORY } from './simd-oracle.ts';

const PAGE = 0x1000;
const VM = 0x2100_0000;
const INT3 = 0xcc;

/** A page of data, a page of code, and the VM's area behind them. */
export function smallMemory(): CpuMemory {
  const pages = (VM + VM_SIZE) / 0x1_0000;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const u8 = new Uint8Array(memory.buffer);
  const vm = u8.subarray(VM, VM + VM_SIZE);
  vm[VM_PERMISSIONS + MEMORY / PAGE] = PERMISSION_READ | PERMISSION_WRITE;
  vm[VM_PERMISSIONS + CODE / PAGE] = PERMISSION_READ | PERMISSION_EXECUTE;
  const accessible = (address: number, length: number, write: boolean): boolean => {
    for (let page = Math.floor(address / PAGE); page * PAGE < address + length; page++) {
      if (!(vm[VM_PERMISSIONS + page] & (write ? PERMISSION_WRITE : PERMISSION_READ))) return false;
    }
    return true;
  };
  return { memory, protection: 'software', vmIndex: VM, vmOffset: 0, vm, u8, accessible };
}

export function interpreter(): (request: Request) => Reply {
  const memory = smallMemory();
  const features = [...(Object.keys(FEATURE_BITS) as Feature[])];
  const cpu = new Cpu(memory, { features });
  const state = flatState();
  return (request) => {
    // At the page's end, so that nothing after it is decoded.
    const eip = CODE + PAGE - request.code.length - 1;
    memory.u8.set([...request.code, INT3], eip);
    memory.u8.set(request.memory, MEMORY);
    const before = stateOf(request);
    new DataView(before.buffer).setUint32(STATE.eip, eip, true);
    cpu.invalidate(CODE, CODE + PAGE);
    cpu.load(before);
    const reason = cpu.run(10);
    cpu.save(state);
    return replyOf(state, memory.u8.subarray(MEMORY, MEMORY + 32), reason === Exit.breakpoint ? undefined : reason);
  };
}
