/**
 * The control flow of a region: which block dominates which, and which jumps backwards are loops that WebAssembly can say.
 * The others (into a loop's middle, where a call returns to, say) go through the dispatcher at the function's top.
 */
import type { Region } from './region.ts';

/** The dispatcher: where control comes in, and to which the jumps lead that are no structured loop's. */
export const ROOT = -1;

export interface Flow {
  /** Blocks that can be entered from outside, in the order of their numbers in the function's word. */
  readonly entries: readonly number[];
  /** Whether a jump between blocks is one of the kinds. */
  isBackward(from: number, to: number): boolean;
  isDispatched(from: number, to: number): boolean;
  /** Some jump goes to the dispatcher. */
  readonly isRootLoop: boolean;
  isLoopHeader(block: number): boolean;
  /** Blocks that need a label because several lead to them, in reverse postorder, by their immediate dominator. */
  mergesOf(block: number): readonly number[];
  isMerge(block: number): boolean;
  isReached(block: number): boolean;
}

/** Reverse postorder from the root over the blocks' successors. */
function reversePostorder(region: Region, entries: readonly number[]): number[] {
  const order: number[] = [];
  const seen = new Set<number>();
  const visit = (root: number): void => {
    const stack = [{ block: root, isDone: false }];
    while (stack.length > 0) {
      const { block, isDone } = stack.pop()!;
      if (isDone) {
        order.push(block);
        continue;
      }
      if (seen.has(block)) continue;
      seen.add(block);
      stack.push({ block, isDone: true });
      for (const next of region.blocks[block].successors)
        if (!seen.has(next)) stack.push({ block: next, isDone: false });
    }
  };
  entries.forEach(visit);
  return order.reverse();
}

/** Immediate dominators (Cooper, Harvey, Kennedy), by position in the order; position 0 is the root. */
function dominators(count: number, predecessors: readonly (readonly number[])[]): Int32Array {
  const idom = new Int32Array(count).fill(-1);
  idom[0] = 0;
  const meet = (a: number, b: number): number => {
    let x = a;
    let y = b;
    while (x !== y) {
      while (x > y) x = idom[x];
      while (y > x) y = idom[y];
    }
    return x;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (let at = 1; at < count; at++) {
      let best = -1;
      for (const from of predecessors[at]) if (idom[from] >= 0) best = best < 0 ? from : meet(from, best);
      if (best !== idom[at]) {
        idom[at] = best;
        changed = true;
      }
    }
  }
  return idom;
}

export function analyseFlow(region: Region): Flow {
  let entries = region.entries.map(({ index }) => index);
  let order: number[];
  let position: Int32Array;
  // Every target of a jump backwards is an entry: a slice that ended there goes on there.
  for (;;) {
    order = reversePostorder(region, entries);
    position = new Int32Array(region.blocks.length).fill(-1);
    for (const [i, block] of order.entries()) position[block] = i + 1;
    const heads = new Set<number>();
    for (const block of order)
      for (const next of region.blocks[block].successors) if (position[next] <= position[block]) heads.add(next);
    const missing = [...heads].filter((head) => !entries.includes(head));
    if (missing.length === 0) break;
    entries = [...entries, ...missing];
  }
  return describe(region, entries, order, position);
}

function describe(region: Region, entries: readonly number[], order: readonly number[], position: Int32Array): Flow {
  const count = order.length + 1;
  const predecessors: number[][] = Array.from({ length: count }, () => []);
  for (const entry of entries) predecessors[position[entry]].push(0);
  for (const block of order)
    for (const next of region.blocks[block].successors)
      if (position[next] > position[block]) predecessors[position[next]].push(position[block]);
  const idom = dominators(count, predecessors);
  const dominates = (a: number, b: number): boolean => {
    let at = position[b];
    while (at > position[a]) at = idom[at];
    return at === position[a];
  };
  const isBackward = (from: number, to: number): boolean => position[to] <= position[from];
  const headers = new Set<number>();
  let isRootLoop = region.hasIndirectJumps;
  for (const block of order)
    for (const next of region.blocks[block].successors) {
      if (!isBackward(block, next)) continue;
      if (dominates(next, block)) headers.add(next);
      else isRootLoop = true;
    }
  const needsTable = isRootLoop || entries.length > 1;
  const isMerge = (block: number): boolean =>
    predecessors[position[block]].length > 1 || (needsTable && entries.includes(block));
  const merges = new Map<number, number[]>();
  for (const block of order) {
    if (!isMerge(block)) continue;
    const at = idom[position[block]];
    const parent = at === 0 ? ROOT : order[at - 1];
    merges.set(parent, [...(merges.get(parent) ?? []), block]);
  }
  return {
    entries,
    isBackward,
    isDispatched: (from, to) => isBackward(from, to) && !dominates(to, from),
    isRootLoop,
    isLoopHeader: (block) => headers.has(block),
    mergesOf: (block) => merges.get(block) ?? [],
    isMerge,
    isReached: (block) => position[block] > 0,
  };
}
