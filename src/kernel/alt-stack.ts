/** sigaltstack(2): whether a stack pointer lies on the alternate stack. */
import { SS_AUTODISARM, SS_DISABLE, SS_ONSTACK } from '../abi/signal.ts';
import type { AltStack } from './task.ts';

export function onAltStack(stack: AltStack, sp: number): boolean {
  if ((stack.flags & SS_AUTODISARM) !== 0) return false;
  return sp > stack.sp && sp - stack.sp <= stack.size;
}

/** SS_* for sigaltstack: whether the stack is in use now. */
export function altStackState(stack: AltStack, sp: number): number {
  if (stack.size === 0) return SS_DISABLE;
  return onAltStack(stack, sp) ? SS_ONSTACK : 0;
}
