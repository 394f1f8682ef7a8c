/** Operations of file systems that take their time, for those who can wait. */
import type { Sleeper } from '../../wait/wait.ts';

/** Runs an operation to its end, however often it sleeps. */
export type Ask = <T>(operation: (s: Sleeper) => T) => Promise<T>;

/** Over a slow link many are asked at a time. */
const AT_A_TIME = 64;

/** Begins with all in their order, so many at a time; the first failure is told when those under way have ended. */
export async function allOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  let failure: unknown;
  const worker = async () => {
    while (next < items.length && failure === undefined) {
      try {
        await work(items[next++]);
      } catch (error) {
        failure ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, items.length) }, worker));
  if (failure !== undefined) throw failure;
}

/** Items by their depth, the least first. */
export function levels<T extends { readonly depth: number }>(items: readonly T[]): T[][] {
  const found: T[][] = [];
  for (const item of items) (found[item.depth] ??= []).push(item);
  return found.filter((level) => level !== undefined);
}
