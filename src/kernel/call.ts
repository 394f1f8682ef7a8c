import type { Remembered, StepRecord } from '../wait/once.ts';
import type { Plain } from '../wait/wait.ts';

/** What a multiplexer's call stands for: the call's name and words, copied in; or why nothing, as a negative errno. */
export type Direct = { name: string; words: number[]; refused: number };

/**
 * The system call that a task is in: all that is kept while it sleeps (DESIGN section 4). Plain data.
 */
export class Call implements StepRecord {
  /** Number, or -1 between calls. */
  nr = -1;
  /** Calls begun: tells one from the next. */
  serial = 0;
  /** ebx ecx edx esi edi ebp at entry. */
  readonly words = new Int32Array(6);
  /** Answers of the steps that were completed, in order: Sleeper.once(). */
  pending: Remembered[] = [];
  /** What a partly done transfer has moved. */
  progress = 0;
  /** Steps that this run of the handler has passed. */
  step = 0;
  depth = 0;
  /** How often the handler has been run for this call: more than once where it slept. */
  runs = 0;
  /** The ERESTART code with which it stopped for a signal; 0: it did not. */
  interrupted = 0;
  /** Of socketcall(2) and ipc(2), once that was looked at. */
  direct: Direct | null = null;
  /** State of the layers around the call, once they were entered. */
  layers: Plain = null;

  begin(nr: number): void {
    this.nr = nr;
    this.serial++;
    if (this.pending.length > 0) this.pending.length = 0;
    this.progress = 0;
    this.layers = null;
    this.direct = null;
    this.interrupted = 0;
    this.runs = 0;
  }

  /** The handler runs from its start. */
  rerun(): void {
    this.step = 0;
    this.depth = 0;
    this.runs++;
  }
}
