/** How Sleeper.once() remembers: shared by the kernel's tasks and by whoever else plays one. */
import { BLOCKED, ERESTART_RESTARTBLOCK, ERESTARTSYS, type Plain } from './wait.ts';

/** A finished step, and how many steps were around it. */
export type Remembered = { depth: number; answer: Plain };

export interface StepRecord {
  /** Answers of finished steps, in order. Plain data. */
  pending: Remembered[];
  /** How many of them this run has passed; 0 when a run begins. */
  step: number;
  /** Steps that are running now. */
  depth: number;
}

/**
 * Steps may contain steps (a file system remembers a request that a path operation's own step makes). While the outer one
 * is not finished, its inner answers stand in its place, marked by their depth; then its own answer replaces them.
 */
export function runOnce<T extends Plain>(record: StepRecord, step: () => T): T {
  const at = record.step;
  const known = record.pending[at];
  if (known !== undefined && known.depth === record.depth) {
    record.step++;
    return known.answer as T;
  }
  record.depth++;
  const answer = step();
  record.depth--;
  if (isUnfinished(answer)) return answer;
  record.pending.length = at;
  record.pending.push({ depth: record.depth, answer });
  record.step = at + 1;
  return answer;
}

/** Put to sleep, or interrupted by a signal: the step is still to be done. */
function isUnfinished(answer: Plain): boolean {
  return (
    typeof answer === 'number' && (answer === BLOCKED || (answer <= -ERESTARTSYS && answer >= -ERESTART_RESTARTBLOCK))
  );
}
