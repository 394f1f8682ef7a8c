import { describe, expect, it } from 'vitest';
import { Cpu } from '../../src/cpu/cpu.ts';
import { resetState } from '../../src/cpu/eflags.ts';
import { Exit } from '../../src/cpu/exit.ts';
import { EAX, ECX, EDI, ESI, ESP, STATE_SIZE } from '../../src/cpu/state.ts';
import { hardwareAvailable } from '../../src/memory/guest-memory.ts';
import { FlatCpuMemory } from '../support/flat-cpu-memory.ts';
import type { MappedMemory } from '../support/hardware-cpu-memory.ts';
import { hardwareMemory } from '../support/hardware-cpu-memory.ts';

const CODE = 0x0804_8000;
const DATA = 0x0805_0000;
const le32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

function start(
  { memory, map }: MappedMemory,
  code: readonly number[],
  permissions = 5,
  jit: boolean | 'always' = false,
): Cpu {
  map(CODE, CODE + 0x1000, 7);
  map(DATA, DATA + 0x4000, 3);
  memory.u8.fill(0xcc, CODE, CODE + 0x1000);
  memory.u8.set(code, CODE);
  map(CODE, CODE + 0x1000, permissions);
  const cpu = new Cpu(memory, { exact: true, jit });
  const state = new Uint8Array(STATE_SIZE);
  resetState(state);
  cpu.load(state);
  cpu.eip = CODE;
  cpu.regs[ESP] = DATA + 0x1800;
  return cpu;
}

function software(): MappedMemory {
  const memory = new FlatCpuMemory();
  return { memory, map: (from, to, permissions) => memory.map(from, to, permissions) };
}

/**
 * mov ecx, 9; 1: push ecx; mov eax, [esp]; add eax, eax; mov [DATA], eax; cmp eax, 8; je 2f; call f; nop x 60;
 * 2: lea edx, [bx+si]; pop ecx; dec ecx; jnz 1b; mov ecx, 0x2800; mov esi, DATA; mov edi, DATA+0x1000;
 * rep movsb; int 0x80; f: xor edx, edx; inc edx; ret
 */
function program(): number[] {
  const body = [
    ...[0x51, 0x8b, 0x04, 0x24, 0x01, 0xc0, 0xa3, ...le32(DATA), 0x83, 0xf8, 0x08],
    ...[0x74, 5 + 60, 0xe8, ...le32(0), ...Array<number>(60).fill(0x90)],
    ...[0x67, 0x8d, 0x10, 0x59, 0x49],
  ];
  const code = [0xb9, ...le32(9), ...body, 0x75, -(body.length + 2) & 0xff];
  const tail = [0xb9, ...le32(0x2800), 0xbe, ...le32(DATA), 0xbf, ...le32(DATA + 0x1000), 0xf3, 0xa4, 0xcd, 0x80];
  const callAt = 5 + 16;
  const f = code.length + tail.length;
  code.splice(callAt + 1, 4, ...le32(f - (callAt + 5)));
  return [...code, ...tail, 0x31, 0xd2, 0x42, 0xc3];
}

const seen = (cpu: Cpu): number[] => [cpu.eip, ...cpu.regs, cpu.eflags()];
const modes: [string, () => MappedMemory][] = [['software', software]];
if (hardwareAvailable()) modes.push(['hardware', () => hardwareMemory()!]);

describe.each(modes)('exact counts with %s protection', (_, make) => {
  it.each([5, 7])('any split into slices passes the same states (code of permission %i)', (permissions) => {
    const states: number[][] = [];
    const single = start(make(), program(), permissions);
    for (;;) {
      states.push(seen(single));
      const reason = single.run(1);
      expect(single.used).toBe(1);
      if (reason === Exit.syscall) break;
      expect(reason).toBe(Exit.budget);
    }
    const end = seen(single);
    // mov; nine turns, of which one takes the jump; four and int.
    expect(states).toHaveLength(1 + 9 * 10 + 8 * (1 + 60 + 3) + 4 + 1);
    for (const size of [2, 3, 7, 47, 48, 49, 50, 64, 97, 200]) {
      const cpu = start(make(), program(), permissions, size > 40 && 'always');
      let done = 0;
      for (;;) {
        const reason = cpu.run(size);
        done += cpu.used;
        if (reason === Exit.syscall) break;
        expect(cpu.used).toBe(size);
        expect(seen(cpu)).toEqual(states[done]);
      }
      expect(done).toBe(states.length);
      expect(seen(cpu)).toEqual(end);
    }
  });

  it.each([false, 'always'] as const)('does not count an instruction that faults (compiled: %s)', (jit) => {
    // inc eax; mov ecx, 0x3000; mov edi, DATA + 0x3000; rep stosb
    const bench = make();
    const code = [0x40, 0xb9, ...le32(0x3000), 0xbf, ...le32(DATA + 0x3000), 0xf3, 0xaa, 0xcd, 0x80];
    const cpu = start(bench, code, 5, jit);
    expect(cpu.run(1000)).toBe(Exit.pageFault);
    expect([cpu.used, cpu.regs[ECX], cpu.regs[EDI], cpu.regs[EAX]]).toEqual([3, 0x2000, DATA + 0x4000, 1]);
    bench.map(DATA, DATA + 0x8000, 3);
    expect(cpu.run(1)).toBe(Exit.budget);
    expect([cpu.used, cpu.regs[ECX], cpu.eip]).toEqual([1, 0, CODE + 13]);
    expect(cpu.regs[ESI]).toBe(0);
  });
});
