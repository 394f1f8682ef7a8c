/**
 * Calls that a signal's handler has interrupted and that are issued again when it returns (SA_RESTART). Their layers see one
 * call: what they keep is held meanwhile.
 */
import { EAX, ESP } from '../cpu/state.ts';
import type { Plain } from '../wait/wait.ts';
import { onAltStack } from './alt-stack.ts';
import type { Direct } from './call.ts';
import { EIP } from './registers.ts';
import type { Task } from './task.ts';

/** Plain data. */
export type HeldCall = {
  nr: number;
  words: number[];
  layers: Plain;
  direct: Direct | null;
  /** Of the instruction that issues it. */
  eip: number;
  esp: number;
  /** Where the handler's frame lies; 0: there is none yet. */
  frame: number;
  /** The handler has returned: what the task does next is to issue the call. */
  due: boolean;
};

/** The registers are set for the call to be issued again. */
export function holdCall({ call, held, regs }: Task): void {
  const { nr, words, layers, direct } = call;
  if (layers === null) return;
  held.push({ nr, words: [...words], layers, direct, eip: regs[EIP], esp: regs[ESP], frame: 0, due: false });
}

/** A handler's frame was pushed: that of the call just held, if there is one. */
export function frameHeld({ held, regs }: Task): void {
  const last = held.at(-1);
  if (last !== undefined && last.frame === 0) last.frame = regs[ESP];
}

/** A handler has returned by this frame. */
export function handlerReturned({ held, regs }: Task, frame: number): void {
  const one = held.find((each) => each.frame === frame >>> 0);
  if (one !== undefined) one.due = regs[EIP] === one.eip && regs[ESP] === one.esp && regs[EAX] === one.nr;
}

/** The held call that the task's call is, issued again. */
export function takeHeld({ call, held, regs }: Task): HeldCall | undefined {
  const last = held.at(-1);
  if (last === undefined || !last.due || last.nr !== call.nr) return undefined;
  if (last.esp !== regs[ESP] || last.eip !== regs[EIP] - 2) return undefined;
  return last.words.every((word, i) => word === call.words[i]) ? held.pop() : undefined;
}

/** One that is never issued again: the handler was left by a jump. */
export function takeLeft(task: Task): HeldCall | undefined {
  const last = task.held.at(-1);
  return last !== undefined && isLeft(last, task) ? task.held.pop() : undefined;
}

function isLeft({ frame, esp, due }: HeldCall, { altStack, regs }: Task): boolean {
  const handlerAt = due ? esp - 1 : frame;
  const [was, is] = [handlerAt, regs[ESP]].map((at) => onAltStack(altStack, at));
  return was === is ? regs[ESP] > handlerAt : was;
}
