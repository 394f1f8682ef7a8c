// Nanoseconds per guest instruction of the interpreter on a loop of loads, stores, a call and a return, after `npm run build`:
//   node scripts/bench-cpu.mjs [seconds]
// `start` is what a cold start costs until the optimised code is in place, `best` the speed after it.
import { Cpu } from '../dist/src/cpu/cpu.js';
import { resetState } from '../dist/src/cpu/eflags.js';
import { ESP, STATE_SIZE } from '../dist/src/cpu/state.js';
import { acquireMemory, defaultProtection } from '../dist/src/memory/guest-memory.js';
import { prepareCpu } from '../dist/src/node-cpu.js';

const CODE = 0x10000;
const DATA = 0x20000;
// mov ecx, 0x100000; 1: mov eax, [DATA]; add eax, ecx; mov [DATA], eax; push eax; call f; pop ebx; xor edx, edx; dec ecx;
// jnz 1b; int 0x80; f: ret
const PROGRAM = [
  ...[0xb9, 0, 0, 0x10, 0, 0xa1, 0, 0, 2, 0, 0x01, 0xc8, 0xa3, 0, 0, 2, 0, 0x50, 0xe8, 8, 0, 0, 0, 0x5b],
  ...[0x31, 0xd2, 0x49, 0x75, 0xe8, 0xcd, 0x80, 0xc3],
];
const SYSCALL = 33;

const seconds = Number(process.argv[2] ?? 3);
prepareCpu();
const guest = acquireMemory(defaultProtection());
const memory = Object.assign(Object.create(guest), { accessible: () => true });
guest.permissions.fill(7, CODE >> 12, (CODE >> 12) + 1);
guest.permissions.fill(3, DATA >> 12, (DATA >> 12) + 16);
guest.protect(CODE, CODE + 0x1000, 7);
guest.protect(DATA, DATA + 0x10000, 3);
guest.u8.set(PROGRAM, CODE);
guest.permissions.fill(5, CODE >> 12, (CODE >> 12) + 1);
const cpu = new Cpu(memory);
const state = new Uint8Array(STATE_SIZE);
resetState(state);
cpu.load(state);
cpu.eip = CODE;
cpu.regs[ESP] = DATA + 0x8000;

const STEP = 200_000;
const start = performance.now();
let best = Number.POSITIVE_INFINITY;
let fast = 0;
while (performance.now() - start < seconds * 1000) {
  const before = performance.now();
  if (cpu.run(STEP) === SYSCALL) {
    cpu.eip = CODE;
    continue;
  }
  const each = ((performance.now() - before) * 1e6) / STEP;
  if (each < best) best = each;
  if (fast === 0 && each < 4.5) fast = before - start;
}
console.log(
  `${guest.protection}: best ${best.toFixed(2)} ns an instruction, ${(1000 / best).toFixed(0)} M/s, optimised after ${fast.toFixed(0)} ms`,
);
