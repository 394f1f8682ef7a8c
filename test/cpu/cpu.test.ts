import { describe, expect, it } from 'vitest';
import type { CpuOptions } from '../../src/cpu/cpu.ts';
import { Cpu } from '../../src/cpu/cpu.ts';
import { resetState } from '../../src/cpu/eflags.ts';
import { Exit } from '../../src/cpu/exit.ts';
import { DEFAULT_FEATURES } from '../../src/cpu/isa/cpuid.ts';
import { EAX, EBX, ECX, EDI, EDX, ESI, ESP, STATE } from '../../src/cpu/state.ts';
import { hardwareAvailable } from '../../src/memory/guest-memory.ts';
import { FlatCpuMemory } from '../support/flat-cpu-memory.ts';
import { flatState } from '../support/flat-state.ts';
import type { MappedMemory } from '../support/hardware-cpu-memory.ts';
import { hardwareMemory } from '../support/hardware-cpu-memory.ts';

const CODE = 0x0804_8000;
const DATA = 0x0805_0000;

function software(): MappedMemory {
  const memory = new FlatCpuMemory();
  return { memory, map: (start, end, permissions) => memory.map(start, end, permissions) };
}

/** A processor with the code at CODE, two data pages at DATA and the stack in the second one. */
function start(
  { memory, map }: MappedMemory,
  code: readonly number[],
  permissions = 5,
  jit = false,
  exact = false,
): Cpu {
  map(CODE, CODE + 0x1000, 7);
  map(DATA, DATA + 0x2000, 3);
  memory.u8.fill(0xcc, CODE, CODE + 0x1000);
  memory.u8.set(code, CODE);
  map(CODE, CODE + 0x1000, permissions);
  const cpu = new Cpu(memory, { jit: jit && 'always', exact });
  const state = flatState();
  resetState(state);
  cpu.load(state);
  cpu.eip = CODE;
  cpu.regs[ESP] = DATA + 0x1800;
  return cpu;
}

const word = (cpu: Cpu, offset: number): number =>
  new DataView(cpu.state.buffer, cpu.state.byteOffset).getUint32(offset, true);
const fault = (cpu: Cpu) => ({
  eip: cpu.eip,
  address: word(cpu, STATE.lastAccess),
  error: word(cpu, STATE.exitDetail),
});
const le32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

const modes: [string, () => MappedMemory][] = [['software', software]];
if (hardwareAvailable()) modes.push(['hardware', () => hardwareMemory()!]);

describe.each(modes)('Cpu with %s protection', (_, make) => {
  it('runs calls, loops and a system call', () => {
    // mov ecx, 10; 1: call f; dec ecx; jnz 1b; int 0x80; f: add eax, ecx; ret
    const cpu = start(make(), [0xb9, ...le32(10), 0xe8, 5, 0, 0, 0, 0x49, 0x75, 0xf8, 0xcd, 0x80, 0x01, 0xc8, 0xc3]);
    expect(cpu.run(1_000_000)).toBe(Exit.syscall);
    expect([cpu.regs[EAX], cpu.eip - CODE]).toEqual([55, 15]);
    expect(word(cpu, STATE.retired)).toBe(1 + 10 * 5 + 1);
  });

  it('ends a slice when its budget is used up, and goes on where it was', () => {
    // 1: inc eax; cmp eax, 1000; jb 1b; int3
    const cpu = start(make(), [0x40, 0x3d, ...le32(1000), 0x72, 0xf8, 0xcc]);
    expect(cpu.run(30)).toBe(Exit.budget);
    expect(cpu.regs[EAX]).toBe(10);
    expect(cpu.run(1_000_000)).toBe(Exit.breakpoint);
    expect(cpu.regs[EAX]).toBe(1000);
  });

  it('reports a page fault at its instruction, with address and error code', () => {
    // inc ebx; mov [0x1000], eax
    const cpu = start(make(), [0x43, 0xa3, ...le32(0x1000)]);
    expect(cpu.run(1000)).toBe(Exit.pageFault);
    expect(fault(cpu)).toEqual({ eip: CODE + 1, address: 0x1000, error: 6 });
    expect(cpu.regs[EBX]).toBe(1);
  });

  it('knows which page of two an access cannot reach', () => {
    // mov eax, [DATA + 0x1ffe]
    const cpu = start(make(), [0xa1, ...le32(DATA + 0x1ffe)]);
    expect(cpu.run(1000)).toBe(Exit.pageFault);
    expect(fault(cpu)).toEqual({ eip: CODE, address: DATA + 0x2000, error: 4 });
  });

  it('does not write code that is read-only', () => {
    // add byte [CODE], 1
    const cpu = start(make(), [0x80, 0x05, ...le32(CODE), 1]);
    expect(cpu.run(1000)).toBe(Exit.pageFault);
    expect(fault(cpu)).toEqual({ eip: CODE, address: CODE, error: 7 });
  });

  it('never lets the guest touch what lies above 3 GiB', () => {
    const bench = make();
    // mov eax, [esi]; mov [esi], eax
    for (let page = 0xc000_0000; page < 2 ** 32; page += 0x100_0000) {
      const cpu = start(bench, [0x8b, 0x06]);
      cpu.regs[ESI] = page;
      expect(cpu.run(10)).toBe(Exit.pageFault);
      expect(fault(cpu).address).toBe(page);
    }
    const cpu = start(bench, [0x8b, 0x06]);
    cpu.regs[ESI] = -2;
    expect(cpu.run(10)).toBe(Exit.pageFault);
  });

  it('refuses to execute what is not executable', () => {
    // mov eax, DATA; jmp eax
    const cpu = start(make(), [0xb8, ...le32(DATA), 0xff, 0xe0]);
    expect(cpu.run(1000)).toBe(Exit.pageFault);
    expect(fault(cpu)).toEqual({ eip: DATA, address: DATA, error: 0x15 });
  });

  it('sees code that writes itself on a writable page', () => {
    // mov byte [CODE + 9 + 1], 7; jmp +0; mov al, 1; int3
    const code = [0xc6, 0x05, ...le32(CODE + 10), 7, 0xeb, 0, 0xb0, 1, 0xcc];
    const cpu = start(make(), code, 7);
    expect(cpu.run(1000)).toBe(Exit.breakpoint);
    expect(cpu.regs[EAX]).toBe(7);
    cpu.eip = CODE + 9;
    expect(cpu.run(1000)).toBe(Exit.breakpoint);
  });

  it('decodes anew what was invalidated, also where branches lead to it', () => {
    const bench = make();
    // jmp +0; mov al, 1; int3
    const cpu = start(bench, [0xeb, 0, 0xb0, 1, 0xcc]);
    expect(cpu.run(1000)).toBe(Exit.breakpoint);
    bench.map(CODE, CODE + 0x1000, 7);
    bench.memory.u8[CODE + 3] = 2;
    bench.map(CODE, CODE + 0x1000, 5);
    cpu.invalidate(CODE, CODE + 0x1000);
    cpu.eip = CODE;
    expect(cpu.run(1000)).toBe(Exit.breakpoint);
    expect(cpu.regs[EAX]).toBe(2);
  });

  it('copies with REP MOVS across pages, and stops precisely at one that is missing', () => {
    // rep movsd
    const cpu = start(make(), [0xf3, 0xa5, 0xcc]);
    cpu.regs[ESI] = DATA;
    cpu.regs[EDI] = DATA + 0x1004;
    cpu.regs[ECX] = 0x1000;
    let reason = cpu.run(1);
    while (reason === Exit.budget) reason = cpu.run(1);
    expect(reason).toBe(Exit.pageFault);
    expect(fault(cpu)).toEqual({ eip: CODE, address: DATA + 0x2000, error: 6 });
    expect([cpu.regs[EDI], cpu.regs[ESI], cpu.regs[ECX]]).toEqual([DATA + 0x2000, DATA + 0xffc, 0x1000 - 0x3ff]);
  });

  it('traps after one instruction when TF is set', () => {
    // push 0x302; popf; inc eax; inc eax
    const cpu = start(make(), [0x68, ...le32(0x302), 0x9d, 0x40, 0x40]);
    expect(cpu.run(1000)).toBe(Exit.debug);
    expect([cpu.regs[EAX], cpu.eip - CODE]).toEqual([1, 7]);
    cpu.setEflags(cpu.eflags() & ~0x100);
    expect(cpu.run(1000)).toBe(Exit.breakpoint);
    expect(cpu.regs[EAX]).toBe(2);
  });

  it('loads a TLS segment that the kernel has described, and no other', () => {
    const bench = make();
    // mov eax, 0x63; mov gs, eax; mov eax, gs:[4]; int3
    const code = [0xb8, ...le32(0x63), 0x8e, 0xe8, 0x65, 0xa1, ...le32(4), 0xcc];
    const refused = start(bench, code);
    expect(refused.run(1000)).toBe(Exit.generalProtection);
    expect(fault(refused)).toMatchObject({ eip: CODE + 5, error: 0x60 });
    const cpu = start(bench, code);
    const state = new DataView(cpu.state.buffer, cpu.state.byteOffset);
    // 4 GiB of data at DATA.
    state.setUint32(STATE.tls, ((DATA & 0xffff) << 16) | 0xffff, true);
    state.setUint32(STATE.tls + 4, 0x00cf_f300 | ((DATA >>> 16) & 0xff) | (DATA & 0xff00_0000), true);
    bench.memory.u8.set(le32(4711), DATA + 4);
    expect(cpu.run(1000)).toBe(Exit.breakpoint);
    expect(cpu.regs[EAX]).toBe(4711);
  });

  it('runs compiled code as it interprets: registers, memory, slices, instruction counts', () => {
    // Sums of squares into a table, by a function, with a comparison in the inner loop:
    // mov ecx, 40; outer: mov esi, ecx; mov ebx, 0; inner: mov eax, esi; call square; add ebx, eax; adc edx, 0;
    // cmp eax, 900; jbe +1; inc edi; dec esi; jnz inner; mov [ecx*4 + DATA], ebx; loop outer; int3; square: imul eax, eax; ret
    const code = [
      ...[0xb9, ...le32(40), 0x89, 0xce, 0xbb, ...le32(0), 0x89, 0xf0, 0xe8, ...le32(32), 0x01, 0xc3, 0x83, 0xd2, 0],
      ...[0x3d, ...le32(900), 0x76, 1, 0x47, 0x4e, 0x75, 0xe9, 0x89, 0x1c, 0x8d, ...le32(DATA), 0xe2, 0xd9, 0xcc],
      ...[0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x0f, 0xaf, 0xc0, 0xc3],
    ];
    const outcome = (jit: boolean) => {
      const bench = make();
      const cpu = start(bench, code, 5, jit, true);
      const slices: number[] = [];
      let reason = cpu.run(37);
      for (; reason === Exit.budget; reason = cpu.run(37)) slices.push(cpu.eip);
      const table = bench.memory.u8.slice(DATA, DATA + 200);
      return { reason, slices, regs: [...cpu.regs], flags: cpu.eflags(), retired: word(cpu, STATE.retired), table };
    };
    expect(outcome(true)).toEqual(outcome(false));
    expect(outcome(true).reason).toBe(Exit.breakpoint);
  });

  it('does not enter what was compiled of code that has changed', () => {
    const bench = make();
    // 1: inc eax; dec ecx; jnz 1b; int3
    const cpu = start(bench, [0x40, 0x49, 0x75, 0xfc, 0xcc], 5, true);
    cpu.regs[ECX] = 1000;
    expect(cpu.run(100_000)).toBe(Exit.breakpoint);
    bench.map(CODE, CODE + 0x1000, 7);
    bench.memory.u8[CODE] = 0x43; // inc ebx
    bench.map(CODE, CODE + 0x1000, 5);
    cpu.invalidate(CODE, CODE + 0x1000);
    cpu.regs[ECX] = 1000;
    cpu.eip = CODE;
    expect(cpu.run(100_000)).toBe(Exit.breakpoint);
    expect([cpu.regs[EAX], cpu.regs[EBX]]).toEqual([1000, 1000]);
  });

  it('reports a fault of compiled code at its instruction, with everything before it done', () => {
    // mov esi, DATA; 1: lodsb; inc ebx; jmp 1b
    const cpu = start(make(), [0xbe, ...le32(DATA), 0xac, 0x43, 0xeb, 0xfc], 5, true);
    let reason = cpu.run(1000);
    while (reason === Exit.budget) reason = cpu.run(1000);
    expect(reason).toBe(Exit.pageFault);
    expect(fault(cpu)).toEqual({ eip: CODE + 5, address: DATA + 0x2000, error: 4 });
    expect([cpu.regs[ESI], cpu.regs[EBX]]).toEqual([DATA + 0x2000, 0x2000]);
  });

  it('says in CPUID which features it has, and raises #UD for the others', () => {
    const bench = make();
    // mov eax, 1; cpuid; popcnt eax, ebx; int3
    const code = [0xb8, ...le32(1), 0x0f, 0xa2, 0xf3, 0x0f, 0xb8, 0xc3, 0xcc];
    const run = (options?: CpuOptions) => {
      const plain = start(bench, code);
      const cpu = options ? new Cpu(bench.memory, options) : plain;
      const state = plain.state.slice();
      cpu.load(state);
      const reason = cpu.run(100);
      return { reason, eax: cpu.regs[EAX], ecx: cpu.regs[ECX] >>> 0, edx: cpu.regs[EDX] >>> 0 };
    };
    expect(run()).toMatchObject({ reason: Exit.breakpoint, ecx: 0x00d8_0201, edx: 0x0788_8111 });
    const features = DEFAULT_FEATURES.filter((feature) => feature !== 'popcnt' && feature !== 'sse3');
    const reason = Exit.undefinedOpcode;
    expect(run({ features })).toEqual({ reason, eax: 0x106a5, ecx: 0x0058_0200, edx: 0x0788_8111 });
    expect(run({ model: 'pentium3' })).toEqual({ reason, eax: 0x673, ecx: 0, edx: 0x0380_8111 });
  });
});
