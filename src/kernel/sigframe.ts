/**
 * Signal frames of i386 (arch/x86/kernel/signal.c: setup_frame and setup_rt_frame), and the way back. Above the frame
 * lies the floating-point state: an FSAVE image of 112 bytes, then at a multiple of 64 an FXSAVE image.
 */
import { vdsoSymbol } from '../../loader/vdso.ts';
import { EFAULT } from '../abi/errno.ts';
import {
  SA_ONSTACK,
  SA_RESTORER,
  SA_SIGINFO,
  SIGINFO_SIZE,
  SS_AUTODISARM,
  SS_DISABLE,
  sigcontextLayout,
  type stackLayout,
  ucontextLayout,
} from '../abi/signal.ts';
import type { Value } from '../abi/struct.ts';
import { CS, DS, EAX, EBP, EBX, ECX, EDI, EDX, ES, ESI, ESP, FS, GS, SS } from '../cpu/state.ts';
import { altStackState, onAltStack } from './alt-stack.ts';
import { FXSAVE_SIZE, readFsave, readFxsave, writeFsave, writeFxsave } from './fpu-frame.ts';
import { handlerReturned } from './held-calls.ts';
import { EIP, FIX_EFLAGS, loadSegment, selector, stateOf, USER_CS, USER_DS } from './registers.ts';
import { writeSiginfo } from './siginfo.ts';
import type { SignalInfo } from './signal-queue.ts';
import { setMask } from './signals.ts';
import type { Task } from './task.ts';
import type { SigAction } from './thread-group.ts';

/** struct _fpstate_32's part before the FXSAVE image: FSAVE, status, magic (0: an FXSAVE image follows). */
const FPSTATE_LEGACY = 112;
/** pretcode, sig, sigcontext, fpstate_unused (624), extramask, retcode. */
const FRAME_SIZE = 4 + 4 + sigcontextLayout.size + 624 + 4 + 8;
const EXTRAMASK = 8 + sigcontextLayout.size + 624;
/** pretcode, sig, pinfo, puc, info, uc, retcode. */
const RT_INFO = 16;
const RT_UCONTEXT = RT_INFO + SIGINFO_SIZE;
const RT_FRAME_SIZE = RT_UCONTEXT + ucontextLayout.size + 8;

/** popl %eax; movl $__NR_sigreturn, %eax; int $0x80 -- gdb recognises frames by these bytes. */
const RETCODE = [0x58, 0xb8, 119, 0, 0, 0, 0xcd, 0x80];
/** movl $__NR_rt_sigreturn, %eax; int $0x80. */
const RT_RETCODE = [0xb8, 173, 0, 0, 0, 0xcd, 0x80, 0];

type Sigcontext = Value<typeof sigcontextLayout>;

/** Makes the task enter the handler; -EFAULT where the stack has no room for the frame. */
export function pushFrame(task: Task, info: SignalInfo, action: SigAction): number {
  const { regs } = task;
  const rt = (action.flags & SA_SIGINFO) !== 0;
  const size = rt ? RT_FRAME_SIZE : FRAME_SIZE;
  const switched = (action.flags & SA_ONSTACK) !== 0 && altStackState(task.altStack, regs[ESP]) === 0;
  const top = switched ? task.altStack.sp + task.altStack.size : regs[ESP];
  const fxsave = (((top - FXSAVE_SIZE) >>> 6) << 6) >>> 0;
  const fpstate = fxsave - FPSTATE_LEGACY;
  const frame = (((fpstate - size + 4) & -16) - 4) >>> 0;
  // Already on the alternate stack and about to run over its lower end.
  if (onAltStack(task.altStack, regs[ESP]) && !onAltStack(task.altStack, frame)) return -EFAULT;
  const bytes = task.mm.view(frame, fxsave + FXSAVE_SIZE - frame, true);
  if (typeof bytes === 'number') return -EFAULT;
  bytes.fill(0, 0, size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

  writeFpstate(task, view, fpstate - frame, fxsave - frame);
  const mask = task.savedMask ?? task.blocked;
  const context = captureContext(task, fpstate, Number(mask & 0xffffffffn));
  view.setUint32(0, returnAddress(task, action, frame, size, rt), true);
  view.setUint32(4, info.signo, true);
  bytes.set(rt ? RT_RETCODE : RETCODE, size - 8);
  if (rt) {
    view.setUint32(8, frame + RT_INFO, true);
    view.setUint32(12, frame + RT_UCONTEXT, true);
    writeSiginfo(info, view, RT_INFO);
    const stack = { sp: task.altStack.sp, flags: task.altStack.flags, size: task.altStack.size };
    ucontextLayout.write(view, RT_UCONTEXT, { flags: 0, link: 0, stack, mcontext: context, mask });
    if ((task.altStack.flags & SS_AUTODISARM) !== 0) task.altStack = { sp: 0, size: 0, flags: SS_DISABLE };
  } else {
    sigcontextLayout.write(view, 8, context);
    view.setUint32(EXTRAMASK, Number(mask >> 32n), true);
  }
  enterHandler(task, info.signo, action.handler, frame, rt);
  return 0;
}

function writeFpstate(task: Task, view: DataView, legacy: number, fxsave: number): void {
  const state = stateOf(task);
  writeFsave(state, view, legacy);
  writeFxsave(state, view, fxsave);
  view.setUint16(legacy + 108, view.getUint16(fxsave + 2, true), true);
  view.setUint16(legacy + 110, 0, true);
}

function captureContext(task: Task, fpstate: number, oldmask: number): Sigcontext {
  const { regs } = task;
  const state = stateOf(task);
  const trap = task.lastTrap;
  return {
    gs: selector(state, GS),
    gsHigh: 0,
    fs: selector(state, FS),
    fsHigh: 0,
    es: selector(state, ES),
    esHigh: 0,
    ds: selector(state, DS),
    dsHigh: 0,
    edi: regs[EDI],
    esi: regs[ESI],
    ebp: regs[EBP],
    esp: regs[ESP],
    ebx: regs[EBX],
    edx: regs[EDX],
    ecx: regs[ECX],
    eax: regs[EAX],
    trapno: trap.trapno,
    err: trap.err,
    eip: regs[EIP],
    cs: selector(state, CS),
    csHigh: 0,
    eflags: task.processor.eflags(),
    espAtSignal: regs[ESP],
    ss: selector(state, SS),
    ssHigh: 0,
    fpstate,
    oldmask,
    cr2: trap.cr2,
  };
}

/** Where the handler returns to: its restorer, the vDSO's, or the code in the frame where there is no vDSO. */
function returnAddress(task: Task, action: SigAction, frame: number, size: number, rt: boolean): number {
  if ((action.flags & SA_RESTORER) !== 0) return action.restorer;
  if (task.mm.vdso === 0) return frame + size - 8;
  return task.mm.vdso + vdsoSymbol(rt ? '__kernel_rt_sigreturn' : '__kernel_sigreturn');
}

function enterHandler(task: Task, signal: number, handler: number, frame: number, rt: boolean): void {
  const { regs } = task;
  const state = stateOf(task);
  regs[ESP] = frame;
  regs[EIP] = handler;
  regs[EAX] = signal;
  regs[EDX] = rt ? frame + RT_INFO : 0;
  regs[ECX] = rt ? frame + RT_UCONTEXT : 0;
  for (const segment of [DS, ES, SS]) loadSegment(task, state, segment, USER_DS);
  loadSegment(task, state, CS, USER_CS);
  // DF, RF and TF are clear when a handler starts.
  task.processor.setEflags(task.processor.eflags() & ~0x10500);
}

/** sigreturn(2): false when the frame is not readable or not sane. */
export function popFrame(task: Task): boolean {
  const frame = task.regs[ESP] - 8;
  const bytes = task.mm.view(frame, FRAME_SIZE, false);
  if (typeof bytes === 'number') return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const context = sigcontextLayout.read(view, 8);
  setMask(task, BigInt(context.oldmask) | (BigInt(view.getUint32(EXTRAMASK, true)) << 32n));
  if (!restoreContext(task, context)) return false;
  handlerReturned(task, frame);
  return true;
}

/** rt_sigreturn(2). */
export function popRtFrame(task: Task): boolean {
  const frame = task.regs[ESP] - 4;
  const bytes = task.mm.view(frame, RT_FRAME_SIZE, false);
  if (typeof bytes === 'number') return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const context = ucontextLayout.read(view, RT_UCONTEXT);
  setMask(task, context.mask);
  if (!restoreContext(task, context.mcontext)) return false;
  restoreAltStack(task, context.stack);
  handlerReturned(task, frame);
  return true;
}

/** As sigaltstack would set it; a stack that is in use or too small stays as it is, without an error. */
function restoreAltStack(task: Task, stack: Value<typeof stackLayout>): void {
  if (onAltStack(task.altStack, task.regs[ESP])) return;
  const disabled = (stack.flags & SS_DISABLE) !== 0;
  task.altStack = disabled
    ? { sp: 0, size: 0, flags: SS_DISABLE }
    : { sp: stack.sp, size: stack.size, flags: stack.flags };
}

/** fixup_rpl(): a selector that is not null gets privilege level 3. */
const fixPrivilege = (value: number): number => (value > 3 ? value | 3 : value);

function restoreContext(task: Task, context: Sigcontext): boolean {
  const { regs } = task;
  const state = stateOf(task);
  regs[EDI] = context.edi;
  regs[ESI] = context.esi;
  regs[EBP] = context.ebp;
  regs[ESP] = context.esp;
  regs[EBX] = context.ebx;
  regs[EDX] = context.edx;
  regs[ECX] = context.ecx;
  regs[EAX] = context.eax;
  regs[EIP] = context.eip;
  for (const [segment, value] of [
    [GS, fixPrivilege(context.gs)],
    [FS, fixPrivilege(context.fs)],
    [ES, fixPrivilege(context.es)],
    [DS, fixPrivilege(context.ds)],
    [SS, context.ss | 3],
    [CS, context.cs | 3],
  ]) {
    loadSegment(task, state, segment, value);
  }
  task.processor.setEflags((task.processor.eflags() & ~FIX_EFLAGS) | (context.eflags & FIX_EFLAGS));
  if (context.fpstate === 0) return true;
  return restoreFpstate(task, state, context.fpstate);
}

function restoreFpstate(task: Task, state: DataView, fpstate: number): boolean {
  const bytes = task.mm.view(fpstate, FPSTATE_LEGACY + FXSAVE_SIZE, false);
  if (typeof bytes === 'number') return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!readFxsave(state, view, FPSTATE_LEGACY)) return false;
  // 32-bit programs change the FSAVE part: its control, status and tag words and registers win, as on Linux.
  readFsave(state, view, 0);
  return true;
}
