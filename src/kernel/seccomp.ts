/** What programs forbid themselves: seccomp(2), strict and by filters (kernel/seccomp.c). */
import { ENOSYS } from '../abi/errno.ts';
import { SIGKILL, SIGSYS } from '../abi/signal.ts';
import { EAX } from '../cpu/state.ts';
import { type Program, runProgram } from './bpf.ts';
import { exitTask } from './exit.ts';
import { EIP } from './registers.ts';
import type { Task } from './task.ts';
import { DEFAULT_ACTION } from './thread-group.ts';

/** Of a thread; children inherit it, nothing takes it away. Plain data. */
export interface Seccomp {
  mode: 'strict' | 'filter';
  /** Oldest first. */
  filters: Program[];
}

/** struct seccomp_data: nr, arch, instruction_pointer, args[6]. */
export const SECCOMP_DATA_SIZE = 64;
const AUDIT_ARCH_I386 = 0x40000003;
const SYS_SECCOMP = 1;
const MAX_ERRNO = 4095;

export const ACTION = {
  KILL_PROCESS: 0x80000000,
  KILL_THREAD: 0,
  TRAP: 0x00030000,
  ERRNO: 0x00050000,
  USER_NOTIF: 0x7fc00000,
  TRACE: 0x7ff00000,
  LOG: 0x7ffc0000,
  ALLOW: 0x7fff0000,
} as const;

/** exit, read, write, sigreturn: of i386 programs, not rt_sigreturn. */
const STRICTLY_ALLOWED = [1, 3, 4, 119];

/** What becomes of the call that the task is about to make: null, it may; else its answer, or 'gone' where it has none. */
export function forbids(task: Task, seccomp: Seccomp): number | 'gone' | null {
  if (seccomp.mode === 'strict') return STRICTLY_ALLOWED.includes(task.call.nr) ? null : end(task, SIGKILL);
  const verdict = judge(task, seccomp.filters);
  const action = (verdict & 0xffff0000) >>> 0;
  const data = verdict & 0xffff;
  switch (action) {
    case ACTION.ALLOW:
    case ACTION.LOG:
      return null;
    case ACTION.ERRNO:
      return -Math.min(data, MAX_ERRNO);
    case ACTION.TRAP:
      trap(task, data);
      return 'gone';
    // Nobody traces, nobody is notified.
    case ACTION.TRACE:
    case ACTION.USER_NOTIF:
      return -ENOSYS;
    case ACTION.KILL_THREAD:
      if (task.group.tasks.size > 1) return end(task, SIGSYS);
      break;
  }
  task.group.actions[SIGSYS] = { ...DEFAULT_ACTION };
  trap(task, data);
  return 'gone';
}

/** All filters are asked, the newest first; the strictest answer counts, of equal ones the newest. */
function judge(task: Task, filters: readonly Program[]): number {
  const data = callData(task);
  let verdict: number = ACTION.ALLOW;
  for (const filter of [...filters].reverse()) {
    const answer = runProgram(filter, data);
    if ((answer & 0xffff0000) < (verdict & 0xffff0000)) verdict = answer;
  }
  return verdict;
}

function callData({ call, regs }: Task): DataView {
  const data = new DataView(new ArrayBuffer(SECCOMP_DATA_SIZE));
  data.setInt32(0, call.nr, true);
  data.setUint32(4, AUDIT_ARCH_I386, true);
  data.setUint32(8, regs[EIP], true);
  for (const [i, word] of call.words.entries()) data.setUint32(16 + 8 * i, word, true);
  return data;
}

/** SIGSYS that cannot be blocked or ignored; the registers stay as they were at the call. */
function trap(task: Task, errno: number): void {
  const raw = new Uint8Array(116);
  const view = new DataView(raw.buffer);
  view.setUint32(0, task.regs[EIP], true);
  view.setInt32(4, task.call.nr, true);
  view.setUint32(8, AUDIT_ARCH_I386, true);
  task.regs[EAX] = task.call.nr;
  task.kernel.signals.force(task, { signo: SIGSYS, code: SYS_SECCOMP, errno, raw });
}

function end(task: Task, signal: number): 'gone' {
  exitTask(task, signal);
  return 'gone';
}
