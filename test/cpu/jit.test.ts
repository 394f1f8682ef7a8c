import { describe, expect, it } from 'vitest';
import { Cpu } from '../../src/cpu/cpu.ts';
import { resetState } from '../../src/cpu/eflags.ts';
import { Exit } from '../../src/cpu/exit.ts';
import { ESP, STATE, STATE_SIZE } from '../../src/cpu/state.ts';
import { hardwareAvailable } from '../../src/memory/guest-memory.ts';
import { FlatCpuMemory } from '../support/flat-cpu-memory.ts';
import type { MappedMemory } from '../support/hardware-cpu-memory.ts';
import { hardwareMemory } from '../support/hardware-cpu-memory.ts';

const CODE = 0x0804_8000;
const DATA = 0x0805_0000;
const STACK = 0x0810_0000;
const le32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

function software(): MappedMemory {
  const memory = new FlatCpuMemory();
  return { memory, map: (start, end, permissions) => memory.map(start, end, permissions) };
}
const modes: [string, () => MappedMemory][] = [['software', software]];
if (hardwareAvailable()) modes.push(['hardware', () => hardwareMemory()!]);

function start({ memory, map }: MappedMemory, code: readonly number[], jit: boolean | 'always', exact = false): Cpu {
  map(CODE, CODE + 0x1000, 3);
  map(DATA, DATA + 0x1000, 3);
  map(STACK, STACK + 0x4_0000, 3);
  memory.u8.fill(0xcc, CODE, CODE + 0x1000);
  memory.u8.set(code, CODE);
  map(CODE, CODE + 0x1000, 5);
  const cpu = new Cpu(memory, { jit, exact });
  const state = new Uint8Array(STATE_SIZE);
  resetState(state);
  cpu.load(state);
  cpu.eip = CODE;
  cpu.regs[ESP] = STACK + 0x4_0000;
  return cpu;
}

const word = (cpu: Cpu, offset: number): number =>
  new DataView(cpu.state.buffer, cpu.state.byteOffset).getUint32(offset, true);

/** What is left when the code has run to something that is no end of a slice, in slices of this length. */
function outcome(cpu: Cpu, slice = 1_000_000, isWatched = true): number[] {
  let reason: number = Exit.budget;
  for (let i = 0; i < 100_000 && reason === Exit.budget; i++) reason = cpu.run(slice, isWatched);
  return [reason, cpu.eip, ...cpu.regs, cpu.eflags(), reason === Exit.pageFault ? word(cpu, STATE.lastAccess) : 0];
}

/** Each ends with int 0x80 or a fault. */
const programs: [string, readonly number[]][] = [
  // mov ecx, 3; 1: dec ecx; jnz 1b; mov eax, [0x10]
  ['a null pointer that is a constant', [0xb9, ...le32(3), 0x49, 0x75, 0xfd, 0x8b, 0x05, ...le32(0x10)]],
  // mov ecx, 3; 1: test ecx, 1; jz +0; inc eax; add ebx, eax; dec ecx; jnz 1b; int 0x80
  [
    'a jump to where it stands',
    [0xb9, ...le32(3), 0xf7, 0xc1, ...le32(1), 0x74, 0, 0x40, 0x01, 0xc3, 0x49, 0x75, 0xf2, 0xcd, 0x80],
  ],
  // mov ecx, 5000; call f; int 0x80; f: dec ecx; jz 1f; call f; 1: inc eax; ret
  [
    'recursion deeper than the host could go',
    [0xb9, ...le32(5000), 0xe8, ...le32(2), 0xcd, 0x80, 0x49, 0x74, 5, 0xe8, ...le32(-8), 0x40, 0xc3],
  ],
  // mov ecx, 600; 1: mov edx, ecx; and edx, 1; lea edx, [edx*4 + 1f]; jmp edx; 1f: add eax, ecx; jmp 2f (4 bytes); inc ebx;
  // nop x 3; 2: dec ecx; jnz 1b; int 0x80
  [
    'computed jumps',
    [
      ...[0xb9, ...le32(600), 0x89, 0xca, 0x83, 0xe2, 0x01, 0x8d, 0x14, 0x95, ...le32(CODE + 19), 0xff, 0xe2],
      ...[0x01, 0xc8, 0xeb, 0x04, 0x43, 0x90, 0x90, 0x90, 0x49, 0x75, 0xe5, 0xcd, 0x80],
    ],
  ],
  // mov ecx, 400; 1: call f; inc eax (skipped); dec ecx; jnz 1b; int 0x80; f: inc dword [esp]; inc ebx; ret
  [
    'a return elsewhere',
    [0xb9, ...le32(400), 0xe8, ...le32(6), 0x40, 0x49, 0x75, 0xf7, 0xcd, 0x80, 0xff, 0x04, 0x24, 0x43, 0xc3],
  ],
  // mov ecx, 300; mov ebx, DATA + 0xe00; 1: call f; dec ecx; jnz 1b; int 0x80; f: add ebx, 8; mov [ebx], ecx; add eax, ecx; ret
  [
    'a fault in a called function',
    [
      ...[0xb9, ...le32(300), 0xbb, ...le32(DATA + 0xe00), 0xe8, ...le32(5), 0x49, 0x75, 0xf8, 0xcd, 0x80],
      ...[0x83, 0xc3, 0x08, 0x89, 0x0b, 0x01, 0xc8, 0xc3],
    ],
  ],
  // mov ecx, 200; 1: call 2f; 2: pop ebx; sub ecx, 1; cmp ecx, 50; ja 1b; div ecx-less: xor ecx, ecx; div ecx
  [
    'a position asked for, and a division by zero',
    [
      ...[0xb9, ...le32(200), 0xe8, ...le32(0), 0x5b, 0x83, 0xe9, 0x01, 0x83, 0xf9, 0x32, 0x77, 0xf2],
      ...[0x31, 0xc9, 0xf7, 0xf1],
    ],
  ],
];

describe.each(modes)('compiled code with %s protection', (_, make) => {
  it.each(programs)('does what the interpreter does: %s', (_name, code) => {
    const expected = outcome(start(make(), code, false));
    expect(outcome(start(make(), code, 'always', true))).toEqual(expected);
    expect(outcome(start(make(), code, 'always', true), 70)).toEqual(expected);
    // Flags that nobody asks for are not computed: a fault's handler may find older ones.
    const [, , ...rest] = expected;
    const [reason, eip, ...others] = outcome(start(make(), code, 'always'));
    expect([reason, eip, others.slice(0, 8)]).toEqual([expected[0], expected[1], rest.slice(0, 8)]);
    // Where nobody looks at faults, only the reason is right.
    const careless = outcome(start(make(), code, 'always'), 1_000_000, false);
    if (expected[0] === Exit.pageFault) expect(careless[0]).toBe(expected[0]);
    else expect([careless[1], ...careless.slice(2, 10)]).toEqual([expected[1], ...rest.slice(0, 8)]);
  });

  it('keeps its flags over a fault that is cured', () => {
    // mov ecx, 100; mov ebx, STACK; 1: test ecx, 1; mov edx, [ebx]; lea ebx, [ebx + 0x400]; jz 2f; inc eax; 2: dec ecx; jnz 1b;
    // int 0x80
    const code = [
      ...[0xb9, ...le32(100), 0xbb, ...le32(STACK), 0xf7, 0xc1, ...le32(1), 0x8b, 0x13, 0x8d, 0x9b, ...le32(0x400)],
      ...[0x74, 1, 0x40, 0x49, 0x75, 0xec, 0xcd, 0x80],
    ];
    const bench = make();
    const cpu = start(bench, code, 'always');
    bench.map(STACK, STACK + 0x4_0000, 0);
    const { memory } = bench;
    const accessible = memory.accessible.bind(memory);
    memory.accessible = (address, length, isWrite) => {
      const page = address & -0x1000;
      if (page >= STACK) bench.map(page, page + 0x1000, 3);
      return accessible(address, length, isWrite);
    };
    expect(outcome(cpu).slice(0, 3)).toEqual([Exit.syscall, CODE + code.length, 50]);
  });

  it('has no instruction that ends where nothing can be executed', () => {
    // At the page's end: jz beyond it; cmp byte [edi + ?], ?
    const tail = [0x0f, 0x84, ...le32(0x12), 0x82, 0x7f];
    const place = 0x1000 - tail.length;
    const cpu = start(make(), [...new Array(place).fill(0x90), ...tail], 'always');
    cpu.eip = CODE + place;
    cpu.regs[7] = DATA;
    expect([cpu.run(1000), cpu.eip, word(cpu, STATE.lastAccess)]).toEqual([
      Exit.pageFault,
      CODE + 0xffe,
      CODE + 0x1000,
    ]);
  });

  it('is forgotten when the code changes', () => {
    // mov ecx, 100; 1: call f; dec ecx; jnz 1b; int 0x80; f: inc eax; ret
    const code = [0xb9, ...le32(100), 0xe8, ...le32(5), 0x49, 0x75, 0xf8, 0xcd, 0x80, 0x40, 0xc3];
    const bench = make();
    const cpu = start(bench, code, 'always');
    expect(cpu.run(1_000_000)).toBe(Exit.syscall);
    expect(cpu.regs[0]).toBe(100);
    bench.map(CODE, CODE + 0x1000, 3);
    bench.memory.u8[CODE + code.length - 2] = 0x48; // dec eax
    bench.map(CODE, CODE + 0x1000, 5);
    cpu.invalidate(CODE, CODE + 0x1000);
    cpu.eip = CODE;
    expect(cpu.run(1_000_000)).toBe(Exit.syscall);
    expect(cpu.regs[0]).toBe(0);
  });
});
