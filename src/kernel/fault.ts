/** Exceptions of the CPU become signals (arch/x86/kernel/traps.c, mm/fault.c). */
import {
  BUS_ADRALN,
  FPE_FLTDIV,
  FPE_FLTINV,
  FPE_FLTOVF,
  FPE_FLTRES,
  FPE_FLTUND,
  FPE_INTDIV,
  ILL_ILLOPN,
  SI_KERNEL,
  SIGBUS,
  SIGFPE,
  SIGILL,
  SIGSEGV,
  SIGTRAP,
  TRAP_BRKPT,
  TRAP_TRACE,
} from '../abi/signal.ts';
import { Exit, type ExitReason } from '../cpu/exit.ts';
import { EAX, ECX, EDX, STATE } from '../cpu/state.ts';
import { EIP, stateOf } from './registers.ts';
import type { SignalInfo } from './signal-queue.ts';
import type { Task } from './task.ts';

const WRITE = 2;
const USER = 4;
const FETCH = 16;
/** DR6: single step. */
const DR_STEP = 0x4000;

/**
 * Does what Linux does about an exit of the CPU that is neither a call nor the end of its budget. True: a page was put in
 * place, and nobody is to notice.
 */
export function raiseFault(task: Task, reason: ExitReason): boolean {
  if (reason === Exit.pageFault) {
    const state = stateOf(task);
    return pageFault(task, state.getUint32(STATE.lastAccess, true), state.getUint32(STATE.exitDetail, true));
  }
  raise(task, reason);
  return false;
}

function raise(task: Task, reason: ExitReason): void {
  const detail = stateOf(task).getUint32(STATE.exitDetail, true);
  const eip = task.regs[EIP];
  switch (reason) {
    case Exit.rdtsc:
      return readTimeStamp(task);
    case Exit.divideError:
      return trap(task, reason, 0, { signo: SIGFPE, code: FPE_INTDIV, addr: eip });
    case Exit.debug:
      return trap(task, reason, 0, { signo: SIGTRAP, code: detail & DR_STEP ? TRAP_TRACE : TRAP_BRKPT, addr: eip });
    case Exit.breakpoint:
      return trap(task, reason, 0, { signo: SIGTRAP, code: SI_KERNEL });
    case Exit.overflow:
    case Exit.bound:
      return trap(task, reason, 0, { signo: SIGSEGV, code: SI_KERNEL });
    case Exit.undefinedOpcode:
      return trap(task, reason, 0, { signo: SIGILL, code: ILL_ILLOPN, addr: eip });
    case Exit.segmentNotPresent:
    case Exit.stackFault:
      return trap(task, reason, detail, { signo: SIGBUS, code: SI_KERNEL });
    case Exit.interrupt:
      return trap(task, Exit.generalProtection, detail * 8 + 2, { signo: SIGSEGV, code: SI_KERNEL });
    case Exit.x87:
    case Exit.simd:
      return trap(task, reason, 0, { signo: SIGFPE, code: floatCode(task, reason), addr: eip });
    case Exit.alignment:
      return trap(task, reason, 0, { signo: SIGBUS, code: BUS_ADRALN, addr: 0 });
    default:
      return trap(task, Exit.generalProtection, detail, { signo: SIGSEGV, code: SI_KERNEL });
  }
}

/** Vectors whose exceptions leave EIP behind the instruction. */
const TRAPS: readonly number[] = [Exit.debug, Exit.breakpoint, Exit.overflow];
/** EFLAGS.RF, which a fault sets in the image that it saves (SDM Vol. 3B, 17.3.1.1). */
const RF = 0x1_0000;

function setResume(task: Task): void {
  const state = stateOf(task);
  state.setUint32(STATE.flagSystem, state.getUint32(STATE.flagSystem, true) | RF, true);
}

function trap(task: Task, trapno: number, err: number, info: SignalInfo): void {
  if (!TRAPS.includes(trapno)) setResume(task);
  task.lastTrap = { ...task.lastTrap, trapno, err };
  task.kernel.signals.force(task, info);
}

function pageFault(task: Task, address: number, bits: number): boolean {
  const access = (bits & FETCH) !== 0 ? 'fetch' : (bits & WRITE) !== 0 ? 'write' : 'read';
  const answer = task.mm.fault(address, access);
  if (answer === 'retry') {
    if (!task.mm.objects.assumeResident) task.usage.minorFaults++;
    return true;
  }
  const present = (task.mm.guest.permissions[answer.address >>> 12] & 7) === 0 ? 0 : 1;
  setResume(task);
  task.lastTrap = { trapno: Exit.pageFault, err: (bits & (WRITE | FETCH)) | USER | present, cr2: answer.address };
  const signo = answer.signal === 'BUS' ? SIGBUS : SIGSEGV;
  task.kernel.signals.force(task, { signo, code: answer.code, addr: answer.address });
  return false;
}

/** Which exception an x87 or SSE instruction met, of those that are unmasked (fpu__exception_code()). */
function floatCode(task: Task, reason: ExitReason): number {
  const state = stateOf(task);
  const mxcsr = state.getUint32(STATE.mxcsr, true);
  const flags =
    reason === Exit.simd
      ? mxcsr & ~(mxcsr >> 7)
      : state.getUint32(STATE.fpuStatus, true) & ~state.getUint32(STATE.fpuControl, true);
  if (flags & 0x01) return FPE_FLTINV;
  if (flags & 0x04) return FPE_FLTDIV;
  if (flags & 0x08) return FPE_FLTOVF;
  if (flags & 0x12) return FPE_FLTUND;
  return flags & 0x20 ? FPE_FLTRES : 0;
}

/** RDTSC and RDTSCP: a counter of nanoseconds, from the machine's clock like all time. */
function readTimeStamp(task: Task): void {
  const { regs } = task;
  const now = task.now();
  regs[EAX] = now % 2 ** 32;
  regs[EDX] = Math.floor(now / 2 ** 32);
  const processorId = task.mm.readU8(regs[EIP] + 1) === 0x01;
  if (processorId) regs[ECX] = 0;
  regs[EIP] += processorId ? 3 : 2;
}
