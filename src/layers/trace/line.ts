/** The line of the call that a task is in: one object for each task, used again and again. */
import type { Task } from '../../kernel/task.ts';
import type { Declaration } from '../../syscall/syscall.ts';
import type { Expressions } from './options.ts';
import { type Shown, shownOf } from './shown.ts';

export class Line {
  readonly task: Task;
  /** The task is in a call that was seen to enter. */
  active = false;
  /** What the call's start shows. */
  text = '';
  /** It stands at the end of what was written. */
  begun = false;
  /** It stands further up. */
  shown = false;
  start = 0;
  notes: (number | null)[] | undefined;
  declaration: Declaration | null = null;
  how!: Shown;
  whole = false;
  verbose = true;
  words!: Int32Array;

  constructor(task: Task) {
    this.task = task;
  }

  begin(declaration: Declaration, words: Int32Array, start: number, expressions: Expressions): void {
    this.active = true;
    this.begun = false;
    this.shown = false;
    this.start = start;
    this.notes = undefined;
    if (this.declaration !== declaration) {
      this.how = shownOf(declaration);
      this.whole = expressions.whole(declaration);
      this.verbose = expressions.verbose(declaration);
    }
    this.declaration = declaration;
    this.words = words;
  }
}
