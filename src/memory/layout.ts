import { PAGE_SIZE, pageUp, STACK_GUARD_GAP, TASK_SIZE } from './page.ts';

/** Where mmap places things and where the stack ends. */
export interface MmapLayout {
  /** mmap goes down from here. */
  readonly base: number;
  /** An unlimited stack: mmap goes up from a third of the address space, as arch_pick_mmap_layout decides. */
  readonly bottomUp: boolean;
  readonly stackTop: number;
}

/** Random pages below the stack's top and below mmap_base on i386. */
const STACK_RANDOM_PAGES = 0x7ff;
const MMAP_RANDOM_PAGES = 0xff;
export const UNMAPPED_BASE = pageUp(TASK_SIZE / 3);

/** mmap_base() and randomize_stack_top() of arch/x86/mm/mmap.c. */
export function layoutFor(stackLimit: number, random?: () => number): MmapLayout {
  const pick = (mask: number) => (random === undefined ? 0 : (random() & mask) * PAGE_SIZE);
  const pad = STACK_RANDOM_PAGES * PAGE_SIZE + STACK_GUARD_GAP;
  const gap = Math.min(Math.max(stackLimit + pad, 128 << 20), (TASK_SIZE / 6) * 5);
  return {
    base: pageUp(TASK_SIZE - gap - pick(MMAP_RANDOM_PAGES)),
    bottomUp: stackLimit === Number.POSITIVE_INFINITY,
    stackTop: TASK_SIZE - pick(STACK_RANDOM_PAGES),
  };
}
