/** An asynchronous hook that is under way. Not data: a checkpoint waits for it, or issues it again. */
import { EINTR, EIO } from '../abi/errno.ts';
import type { Task } from '../kernel/task.ts';
import { BLOCKED, ERESTART_RESTARTBLOCK, ERESTARTSYS, WaitQueue } from '../wait/wait.ts';
import { CallView } from './call-view.ts';
import { Change, type Frame } from './change.ts';
import type { AsyncHook, LayeredCall } from './layer.ts';

/** What next() asked for. */
interface Wanted {
  readonly change: Change | null;
  readonly resolve: (answer: number) => void;
  /** The layers below have been entered for it. */
  begun: boolean;
}

export class AsyncRun {
  readonly view: CallView;
  /** The task sleeps here while the hook waits for something of its own. */
  readonly queue = new WaitQueue();
  wanted: Wanted | null = null;
  answer: number | null = null;
  readonly #controller = new AbortController();
  /** Outputs are written in the task's own turn, when its memory is in place. */
  #outputs: Readonly<Record<string, unknown>>[] = [];

  constructor(view: CallView, hook: AsyncHook<LayeredCall>) {
    this.view = view;
    const own = Object.assign(view, {
      next: (changes?: Readonly<Record<string, unknown>>) => this.#next(changes),
      put: (outputs: Readonly<Record<string, unknown>>) => {
        this.#outputs.push(outputs);
        return 0;
      },
      aborted: this.#controller.signal,
    });
    runs.add(this);
    // A hook that throws before its first await is one that rejects.
    const settled = (async () => hook(own))();
    settled.then(
      (answer) => this.#finish(checkedAnswer(view, answer)),
      (error) => this.#finish(complain(view, error)),
    );
  }

  get task(): Task {
    return this.view.task;
  }

  /** In the task's turn: writes what the hook has put out; a fault takes the answer's place. */
  flush(): void {
    const outputs = this.#outputs;
    this.#outputs = [];
    for (const output of outputs) {
      const answer = CallView.prototype.put.call(this.view, output);
      if (answer < 0 && this.answer !== null) this.answer = answer;
    }
  }

  /** The layers below have answered. */
  answerNext(answer: number): void {
    const { resolve } = this.wanted!;
    this.wanted = null;
    this.view.answer = answer;
    resolve(answer);
  }

  /** The call is over without the hook's answer. */
  abort(): void {
    runs.delete(this);
    this.#controller.abort();
    this.wanted?.resolve(-EINTR);
    this.wanted = null;
  }

  #next(changes?: Readonly<Record<string, unknown>>): Promise<number> {
    if (this.#controller.signal.aborted) return Promise.resolve(-EINTR);
    return new Promise((resolve) => {
      this.wanted = { change: changes === undefined ? null : new Change(changes), resolve, begun: false };
      this.queue.wake();
    });
  }

  #finish(answer: number): void {
    runs.delete(this);
    this.answer = answer;
    this.queue.wake();
  }
}

const runs = new Set<AsyncRun>();
const byFrame = new WeakMap<Frame, (AsyncRun | undefined)[]>();

/** The hooks of a call that are under way, by the layer's place. */
export function runsOf(frame: Frame): (AsyncRun | undefined)[] {
  let found = byFrame.get(frame);
  if (found === undefined) byFrame.set(frame, (found = []));
  return found;
}

/** Hooks under way on a kernel's tasks: what a checkpoint has to wait for. */
export function runningHooks(
  tasks: ReadonlyMap<number, Task>,
): { task: Task; layer: string; call: string; idempotent: boolean }[] {
  return [...runs]
    .filter(({ task }) => tasks.get(task.tid) === task)
    .map(({ task, view: { layer, callName } }) => ({
      task,
      layer: layer.name,
      call: callName,
      idempotent: layer.idempotent === true,
    }));
}

/** A layer that throws is a broken layer: the call fails, the machine goes on, and its operator is told. */
export function complain(view: CallView, error: unknown): number {
  const { task, layer, callName } = view;
  task.kernel.host.log(`layer ${layer.name}: ${callName}: ${error instanceof Error ? error.message : error}`);
  return -EIO;
}

/** Linux's errno numbers end here. */
const MAX_ERRNO = 4095;

/** What a hook has answered, where that is a result or a negative errno; anything else is a mistake of the layer. */
export function checkedAnswer(view: CallView, answer: unknown): number {
  if (isAnswer(answer)) return answer;
  return complain(view, `answers ${String(answer)}, which is neither a result nor a negative errno`);
}

function isAnswer(answer: unknown): answer is number {
  if (typeof answer !== 'number' || !Number.isInteger(answer)) return false;
  return answer >= -MAX_ERRNO && answer < 2 ** 32 && !isUnfinished(answer);
}

/** The call sleeps, or is interrupted and may yet go on. */
export function isUnfinished(answer: number): boolean {
  return answer <= -ERESTARTSYS && (answer >= -ERESTART_RESTARTBLOCK || answer === BLOCKED);
}
