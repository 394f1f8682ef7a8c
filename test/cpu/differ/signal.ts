/** The signal that the kernel makes of an exit: src/kernel/fault.ts with a task that only remembers it. */

import type { ExitReason } from '../../../src/cpu/exit.ts';
import { Exit } from '../../../src/cpu/exit.ts';
import { STATE, STATE_SIZE } from '../../../src/cpu/state.ts';
import { raiseFault } from '../../../src/kernel/fault.ts';
import type { SignalInfo } from '../../../src/kernel/signal-queue.ts';
import type { Task } from '../../../src/kernel/task.ts';
import { CODE, CODE_SIZE, DATA, DATA_SIZE } from './slot.ts';

export interface Signal {
  signo: number;
  code: number;
  address: number;
  trapno: number;
  error: number;
}

const SIGVTALRM = 26;
const SIGSYS = 31;
const permissions = new Uint8Array(2 ** 20);
permissions.fill(5, CODE >>> 12, (CODE + CODE_SIZE) >>> 12);
permissions.fill(3, DATA >>> 12, (DATA + DATA_SIZE) >>> 12);
permissions[DATA >>> 12] = 1;

let taken: SignalInfo | undefined;
const task = {
  lastTrap: { trapno: 0, err: 0, cr2: 0 },
  kernel: { signals: { force: (_: Task, info: SignalInfo) => (taken = info) } },
  mm: {
    fault: (address: number) => ({ signal: 'SEGV', code: permissions[address >>> 12] ? 2 : 1, address }),
    guest: { permissions },
  },
  processor: { current: undefined as unknown, state: undefined as unknown },
  regs: undefined as unknown,
};
task.processor.current = task;

export function signalOf(words: Int32Array, reason: number): Signal {
  if (reason === Exit.budget) return { signo: SIGVTALRM, code: 0, address: 0, trapno: 0, error: 0 };
  if (reason === Exit.syscall) return { signo: SIGSYS, code: 0, address: 0, trapno: 0, error: 0 };
  if (reason === Exit.rdtsc) return { signo: 0, code: 0, address: 0, trapno: 0, error: 0 };
  task.regs = words.subarray(0, STATE.eip / 4 + 1);
  task.processor.state = new DataView(words.buffer, words.byteOffset, STATE_SIZE);
  taken = undefined;
  raiseFault(task as unknown as Task, reason as ExitReason);
  const info = taken as SignalInfo | undefined;
  return {
    signo: info?.signo ?? 0,
    code: info?.code ?? 0,
    address: info?.addr ?? 0,
    trapno: task.lastTrap.trapno,
    error: task.lastTrap.err,
  };
}
